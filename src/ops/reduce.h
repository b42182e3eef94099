#pragma once
// Reductions. Sums are blocked (the error grows with the logarithm of the length), half types accumulate in
// f32, variance is two-pass. Axes may be negative; no axes: all of them.
#include <optional>
#include <vector>

#include "core/array.h"
#include "core/op.h"

namespace uma {

using Axes = std::vector<int>;

/// Sums of bool and narrow integers are int32, or int64 of 64-bit ones, as in MLX.
array sum(const array& x, const Axes& axes = {}, bool keepdims = false);
array prod(const array& x, const Axes& axes = {}, bool keepdims = false);
/// NaN wins. throws InvalidArgument over an axis of extent 0
array max(const array& x, const Axes& axes = {}, bool keepdims = false);
array min(const array& x, const Axes& axes = {}, bool keepdims = false);
array all(const array& x, const Axes& axes = {}, bool keepdims = false);
array any(const array& x, const Axes& axes = {}, bool keepdims = false);
array mean(const array& x, const Axes& axes = {}, bool keepdims = false);
array var(const array& x, const Axes& axes = {}, bool keepdims = false, int64_t ddof = 0);
/// log(sum(exp(x))) without overflow.
array logsumexp(const array& x, const Axes& axes = {}, bool keepdims = false);

/// Index of the first largest or smallest element, uint32; NaN counts as the largest or smallest.
array argmax(const array& x, int axis, bool keepdims = false);
array argmin(const array& x, int axis, bool keepdims = false);
/// Over all elements, flattened.
array argmax(const array& x);
array argmin(const array& x);

enum class Reduction : uint8_t { sum, prod, max, min, all, any };
struct ReduceParams {
  Reduction kind;
  SmallVector<int, 8> axes;  // sorted, distinct; the output keeps them with extent 1
};
struct ArgReduceParams {
  bool largest;
  int axis;  // kept with extent 1
};

std::vector<array> reduce_vjp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
std::vector<array> reduce_jvp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> reduce_vmap(const Node&, std::span<const array>,
                                                            std::span<const int>);

std::pair<std::vector<array>, std::vector<int>> arg_reduce_vmap(const Node&, std::span<const array>,
                                                                std::span<const int>);

inline constexpr OpInfo kReduce{.name = "reduce",
                                .args = "x",
                                .doc = "Sum, product, largest, smallest, all or any over axes.",
                                .dtype = DTypeRule::custom,
                                .fusion = Fusion::reduction,
                                .vjp = reduce_vjp,
                                .jvp = reduce_jvp,
                                .vmap = reduce_vmap};
inline constexpr OpInfo kArgReduce{.name = "arg_reduce",
                                   .args = "x",
                                   .doc = "Index of the largest or smallest element.",
                                   .dtype = DTypeRule::index,
                                   .fusion = Fusion::reduction,
                                   .vmap = arg_reduce_vmap};

}  // namespace uma
