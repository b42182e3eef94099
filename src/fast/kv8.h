#pragma once
// Keys and values in 8 bits: 9 bits a feature with the scales, where f16 takes 16.
#include "core/array.h"

namespace uma {

/// Features of a row that share a scale.
inline constexpr int64_t kKv8Group = 32;
/// Bytes of a row of `features`: a byte each, then an f32 scale for each 32 of them.
constexpr int64_t kv8_bytes(int64_t features) {
  return features + (features + kKv8Group - 1) / kKv8Group * 4;
}
/// The features of a row of that many bytes.
constexpr int64_t kv8_features(int64_t bytes) {
  return bytes - (bytes + kKv8Group + 3) / (kKv8Group + 4) * 4;
}

/// Rows of floats in 8 bits: x = scale * code with code in -127..127 and scale = max |x| / 127 over 32
/// features. shapes  x (..., D), D a multiple of 4 -> (..., kv8_bytes(D)) uint8 error   half a scale. A group
/// with a NaN or an infinity becomes NaN. throws  Shape for a 0-d x or another D; DType for one that is not
/// float32, float16 or bfloat16
array quantize_kv(const array& x);
/// What such rows stand for, (..., D) float32. Throws Shape where the last axis is no such row; DType.
array dequantize_kv(const array& rows);

struct QuantizeKvParams {};

std::vector<array> quantize_kv_fallback(const Node& node, std::span<const array> inputs);

inline constexpr OpInfo kQuantizeKv{.name = "quantize_kv",
                                    .args = "x",
                                    .doc = "Rows of keys or values in 8 bits, a scale for each 32 features.",
                                    .dtype = DTypeRule::same,
                                    .fallback = quantize_kv_fallback,
                                    .example = "quantize_kv(keys)"};

}  // namespace uma
