#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "text/jinja_filters.h"
#include "text/jinja_parser.h"

namespace uma::jinja {

ExprPtr Parser::make(ExprKind kind, uint32_t line) {
  return std::make_unique<Expr>(kind, line);
}

void Parser::deepen(Expr* parent, const Expr* child) {
  if (child->depth + size_t{1} > std::min<size_t>(limits_.max_depth, 60000))
    uma::fail(ErrorCode::kLimit, "template", "line {}: an expression of more than {} levels", parent->line,
              limits_.max_depth);
  parent->depth = std::max<uint16_t>(parent->depth, static_cast<uint16_t>(child->depth + 1));
}

void Parser::add(Expr* parent, ExprPtr child) {
  if (child) deepen(parent, child.get());
  parent->kids.push_back(std::move(child));
}

ExprPtr Parser::expression(bool with_condition) {
  Level level(*this);
  if (!with_condition) return or_expr();
  const bool outer_soft = soft_;
  const size_t unknown = unknown_.size();
  ExprPtr e = or_expr();
  while (current_.is_name("if")) {
    ExprPtr cond = make(ExprKind::kIf, take().line);
    unknown_.resize(unknown);  // what stands before the "if" may never be used
    soft_ = true;
    add(cond.get(), std::move(e));
    add(cond.get(), or_expr());
    add(cond.get(), skip_name("else") ? expression() : nullptr);
    soft_ = outer_soft;
    e = std::move(cond);
  }
  return e;
}

ExprPtr Parser::or_expr() {
  ExprPtr left = and_expr();
  while (current_.is_name("or")) {
    ExprPtr e = make(ExprKind::kOr, take().line);
    add(e.get(), std::move(left));
    add(e.get(), and_expr());
    left = std::move(e);
  }
  return left;
}

ExprPtr Parser::and_expr() {
  ExprPtr left = not_expr();
  while (current_.is_name("and")) {
    ExprPtr e = make(ExprKind::kAnd, take().line);
    add(e.get(), std::move(left));
    add(e.get(), not_expr());
    left = std::move(e);
  }
  return left;
}

ExprPtr Parser::not_expr() {
  if (!current_.is_name("not")) return compare_expr();
  Level level(*this);
  ExprPtr e = make(ExprKind::kNot, take().line);
  add(e.get(), not_expr());
  return e;
}

ExprPtr Parser::compare_expr() {
  static constexpr std::pair<std::string_view, Op> kSigns[] = {
      {"==", Op::kEq}, {"!=", Op::kNe}, {"<", Op::kLt}, {"<=", Op::kLe}, {">", Op::kGt}, {">=", Op::kGe}};
  ExprPtr first = sum_expr();
  ExprPtr e;
  for (;;) {
    Op op = Op::kIn;
    const auto* sign = std::find_if(std::begin(kSigns), std::end(kSigns),
                                    [&](const auto& s) { return current_.is_op(s.first); });
    if (sign != std::end(kSigns)) {
      op = sign->second;
    } else if (current_.is_name("not") && peek().is_name("in")) {
      take();
      op = Op::kNotIn;
    } else if (!current_.is_name("in")) {
      return e ? std::move(e) : std::move(first);
    }
    const uint32_t line = take().line;
    if (!e) {
      e = make(ExprKind::kCompare, line);
      add(e.get(), std::move(first));
    }
    e->ops.push_back(op);
    add(e.get(), sum_expr());
  }
}

ExprPtr Parser::sum_expr() {
  ExprPtr left = concat_expr();
  while (current_.is_op("+") || current_.is_op("-")) {
    const Token sign = take();
    ExprPtr e = make(ExprKind::kBinary, sign.line);
    e->op = sign.text == "+" ? Op::kAdd : Op::kSub;
    add(e.get(), std::move(left));
    add(e.get(), concat_expr());
    left = std::move(e);
  }
  return left;
}

ExprPtr Parser::concat_expr() {
  ExprPtr first = product_expr();
  if (!current_.is_op("~")) return first;
  ExprPtr e = make(ExprKind::kConcat, current_.line);
  add(e.get(), std::move(first));
  while (skip_op("~")) add(e.get(), product_expr());
  return e;
}

ExprPtr Parser::product_expr() {
  ExprPtr left = power_expr();
  while (current_.is_op("*") || current_.is_op("/") || current_.is_op("//") || current_.is_op("%")) {
    const Token sign = take();
    ExprPtr e = make(ExprKind::kBinary, sign.line);
    e->op = sign.text == "*"   ? Op::kMul
            : sign.text == "/" ? Op::kDiv
            : sign.text == "%" ? Op::kMod
                               : Op::kFloorDiv;
    add(e.get(), std::move(left));
    add(e.get(), power_expr());
    left = std::move(e);
  }
  return left;
}

ExprPtr Parser::power_expr() {
  ExprPtr left = unary_expr();
  while (current_.is_op("**")) {  // to the left, as Jinja has it; Python's goes to the right
    ExprPtr e = make(ExprKind::kBinary, take().line);
    e->op = Op::kPow;
    add(e.get(), std::move(left));
    add(e.get(), unary_expr());
    left = std::move(e);
  }
  return left;
}

ExprPtr Parser::unary_expr(bool with_filter) {
  ExprPtr e;
  if (current_.is_op("-") || current_.is_op("+")) {
    Level level(*this);
    const Token sign = take();
    e = make(sign.text == "-" ? ExprKind::kNegative : ExprKind::kPositive, sign.line);
    add(e.get(), unary_expr(false));
  } else {
    e = primary();
  }
  e = postfix(std::move(e));
  return with_filter ? filters_and_tests(std::move(e)) : std::move(e);
}

ExprPtr Parser::name_or_constant(bool with_namespace) {
  const Token t = take();
  const std::string& s = t.text;
  if (s == "true" || s == "True" || s == "false" || s == "False") {
    ExprPtr e = make(ExprKind::kBool, t.line);
    e->i = s == "true" || s == "True";
    return e;
  }
  if (s == "none" || s == "None") return make(ExprKind::kNone, t.line);
  ExprPtr e = make(ExprKind::kName, t.line);
  e->name = program_->intern(s);
  if (with_namespace && skip_op(".")) {
    e->kind = ExprKind::kTarget;
    e->text = expect(Tok::kName, "name").text;
    return e;
  }
  for (Stmt* macro : macros_) {
    macro->takes_caller |= e->name == kNameCaller;
    macro->takes_kwargs |= e->name == kNameKwargs;
    macro->takes_varargs |= e->name == kNameVarargs;
  }
  return e;
}

ExprPtr Parser::number() {
  const Token t = take();
  if (t.is(Tok::kFloat)) {
    ExprPtr e = make(ExprKind::kFloat, t.line);
    e->d = std::strtod(t.text.c_str(), nullptr);
    return e;
  }
  ExprPtr e = make(ExprKind::kInt, t.line);
  const char* digits = t.text.data();
  int base = 10;
  if (t.text.size() > 2 && t.text[0] == '0' && (t.text[1] | 32) >= 'a') {
    base = (t.text[1] | 32) == 'x' ? 16 : (t.text[1] | 32) == 'o' ? 8 : 2;
    digits += 2;
  }
  int64_t value = 0;
  if (std::from_chars(digits, t.text.data() + t.text.size(), value, base).ec == std::errc()) {
    e->i = value;
    return e;
  }
  if (base != 10) fail_syntax(t.line, "an integer beyond 64 bits in a base other than ten");
  e->kind = ExprKind::kBigInt;
  e->text = t.text;
  return e;
}

ExprPtr Parser::primary(bool with_namespace) {
  const Token& t = current_;
  if (t.is(Tok::kName)) return name_or_constant(with_namespace);
  if (t.is(Tok::kInt) || t.is(Tok::kFloat)) return number();
  if (t.is(Tok::kString)) {
    ExprPtr e = make(ExprKind::kString, t.line);
    while (current_.is(Tok::kString)) e->text += take().text;  // neighbours join, as in Python
    return e;
  }
  if (t.is_op("(")) {
    take();
    ExprPtr e = tuple({.parentheses = true});
    expect_op(")");
    return e;
  }
  if (t.is_op("[")) return list_literal();
  if (t.is_op("{")) return dict_literal();
  fail(fmt::format("unexpected {}", describe(t)));
}

ExprPtr Parser::tuple(const TupleRules& rules) {
  const auto at_end = [&] {
    return current_.is(Tok::kPrintEnd) || current_.is(Tok::kBlockEnd) || current_.is_op(")") ||
           (!rules.end_word.empty() && current_.is_name(rules.end_word));
  };
  const uint32_t line = current_.line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  for (;;) {
    if (!items.empty()) expect_op(",");
    if (at_end()) break;
    items.push_back(rules.simplified ? primary(rules.with_namespace) : expression(rules.with_condition));
    if (!current_.is_op(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!rules.parentheses) fail(fmt::format("Expected an expression, got {}", describe(current_)));
  }
  ExprPtr e = make(ExprKind::kTuple, line);
  for (auto& item : items) add(e.get(), std::move(item));
  return e;
}

ExprPtr Parser::list_literal() {
  ExprPtr e = make(ExprKind::kList, take().line);
  while (!current_.is_op("]")) {
    if (!e->kids.empty()) {
      expect_op(",");
      if (current_.is_op("]")) break;
    }
    add(e.get(), expression());
  }
  take();
  return e;
}

ExprPtr Parser::dict_literal() {
  ExprPtr e = make(ExprKind::kDict, take().line);
  while (!current_.is_op("}")) {
    if (!e->kids.empty()) {
      expect_op(",");
      if (current_.is_op("}")) break;
    }
    add(e.get(), expression());
    expect_op(":");
    add(e.get(), expression());
  }
  take();
  return e;
}

ExprPtr Parser::postfix(ExprPtr e) {
  for (;;) {
    if (current_.is_op(".") || current_.is_op("[")) {
      e = subscript(std::move(e));
    } else if (current_.is_op("(")) {
      e = call(std::move(e));
    } else {
      return e;
    }
  }
}

ExprPtr Parser::filters_and_tests(ExprPtr e) {
  for (;;) {
    if (current_.is_op("|")) {
      e = filter_chain(std::move(e), false);
    } else if (current_.is_name("is")) {
      e = test(std::move(e));
    } else if (current_.is_op("(")) {
      e = call(std::move(e));
    } else {
      return e;
    }
  }
}

ExprPtr Parser::subscript(ExprPtr object) {
  const Token sign = take();
  if (sign.text == ".") {
    const Token attr = take();
    if (attr.is(Tok::kName)) {
      ExprPtr e = make(ExprKind::kAttr, sign.line);
      e->text = attr.text;
      add(e.get(), std::move(object));
      return e;
    }
    if (!attr.is(Tok::kInt)) fail_syntax(attr.line, "expected name or number");
    ExprPtr e = make(ExprKind::kItem, sign.line);
    add(e.get(), std::move(object));
    ExprPtr index = make(ExprKind::kInt, attr.line);
    std::from_chars(attr.text.data(), attr.text.data() + attr.text.size(), index->i);
    add(e.get(), std::move(index));
    return e;
  }
  ExprPtr e = make(ExprKind::kItem, sign.line);
  add(e.get(), std::move(object));
  if (current_.is_op("]")) {  // x[] is x[()]
    add(e.get(), make(ExprKind::kTuple, sign.line));
  } else {
    slice_part(e.get());
    if (current_.is_op(",")) {
      if (e->kind == ExprKind::kSlice) fail("a slice in a tuple of subscripts");
      ExprPtr several = make(ExprKind::kTuple, sign.line);
      ExprPtr first = std::move(e->kids[1]);
      e->kids.pop_back();
      add(several.get(), std::move(first));
      while (!current_.is_op("]")) {
        expect_op(",");
        add(several.get(), expression());
      }
      add(e.get(), std::move(several));
    }
  }
  expect_op("]");
  return e;
}

/// One subscript: an expression or start:stop:step.
void Parser::slice_part(Expr* e) {
  ExprPtr part;
  if (!current_.is_op(":")) part = expression();
  if (!current_.is_op(":")) return add(e, std::move(part));
  e->kind = ExprKind::kSlice;
  add(e, std::move(part));
  for (int i = 0; i < 2; ++i) {
    const bool colon = skip_op(":");
    const bool empty = !colon || current_.is_op(":") || current_.is_op("]") || current_.is_op(",");
    add(e, empty ? nullptr : expression());
  }
}

}  // namespace uma::jinja
