#pragma once
// Tokens to the tree. The grammar is Jinja2's; both depth and size of what comes out are bounded.
#include <initializer_list>
#include <string_view>
#include <vector>

#include "text/jinja_ast.h"
#include "text/jinja_lexer.h"

namespace uma::jinja {

class Parser {
 public:
  Parser(std::string_view source, const TemplateLimits& limits, Program* program);
  void parse();

 private:
  // jinja_parser.cc: statements
  using Words = std::initializer_list<std::string_view>;
  Body body_until(Words ends);
  Body block_body(Words ends);
  std::unique_ptr<Stmt> statement();
  std::unique_ptr<Stmt> for_statement();
  std::unique_ptr<Stmt> if_statement();
  std::unique_ptr<Stmt> set_statement();
  std::unique_ptr<Stmt> macro_statement();
  std::unique_ptr<Stmt> call_statement();
  std::unique_ptr<Stmt> filter_statement();
  std::unique_ptr<Stmt> with_statement();
  std::unique_ptr<Stmt> block_statement();
  std::unique_ptr<Stmt> scoped_statement(StmtKind kind, std::string_view end);
  std::unique_ptr<Stmt> print_statement();
  std::unique_ptr<Stmt> loader_statement();
  std::unique_ptr<Stmt> loop_control(StmtKind kind);
  void signature(Stmt* macro);
  void macro_body(Stmt* macro, std::string_view end);
  ExprPtr target(bool with_namespace, std::string_view end_word);
  void check_target(Expr* e);
  uint32_t target_name();

  // jinja_parser_expr.cc: expressions
  ExprPtr expression(bool with_condition = true);
  ExprPtr or_expr();
  ExprPtr and_expr();
  ExprPtr not_expr();
  ExprPtr compare_expr();
  ExprPtr sum_expr();
  ExprPtr concat_expr();
  ExprPtr product_expr();
  ExprPtr power_expr();
  ExprPtr unary_expr(bool with_filter = true);
  ExprPtr primary(bool with_namespace = false);
  ExprPtr name_or_constant(bool with_namespace);
  ExprPtr number();
  ExprPtr list_literal();
  ExprPtr dict_literal();
  ExprPtr postfix(ExprPtr e);
  ExprPtr filters_and_tests(ExprPtr e);
  ExprPtr subscript(ExprPtr e);
  void slice_part(Expr* e);
  ExprPtr call(ExprPtr e);
  ExprPtr filter_chain(ExprPtr e, bool inline_start);
  ExprPtr test(ExprPtr e);
  std::unique_ptr<CallArgs> call_args();
  struct TupleRules {
    bool simplified = false, with_condition = true, parentheses = false, with_namespace = false;
    std::string_view end_word;
  };
  ExprPtr tuple(const TupleRules& rules);
  std::string dotted_name();

  ExprPtr make(ExprKind kind, uint32_t line);
  /// Hangs a child into a node, and bounds the depth.
  void add(Expr* parent, ExprPtr child);
  void deepen(Expr* parent, const Expr* child);

  // tokens
  const Token& current() const { return current_; }
  Token take();
  const Token& peek();
  bool skip_op(std::string_view op);
  bool skip_name(std::string_view name);
  Token expect(Tok type, std::string_view what);
  void expect_op(std::string_view op);
  void expect_name(std::string_view name);
  void expect_block_end() { expect(Tok::kBlockEnd, "end of statement block"); }
  [[noreturn]] void fail(std::string_view message) const { fail_syntax(current_.line, message); }

  /// One level of the parser's own recursion.
  class Level {
   public:
    explicit Level(Parser& p);
    ~Level() { --p_.level_; }

   private:
    Parser& p_;
  };

  const TemplateLimits& limits_;
  Program* program_;
  Lexer lexer_;
  Token current_, ahead_;
  bool has_ahead_ = false;
  size_t level_ = 0;
  int loop_depth_ = 0;         // break and continue need a loop in the same frame
  int any_loop_ = 0;           // loops around, across frames
  bool soft_ = false;          // below an if, a missing filter is an error only when it is used
  std::vector<Stmt*> macros_;  // around the current place; told of caller, kwargs, varargs
  std::vector<std::string> open_tags_;
  std::vector<std::string> blocks_;
  std::vector<std::pair<uint32_t, std::string>> unknown_;  // filters and tests that do not exist, by line
};

}  // namespace uma::jinja
