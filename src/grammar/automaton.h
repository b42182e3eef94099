#pragma once
// A pushdown automaton over bytes: one nondeterministic automaton a rule, and states that call another rule.
// It is compiled in time linear in its size; what is deterministic in it is found while it runs.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "grammar/expr.h"

namespace uma::grammar {

struct State {
  enum class Kind : uint8_t {
    dead,    // nothing follows
    byte,    // one of first..last, then next
    split,   // next, or other
    call,    // the rule `other`, then next
    accept,  // the rule has been matched
  };
  Kind kind = Kind::dead;
  uint8_t first = 0, last = 0;
  bool tail = false;  // call: nothing comes after it, so that nobody need return here
  uint32_t next = 0, other = 0;
};

struct Automaton {
  std::vector<State> states;
  std::vector<uint32_t> starts;  // of each rule; the first is the root
  /// Bytes that no state tells apart are one class.
  std::array<uint8_t, 256> class_of{};
  int classes = 1;

  /// throws Limit: over kMaxStates states. InvalidArgument: a rule that calls itself before any character
  ///        (left recursion), or a root that no text matches.
  static Automaton compile(const Rules& rules, std::string_view op);
  /// The texts of one and those of the other. Throws Limit.
  static Automaton either(const Automaton& a, const Automaton& b);
};

inline constexpr size_t kMaxStates = 1'000'000;

}  // namespace uma::grammar
