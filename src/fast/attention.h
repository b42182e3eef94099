#pragma once
#include <optional>

#include "core/array.h"

namespace uma {

struct AttentionOptions {
  float scale;                     // of the scores, usually 1 / sqrt(D)
  bool causal = false;             // query t stands at position S - T + t and sees the keys up to its own
  int64_t window = 0;              // 0: none; else it sees key j only if its position - j < window
  float softcap = 0;               // 0: none; else scores become softcap * tanh(score / softcap)
  std::optional<array> mask = {};  // added to the scores, or bool (true: seen); broadcast to (B, Hq, T, S)
  /// (Hq): one more score a head, which takes its share of the weights and gives nothing (arXiv:2309.17453).
  std::optional<array> sinks = {};
};

/// softmax(softcap(scale q k^T) + mask) v, without ever storing the scores. Query heads h * G .. h * G + G -
/// 1 share key head h, G = Hq / Hkv. A query that sees no key gives zeros.
/// shapes  q (B, Hq, T, D), k (B, Hkv, S, D), v (B, Hkv, S, Dv) -> (B, Hq, T, Dv)
/// dtype   q, k and v each float32, float16 or bfloat16; the result has what they promote to; all sums are
///         f32. v, or k and v, may be rows of quantize_kv (fast/kv8.h) instead, uint8: they promote nothing.
///         The mask is bool or any of these, sinks are any real float
/// order   the result does not depend on the number of threads
/// throws  Shape where these do not fit together, Hq is no multiple of Hkv, or the mask does not broadcast;
///         DType; InvalidArgument for a scale that is not finite, a negative window, a window without causal,
///         a softcap that is negative or not finite
/// source  Dao 2023, arXiv:2307.08691; softcap: Gemma 2, arXiv:2408.00118
array scaled_dot_product_attention(const array& q, const array& k, const array& v,
                                   const AttentionOptions& options);

struct AttentionParams {
  float scale;
  bool causal;
  int64_t window;
  float softcap;
  bool has_mask;   // the fourth input
  bool has_sinks;  // the last, (Hq) float32
};

std::vector<array> attention_fallback(const Node& node, std::span<const array> inputs);

inline constexpr OpInfo kScaledDotProductAttention{
    .name = "scaled_dot_product_attention",
    .args = "q, k, v, mask, sinks",
    .doc = "softmax(scale q k^T + mask) v, without storing the scores.",
    .dtype = DTypeRule::same,
    .fallback = attention_fallback,
    .max_ulp = 64,
    .example = "scaled_dot_product_attention(q, k, v, {.scale = 0.125f, .causal = true})"};

}  // namespace uma
