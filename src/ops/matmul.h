#pragma once
#include "core/array.h"
#include "core/op.h"

namespace uma {

/// Matrix product over the last two axes; leading axes broadcast; a vector on either side is a row or a
/// column and its axis is dropped, as in NumPy.
/// dtype   as promoted, halves accumulate in f32
/// throws  DType for two integer inputs, as MLX does; Shape for 0-d inputs or inner extents that differ
array matmul(const array& x, const array& y);

std::vector<array> matmul_vjp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
std::vector<array> matmul_jvp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> matmul_vmap(const Node&, std::span<const array>,
                                                            std::span<const int>);

// Both inputs have the same number of axes, at least two, and equal leading extents.
inline constexpr OpInfo kMatmul{.name = "matmul",
                                .args = "x, y",
                                .doc = "Matrix product over the last two axes.",
                                .dtype = DTypeRule::promote_inexact,
                                .vjp = matmul_vjp,
                                .jvp = matmul_jvp,
                                .vmap = matmul_vmap};

}  // namespace uma
