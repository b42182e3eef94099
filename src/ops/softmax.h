#pragma once
#include "core/array.h"
#include "core/op.h"

namespace uma {

/// exp(x - max) / sum(exp(x - max)) along one axis; accumulates in f32 (f64 for f64).
/// dtype   floats stay, integers become float32       error  3 ULP of the f64 result, f32
/// throws  Index for an axis out of range
array softmax(const array& x, int axis = -1);

std::vector<array> softmax_vjp(const Node&, std::span<const array>, std::span<const array>,
                               std::span<const int>);
std::vector<array> softmax_jvp(const Node&, std::span<const array>, std::span<const array>,
                               std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> softmax_vmap(const Node&, std::span<const array>,
                                                             std::span<const int>);

// Always over the last axis; another one is moved there.
inline constexpr OpInfo kSoftmax{.name = "softmax",
                                 .args = "x",
                                 .doc = "Exponentials that sum to 1 along an axis.",
                                 .dtype = DTypeRule::promote_inexact,
                                 .fusion = Fusion::reduction,
                                 .vjp = softmax_vjp,
                                 .jvp = softmax_jvp,
                                 .vmap = softmax_vmap,
                                 .max_ulp = 4};

}  // namespace uma
