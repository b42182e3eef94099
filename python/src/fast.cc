// uma.core.fast: fused functions.
#include <cmath>

#include "bind.h"
#include "fast/attention.h"
#include "fast/cross_entropy.h"
#include "fast/gated_delta.h"
#include "fast/layer_norm.h"
#include "fast/rms_norm.h"
#include "fast/rope.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "ops/softmax.h"

namespace uma::python {
namespace {

// Positions that differ from one sequence to the next: the angles are an array.
array rope_at(const array& x, int dims, bool traditional, std::optional<float> base, float scale,
              const array& offset, const std::optional<array>& freqs) {
  check(offset.ndim() <= 1 && (offset.size() == 1 || offset.size() == x.shape(0)), ErrorCode::kShape, "rope",
        "an offset of shape {} fits no batch of {}", offset.shape(), x.shape(0));
  check(dims >= 2 && dims % 2 == 0 && dims <= x.shape(-1), ErrorCode::kInvalidArgument, "rope",
        "dims {} must be even and at most the {} features", dims, x.shape(-1));
  const int64_t tokens = x.shape(-2), half = dims / 2;
  Shape column(x.ndim(), 1);
  column[0] = offset.size();
  const array steps = arange(0, static_cast<double>(tokens), 1, DType::float32);
  Shape along(x.ndim(), 1);
  along[x.ndim() - 2] = tokens;
  const array position = (reshape(astype(offset, DType::float32), column) + reshape(steps, along)) * scale;
  array inverse = freqs ? reciprocal(astype(*freqs, DType::float32))
                        : exp(arange(0, static_cast<double>(half), 1, DType::float32) *
                              (-std::log(static_cast<double>(*base)) * 2 / dims));
  Shape features(x.ndim(), 1);
  features[x.ndim() - 1] = half;
  const array angle = position * reshape(inverse, features);
  const array c = cos(angle), s = sin(angle), wide = astype(x, DType::float32);
  const int last = static_cast<int>(x.ndim()) - 1;
  const array turned = slice_axis(wide, last, 0, dims);
  array out = turned;
  if (traditional) {
    Shape pairs = turned.shape();
    pairs.back() = half;
    pairs.push_back(2);
    const array split = reshape(turned, pairs);
    const array a = squeeze(slice_axis(split, last + 1, 0, 1), {last + 1}),
                b = squeeze(slice_axis(split, last + 1, 1, 2), {last + 1});
    out = reshape(stack({a * c - b * s, a * s + b * c}, last + 1), turned.shape());
  } else {
    const array a = slice_axis(turned, last, 0, half), b = slice_axis(turned, last, half, dims);
    out = concatenate({a * c - b * s, a * s + b * c}, last);
  }
  if (dims < x.shape(-1)) out = concatenate({out, slice_axis(wide, last, dims, x.shape(-1))}, last);
  return astype(out, x.dtype());
}

array rope_any(const array& x, int dims, bool traditional, std::optional<float> base, float scale,
               const std::variant<int64_t, array>& offset, const std::optional<array>& freqs) {
  check(base.has_value() != freqs.has_value(), ErrorCode::kInvalidArgument, "rope",
        "takes either base or freqs");
  if (offset.index() == 0)
    return rope(x, dims, traditional, base.value_or(1), scale, std::get<int64_t>(offset), freqs);
  return rope_at(x, dims, traditional, base, scale, std::get<array>(offset), freqs);
}

// A sink is one more score a head, which takes its share of the weights and gives nothing.
array attend_with_sinks(const array& q, const array& k, const array& v, const AttentionOptions& o,
                        const array& sinks) {
  const int64_t heads = q.shape(1), groups = heads / k.shape(1), tokens = q.shape(2), keys = k.shape(2);
  check(sinks.size() == heads, ErrorCode::kShape, "scaled_dot_product_attention",
        "{} sinks do not fit {} heads", sinks.size(), heads);
  const auto per_head = [&](const array& x) {
    const array wide = astype(x, DType::float32);
    if (groups == 1) return wide;
    const Shape shape{x.shape(0), x.shape(1), groups, x.shape(2), x.shape(3)};
    return reshape(broadcast_to(expand_dims(wide, {2}), shape), {x.shape(0), heads, x.shape(2), x.shape(3)});
  };
  array scores = matmul(astype(q, DType::float32), swapaxes(per_head(k), -1, -2)) * o.scale;
  const array least = full({}, -std::numeric_limits<double>::infinity());
  if (o.causal) scores = where(tril(ones({tokens, keys}, DType::bool_), keys - tokens), scores, least);
  if (o.mask)
    scores = o.mask->dtype() == DType::bool_ ? where(*o.mask, scores, least)
                                             : scores + astype(*o.mask, DType::float32);
  const array column =
      broadcast_to(reshape(astype(sinks, DType::float32), {1, heads, 1, 1}), {q.shape(0), heads, tokens, 1});
  const array weights = slice_axis(softmax(concatenate({scores, column}, 3), -1), 3, 0, keys);
  return astype(matmul(weights, per_head(v)), q.dtype());
}

array attend(array q, array k, array v, float scale,
             const std::variant<std::monostate, std::string, array>& mask,
             const std::optional<array>& sinks) {
  // As in MLX the result has what the three promote to.
  const DType d = promote(promote(q.dtype(), k.dtype()), v.dtype());
  for (array* x : {&q, &k, &v}) *x = astype(*x, d);
  AttentionOptions options{.scale = scale};
  if (mask.index() == 1) {
    const auto& name = std::get<std::string>(mask);
    check(name == "causal" || name.empty(), ErrorCode::kInvalidArgument, "scaled_dot_product_attention",
          "knows the mask 'causal', not '{}'", name);
    options.causal = name == "causal";
  } else if (mask.index() == 2) {
    options.mask = std::get<array>(mask);
  }
  return sinks ? attend_with_sinks(q, k, v, options, *sinks) : scaled_dot_product_attention(q, k, v, options);
}

// A norm has the dtype that x and its weights promote to, as in MLX: float32 for halves with float32 weights.
array promoted(const array& x, const std::optional<array>& weight, const std::optional<array>& bias = {}) {
  DType d = x.dtype();
  for (const auto& other : {weight, bias})
    if (other) d = promote(d, other->dtype());
  return astype(x, d);
}

}  // namespace

void bind_fast(Module& parent) {
  Module m = parent.def_submodule("fast", "Fused functions.");
  m.def(
      "rms_norm",
      [](const array& x, const std::optional<array>& weight, float eps, const StreamArg& s) {
        StreamScope scope(s);
        return rms_norm(promoted(x, weight), weight, eps);
      },
      "x"_a, "weight"_a.none(), "eps"_a, nb::kw_only(), "stream"_a = nb::none(),
      "Root-mean-square norm over the last axis; accumulates in float32.");
  m.def(
      "layer_norm",
      [](const array& x, const std::optional<array>& weight, const std::optional<array>& bias, float eps,
         const StreamArg& s) {
        StreamScope scope(s);
        return layer_norm(promoted(x, weight, weight ? bias : weight), weight, bias, eps);
      },
      "x"_a, "weight"_a.none(), "bias"_a.none(), "eps"_a, nb::kw_only(), "stream"_a = nb::none(),
      "Layer norm over the last axis; accumulates in float32.");
  m.def(
      "rope",
      [](const array& a, int dims, bool traditional, std::optional<float> base, float scale,
         const std::variant<int64_t, array>& offset, const std::optional<array>& freqs, const StreamArg& s) {
        StreamScope scope(s);
        return rope_any(a, dims, traditional, base, scale, offset, freqs);
      },
      "a"_a, "dims"_a, nb::kw_only(), "traditional"_a, "base"_a.none(), "scale"_a, "offset"_a,
      "freqs"_a.none() = nb::none(), "stream"_a = nb::none(),
      "Rotary position embedding of the first dims features.");
  m.def(
      "scaled_dot_product_attention",
      [](const array& q, const array& k, const array& v, float scale,
         const std::variant<std::monostate, std::string, array>& mask, const std::optional<array>& sinks,
         bool, const StreamArg& s) {  // there is one kernel, and it is fused
        StreamScope scope(s);
        return attend(q, k, v, scale, mask, sinks);
      },
      "q"_a, "k"_a, "v"_a, nb::kw_only(), "scale"_a, "mask"_a.none() = nb::none(),
      "sinks"_a.none() = nb::none(), "force_fused"_a = false, "stream"_a = nb::none(),
      "softmax(scale q k^T + mask) v. mask: None, 'causal', bool (True: seen), or added to the scores.");
  m.def(
      "cross_entropy",
      [](const array& logits, const array& targets, const StreamArg& s) {
        StreamScope scope(s);
        return cross_entropy(logits, targets);
      },
      "logits"_a, "targets"_a, nb::kw_only(), "stream"_a = nb::none(),
      "The loss of class indices over the last axis.");
  m.def(
      "gated_delta_update",
      [](const array& q, const array& k, const array& v, const array& gamma, const array& beta,
         const std::optional<array>& state, const std::optional<array>& mask, const StreamArg& s) {
        StreamScope scope(s);
        const auto [out, last] = gated_delta_update(q, k, v, gamma, beta, state, mask);
        nb::list both;
        both.append(out);
        both.append(last);
        return both;
      },
      "q"_a, "k"_a, "v"_a, "gamma"_a, "beta"_a, "initial_state"_a.none() = nb::none(),
      "mask"_a.none() = nb::none(), "stream"_a = nb::none(), "The gated delta rule over time.");
}

}  // namespace uma::python
