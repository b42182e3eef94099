#include "text/jinja_interp.h"

#include <algorithm>

#include "text/jinja_filters.h"

namespace uma::jinja {

Interp::Interp(const Program& program, const TemplateLimits& limits, std::optional<int64_t> now_s)
    : Runtime(limits), program_(program), now_s_(now_s), root_(make<Scope>(Ref<Scope>())) {}

Interp::~Interp() {
  root_ = Ref<Scope>();
  filter_input_ = Value();
  clear_cycles();
}

std::string Interp::run(const Value& variables) {
  // Globals lie in a scope of their own below the variables', which may take their names.
  const auto globals = make<Scope>(Ref<Scope>());
  for (uint32_t i = 0; i < program_.names.size(); ++i) {
    const int id = find_function(program_.names[i]);
    if (id >= 0) globals->set(i, Value::function(id));
  }
  for (const auto& e : variables.as<DictObj>().entries) {
    const int64_t name = program_.find(e.key.text());
    if (name >= 0) globals->set(static_cast<uint32_t>(name), e.value);
  }
  root_ = inner(globals);
  exec(program_.body, root_);
  return std::move(out_);
}

void Interp::emit(std::string_view text) {
  step_text(text.size());
  charge(text.size());
  if (out_.size() + text.size() > limits().max_output_bytes)
    raise(ErrorCode::kLimit,
          fmt::format("the template writes more than {} bytes", limits().max_output_bytes));
  out_.append(text);
}

void Interp::output(const Value& v) {
  if (v.is_string()) return emit(v.text());
  emit(to_str(*this, v));
}

Interp::Capture::Capture(Interp& in) : in_(in), outer_(std::move(in.out_)), held_(0) {
  in_.out_.clear();
}

Interp::Capture::~Capture() {
  in_.credit(held_ + in_.out_.size());
  in_.out_ = std::move(outer_);
}

std::string Interp::Capture::take() {
  held_ += in_.out_.size();
  std::string text = std::move(in_.out_);
  in_.out_.clear();
  return text;
}

Interp::Flow Interp::exec(const Body& body, const Ref<Scope>& scope) {
  for (const auto& s : body) {
    const Flow flow = exec(*s, scope);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interp::Flow Interp::exec(const Stmt& s, const Ref<Scope>& scope) {
  set_line(s.line);
  step();
  switch (s.kind) {
    case StmtKind::kText:
      emit(s.text);
      return Flow::kNext;
    case StmtKind::kOutput:
      for (const auto& e : s.exprs) output(eval(*e, scope));
      return Flow::kNext;
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
    case StmtKind::kSet:
      check_namespaces(*s.exprs[0], scope);
      assign(*s.exprs[0], eval(*s.exprs[1], scope), scope);
      return Flow::kNext;
    case StmtKind::kMacro:
      scope->set(s.name, Value(make<MacroObj>(&s, scope)));
      return Flow::kNext;
    case StmtKind::kLoader:
      fail("no loader for this environment specified, so '{}' cannot work", s.text);
    default:
      break;
  }
  Deeper deeper(*this);
  switch (s.kind) {
    case StmtKind::kIf:
      return exec_if(s, scope);
    case StmtKind::kFor:
      return exec_for(s, scope, eval(*s.exprs[1], scope), 0);
    case StmtKind::kSetBlock:
      return exec_set_block(s, scope);
    case StmtKind::kCall:
      exec_call(s, scope);
      return Flow::kNext;
    case StmtKind::kFilterBlock:
      return exec_filter_block(s, scope);
    case StmtKind::kWith:
      return exec_with(s, scope);
    case StmtKind::kBlock:
      return exec(s.bodies[0], inner(root_));
    case StmtKind::kAutoescape:
      if (truthy(eval(*s.exprs[0], scope)))
        raise(ErrorCode::kUnsupported, "autoescape: a chat template writes plain text");
      return exec(s.bodies[0], inner(scope));
    default:
      return exec(s.bodies[0], inner(scope));
  }
}

Interp::Flow Interp::exec_if(const Stmt& s, const Ref<Scope>& scope) {
  for (size_t i = 0; i < s.exprs.size(); ++i)
    if (truthy(eval(*s.exprs[i], scope))) return exec(s.bodies[i], scope);
  return s.bodies.size() > s.exprs.size() ? exec(s.bodies.back(), scope) : Flow::kNext;
}

Interp::Flow Interp::exec_filter_block(const Stmt& s, const Ref<Scope>& scope) {
  const auto body_scope = inner(scope);
  std::string text;
  {
    Capture capture(*this);
    const Flow flow = exec(s.bodies[0], body_scope);
    if (flow != Flow::kNext) return flow;
    text = capture.take();
  }
  const Value result = filtered(*s.exprs[0], body_scope, str(std::move(text)));
  if (!result.is_string()) fail("the filter of a block must give text, not {}", type_name(result));
  output(result);
  return Flow::kNext;
}

Interp::Flow Interp::exec_set_block(const Stmt& s, const Ref<Scope>& scope) {
  const auto body_scope = inner(scope);
  std::string text;
  {
    Capture capture(*this);
    const Flow flow = exec(s.bodies[0], body_scope);
    if (flow != Flow::kNext) return flow;
    text = capture.take();
  }
  Value value = str(std::move(text));
  if (s.exprs[1]) value = filtered(*s.exprs[1], body_scope, std::move(value));
  check_namespaces(*s.exprs[0], scope);
  assign(*s.exprs[0], std::move(value), scope);
  return Flow::kNext;
}

Interp::Flow Interp::exec_with(const Stmt& s, const Ref<Scope>& scope) {
  const auto body_scope = inner(scope);
  for (size_t i = 0; i + 1 < s.exprs.size(); i += 2)
    assign(*s.exprs[i], eval(*s.exprs[i + 1], scope), body_scope);
  return exec(s.bodies[0], body_scope);
}

void Interp::exec_call(const Stmt& s, const Ref<Scope>& scope) {
  output(eval_call(*s.exprs[0], scope, Value(make<MacroObj>(&s, scope))));
}

void Interp::check_namespaces(const Expr& target, const Ref<Scope>& scope) {
  for (const auto& kid : target.kids) check_namespaces(*kid, scope);
  if (target.kind != ExprKind::kTarget) return;
  const Value* ns = scope->find(target.name);
  if (!ns || !ns->is(Kind::kNamespace)) fail("cannot assign attribute on non-namespace object");
}

void Interp::assign(const Expr& target, Value value, const Ref<Scope>& scope) {
  if (target.kind == ExprKind::kName) return scope->set(target.name, std::move(value));
  if (target.kind == ExprKind::kTarget) {
    const Value ns = *scope->find(target.name);
    return ns.as<NamespaceObj>().set(*this, str(target.text), std::move(value));
  }
  Deeper deeper(*this);
  if (value.is_undefined() || value.is(Kind::kString) || value.is_sequence() || value.is(Kind::kDict) ||
      value.is(Kind::kView) || value.is(Kind::kRange) || value.is(Kind::kGenerator)) {
    std::vector<Value> parts;
    Iter it(*this, value);
    for (Value v; parts.size() <= target.kids.size() && it.next(*this, &v);) parts.push_back(std::move(v));
    if (parts.size() < target.kids.size())
      fail("not enough values to unpack (expected {}, got {})", target.kids.size(), parts.size());
    if (parts.size() > target.kids.size())
      fail("too many values to unpack (expected {})", target.kids.size());
    for (size_t i = 0; i < parts.size(); ++i) assign(*target.kids[i], std::move(parts[i]), scope);
    return;
  }
  fail("cannot unpack non-iterable {} object", type_name(value));
}

}  // namespace uma::jinja
