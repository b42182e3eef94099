#pragma once
// One rendering of one template.
#include <optional>
#include <string>
#include <string_view>

#include "text/jinja_ast.h"
#include "text/jinja_runtime.h"

namespace uma::jinja {

/// The `loop` variable. Items are pulled one ahead at most, so that a filtered loop sees what its body did.
struct LoopObj : Linked {
  LoopObj(Runtime& r, const Stmt* d, Ref<Scope> s, Value src, int64_t depth);
  void clear() override;

  const Stmt* def;
  Ref<Scope> scope;  // around the loop
  Value source;
  std::optional<Iter> iter;
  Value before, current;
  bool has_after = false, done = false;
  Value after;
  std::vector<Value> queue;  // items that `length` had to pull
  size_t queue_at = 0;
  int64_t index0 = -1, known_length = -1, depth0;
  Value last_changed = Value::missing();
};

class Interp : public Runtime {
 public:
  Interp(const Program& program, const TemplateLimits& limits, std::optional<int64_t> now_s);
  ~Interp();

  std::string run(const Value& variables);

  /// Calls anything callable.
  Value call(const Value& callee, Args args);
  /// The attribute `name` of a loop object, or kMissing.
  Value loop_attr(const Value& loop, std::string_view name);
  int64_t loop_length(const Value& loop);
  std::string loop_repr(const Value& loop);
  std::string macro_repr(const Value& macro);
  Value macro_attr(const Value& macro, std::string_view name);
  std::optional<int64_t> now_s() const { return now_s_; }

 private:
  enum class Flow : uint8_t { kNext, kBreak, kContinue };

  // statements
  Flow exec(const Body& body, const Ref<Scope>& scope);
  Flow exec(const Stmt& s, const Ref<Scope>& scope);
  Flow exec_if(const Stmt& s, const Ref<Scope>& scope);
  Flow exec_filter_block(const Stmt& s, const Ref<Scope>& scope);
  Flow exec_with(const Stmt& s, const Ref<Scope>& scope);
  Flow exec_for(const Stmt& s, const Ref<Scope>& scope, Value source, int64_t depth);
  Flow exec_set_block(const Stmt& s, const Ref<Scope>& scope);
  void exec_call(const Stmt& s, const Ref<Scope>& scope);
  void output(const Value& v);
  void emit(std::string_view text);
  void assign(const Expr& target, Value value, const Ref<Scope>& scope);
  void check_namespaces(const Expr& target, const Ref<Scope>& scope);
  bool next_item(LoopObj& loop, Value* out);
  bool pull_item(LoopObj& loop, Value* out);
  bool peek_item(LoopObj& loop);

  /// Output goes into a text of its own for as long as this lives.
  class Capture {
   public:
    explicit Capture(Interp& in);
    ~Capture();
    std::string take();

   private:
    Interp& in_;
    std::string outer_;
    size_t held_;
  };

  // expressions
  Value eval(const Expr& e, const Ref<Scope>& scope);
  Value eval_constant(const Expr& e);
  Value eval_name(const Expr& e, const Ref<Scope>& scope);
  Value eval_items(const Expr& e, const Ref<Scope>& scope);
  Value eval_dict(const Expr& e, const Ref<Scope>& scope);
  Value eval_attr(const Expr& e, const Ref<Scope>& scope);
  Value eval_item(const Expr& e, const Ref<Scope>& scope);
  Value eval_slice(const Expr& e, const Ref<Scope>& scope);
  Value eval_binary(const Expr& e, const Ref<Scope>& scope);
  Value eval_concat(const Expr& e, const Ref<Scope>& scope);
  Value eval_compare(const Expr& e, const Ref<Scope>& scope);
  Value eval_logic(const Expr& e, const Ref<Scope>& scope);
  Value eval_if(const Expr& e, const Ref<Scope>& scope);
  Value eval_call(const Expr& e, const Ref<Scope>& scope, Value caller = Value::missing());
  Value eval_filter(const Expr& e, const Ref<Scope>& scope);
  Value eval_test(const Expr& e, const Ref<Scope>& scope);
  void eval_args(const CallArgs* call, const Ref<Scope>& scope, Args* out);
  Value filtered(const Expr& chain, const Ref<Scope>& scope, Value input);

  Value call_macro(const MacroObj& macro, Args& args);
  Value call_loop(const Value& loop, Args& args);
  void bind_macro(const MacroObj& macro, Args& args, const Ref<Scope>& scope);
  Ref<Scope> inner(const Ref<Scope>& scope) { return make<Scope>(scope); }

  const Program& program_;
  std::optional<int64_t> now_s_;
  Ref<Scope> root_;
  std::string out_;
  Value filter_input_ = Value::missing();  // the text of the filter block being filtered
};

}  // namespace uma::jinja
