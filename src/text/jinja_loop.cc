#include <algorithm>

#include "text/jinja_filters.h"
#include "text/jinja_interp.h"

namespace uma::jinja {

LoopObj::LoopObj(Runtime& r, const Stmt* d, Ref<Scope> s, Value src, int64_t depth)
    : Linked(r, Kind::kLoop, sizeof(*this)), def(d), scope(std::move(s)), source(src), depth0(depth) {
  iter.emplace(r, std::move(src));
}

void LoopObj::clear() {
  scope = Ref<Scope>();
  iter.reset();
  source = before = current = after = last_changed = Value();
  queue.clear();
}

/// The next item that the loop's condition lets through.
bool Interp::pull_item(LoopObj& loop, Value* out) {
  if (loop.queue_at < loop.queue.size()) {
    *out = std::move(loop.queue[loop.queue_at++]);
    return true;
  }
  if (loop.done) return false;
  const Expr* condition = loop.def->exprs[2].get();
  while (loop.iter->next(*this, out)) {
    if (!condition) return true;
    const auto scope = inner(loop.scope);
    assign(*loop.def->exprs[0], *out, scope);
    if (truthy(eval(*condition, scope))) return true;
  }
  loop.done = true;
  return false;
}

bool Interp::peek_item(LoopObj& loop) {
  if (!loop.has_after) loop.has_after = pull_item(loop, &loop.after);
  return loop.has_after;
}

bool Interp::next_item(LoopObj& loop, Value* out) {
  if (loop.has_after) {
    *out = std::move(loop.after);
    loop.has_after = false;
  } else if (!pull_item(loop, out)) {
    return false;
  }
  ++loop.index0;
  loop.before = std::move(loop.current);
  loop.current = *out;
  return true;
}

Interp::Flow Interp::exec_for(const Stmt& s, const Ref<Scope>& scope, Value source, int64_t depth) {
  const auto loop = make<LoopObj>(&s, scope, std::move(source), depth);
  bool ran = false;
  for (Value item; next_item(*loop, &item);) {
    const auto body_scope = inner(scope);
    body_scope->set(kNameLoop, Value(loop));
    assign(*s.exprs[0], std::move(item), body_scope);
    const Flow flow = exec(s.bodies[0], body_scope);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kNext) ran = true;  // a pass that ended by `continue` does not count, as in Jinja
    set_line(s.line);
  }
  return ran || s.bodies[1].empty() ? Flow::kNext : exec(s.bodies[1], inner(scope));
}

int64_t Interp::loop_length(const Value& v) {
  auto& loop = v.as<LoopObj>();
  if (loop.known_length >= 0) return loop.known_length;
  if (!loop.source.is(Kind::kGenerator) && !loop.def->exprs[2])
    return loop.known_length = length(*this, loop.source);
  // Without a length of its own, the rest is pulled now.
  std::vector<Value> rest;
  for (Value item; pull_item(loop, &item);) {
    check_room(rest.size() * sizeof(Value) * 2);
    rest.push_back(std::move(item));
  }
  loop.grow(rest.size() * sizeof(Value));
  loop.queue = std::move(rest);
  loop.queue_at = 0;
  loop.known_length = static_cast<int64_t>(loop.queue.size()) + loop.index0 + 1 + (loop.has_after ? 1 : 0);
  return loop.known_length;
}

std::string Interp::loop_repr(const Value& v) {
  const int64_t n = loop_length(v);
  return fmt::format("<LoopContext {}/{}>", v.as<LoopObj>().index0 + 1, n);
}

namespace {

Value loop_cycle(Interp& in, const Value& self, Args& args) {
  if (args.pos.empty()) in.fail("no items for cycling given");
  const auto i = static_cast<size_t>(self.as<LoopObj>().index0);
  return args.pos[i % args.pos.size()];
}

Value loop_changed(Interp& in, const Value& self, Args& args) {
  auto& loop = self.as<LoopObj>();
  Value now = in.tuple(std::move(args.pos));
  if (!loop.last_changed.is_missing() && equal(in, loop.last_changed, now)) return Value::boolean(false);
  loop.last_changed = std::move(now);
  return Value::boolean(true);
}

constexpr MethodInfo kLoopMethods[] = {{"cycle", {"*"}, loop_cycle}, {"changed", {"*"}, loop_changed}};

}  // namespace

Value Interp::loop_attr(const Value& v, std::string_view name) {
  auto& loop = v.as<LoopObj>();
  if (!loop.def) return Value::missing();
  if (name == "index") return Value::integer(loop.index0 + 1);
  if (name == "index0") return Value::integer(loop.index0);
  if (name == "first") return Value::boolean(loop.index0 == 0);
  if (name == "last") return Value::boolean(!peek_item(loop));
  if (name == "length") return Value::integer(loop_length(v));
  if (name == "revindex") return Value::integer(loop_length(v) - loop.index0);
  if (name == "revindex0") return Value::integer(loop_length(v) - loop.index0 - 1);
  if (name == "depth") return Value::integer(loop.depth0 + 1);
  if (name == "depth0") return Value::integer(loop.depth0);
  if (name == "previtem") return loop.index0 == 0 ? undefined("there is no previous item") : loop.before;
  if (name == "nextitem") return peek_item(loop) ? loop.after : undefined("there is no next item");
  for (const auto& m : kLoopMethods)
    if (m.name == name) return Value(make<MethodObj>(v, &m));
  return Value::missing();
}

/// loop(items) renders the body of a recursive loop with other items.
Value Interp::call_loop(const Value& v, Args& args) {
  auto& loop = v.as<LoopObj>();
  if (!loop.def->recursive) fail("The loop must have the 'recursive' marker to be called recursively.");
  if (args.pos.size() != 1 || !args.kw.empty()) fail("loop() takes one argument");
  Deeper deeper(*this);
  Capture capture(*this);
  exec_for(*loop.def, loop.scope, args.pos[0], loop.depth0 + 1);
  return str(capture.take());
}

}  // namespace uma::jinja
