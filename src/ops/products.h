#pragma once
// Products of arrays beyond matmul, all composed of it. dtypes and errors are matmul's where sums are taken.
#include <optional>
#include <utility>
#include <vector>

#include "core/array.h"

namespace uma {

/// a_i b_j of the flattened arrays.
array outer(const array& a, const array& b);
/// Sum over the last axes of both; a 0-d array scales the other. throws Shape where those axes differ
array inner(const array& a, const array& b);
/// Sum of a b along an axis; the other axes broadcast. throws Shape, Index, DType
array vecdot(const array& a, const array& b, int axis = -1);
/// Every element of a times the whole of b.
array kron(const array& a, const array& b);
/// Sum over pairs of axes. throws InvalidArgument, Shape
array tensordot(const array& a, const array& b, const std::vector<int>& a_axes,
                const std::vector<int>& b_axes);
/// Over the last `axes` axes of a and the first of b.
array tensordot(const array& a, const array& b, int axes = 2);

/// alpha (a b) + beta c. throws Shape where c does not broadcast to a b
array addmm(const array& c, const array& a, const array& b, double alpha = 1, double beta = 1);
/// a b where blocks of a, b and the result are scaled by a mask's elements, or are zero where it is bool and
/// false. A mask has ceil(extent / block_size) rows and columns. throws Shape
array block_masked_mm(const array& a, const array& b, int64_t block_size = 64,
                      const std::optional<array>& mask_out = {}, const std::optional<array>& mask_lhs = {},
                      const std::optional<array>& mask_rhs = {});
/// a[:, s0:s1] b[s0:s1, :] for every pair (s0, s1) in the last axis of `segments`.
/// shapes  a (M, K), b (K, N), segments (..., 2) -> (..., M, N)
array segmented_mm(const array& a, const array& b, const array& segments);
/// Products of the matrices that index arrays name, counted over the flattened leading axes of a and b.
/// throws  DType for operands that are no floats or indices that are no integers; Shape
array gather_mm(const array& a, const array& b, const std::optional<array>& lhs_indices = {},
                const std::optional<array>& rhs_indices = {});

/// The Walsh-Hadamard transform along the last axis, whose extent is m 2^k with m of 1, 12, 20, 28. scale:
/// 1 / sqrt(extent) where none is given. dtype   floats stay and accumulate in f32; others become float32
array hadamard_transform(const array& x, std::optional<double> scale = {});

}  // namespace uma
