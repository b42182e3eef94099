#pragma once
#include "core/array.h"
#include "ops/elementwise.h"

namespace uma {

/// SwiGLU's product: silu(gate) * up, with silu(z) = z / (1 + exp(-z)).
/// shapes  gate and up of one shape -> that shape      dtype  one real float dtype, which is the result's
/// error   <= 4 ULP of f32 against f64 where the result is not subnormal, then one rounding to the dtype
/// throws  Shape, DType
array silu_mul(const array& gate, const array& up);

/// GeGLU's product with the tanh form of gelu: g * (1 + tanh(sqrt(2/pi) (g + 0.044715 g^3))) / 2 * up.
/// Computed as g * sigmoid(2 sqrt(2/pi) (g + 0.044715 g^3)) * up, which is the same without cancellation.
/// shapes, dtype, throws  as silu_mul    error  <= 8 ULP for |gate| <= 2; the argument's rounding, times
///                        its size, beyond
array gelu_tanh_mul(const array& gate, const array& up);

std::vector<array> silu_mul_fallback(const Node& node, std::span<const array> inputs);
std::vector<array> gelu_tanh_mul_fallback(const Node& node, std::span<const array> inputs);

inline constexpr OpInfo kSiluMul{.name = "silu_mul",
                                 .args = "gate, up",
                                 .doc = "silu(gate) * up.",
                                 .dtype = DTypeRule::same,
                                 .vmap = elementwise_vmap,
                                 .fallback = silu_mul_fallback,
                                 .max_ulp = 4,
                                 .example = "silu_mul(gate, up)"};

inline constexpr OpInfo kGeluTanhMul{.name = "gelu_tanh_mul",
                                     .args = "gate, up",
                                     .doc = "gelu(gate) * up, gelu in its tanh form.",
                                     .dtype = DTypeRule::same,
                                     .vmap = elementwise_vmap,
                                     .fallback = gelu_tanh_mul_fallback,
                                     .max_ulp = 8,
                                     .example = "gelu_tanh_mul(gate, up)"};

}  // namespace uma
