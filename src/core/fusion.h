#pragma once
// Elementwise ops that run as one pass over memory. The planner groups them (core/plan.h); a backend goes
// through them tile by tile, so that what only the group reads never leaves the cache.
#include <array>
#include <span>
#include <vector>

#include "core/array.h"

namespace uma {

inline constexpr size_t kMaxOperands = 3;  // where() has the most
/// Steps in one group, so that their tiles stay in L2 whatever the program is.
inline constexpr size_t kMaxFused = 64;

struct FusedOp {
  Node* node;
  array* out;
  /// Operand k: the result of ops[operand], or inputs()[-1 - operand].
  std::array<int32_t, kMaxOperands> operands{};
  bool stored = true;      // somebody outside the group reads the result
  bool may_donate = true;  // false while a transformation keeps the node: it will read the inputs again
};

/// What a fused kernel gets: ops over one shape, each after those that it reads.
class FusedArgs {
 public:
  /// `ops` with their nodes, outputs and `stored`; operands are filled in here.
  explicit FusedArgs(std::span<FusedOp> ops);

  std::span<const FusedOp> ops() const { return ops_; }
  /// Distinct arrays that are read from outside, ready.
  size_t num_inputs() const { return inputs_.size(); }
  const array& input(size_t i) const { return *inputs_[i].value; }
  const Shape& shape() const { return ops_[0].out->shape(); }

  /// Memory for each stored result, row-major: that of an input which nobody else holds and no later op
  /// reads, or fresh.
  void allocate();

 private:
  struct Input {
    const array* value;
    size_t reads = 0;  // handles that nodes of the group hold
    size_t last = 0;   // op that reads it last
    bool taken = false;
  };
  std::span<FusedOp> ops_;
  std::vector<Input> inputs_;
};

}  // namespace uma
