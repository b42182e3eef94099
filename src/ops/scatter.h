#pragma once
// Reading and writing at positions that arrays of indices name: what a[i, j] and a.at[i, j].add(v) stand on.
#include <vector>

#include "core/array.h"
#include "core/op.h"

namespace uma {

/// Elements of x at indices[0], indices[1], ... along `axes`. Indices broadcast against each other and may be
/// negative.
/// shapes  x, k index arrays for k distinct axes -> broadcast index shape, then the other axes of x in order
/// throws  InvalidArgument: no index, axes that repeat; DType: indices that are no integers; Shape; and,
///         when evaluated, InvalidArgument for an index out of range
array gather(const array& x, const std::vector<array>& indices, const std::vector<int>& axes);

enum class ScatterMode : uint8_t { assign, add, multiply, maximum, minimum };

/// x with `updates` written or combined at the positions that gather(x, indices, axes) reads. Updates that
/// meet at one position are combined in the order of the indices; with assign the last one stays.
/// shapes  updates broadcast to gather's result      dtype  x's; updates are converted
/// throws  as gather
array scatter(const array& x, const std::vector<array>& indices, const array& updates,
              const std::vector<int>& axes, ScatterMode mode = ScatterMode::assign);

/// Positions of the elements that are not zero, one int32 (int64 over 2^31) array an axis, in row-major
/// order. Evaluates x: how many there are is not known before.
std::vector<array> nonzero(const array& x);

struct GatherParams {
  std::vector<int> axes;  // distinct, not negative
};
struct ScatterParams {
  std::vector<int> axes;
  ScatterMode mode;
};

std::vector<array> gather_vjp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
std::vector<array> gather_jvp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> gather_vmap(const Node&, std::span<const array>,
                                                            std::span<const int>);
std::vector<array> scatter_vjp(const Node&, std::span<const array>, std::span<const array>,
                               std::span<const int>);
std::vector<array> scatter_jvp(const Node&, std::span<const array>, std::span<const array>,
                               std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> scatter_vmap(const Node&, std::span<const array>,
                                                             std::span<const int>);

inline constexpr OpInfo kGather{.name = "gather",
                                .args = "x, indices",
                                .doc = "Elements at positions that index arrays name.",
                                .vjp = gather_vjp,
                                .jvp = gather_jvp,
                                .vmap = gather_vmap};
inline constexpr OpInfo kScatter{.name = "scatter",
                                 .args = "x, updates, indices",
                                 .doc = "x with updates at positions that index arrays name.",
                                 .vjp = scatter_vjp,
                                 .jvp = scatter_jvp,
                                 .vmap = scatter_vmap};

}  // namespace uma
