#pragma once
#include <optional>

#include "core/array.h"

namespace uma {

/// Rotary position embedding of the first `dims` features; the others pass through.
/// The pair i of position p turns by the angle p * scale * base^(-2i/dims), or p * scale / freqs[i] where
/// `freqs` is given (as in MLX: the frequencies' denominators, so Llama 3's scaling fits in). Positions
/// are offset, offset + 1, ... along the axis before the last. Angles are computed in f64.
/// Pairs are (x[2i], x[2i+1]) if `traditional`, else (x[i], x[i + dims/2]).
/// shapes  x (..., T, D), freqs (dims/2) float32 -> (..., T, D)
/// dtype   float16, bfloat16, float32; the result is x's
/// throws  Shape for x of fewer than 2 dimensions or freqs of another size; DType; InvalidArgument for dims
///         odd, below 2 or above D, a base that is not positive, a scale that is not finite, offset < 0
/// source  Su et al. 2021, arXiv:2104.09864
array rope(const array& x, int dims, bool traditional, float base, float scale, int64_t offset,
           const std::optional<array>& freqs = {});
/// The same with positions that are not known yet, or differ from one sequence to the next.
/// shapes  offset () or (1), or (B) for x (B, ..., T, D); of any integer dtype
array rope(const array& x, int dims, bool traditional, float base, float scale, const array& offset,
           const std::optional<array>& freqs = {});

struct RopeParams {
  int dims;
  bool traditional;
  float base;  // unused where there are freqs
  float scale;
  int64_t offset;   // unused where the offset is an array
  bool has_freqs;   // the second input
  bool has_offset;  // the last input, (1) or (B) int64
};

std::vector<array> rope_fallback(const Node& node, std::span<const array> inputs);

inline constexpr OpInfo kRope{.name = "rope",
                              .args = "x, freqs, offset",
                              .doc = "Rotary position embedding of the first dims features.",
                              .dtype = DTypeRule::same,
                              .fallback = rope_fallback,
                              .max_ulp = 8,
                              .example = "rope(x, 64, false, 10000.f, 1.f, 0)"};

}  // namespace uma
