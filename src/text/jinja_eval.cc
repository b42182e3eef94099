#include "text/jinja_filters.h"
#include "text/jinja_interp.h"

namespace uma::jinja {

Value Interp::eval(const Expr& e, const Ref<Scope>& scope) {
  if (e.kind <= ExprKind::kString) return eval_constant(e);
  step();
  if (e.kind == ExprKind::kName) return eval_name(e, scope);
  Deeper deeper(*this);
  set_line(e.line);
  switch (e.kind) {
    case ExprKind::kTuple:
    case ExprKind::kList:
      return eval_items(e, scope);
    case ExprKind::kDict:
      return eval_dict(e, scope);
    case ExprKind::kAttr:
      return eval_attr(e, scope);
    case ExprKind::kItem:
      return eval_item(e, scope);
    case ExprKind::kSlice:
      return eval_slice(e, scope);
    case ExprKind::kCall:
      return eval_call(e, scope);
    case ExprKind::kFilter:
      return eval_filter(e, scope);
    case ExprKind::kTest:
      return eval_test(e, scope);
    case ExprKind::kBinary:
      return eval_binary(e, scope);
    case ExprKind::kConcat:
      return eval_concat(e, scope);
    case ExprKind::kCompare:
      return eval_compare(e, scope);
    case ExprKind::kAnd:
    case ExprKind::kOr:
      return eval_logic(e, scope);
    case ExprKind::kIf:
      return eval_if(e, scope);
    case ExprKind::kNot:
      return Value::boolean(!truthy(eval(*e.kids[0], scope)));
    case ExprKind::kNegative:
      return negate(*this, eval(*e.kids[0], scope), true);
    case ExprKind::kPositive:
      return negate(*this, eval(*e.kids[0], scope), false);
    default:
      fail("an assignment target in an expression");
  }
}

Value Interp::eval_constant(const Expr& e) {
  switch (e.kind) {
    case ExprKind::kBool:
      return Value::boolean(e.i != 0);
    case ExprKind::kInt:
      return Value::integer(e.i);
    case ExprKind::kFloat:
      return Value::real(e.d);
    case ExprKind::kBigInt:
      return Value(make<StringObj>(e.text, Kind::kBigInt));
    case ExprKind::kString:
      return str(e.text);
    default:
      return Value::none();
  }
}

Value Interp::eval_name(const Expr& e, const Ref<Scope>& scope) {
  if (const Value* v = scope->find(e.name)) return *v;
  return undefined(fmt::format("'{}' is undefined", program_.names[e.name]));
}

Value Interp::eval_items(const Expr& e, const Ref<Scope>& scope) {
  std::vector<Value> items;
  items.reserve(e.kids.size());
  for (const auto& kid : e.kids) items.push_back(eval(*kid, scope));
  return e.kind == ExprKind::kList ? list(std::move(items)) : tuple(std::move(items));
}

Value Interp::eval_dict(const Expr& e, const Ref<Scope>& scope) {
  const auto dict = make<DictObj>();
  for (size_t i = 0; i + 1 < e.kids.size(); i += 2) {
    const Value key = eval(*e.kids[i], scope);
    dict->set(*this, key, eval(*e.kids[i + 1], scope));
  }
  return Value(dict);
}

Value Interp::eval_attr(const Expr& e, const Ref<Scope>& scope) {
  const Value object = eval(*e.kids[0], scope);
  set_line(e.line);
  return get_attr(*this, object, e.text);
}

Value Interp::eval_item(const Expr& e, const Ref<Scope>& scope) {
  const Value object = eval(*e.kids[0], scope);
  const Value key = eval(*e.kids[1], scope);
  set_line(e.line);
  return get_item(*this, object, key);
}

Value Interp::eval_slice(const Expr& e, const Ref<Scope>& scope) {
  Value parts[4];
  for (size_t i = 0; i < 4; ++i) parts[i] = e.kids[i] ? eval(*e.kids[i], scope) : Value::none();
  set_line(e.line);
  return get_slice(*this, parts[0], parts[1], parts[2], parts[3]);
}

Value Interp::eval_binary(const Expr& e, const Ref<Scope>& scope) {
  const Value left = eval(*e.kids[0], scope);
  const Value right = eval(*e.kids[1], scope);
  set_line(e.line);
  return arithmetic(*this, e.op, left, right);
}

Value Interp::eval_concat(const Expr& e, const Ref<Scope>& scope) {
  TextBuilder out(*this);
  for (const auto& kid : e.kids) add_str(out, *this, eval(*kid, scope));
  return str(out.take());
}

Value Interp::eval_compare(const Expr& e, const Ref<Scope>& scope) {
  Value left = eval(*e.kids[0], scope);
  for (size_t i = 0; i < e.ops.size(); ++i) {
    Value right = eval(*e.kids[i + 1], scope);
    set_line(e.line);
    if (!compare_op(*this, e.ops[i], left, right)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interp::eval_logic(const Expr& e, const Ref<Scope>& scope) {
  Value left = eval(*e.kids[0], scope);
  if (truthy(left) == (e.kind == ExprKind::kOr)) return left;
  return eval(*e.kids[1], scope);
}

Value Interp::eval_if(const Expr& e, const Ref<Scope>& scope) {
  if (truthy(eval(*e.kids[1], scope))) return eval(*e.kids[0], scope);
  if (e.kids[2]) return eval(*e.kids[2], scope);
  return undefined(fmt::format(
      "the inline if-expression on line {} evaluated to false and no else section was defined.", e.line));
}

void Interp::eval_args(const CallArgs* call, const Ref<Scope>& scope, Args* out) {
  if (!call) return;
  for (const auto& a : call->args) out->pos.push_back(eval(*a, scope));
  for (const auto& [name, a] : call->kwargs) out->kw.emplace_back(name, eval(*a, scope));
  if (call->star) {
    for (Value& v : to_list(*this, eval(*call->star, scope))) out->pos.push_back(std::move(v));
  }
  if (!call->star_star) return;
  const Value more = eval(*call->star_star, scope);
  if (!more.is(Kind::kDict)) fail("argument after ** must be a mapping, not {}", type_name(more));
  for (const auto& entry : more.as<DictObj>().entries) {
    const std::string& name = need_text(*this, entry.key, "a keyword");
    if (out->keyword(name)) fail("got multiple values for keyword argument '{}'", name);
    step(1 + out->kw.size());
    out->kw.emplace_back(name, entry.value);
  }
}

Value Interp::eval_call(const Expr& e, const Ref<Scope>& scope, Value caller) {
  const Value callee = eval(*e.kids[0], scope);
  Args args;
  eval_args(e.call.get(), scope, &args);
  if (!caller.is_missing()) args.kw.emplace_back("caller", std::move(caller));
  set_line(e.line);
  return call(callee, std::move(args));
}

Value Interp::eval_filter(const Expr& e, const Ref<Scope>& scope) {
  if (!e.filter) fail("No filter named '{}' found.", e.text);
  Args args;
  args.pos.push_back(e.kids[0] ? eval(*e.kids[0], scope) : filter_input_);
  eval_args(e.call.get(), scope, &args);
  set_line(e.line);
  return call_filter(*this, *e.filter, std::move(args));
}

Value Interp::filtered(const Expr& chain, const Ref<Scope>& scope, Value input) {
  std::swap(filter_input_, input);
  Value result = eval(chain, scope);
  std::swap(filter_input_, input);
  return result;
}

Value Interp::eval_test(const Expr& e, const Ref<Scope>& scope) {
  if (!e.test) fail("No test named '{}' found.", e.text);
  Args args;
  args.pos.push_back(eval(*e.kids[0], scope));
  eval_args(e.call.get(), scope, &args);
  set_line(e.line);
  return Value::boolean(call_test(*this, *e.test, std::move(args)));
}

Value Interp::call(const Value& callee, Args args) {
  switch (callee.kind()) {
    case Kind::kMacro:
      return call_macro(callee.as<MacroObj>(), args);
    case Kind::kFunction:
      return call_function(*this, static_cast<int>(callee.as_int()), args);
    case Kind::kLoop:
      return call_loop(callee, args);
    case Kind::kMethod: {
      const auto& m = callee.as<MethodObj>();
      bind_args(*this, m.info->name, m.info->params, args);
      return m.info->call(*this, m.self, args);
    }
    case Kind::kJoiner: {
      bind_args(*this, "joiner", {}, args);
      auto& j = callee.as<JoinerObj>();
      if (j.used) return j.separator;
      j.used = true;
      return str("");
    }
    case Kind::kUndefined:
      fail_undefined(*this, callee);
    default:
      fail("'{}' object is not callable", type_name(callee));
  }
}

void Interp::bind_macro(const MacroObj& macro, Args& args, const Ref<Scope>& scope) {
  const Stmt& def = *macro.def;
  const std::string name = def.kind == StmtKind::kCall ? "None" : "'" + def.text + "'";
  const size_t given = std::min(args.pos.size(), def.params.size());
  // All parameters exist before any default is worked out, which may use those to its left.
  std::vector<bool> set(def.params.size(), false);
  for (size_t i = 0; i < def.params.size(); ++i) {
    const std::string& param = program_.names[def.params[i]];
    Value* keyword = i < given ? nullptr : args.keyword(param);
    set[i] = i < given || keyword;
    scope->set(def.params[i], i < given ? args.pos[i]
                              : keyword ? *keyword
                                        : undefined(fmt::format("parameter '{}' was not provided", param)));
    if (keyword) std::erase_if(args.kw, [&](const auto& kw) { return kw.first == param; });
  }
  if (def.takes_caller) {
    Value* caller = args.keyword("caller");
    scope->set(kNameCaller, caller ? *caller : undefined("No caller defined"));
    if (caller) std::erase_if(args.kw, [](const auto& kw) { return kw.first == "caller"; });
  }
  if (def.takes_kwargs) {
    const auto dict = make<DictObj>();
    for (auto& [key, v] : args.kw) dict->set(*this, str(key), v);
    scope->set(kNameKwargs, Value(dict));
  } else if (!args.kw.empty()) {
    fail("macro {} takes no keyword argument '{}'", name, args.kw[0].first);
  }
  if (def.takes_varargs) {
    scope->set(kNameVarargs, tuple({args.pos.begin() + static_cast<ptrdiff_t>(given), args.pos.end()}));
  } else if (args.pos.size() > def.params.size()) {
    fail("macro {} takes not more than {} argument(s)", name, def.params.size());
  }
  const size_t first_default = def.params.size() - def.defaults.size();
  for (size_t i = first_default; i < def.params.size(); ++i)
    if (!set[i]) scope->set(def.params[i], eval(*def.defaults[i - first_default], scope));
}

Value Interp::call_macro(const MacroObj& macro, Args& args) {
  Deeper deeper(*this);
  const Ref<Scope> keep = macro.scope;
  const auto scope = inner(keep);
  bind_macro(macro, args, scope);
  Capture capture(*this);
  exec(macro.def->bodies[0], scope);
  return str(capture.take());
}

std::string Interp::macro_repr(const Value& v) {
  const Stmt& def = *v.as<MacroObj>().def;
  return def.kind == StmtKind::kCall ? "<Macro anonymous>" : "<Macro '" + def.text + "'>";
}

Value Interp::macro_attr(const Value& v, std::string_view name) {
  const Stmt& def = *v.as<MacroObj>().def;
  if (name == "name") return def.kind == StmtKind::kCall ? Value::none() : str(def.text);
  if (name == "caller") return Value::boolean(def.takes_caller);
  if (name == "catch_kwargs") return Value::boolean(def.takes_kwargs);
  if (name == "catch_varargs") return Value::boolean(def.takes_varargs);
  if (name != "arguments") return Value::missing();
  std::vector<Value> names;
  for (uint32_t p : def.params) names.push_back(str(program_.names[p]));
  return tuple(std::move(names));
}

}  // namespace uma::jinja
