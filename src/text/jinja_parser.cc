#include "text/jinja_parser.h"

#include <algorithm>

#include "text/jinja_filters.h"

namespace uma::jinja {

namespace {
// One level of statements or brackets costs about ten C++ calls, which fit 2 KB each even under sanitizers.
constexpr size_t kLevelCost = 4;
}  // namespace

Program::Program() {
  for (const char* known : {"loop", "caller", "kwargs", "varargs"}) intern(known);
}

uint32_t Program::intern(std::string_view name) {
  const auto found = numbers.find(name);
  if (found != numbers.end()) return found->second;
  const auto number = static_cast<uint32_t>(names.size());
  names.emplace_back(name);
  numbers.emplace(names.back(), number);
  return number;
}

int64_t Program::find(std::string_view name) const {
  const auto found = numbers.find(name);
  return found == numbers.end() ? -1 : found->second;
}

std::unique_ptr<Program> parse_program(std::string_view source, const TemplateLimits& limits) {
  auto program = std::make_unique<Program>();
  Parser(source, limits, program.get()).parse();
  return program;
}

Parser::Parser(std::string_view source, const TemplateLimits& limits, Program* program)
    : limits_(limits), program_(program), lexer_(source) {
  current_ = lexer_.next();
}

Parser::Level::Level(Parser& p) : p_(p) {
  if ((p.level_ + 1) * kLevelCost > p.limits_.max_depth)
    uma::fail(ErrorCode::kLimit, "template", "line {}: nested deeper than {} levels", p.current_.line,
              p.limits_.max_depth / kLevelCost);
  ++p.level_;
}

Token Parser::take() {
  Token t = std::move(current_);
  if (has_ahead_) {
    current_ = std::move(ahead_);
    has_ahead_ = false;
  } else {
    current_ = lexer_.next();
  }
  return t;
}

const Token& Parser::peek() {
  if (!has_ahead_) {
    ahead_ = lexer_.next();
    has_ahead_ = true;
  }
  return ahead_;
}

bool Parser::skip_op(std::string_view op) {
  if (!current_.is_op(op)) return false;
  take();
  return true;
}

bool Parser::skip_name(std::string_view name) {
  if (!current_.is_name(name)) return false;
  take();
  return true;
}

Token Parser::expect(Tok type, std::string_view what) {
  if (!current_.is(type)) {
    if (current_.is(Tok::kEnd)) fail(fmt::format("unexpected end of template, expected '{}'", what));
    fail(fmt::format("expected token '{}', got {}", what, describe(current_)));
  }
  return take();
}

void Parser::expect_op(std::string_view op) {
  if (!current_.is_op(op)) expect(Tok::kEnd, op);
  take();
}

void Parser::expect_name(std::string_view name) {
  if (!current_.is_name(name)) expect(Tok::kEnd, name);
  take();
}

void Parser::parse() {
  program_->body = body_until({});
  if (!unknown_.empty()) fail_syntax(unknown_[0].first, unknown_[0].second);
}

/// Statements and text up to one of the end words, which stays the current token.
Body Parser::body_until(Words ends) {
  Level level(*this);
  Body body;
  while (!current_.is(Tok::kEnd)) {
    const uint32_t line = current_.line;
    if (current_.is(Tok::kText)) {
      auto text = std::make_unique<Stmt>(StmtKind::kText, line);
      text->text = take().text;
      body.push_back(std::move(text));
    } else if (current_.is(Tok::kPrintBegin)) {
      take();
      auto out = std::make_unique<Stmt>(StmtKind::kOutput, line);
      out->exprs.push_back(tuple({}));
      expect(Tok::kPrintEnd, "end of print statement");
      body.push_back(std::move(out));
    } else {
      take();  // a block begins: nothing else comes out of the lexer here
      if (current_.is(Tok::kName) && std::find(ends.begin(), ends.end(), current_.text) != ends.end())
        return body;
      body.push_back(statement());
      expect_block_end();
    }
  }
  if (ends.size() == 0) return body;
  std::string wanted;
  for (std::string_view end : ends) wanted += (wanted.empty() ? "'" : " or '") + std::string(end) + "'";
  fail(fmt::format("Unexpected end of template: looking for {} to close '{}'", wanted,
                   open_tags_.empty() ? "" : open_tags_.back()));
}

/// The rest of a tag and the body up to an end word.
Body Parser::block_body(Words ends) {
  skip_op(":");
  expect_block_end();
  return body_until(ends);
}

std::unique_ptr<Stmt> Parser::statement() {
  if (!current_.is(Tok::kName)) fail("tag name expected");
  const std::string tag = current_.text;
  open_tags_.push_back(tag);
  std::unique_ptr<Stmt> s;
  if (tag == "for")
    s = for_statement();
  else if (tag == "if")
    s = if_statement();
  else if (tag == "set")
    s = set_statement();
  else if (tag == "macro")
    s = macro_statement();
  else if (tag == "call")
    s = call_statement();
  else if (tag == "filter")
    s = filter_statement();
  else if (tag == "with")
    s = with_statement();
  else if (tag == "block")
    s = block_statement();
  else if (tag == "print")
    s = print_statement();
  else if (tag == "break")
    s = loop_control(StmtKind::kBreak);
  else if (tag == "continue")
    s = loop_control(StmtKind::kContinue);
  else if (tag == "generation")
    s = scoped_statement(StmtKind::kScoped, "endgeneration");
  else if (tag == "autoescape")
    s = scoped_statement(StmtKind::kAutoescape, "endautoescape");
  else if (tag == "include" || tag == "import" || tag == "extends" || tag == "from")
    s = loader_statement();
  else {
    open_tags_.pop_back();
    fail(open_tags_.empty() ? fmt::format("Encountered unknown tag '{}'", tag.substr(0, 80))
                            : fmt::format("Encountered unknown tag '{}' where '{}' is still open",
                                          tag.substr(0, 80), open_tags_.back()));
  }
  open_tags_.pop_back();
  return s;
}

namespace {

/// Sets a variable for as long as a frame is parsed.
template <class T>
class Saved {
 public:
  Saved(T& where, T value) : where_(where), old_(where) { where = value; }
  ~Saved() { where_ = old_; }

 private:
  T& where_;
  T old_;
};

}  // namespace

std::unique_ptr<Stmt> Parser::for_statement() {
  auto s = std::make_unique<Stmt>(StmtKind::kFor, take().line);
  {
    Saved<int> any(any_loop_, any_loop_ + 1);
    s->exprs.push_back(target(false, "in"));
    expect_name("in");
    s->exprs.push_back(tuple({.with_condition = false, .end_word = "recursive"}));
    Saved<bool> hard(soft_, false);
    s->exprs.push_back(skip_name("if") ? expression() : nullptr);
    s->recursive = skip_name("recursive");
    {
      Saved<int> loop(loop_depth_, loop_depth_ + 1);
      s->bodies.push_back(block_body({"endfor", "else"}));
    }
    if (take().text == "else") {
      s->bodies.push_back(block_body({"endfor"}));
      take();
    } else {
      s->bodies.emplace_back();
    }
  }
  return s;
}

std::unique_ptr<Stmt> Parser::if_statement() {
  auto s = std::make_unique<Stmt>(StmtKind::kIf, take().line);
  Saved<bool> soft(soft_, true);
  for (;;) {
    s->exprs.push_back(tuple({.with_condition = false}));
    s->bodies.push_back(block_body({"elif", "else", "endif"}));
    const Token word = take();
    if (word.is_name("elif")) continue;
    if (word.is_name("else")) {
      s->bodies.push_back(block_body({"endif"}));
      take();
    }
    return s;
  }
}

void Parser::check_target(Expr* e) {
  if (e->kind == ExprKind::kTuple) {
    for (auto& kid : e->kids) check_target(kid.get());
    return;
  }
  if (e->kind != ExprKind::kName && e->kind != ExprKind::kTarget)
    fail_syntax(e->line, "can't assign to an expression that is not a name");
  if (e->kind == ExprKind::kName && e->name == kNameLoop && any_loop_ > 0)
    fail_syntax(e->line, "Can't assign to special loop variable in for-loop target");
}

ExprPtr Parser::target(bool with_namespace, std::string_view end_word) {
  ExprPtr e = tuple({.simplified = true, .with_namespace = with_namespace, .end_word = end_word});
  check_target(e.get());
  return e;
}

uint32_t Parser::target_name() {
  const Token t = expect(Tok::kName, "name");
  for (const char* constant : {"true", "false", "none", "True", "False", "None"})
    if (t.text == constant) fail_syntax(t.line, fmt::format("can't assign to '{}'", t.text));
  return program_->intern(t.text);
}

std::unique_ptr<Stmt> Parser::set_statement() {
  const uint32_t line = take().line;
  ExprPtr to = target(true, {});
  if (skip_op("=")) {
    auto s = std::make_unique<Stmt>(StmtKind::kSet, line);
    s->exprs.push_back(std::move(to));
    s->exprs.push_back(tuple({}));
    return s;
  }
  auto s = std::make_unique<Stmt>(StmtKind::kSetBlock, line);
  s->exprs.push_back(std::move(to));
  s->exprs.push_back(filter_chain(nullptr, false));
  Saved<bool> hard(soft_, false);
  s->bodies.push_back(block_body({"endset"}));
  take();
  return s;
}

void Parser::signature(Stmt* macro) {
  expect_op("(");
  while (!current_.is_op(")")) {
    if (!macro->params.empty()) expect_op(",");
    const uint32_t name = target_name();
    if (std::find(macro->params.begin(), macro->params.end(), name) != macro->params.end())
      fail(fmt::format("duplicate argument '{}'", program_->names[name]));
    if (skip_op("=")) {
      macro->defaults.push_back(expression());
    } else if (!macro->defaults.empty()) {
      fail("non-default argument follows default argument");
    }
    macro->params.push_back(name);
  }
  expect_op(")");
}

/// The body of a macro or call block, which is a frame of its own.
void Parser::macro_body(Stmt* macro, std::string_view end) {
  macros_.push_back(macro);
  Saved<int> frame(loop_depth_, 0);
  Saved<bool> hard(soft_, false);
  macro->bodies.push_back(block_body({end}));
  macros_.pop_back();
  take();
  const auto is_param = [&](uint32_t name) {
    return std::find(macro->params.begin(), macro->params.end(), name) != macro->params.end();
  };
  macro->takes_kwargs = macro->takes_kwargs && !is_param(kNameKwargs);
  macro->takes_varargs = macro->takes_varargs && !is_param(kNameVarargs);
  if (!is_param(kNameCaller)) return;
  const size_t at = static_cast<size_t>(std::find(macro->params.begin(), macro->params.end(), kNameCaller) -
                                        macro->params.begin());
  if (macro->takes_caller && at + macro->defaults.size() < macro->params.size())
    fail_syntax(macro->line, "the special \"caller\" argument must be omitted or be given a default");
  macro->takes_caller = false;
}

std::unique_ptr<Stmt> Parser::macro_statement() {
  auto s = std::make_unique<Stmt>(StmtKind::kMacro, take().line);
  s->name = target_name();
  s->text = program_->names[s->name];
  signature(s.get());
  macro_body(s.get(), "endmacro");
  return s;
}

std::unique_ptr<Stmt> Parser::call_statement() {
  auto s = std::make_unique<Stmt>(StmtKind::kCall, take().line);
  if (current_.is_op("(")) signature(s.get());
  ExprPtr called = expression();
  if (called->kind != ExprKind::kCall) fail_syntax(s->line, "expected call");
  s->exprs.push_back(std::move(called));
  macro_body(s.get(), "endcall");
  return s;
}

std::unique_ptr<Stmt> Parser::filter_statement() {
  auto s = std::make_unique<Stmt>(StmtKind::kFilterBlock, take().line);
  Saved<bool> hard(soft_, false);
  s->exprs.push_back(filter_chain(nullptr, true));
  s->bodies.push_back(block_body({"endfilter"}));
  take();
  return s;
}

std::unique_ptr<Stmt> Parser::with_statement() {
  auto s = std::make_unique<Stmt>(StmtKind::kWith, take().line);
  while (!current_.is(Tok::kBlockEnd) && !current_.is(Tok::kEnd)) {
    if (!s->exprs.empty()) expect_op(",");
    s->exprs.push_back(target(false, {}));
    expect_op("=");
    s->exprs.push_back(expression());
  }
  Saved<bool> hard(soft_, false);
  s->bodies.push_back(block_body({"endwith"}));
  take();
  return s;
}

std::unique_ptr<Stmt> Parser::block_statement() {
  auto s = std::make_unique<Stmt>(StmtKind::kBlock, take().line);
  s->text = expect(Tok::kName, "name").text;
  if (std::find(blocks_.begin(), blocks_.end(), s->text) != blocks_.end())
    fail(fmt::format("block '{}' defined twice", s->text));
  blocks_.push_back(s->text);
  if (skip_name("scoped")) s->kind = StmtKind::kScoped;
  if (current_.is_name("required")) {
    uma::fail(ErrorCode::kUnsupported, "template", "line {}: required blocks need template inheritance",
              s->line);
  }
  Saved<int> frame(loop_depth_, 0);
  Saved<bool> hard(soft_, false);
  s->bodies.push_back(block_body({"endblock"}));
  take();
  skip_name(s->text);
  return s;
}

std::unique_ptr<Stmt> Parser::scoped_statement(StmtKind kind, std::string_view end) {
  auto s = std::make_unique<Stmt>(kind, take().line);
  Saved<int> frame(loop_depth_, kind == StmtKind::kScoped ? 0 : loop_depth_);
  Saved<bool> hard(soft_, false);
  if (kind == StmtKind::kAutoescape) s->exprs.push_back(expression());
  s->bodies.push_back(block_body({end}));
  take();
  return s;
}

std::unique_ptr<Stmt> Parser::print_statement() {
  auto s = std::make_unique<Stmt>(StmtKind::kOutput, take().line);
  while (!current_.is(Tok::kBlockEnd) && !current_.is(Tok::kEnd)) {
    if (!s->exprs.empty()) expect_op(",");
    s->exprs.push_back(expression());
  }
  return s;
}

/// include, import, from and extends parse, since a branch that is not taken may hold one.
std::unique_ptr<Stmt> Parser::loader_statement() {
  auto s = std::make_unique<Stmt>(StmtKind::kLoader, current_.line);
  s->text = take().text;
  expression();
  while (!current_.is(Tok::kBlockEnd) && !current_.is(Tok::kEnd)) take();
  return s;
}

std::unique_ptr<Stmt> Parser::loop_control(StmtKind kind) {
  if (loop_depth_ == 0) fail(fmt::format("'{}' outside loop", current_.text));
  return std::make_unique<Stmt>(kind, take().line);
}

}  // namespace uma::jinja
