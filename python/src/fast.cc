// uma.core.fast: fused functions.
#include "bind.h"
#include "fast/attention.h"
#include "fast/cross_entropy.h"
#include "fast/gated_delta.h"
#include "fast/layer_norm.h"
#include "fast/rms_norm.h"
#include "fast/rope.h"

namespace uma::python {
namespace {

array rope_any(const array& x, int dims, bool traditional, std::optional<float> base, float scale,
               const std::variant<int64_t, array>& offset, const std::optional<array>& freqs) {
  check(base.has_value() != freqs.has_value(), ErrorCode::kInvalidArgument, "rope",
        "takes either base or freqs");
  return std::visit(
      [&](const auto& at) { return rope(x, dims, traditional, base.value_or(1), scale, at, freqs); }, offset);
}

array attend(const array& q, const array& k, const array& v, float scale,
             const std::variant<std::monostate, std::string, array>& mask,
             const std::optional<array>& sinks) {
  AttentionOptions options{.scale = scale, .sinks = sinks};
  if (mask.index() == 1) {
    const auto& name = std::get<std::string>(mask);
    check(name == "causal" || name.empty(), ErrorCode::kInvalidArgument, "scaled_dot_product_attention",
          "knows the mask 'causal', not '{}'", name);
    options.causal = name == "causal";
  } else if (mask.index() == 2) {
    options.mask = std::get<array>(mask);
  }
  return scaled_dot_product_attention(q, k, v, options);
}

}  // namespace

void bind_fast(Module& parent) {
  Module m = parent.def_submodule("fast", "Fused functions.");
  m.def(
      "rms_norm",
      [](const array& x, const std::optional<array>& weight, float eps, const StreamArg& s) {
        StreamScope scope(s);
        return rms_norm(x, weight, eps);
      },
      "x"_a, "weight"_a.none(), "eps"_a, nb::kw_only(), "stream"_a = nb::none(),
      "Root-mean-square norm over the last axis; accumulates in float32.");
  m.def(
      "layer_norm",
      [](const array& x, const std::optional<array>& weight, const std::optional<array>& bias, float eps,
         const StreamArg& s) {
        StreamScope scope(s);
        return layer_norm(x, weight, bias, eps);
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
