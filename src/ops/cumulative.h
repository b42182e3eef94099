#pragma once
// Running extremes and logarithms of sums along an axis. cumsum and cumprod are in sort.h.
#include "core/array.h"
#include "core/op.h"

namespace uma {

/// The largest (smallest) element so far; NaN stays. inclusive: an element counts itself; otherwise the first
/// result is the smallest (largest) value of the dtype, -inf or inf for floats.
/// throws  Index for an axis out of range; DType for complex64
array cummax(const array& x, int axis, bool reverse = false, bool inclusive = true);
array cummin(const array& x, int axis, bool reverse = false, bool inclusive = true);
/// log(exp(x0) + exp(x1) + ...) so far, without overflow; halves accumulate in f32, integers become float32.
array logcumsumexp(const array& x, int axis, bool reverse = false, bool inclusive = true);

enum class Cumulation : uint8_t { max, min, logsumexp };
struct CumulativeParams {
  Cumulation kind;  // over the last axis, forwards and inclusive; the rest is composed
};

std::vector<array> cumulative_vjp(const Node&, std::span<const array>, std::span<const array>,
                                  std::span<const int>);
std::vector<array> cumulative_jvp(const Node&, std::span<const array>, std::span<const array>,
                                  std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> cumulative_vmap(const Node&, std::span<const array>,
                                                                std::span<const int>);

inline constexpr OpInfo kCumulative{.name = "cumulative",
                                    .args = "x",
                                    .doc = "Running max, min or logsumexp along the last axis.",
                                    .vjp = cumulative_vjp,
                                    .jvp = cumulative_jvp,
                                    .vmap = cumulative_vmap,
                                    .max_ulp = 3};

}  // namespace uma
