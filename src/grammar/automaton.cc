#include "grammar/automaton.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/error.h"
#include "base/utf8.h"

namespace uma::grammar {
namespace {

using Kind = State::Kind;

/// Thompson's construction from the end to the beginning: each piece is made in front of what follows it.
class Builder {
 public:
  Builder(Automaton& a, std::string_view op) : a_(a), op_(op) { a_.states.push_back({}); }

  void build(const Rules& rules) {
    a_.starts.reserve(rules.rules.size());
    for (const Rules::Rule& rule : rules.rules)
      a_.starts.push_back(emit(*rule.body, add({.kind = Kind::accept})));
  }

 private:
  uint32_t add(const State& s) {
    check(a_.states.size() < kMaxStates, ErrorCode::kLimit, op_,
          "it needs over {} states; smaller repetition counts need fewer", kMaxStates);
    a_.states.push_back(s);
    return static_cast<uint32_t>(a_.states.size() - 1);
  }
  uint32_t split(uint32_t next, uint32_t other) {
    if (next == 0) return other;
    if (other == 0) return next;
    return add({.kind = Kind::split, .next = next, .other = other});
  }

  uint32_t emit(const Expr& e, uint32_t next) {
    switch (e.kind) {
      case Expr::Kind::text:
        for (size_t i = e.text.size(); i-- > 0;) {
          const auto byte = static_cast<uint8_t>(e.text[i]);
          next = add({.kind = Kind::byte, .first = byte, .last = byte, .next = next});
        }
        return next;
      case Expr::Kind::chars:
        return emit_chars(e.chars, next);
      case Expr::Kind::sequence:
        for (size_t i = e.parts.size(); i-- > 0;) next = emit(*e.parts[i], next);
        return next;
      case Expr::Kind::choice: {
        uint32_t all = 0;
        for (size_t i = e.parts.size(); i-- > 0;) all = split(emit(*e.parts[i], next), all);
        return all;
      }
      case Expr::Kind::repeat:
        return emit_repeat(e, next);
      case Expr::Kind::call:
        break;
    }
    const bool tail = a_.states[next].kind == Kind::accept;
    return add({.kind = Kind::call, .tail = tail, .next = next, .other = e.rule});
  }

  uint32_t emit_repeat(const Expr& e, uint32_t next) {
    uint32_t at = next;
    if (e.max == kUnbounded) {
      at = add({.kind = Kind::split, .other = next});
      const uint32_t body = emit(*e.parts[0], at);
      a_.states[at].next = body;
    } else {
      for (uint32_t i = e.min, before = 0; i < e.max && at != before; ++i) {
        before = at;
        const uint32_t body = emit(*e.parts[0], at);
        if (body != at) at = split(body, next);
      }
    }
    // What makes no states is empty, however often it is repeated.
    for (uint32_t i = 0, before = 0; i < e.min && at != before; ++i) {
      before = at;
      at = emit(*e.parts[0], at);
    }
    return at;
  }

  uint32_t emit_chars(const CharSet& set, uint32_t next) {
    shared_.clear();
    uint32_t all = 0;
    for (const CodeRange& r : set.ranges()) emit_range(r.first, r.last, next, all);
    return all;
  }
  /// Cuts a range of code points where the number of bytes changes, and where not every continuation byte is
  /// free.
  void emit_range(uint32_t first, uint32_t last, uint32_t next, uint32_t& all) {
    for (const uint32_t end : {0x7fu, 0x7ffu, 0xffffu})
      if (first <= end && end < last) {
        emit_range(first, end, next, all);
        return emit_range(end + 1, last, next, all);
      }
    const int more = last <= 0x7f ? 0 : last <= 0x7ff ? 1 : last <= 0xffff ? 2 : 3;  // continuation bytes
    for (int i = 1; i <= more; ++i) {
      const uint32_t low = (1u << (6 * i)) - 1;
      if ((first & ~low) == (last & ~low)) continue;
      if ((first & low) != 0) {
        emit_range(first, first | low, next, all);
        return emit_range((first | low) + 1, last, next, all);
      }
      if ((last & low) != low) {
        emit_range(first, (last & ~low) - 1, next, all);
        return emit_range(last & ~low, last, next, all);
      }
    }
    static constexpr uint8_t kLead[] = {0x00, 0xc0, 0xe0, 0xf0};
    uint32_t at = next;
    for (int i = 0; i <= more; ++i) {
      const uint8_t mark = i < more ? 0x80 : kLead[more];
      const auto part = [&](uint32_t c) {
        return static_cast<uint8_t>(mark | (i < more ? c >> (6 * i) & 0x3f : c >> (6 * i)));
      };
      uint32_t& state = shared_[{part(first), part(last), at}];
      if (state == 0)
        state = add({.kind = Kind::byte, .first = part(first), .last = part(last), .next = at});
      else if (i == more)
        return;
      at = state;
    }
    all = split(at, all);
  }

  Automaton& a_;
  std::string_view op_;
  std::map<std::tuple<uint8_t, uint8_t, uint32_t>, uint32_t> shared_;  // of one set
};

/// What leads to a state without a byte between.
struct Backward {
  explicit Backward(const Automaton& a) : from(a.states.size()), callers(a.starts.size()) {
    for (uint32_t s = 0; s < a.states.size(); ++s) {
      const State& state = a.states[s];
      if (state.kind == Kind::dead || state.kind == Kind::accept) continue;
      from[state.next].push_back(s);
      if (state.kind == Kind::split) from[state.other].push_back(s);
      if (state.kind == Kind::call) callers[state.other].push_back(s);
    }
    rule_at.resize(a.states.size());
    for (uint32_t r = 0; r < a.starts.size(); ++r) rule_at[a.starts[r]].push_back(r);
  }
  std::vector<std::vector<uint32_t>> from;     // states by the state that follows
  std::vector<std::vector<uint32_t>> callers;  // states by the rule that they call
  std::vector<std::vector<uint32_t>> rule_at;  // rules by where they start
};

/// States from which the end of their rule is reached: with `bytes`, by any text; without, by the empty one.
std::vector<bool> reach_end(const Automaton& a, const Backward& back, bool bytes) {
  std::vector<bool> reached(a.states.size()), rule_reached(a.starts.size());
  std::vector<uint32_t> todo;
  const auto reach = [&](uint32_t s) {
    if (reached[s]) return;
    reached[s] = true;
    todo.push_back(s);
  };
  const auto visit = [&](uint32_t s) {
    const State& state = a.states[s];
    if (state.kind == Kind::split)
      reach(s);
    else if (state.kind == Kind::byte && bytes)
      reach(s);
    else if (state.kind == Kind::call && rule_reached[state.other] && reached[state.next])
      reach(s);
  };
  for (uint32_t s = 0; s < a.states.size(); ++s)
    if (a.states[s].kind == Kind::accept) reach(s);
  while (!todo.empty()) {
    const uint32_t s = todo.back();
    todo.pop_back();
    for (const uint32_t p : back.from[s]) visit(p);
    for (const uint32_t r : back.rule_at[s]) {
      rule_reached[r] = true;
      for (const uint32_t c : back.callers[r]) visit(c);
    }
  }
  return reached;
}

/// The rules that each rule may call before its first byte.
std::vector<std::vector<uint32_t>> first_calls(const Automaton& a, const std::vector<bool>& empty) {
  std::vector<std::vector<uint32_t>> calls(a.starts.size());
  std::vector<uint32_t> seen(a.states.size(), UINT32_MAX), todo;
  for (uint32_t r = 0; r < a.starts.size(); ++r) {
    todo = {a.starts[r]};
    while (!todo.empty()) {
      const uint32_t s = todo.back();
      todo.pop_back();
      if (seen[s] == r) continue;
      seen[s] = r;
      const State& state = a.states[s];
      if (state.kind == Kind::split) todo.insert(todo.end(), {state.next, state.other});
      if (state.kind != Kind::call) continue;
      calls[r].push_back(state.other);
      if (empty[a.starts[state.other]]) todo.push_back(state.next);
    }
  }
  return calls;
}

/// Refuses a rule that comes back to itself before its first byte: its stack would grow without an end.
void refuse_left_recursion(const Automaton& a, const std::vector<bool>& empty, const Rules& rules,
                           std::string_view op) {
  const auto calls = first_calls(a, empty);
  enum : uint8_t { kNew, kOpen, kDone };
  std::vector<uint8_t> mark(calls.size(), kNew);
  std::vector<std::pair<uint32_t, size_t>> path;
  for (uint32_t root = 0; root < calls.size(); ++root) {
    if (mark[root] != kNew) continue;
    path = {{root, 0}};
    mark[root] = kOpen;
    while (!path.empty()) {
      auto& [rule, i] = path.back();
      if (i == calls[rule].size()) {
        mark[rule] = kDone;
        path.pop_back();
        continue;
      }
      const uint32_t next = calls[rule][i++];
      check(mark[next] != kOpen, ErrorCode::kInvalidArgument, op,
            "'{}' begins with itself (left recursion): it must take a character first",
            shown(rules.rules[next].name));
      if (mark[next] == kNew) {
        mark[next] = kOpen;
        path.emplace_back(next, 0);
      }
    }
  }
}

/// Tells apart the bytes that some state tells apart.
void classify(Automaton& a) {
  std::array<bool, 257> edge{};
  for (const State& s : a.states)
    if (s.kind == Kind::byte) edge[s.first] = edge[size_t{s.last} + 1] = true;
  int last = 0;
  for (size_t b = 0; b < 256; ++b) {
    if (b > 0 && edge[b]) ++last;
    a.class_of[b] = static_cast<uint8_t>(last);
  }
  a.classes = last + 1;
}

}  // namespace

Automaton Automaton::compile(const Rules& rules, std::string_view op) {
  Automaton a;
  Builder(a, op).build(rules);
  const Backward back(a);
  refuse_left_recursion(a, reach_end(a, back, false), rules, op);
  const std::vector<bool> alive = reach_end(a, back, true);
  check(alive[a.starts[0]], ErrorCode::kInvalidArgument, op, "no text matches it");
  // Whoever is where no end can be reached is nowhere, so that every beginning can be finished.
  for (size_t s = 0; s < a.states.size(); ++s)
    if (!alive[s]) a.states[s] = {};
  classify(a);
  return a;
}

Automaton Automaton::either(const Automaton& a, const Automaton& b) {
  check(a.states.size() + b.states.size() + 4 <= kMaxStates, ErrorCode::kLimit, "grammar",
        "the two together need over {} states", kMaxStates);
  Automaton both;
  // The root calls the root of one or of the other; what is nowhere stays state 0.
  both.states = {{},
                 {.kind = Kind::accept},
                 {.kind = Kind::call, .tail = true, .next = 1, .other = 1},
                 {.kind = Kind::call, .tail = true, .next = 1},
                 {.kind = Kind::split, .next = 2, .other = 3}};
  both.starts = {4};
  both.states[3].other = 1 + static_cast<uint32_t>(a.starts.size());
  for (const Automaton* part : {&a, &b}) {
    const auto offset = static_cast<uint32_t>(both.states.size());
    const auto rules = static_cast<uint32_t>(both.starts.size());
    for (State s : part->states) {
      s.next += offset;
      s.other += s.kind == Kind::call ? rules : offset;
      both.states.push_back(s);
    }
    for (const uint32_t start : part->starts) both.starts.push_back(start + offset);
  }
  classify(both);
  return both;
}

}  // namespace uma::grammar
