#include "fast/attention.h"

#include <cmath>
#include <limits>

#include "fast/kv8.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma {
namespace {

constexpr std::string_view kName = "scaled_dot_product_attention";

bool is_f32_or_half(DType d) {
  return d == DType::float32 || d == DType::float16 || d == DType::bfloat16;
}

bool is_kv8(const array& x) {
  return x.dtype() == DType::uint8;
}

void check_shapes(const array& q, const array& k, const array& v) {
  const auto all = [&](std::string_view rule) {
    return fmt::format("{}: q {}, k {}, v {}", rule, q.shape(), k.shape(), v.shape());
  };
  const auto need = [&](bool ok, std::string_view rule) {
    if (!ok) fail(ErrorCode::kShape, kName, "{}", all(rule));
  };
  need(q.ndim() == 4 && k.ndim() == 4 && v.ndim() == 4, "q, k and v must have four dimensions");
  need(q.shape(0) == k.shape(0) && q.shape(0) == v.shape(0), "q, k and v must have one batch size");
  need(k.shape(1) == v.shape(1) && k.shape(2) == v.shape(2), "k and v must have the same heads and length");
  need((is_kv8(k) ? kv8_bytes(q.shape(3)) : q.shape(3)) == k.shape(3) && q.shape(3) > 0,
       "q and k must have the same features, at least one");
  need(k.shape(1) > 0 && q.shape(1) % k.shape(1) == 0, "the heads of q must be a multiple of those of k");
}

void check_options(const AttentionOptions& o) {
  check(std::isfinite(o.scale), ErrorCode::kInvalidArgument, kName, "scale must be finite, and is {}",
        o.scale);
  check(o.window >= 0, ErrorCode::kInvalidArgument, kName, "window must not be negative, and is {}",
        o.window);
  check(o.window == 0 || o.causal, ErrorCode::kInvalidArgument, kName, "a window needs causal attention");
  check(o.softcap >= 0 && std::isfinite(o.softcap), ErrorCode::kInvalidArgument, kName,
        "softcap must be finite and not negative, and is {}", o.softcap);
}

void check_mask(const array& mask, const Shape& scores) {
  check(mask.dtype() == DType::bool_ || is_f32_or_half(mask.dtype()), ErrorCode::kDType, kName,
        "takes a mask of bool, float32, float16 or bfloat16, not {}", name_of(mask.dtype()));
  bool fits = mask.ndim() <= 4;
  for (size_t i = 0; fits && i < mask.ndim(); ++i) {
    const int64_t extent = mask.shape()[i];
    fits = extent == 1 || extent == scores[4 - mask.ndim() + i];
  }
  check(fits, ErrorCode::kShape, kName, "mask of shape {} does not broadcast to {}", mask.shape(), scores);
}

}  // namespace

array scaled_dot_product_attention(const array& q, const array& k, const array& v,
                                   const AttentionOptions& options) {
  check_shapes(q, k, v);
  check(is_f32_or_half(q.dtype()) && (is_f32_or_half(k.dtype()) || (is_kv8(k) && is_kv8(v))) &&
            (is_f32_or_half(v.dtype()) || is_kv8(v)),
        ErrorCode::kDType, kName, "takes float32, float16 or bfloat16, not q {}, k {}, v {}",
        name_of(q.dtype()), name_of(k.dtype()), name_of(v.dtype()));
  check_options(options);
  // Keys and values are read as they are stored; the result's dtype is that of the queries.
  DType result = q.dtype();
  for (const array& x : {k, v})
    if (!is_kv8(x)) result = promote(result, x.dtype());
  std::vector<array> inputs{astype(q, result), k, v};
  if (options.mask) {
    check_mask(*options.mask, {q.shape(0), q.shape(1), q.shape(2), k.shape(2)});
    inputs.push_back(*options.mask);
  }
  if (options.sinks) {
    check(options.sinks->ndim() == 1 && options.sinks->size() == q.shape(1), ErrorCode::kShape, kName,
          "sinks of shape {} do not fit {} heads", options.sinks->shape(), q.shape(1));
    check(is_floating(options.sinks->dtype()), ErrorCode::kDType, kName, "takes float sinks, not {}",
          name_of(options.sinks->dtype()));
    inputs.push_back(astype(*options.sinks, DType::float32));
  }
  const DType dtype = inputs[0].dtype();
  const int64_t features = is_kv8(v) ? kv8_features(v.shape(3)) : v.shape(3);
  return array::make({q.shape(0), q.shape(1), q.shape(2), features}, dtype, kScaledDotProductAttention,
                     AttentionParams{options.scale, options.causal, options.window, options.softcap,
                                     options.mask.has_value(), options.sinks.has_value()},
                     std::move(inputs));
}

namespace {

// (T, S): true where query t sees key j.
array visible(int64_t queries, int64_t keys, int64_t window) {
  std::vector<int64_t> at, of;
  for (int64_t t = 0; t < queries; ++t) at.push_back(keys - queries + t);
  for (int64_t j = 0; j < keys; ++j) of.push_back(j);
  const array i(std::span<const int64_t>(at), {queries, 1});
  const array j(std::span<const int64_t>(of), {1, keys});
  const array past = less_equal(j, i);
  return window ? logical_and(past, less(subtract(i, j), array(window))) : past;
}

// Scores with everything that is not seen at -inf.
array hide(array scores, const AttentionParams& p, const Shape& groups, std::span<const array> inputs) {
  const array hidden(-std::numeric_limits<float>::infinity());
  if (p.has_mask) {
    const Shape full{groups[0], groups[1] * groups[2], groups[3], groups[4]};
    const array mask = reshape(broadcast_to(inputs[3], full), groups);
    scores = mask.dtype() == DType::bool_ ? where(mask, scores, hidden) : add(scores, mask);
  }
  return p.causal ? where(visible(groups[3], groups[4], p.window), scores, hidden) : scores;
}

}  // namespace

std::vector<array> attention_fallback(const Node& node, std::span<const array> given) {
  std::vector<array> inputs(given.begin(), given.end());
  for (size_t i = 1; i < 3; ++i)
    if (is_kv8(inputs[i])) inputs[i] = dequantize_kv(inputs[i]);
  const AttentionParams& p = node.params<AttentionParams>();
  const array& q = inputs[0];
  const int64_t batch = q.shape(0), heads = q.shape(1), queries = q.shape(2);
  const int64_t kv_heads = inputs[1].shape(1), keys = inputs[1].shape(2), dim = inputs[2].shape(3);
  const Shape groups{batch, kv_heads, heads / kv_heads, queries, keys};
  const Shape result{batch, heads, queries, dim};
  // A head's sink beside its scores, or nothing.
  std::optional<array> sinks;
  if (p.has_sinks) sinks = reshape(inputs.back(), {1, kv_heads, heads / kv_heads, 1, 1});
  if (keys == 0) return {zeros(result, q.dtype())};

  const array scaled = multiply(astype(q, DType::float32), array(p.scale));
  const array grouped = reshape(scaled, {batch, kv_heads, heads / kv_heads, queries, q.shape(3)});
  const array k = expand_dims(astype(inputs[1], DType::float32), {2});
  const array v = expand_dims(astype(inputs[2], DType::float32), {2});
  array scores = matmul(grouped, swapaxes(k, -1, -2));
  if (p.softcap > 0) scores = multiply(tanh(divide(scores, array(p.softcap))), array(p.softcap));
  scores = hide(scores, p, groups, inputs);
  // A row that sees nothing: its maximum is -inf, and its sum 0.
  const std::vector<int> last{-1};
  array top = max(scores, last, true);
  if (sinks) top = maximum(top, *sinks);
  const array zero(0.0f), one(1.0f);
  const array base = where(equal(top, array(-std::numeric_limits<float>::infinity())), zero, top);
  const array weights = exp(subtract(scores, base));
  array total = sum(weights, last, true);
  if (sinks) total = add(total, exp(subtract(*sinks, base)));
  const array out = divide(matmul(weights, v), where(equal(total, zero), one, total));
  return {astype(reshape(out, result), q.dtype())};
}

}  // namespace uma
