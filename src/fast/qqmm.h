#pragma once
// Products of two quantized matrices: the left one is quantized on the way.
#include <optional>

#include "core/array.h"
#include "fast/packed.h"

namespace uma {

/// x as it is after packing and unpacking its rows. Its derivative is the identity's: to the gradient,
/// rounding is not there ("straight-through"), so that a model can be trained under quantization.
/// shapes  x (..., M, K) -> that      dtype  float32      throws  as quantize
array fake_quantize(const array& x, const PackedFormat& format);

/// x w^T with both rounded to the format, sums in f32.
/// shapes  x (..., K), w (N, K), or packed (N, K bits / 32) with scales (N, K / group) -> (..., N)
/// dtype   x's; w is float32, float16 or bfloat16 where it is not packed
/// global scales (nvfp4 only; both or neither): as in quantize
/// throws  DType, Shape; InvalidArgument for packed w without scales, scales for w that is not packed, or
///         the affine mode
array qqmm(const array& x, const array& w, const std::optional<array>& scales, const PackedFormat& format,
           const std::optional<array>& global_scale_x = {}, const std::optional<array>& global_scale_w = {});

/// The same for chosen matrices: x[lhs_indices] w[rhs_indices]^T over flattened leading axes.
/// shapes  x (..., M, K), w (..., N, K) or packed; indices broadcast to (...) -> (..., M, N)
/// throws  as qqmm; DType for indices that are no integers
array gather_qqmm(const array& x, const array& w, const std::optional<array>& scales,
                  const std::optional<array>& lhs_indices, const std::optional<array>& rhs_indices,
                  const PackedFormat& format, const std::optional<array>& global_scale_x = {},
                  const std::optional<array>& global_scale_w = {});

std::vector<array> fake_quantize_fallback(const Node&, std::span<const array>);
std::vector<array> fake_quantize_vjp(const Node&, std::span<const array>, std::span<const array>,
                                     std::span<const int>);
std::vector<array> fake_quantize_jvp(const Node&, std::span<const array>, std::span<const array>,
                                     std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> fake_quantize_vmap(const Node&, std::span<const array>,
                                                                   std::span<const int>);

inline constexpr OpInfo kFakeQuantize{
    .name = "fake_quantize",
    .args = "x",
    .doc = "x rounded to what its packed form holds, for gradients x itself.",
    .dtype = DTypeRule::custom,
    .vjp = fake_quantize_vjp,
    .jvp = fake_quantize_jvp,
    .vmap = fake_quantize_vmap,
    .fallback = fake_quantize_fallback};

}  // namespace uma
