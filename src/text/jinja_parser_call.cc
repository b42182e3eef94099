// Calls, filters and tests, and their arguments.
#include <algorithm>

#include "text/jinja_filters.h"
#include "text/jinja_parser.h"

namespace uma::jinja {

std::unique_ptr<CallArgs> Parser::call_args() {
  expect_op("(");
  auto args = std::make_unique<CallArgs>();
  const auto ensure = [&](bool ok) {
    if (!ok) fail("invalid syntax for function call expression");
  };
  bool first = true;
  while (!current_.is_op(")")) {
    if (!first) {
      expect_op(",");
      if (current_.is_op(")")) break;
    }
    first = false;
    if (current_.is_op("*")) {
      ensure(!args->star && !args->star_star);
      take();
      args->star = expression();
    } else if (current_.is_op("**")) {
      ensure(!args->star_star);
      take();
      args->star_star = expression();
    } else if (current_.is(Tok::kName) && peek().is_op("=")) {
      ensure(!args->star_star);
      std::string name = take().text;
      take();
      for (const auto& [other, value] : args->kwargs)
        if (other == name) fail(fmt::format("keyword argument repeated: {}", name));
      args->kwargs.emplace_back(std::move(name), expression());
    } else {
      ensure(!args->star && !args->star_star && args->kwargs.empty());
      args->args.push_back(expression());
    }
  }
  take();
  return args;
}

static void each_argument(const CallArgs& args, const auto& visit) {
  for (const auto& a : args.args) visit(a.get());
  for (const auto& [name, a] : args.kwargs) visit(a.get());
  if (args.star) visit(args.star.get());
  if (args.star_star) visit(args.star_star.get());
}

ExprPtr Parser::call(ExprPtr callee) {
  ExprPtr e = make(ExprKind::kCall, current_.line);
  add(e.get(), std::move(callee));
  e->call = call_args();
  each_argument(*e->call, [&](const Expr* a) { deepen(e.get(), a); });
  return e;
}

std::string Parser::dotted_name() {
  std::string name = expect(Tok::kName, "name").text;
  while (skip_op(".")) name += "." + expect(Tok::kName, "name").text;
  return name;
}

/// "|name(args)" as often as it comes; inline_start: the first one has no bar.
ExprPtr Parser::filter_chain(ExprPtr e, bool inline_start) {
  while (current_.is_op("|") || inline_start) {
    if (!inline_start) take();
    inline_start = false;
    ExprPtr f = make(ExprKind::kFilter, current_.line);
    f->text = dotted_name();
    f->filter = find_filter(f->text);
    if (!f->filter && !soft_)
      unknown_.push_back({f->line, "No filter named '" + f->text.substr(0, 80) + "'"});
    add(f.get(), std::move(e));
    if (current_.is_op("(")) {
      f->call = call_args();
      each_argument(*f->call, [&](const Expr* a) { deepen(f.get(), a); });
    }
    e = std::move(f);
  }
  return e;
}

ExprPtr Parser::test(ExprPtr value) {
  const uint32_t line = take().line;
  const bool negated = skip_name("not");
  ExprPtr e = make(ExprKind::kTest, line);
  e->text = dotted_name();
  e->test = find_test(e->text);
  if (!e->test && !soft_) unknown_.push_back({line, "No test named '" + e->text.substr(0, 80) + "'"});
  add(e.get(), std::move(value));
  const Token& t = current_;
  if (t.is_op("(")) {
    e->call = call_args();
  } else if ((t.is(Tok::kName) || t.is(Tok::kString) || t.is(Tok::kInt) || t.is(Tok::kFloat) ||
              t.is_op("[") || t.is_op("{")) &&
             !t.is_name("else") && !t.is_name("or") && !t.is_name("and")) {
    if (t.is_name("is")) fail("You cannot chain multiple tests with is");
    e->call = std::make_unique<CallArgs>();
    e->call->args.push_back(postfix(primary()));
  }
  if (e->call) each_argument(*e->call, [&](const Expr* a) { deepen(e.get(), a); });
  if (!negated) return e;
  ExprPtr no = make(ExprKind::kNot, line);
  add(no.get(), std::move(e));
  return no;
}

}  // namespace uma::jinja
