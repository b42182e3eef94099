#pragma once
// Ops that change how elements are counted and not what they are. All are views where the layout allows.
#include <vector>

#include "core/array.h"
#include "core/op.h"

namespace uma {

/// The same elements, row-major, in another shape; one extent may be -1. Throws Shape.
array reshape(const array& x, Shape shape);
/// Axes in another order; empty: reversed. Throws InvalidArgument for anything but a permutation.
array transpose(const array& x, const std::vector<int>& axes = {});
array swapaxes(const array& x, int a, int b);
array moveaxis(const array& x, int source, int target);
/// New axes of extent 1, at these places of the result.
array expand_dims(const array& x, const std::vector<int>& axes);
/// Without these axes, which must have extent 1; empty: without all such. Throws Shape.
array squeeze(const array& x, const std::vector<int>& axes = {});
/// Merges axes start..end into one; ends out of range are as far as there are axes.
array flatten(const array& x, int start = 0, int end = -1);
/// NumPy's broadcasting; no copy. Throws Shape.
array broadcast_to(const array& x, const Shape& shape);
/// The same values in row-major memory.
array contiguous(const array& x);
/// x, through which no gradient flows.
array stop_gradient(const array& x);

/// For vmap rules: all inputs with the batch as their first axis, repeated where an input has none.
std::vector<array> batch_first(std::span<const array> inputs, std::span<const int> axes);

struct ReshapeParams {  // of reshape and broadcast_to
  Shape shape;
};
struct TransposeParams {
  SmallVector<int, 8> axes;
};

std::vector<array> reshape_vjp(const Node&, std::span<const array>, std::span<const array>,
                               std::span<const int>);
std::vector<array> reshape_jvp(const Node&, std::span<const array>, std::span<const array>,
                               std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> reshape_vmap(const Node&, std::span<const array>,
                                                             std::span<const int>);
bool reshape_view(KernelArgs&);
std::vector<array> transpose_vjp(const Node&, std::span<const array>, std::span<const array>,
                                 std::span<const int>);
std::vector<array> transpose_jvp(const Node&, std::span<const array>, std::span<const array>,
                                 std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> transpose_vmap(const Node&, std::span<const array>,
                                                               std::span<const int>);
bool transpose_view(KernelArgs&);
std::vector<array> broadcast_vjp(const Node&, std::span<const array>, std::span<const array>,
                                 std::span<const int>);
std::vector<array> broadcast_jvp(const Node&, std::span<const array>, std::span<const array>,
                                 std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> broadcast_vmap(const Node&, std::span<const array>,
                                                               std::span<const int>);
bool broadcast_view(KernelArgs&);
std::vector<array> contiguous_vjp(const Node&, std::span<const array>, std::span<const array>,
                                  std::span<const int>);
std::vector<array> contiguous_jvp(const Node&, std::span<const array>, std::span<const array>,
                                  std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> contiguous_vmap(const Node&, std::span<const array>,
                                                                std::span<const int>);
bool contiguous_view(KernelArgs&);

std::vector<array> stop_gradient_vjp(const Node&, std::span<const array>, std::span<const array>,
                                     std::span<const int>);
std::vector<array> stop_gradient_jvp(const Node&, std::span<const array>, std::span<const array>,
                                     std::span<const int>);
bool stop_gradient_view(KernelArgs&);

inline constexpr OpInfo kStopGradient{.name = "stop_gradient",
                                      .args = "x",
                                      .doc = "x, as a constant to gradients.",
                                      .fusion = Fusion::view,
                                      .vjp = stop_gradient_vjp,
                                      .jvp = stop_gradient_jvp,
                                      .vmap = contiguous_vmap,
                                      .view = stop_gradient_view};
inline constexpr OpInfo kReshape{.name = "reshape",
                                 .args = "x",
                                 .doc = "The same elements in another shape.",
                                 .fusion = Fusion::view,
                                 .vjp = reshape_vjp,
                                 .jvp = reshape_jvp,
                                 .vmap = reshape_vmap,
                                 .view = reshape_view};
inline constexpr OpInfo kTranspose{.name = "transpose",
                                   .args = "x",
                                   .doc = "Axes in another order.",
                                   .fusion = Fusion::view,
                                   .vjp = transpose_vjp,
                                   .jvp = transpose_jvp,
                                   .vmap = transpose_vmap,
                                   .view = transpose_view};
inline constexpr OpInfo kBroadcastTo{.name = "broadcast_to",
                                     .args = "x",
                                     .doc = "The same elements, repeated along axes.",
                                     .fusion = Fusion::view,
                                     .vjp = broadcast_vjp,
                                     .jvp = broadcast_jvp,
                                     .vmap = broadcast_vmap,
                                     .view = broadcast_view};
inline constexpr OpInfo kContiguous{.name = "contiguous",
                                    .args = "x",
                                    .doc = "The same values in row-major memory.",
                                    .fusion = Fusion::view,
                                    .vjp = contiguous_vjp,
                                    .jvp = contiguous_jvp,
                                    .vmap = contiguous_vmap,
                                    .view = contiguous_view};

}  // namespace uma
