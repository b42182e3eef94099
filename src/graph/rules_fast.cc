// How the ops of fast/ are made again.
#include "fast/attention.h"
#include "fast/layer_norm.h"
#include "fast/registry.h"
#include "fast/rope.h"
#include "graph/row.h"

namespace uma::rules {
namespace {

Arrays layer_norm_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<LayerNormParams>();
  check(x.size() == size_t{1} + p.has_weight + p.has_bias, ErrorCode::kShape, "layer_norm", "has {} inputs",
        x.size());
  return {layer_norm(x[0], maybe(x, 1, p.has_weight), maybe(x, p.has_weight ? 2 : 1, p.has_bias), p.eps)};
}
Arrays rope_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<RopeParams>();
  check(x.size() == size_t{1} + p.has_freqs + p.has_offset, ErrorCode::kShape, "rope", "has {} inputs",
        x.size());
  const std::optional<array> freqs = maybe(x, 1, p.has_freqs);
  if (p.has_offset) return {rope(x[0], p.dims, p.traditional, p.base, p.scale, x.back(), freqs)};
  return {rope(x[0], p.dims, p.traditional, p.base, p.scale, p.offset, freqs)};
}
Arrays attention_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<AttentionParams>();
  check(x.size() == size_t{3} + p.has_mask + p.has_sinks, ErrorCode::kShape, node.op->name, "has {} inputs",
        x.size());
  return {scaled_dot_product_attention(x[0], x[1], x[2],
                                       {p.scale, p.causal, p.window, p.softcap, maybe(x, 3, p.has_mask),
                                        maybe(x, p.has_mask ? 4 : 3, p.has_sinks)})};
}
Arrays quantized_matmul_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<QuantizedMatmulParams>();
  check(x.size() == p.weights.size() + 1, ErrorCode::kShape, node.op->name, "{} inputs for {} weights",
        x.size(), p.weights.size());
  std::vector<QuantizedMatrix> ws;
  for (size_t i = 0; i < p.weights.size(); ++i)
    ws.push_back({x[i + 1], p.weights[i].format, p.weights[i].rows, p.weights[i].cols});
  return quantized_matmul(x[0], ws, p.exact);
}
QuantizedMatrix matrix_of(const Node& node, const array& blocks) {
  const auto& p = node.params<QuantizedParams>();
  return {blocks, p.format, p.rows, p.cols};
}
PackedFormat checked(const PackedFormat& f) {
  static constexpr const char* kModes[] = {"affine", "mxfp4", "mxfp8", "nvfp4"};
  return PackedFormat::make(kModes[static_cast<size_t>(f.mode)], f.group, f.bits);
}
Arrays packed_dequantize_rule(const Node& node, Inputs x, const Rebuilding& r) {
  return {
      dequantize(x[0], x[1], maybe(x, 2), checked(node.params<PackedParams>().format), r.outputs[0].dtype)};
}
Arrays packed_matmul_rule(const Node& node, Inputs x, const Rebuilding&) {
  const array out = gather_qmm(x[0], x[3], x[4], maybe(x, 5), x[1], x[2], true,
                               checked(node.params<PackedParams>().format));
  return {out};
}

}  // namespace

void add_fast(Table& t) {
  t[&kRmsNorm] = row<RmsNormParams, &RmsNormParams::eps>([](const Node& node, Inputs x, const Rebuilding&) {
                   return Arrays{rms_norm(x[0], maybe(x, 1), node.params<RmsNormParams>().eps)};
                 }).takes(1, 2);
  t[&kLayerNorm] =
      row<LayerNormParams, &LayerNormParams::eps, &LayerNormParams::has_weight, &LayerNormParams::has_bias>(
          layer_norm_rule)
          .takes(1, 3);
  t[&kRope] =
      row<RopeParams, &RopeParams::dims, &RopeParams::traditional, &RopeParams::base, &RopeParams::scale,
          &RopeParams::offset, &RopeParams::has_freqs, &RopeParams::has_offset>(rope_rule)
          .takes(1, 3);
  using A = AttentionParams;
  t[&kScaledDotProductAttention] =
      row<A, &A::scale, &A::causal, &A::window, &A::softcap, &A::has_mask, &A::has_sinks>(attention_rule)
          .takes(3, 5);
  t[&kSiluMul] = plain([](const Node&, Inputs x, const Rebuilding&) { return Arrays{silu_mul(x[0], x[1])}; });
  t[&kGeluTanhMul] =
      plain([](const Node&, Inputs x, const Rebuilding&) { return Arrays{gelu_tanh_mul(x[0], x[1])}; });
  t[&kQuantizedMatmul] =
      row<QuantizedMatmulParams, &QuantizedMatmulParams::weights, &QuantizedMatmulParams::exact>(
          quantized_matmul_rule)
          .takes(2, kAnyNumber);
  using Q = QuantizedParams;
  t[&kQuantizedEmbedding] =
      row<Q, &Q::format, &Q::rows, &Q::cols>([](const Node& node, Inputs x, const Rebuilding&) {
        return Arrays{quantized_embedding(matrix_of(node, x[0]), x[1])};
      });
  t[&kDequantize] = row<Q, &Q::format, &Q::rows, &Q::cols>([](const Node& node, Inputs x, const Rebuilding&) {
    return Arrays{dequantize(matrix_of(node, x[0]))};
  });
  t[&kPackedQuantize] =
      row<PackedParams, &PackedParams::format>([](const Node& node, Inputs x, const Rebuilding&) {
        return quantize(x[0], checked(node.params<PackedParams>().format));
      });
  t[&kPackedDequantize] = row<PackedParams, &PackedParams::format>(packed_dequantize_rule).takes(2, 3);
  t[&kPackedMatmul] = row<PackedParams, &PackedParams::format>(packed_matmul_rule).takes(5, 6);
  t[&kFakeQuantize] =
      row<PackedParams, &PackedParams::format>([](const Node& node, Inputs x, const Rebuilding&) {
        return Arrays{fake_quantize(x[0], checked(node.params<PackedParams>().format))};
      });
  t[&kQuantizeKv] = plain([](const Node&, Inputs x, const Rebuilding&) { return Arrays{quantize_kv(x[0])}; });
  t[&kGatedDelta] = plain([](const Node&, Inputs x, const Rebuilding&) {
    const auto [out, state] = gated_delta_update(x[0], x[1], x[2], x[3], x[4], x[5]);
    return Arrays{out, state};
  });
}

}  // namespace uma::rules
