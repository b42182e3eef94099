#pragma once
// Reading and writing parts of arrays.
#include <vector>

#include "core/array.h"
#include "core/op.h"

namespace uma {

/// x[start:stop:strides] along every axis; negative steps walk down (stop is then the last one not taken,
/// -1 for "past the first"). Starts and stops are clamped as Python does for in-range signs. No copy.
/// throws Shape where the number of entries is not ndim; InvalidArgument for a step of 0
array slice(const array& x, const Shape& start, const Shape& stop, const Shape& strides = {});
/// One axis of it.
array slice_axis(const array& x, int axis, int64_t start, int64_t stop);

/// x with `update` written at `start`. Where nobody else holds x, its memory is written in place: that is how
/// a KV cache grows. throws Shape where the update does not fit; DType where the dtypes differ
array slice_update(const array& x, const array& update, const Shape& start);

/// Rows of x along an axis: shape x.shape[:axis] + indices.shape + x.shape[axis+1:]. Negative indices count
/// from the end. throws DType for indices that are no integers; InvalidArgument, when evaluated, for one out
/// of range
array take(const array& x, const array& indices, int axis = 0);
/// out[i][j] = x[i][indices[i][j]] for axis 1, and so on; the other axes broadcast. throws as take, Shape
array take_along_axis(const array& x, const array& indices, int axis);

/// x with updates added at rows `indices` along an axis (several for one row add up): the transpose of take.
array scatter_add(const array& x, const array& indices, const array& updates, int axis = 0);
array scatter_add_along_axis(const array& x, const array& indices, const array& updates, int axis);

/// Joined along an axis. throws InvalidArgument for no arrays, Shape where the other extents differ
array concatenate(const std::vector<array>& arrays, int axis = 0);
/// Joined along a new axis.
array stack(const std::vector<array>& arrays, int axis = 0);
/// Cut into equal parts, or before these positions. throws Shape where parts would be unequal
std::vector<array> split(const array& x, int64_t parts, int axis = 0);
std::vector<array> split_at(const array& x, const std::vector<int64_t>& positions, int axis = 0);

struct SliceParams {
  Shape start, strides, count;
};
struct SliceUpdateParams {
  Shape start;
};
struct AxisParams {
  int axis;
};

bool slice_view(KernelArgs&);
std::vector<array> slice_vjp(const Node&, std::span<const array>, std::span<const array>,
                             std::span<const int>);
std::vector<array> slice_jvp(const Node&, std::span<const array>, std::span<const array>,
                             std::span<const int>);
std::vector<array> slice_update_vjp(const Node&, std::span<const array>, std::span<const array>,
                                    std::span<const int>);
std::vector<array> take_vjp(const Node&, std::span<const array>, std::span<const array>,
                            std::span<const int>);
std::vector<array> take_jvp(const Node&, std::span<const array>, std::span<const array>,
                            std::span<const int>);
std::vector<array> concatenate_vjp(const Node&, std::span<const array>, std::span<const array>,
                                   std::span<const int>);

std::vector<array> slice_update_jvp(const Node&, std::span<const array>, std::span<const array>,
                                    std::span<const int>);
std::vector<array> scatter_add_vjp(const Node&, std::span<const array>, std::span<const array>,
                                   std::span<const int>);
std::vector<array> scatter_add_jvp(const Node&, std::span<const array>, std::span<const array>,
                                   std::span<const int>);
std::vector<array> concatenate_jvp(const Node&, std::span<const array>, std::span<const array>,
                                   std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> slice_vmap(const Node&, std::span<const array>,
                                                           std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> slice_update_vmap(const Node&, std::span<const array>,
                                                                  std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> take_vmap(const Node&, std::span<const array>,
                                                          std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> take_along_axis_vmap(const Node&, std::span<const array>,
                                                                     std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> scatter_add_vmap(const Node&, std::span<const array>,
                                                                 std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> concatenate_vmap(const Node&, std::span<const array>,
                                                                 std::span<const int>);

inline constexpr OpInfo kSlice{.name = "slice",
                               .args = "x",
                               .doc = "Every step-th element from start to stop, per axis.",
                               .fusion = Fusion::view,
                               .vjp = slice_vjp,
                               .jvp = slice_jvp,
                               .vmap = slice_vmap,
                               .view = slice_view};
inline constexpr OpInfo kSliceUpdate{
    .name = "slice_update",
    .args = "x, update",
    .doc = "x with a block written at start; in place where nobody else holds x.",
    .vjp = slice_update_vjp,
    .jvp = slice_update_jvp,
    .vmap = slice_update_vmap};
inline constexpr OpInfo kTake{.name = "take",
                              .args = "x, indices",
                              .doc = "Rows of x along an axis.",
                              .vjp = take_vjp,
                              .jvp = take_jvp,
                              .vmap = take_vmap};
inline constexpr OpInfo kTakeAlongAxis{.name = "take_along_axis",
                                       .args = "x, indices",
                                       .doc = "One element a place, chosen along an axis.",
                                       .vjp = take_vjp,
                                       .jvp = take_jvp,
                                       .vmap = take_along_axis_vmap};
inline constexpr OpInfo kScatterAdd{.name = "scatter_add",
                                    .args = "x, indices, updates",
                                    .doc = "x with rows added along an axis.",
                                    .vjp = scatter_add_vjp,
                                    .jvp = scatter_add_jvp,
                                    .vmap = scatter_add_vmap};
inline constexpr OpInfo kScatterAddAlongAxis{.name = "scatter_add_along_axis",
                                             .args = "x, indices, updates",
                                             .doc = "x with elements added along an axis.",
                                             .vjp = scatter_add_vjp,
                                             .jvp = scatter_add_jvp,
                                             .vmap = scatter_add_vmap};
inline constexpr OpInfo kConcatenate{.name = "concatenate",
                                     .args = "arrays",
                                     .doc = "Arrays joined along an axis.",
                                     .dtype = DTypeRule::promote,
                                     .vjp = concatenate_vjp,
                                     .jvp = concatenate_jvp,
                                     .vmap = concatenate_vmap};

}  // namespace uma
