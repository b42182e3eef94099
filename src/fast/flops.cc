#include "fast/flops.h"

#include <algorithm>

#include "fast/attention.h"
#include "fast/packed.h"
#include "fast/quantized.h"
#include "ops/conv.h"
#include "ops/matmul.h"

namespace uma {
namespace {

double size_of_all(const array& x) {
  return static_cast<double>(x.size());
}

// The larger batch is the one that both have.
double of_matmul(const Node& node) {
  const array &x = node.inputs[0], &y = node.inputs[1];
  const double a = size_of_all(x) * static_cast<double>(y.shape(-1)),
               b = size_of_all(y) * static_cast<double>(x.shape(-2));
  return (x.dtype() == DType::complex64 ? 8 : 2) * std::max(a, b);
}

double of_conv(const Node& node) {
  const Shape out = conv_shape(node.inputs[0], node.inputs[1], node.params<ConvParams>());
  return 2 * static_cast<double>(num_elements(out) / out.back()) * size_of_all(node.inputs[1]);
}

double of_quantized(const Node& node) {
  double outputs = 0;
  for (const auto& w : node.params<QuantizedMatmulParams>().weights) outputs += static_cast<double>(w.rows);
  return 2 * size_of_all(node.inputs[0]) * outputs;
}

// x (matrices, M, K), a matrix for each index, w (matrices, N, codes).
double of_packed(const Node& node) {
  const array &x = node.inputs[0], &lhs = node.inputs[1], &w = node.inputs[3];
  return 2 * size_of_all(lhs) * static_cast<double>(x.shape(-2)) * static_cast<double>(x.shape(-1)) *
         static_cast<double>(w.shape(-2));
}

double of_attention(const Node& node) {
  const auto& p = node.params<AttentionParams>();
  const array &q = node.inputs[0], &k = node.inputs[1], &v = node.inputs[2];
  const int64_t t = q.shape(2), s = k.shape(2);
  double pairs = 0;  // of a query and a key that it sees
  for (int64_t i = 0; i < t; ++i) {
    int64_t seen = p.causal ? std::clamp<int64_t>(s - t + i + 1, 0, s) : s;
    if (p.window > 0) seen = std::min(seen, p.window);
    pairs += static_cast<double>(seen);
  }
  return 2 * static_cast<double>(q.shape(0) * q.shape(1)) * pairs *
         static_cast<double>(q.shape(3) + v.shape(3));
}

}  // namespace

double flops_of(const Node& node) {
  if (node.op == &kMatmul) return of_matmul(node);
  if (node.op == &kConv) return of_conv(node);
  if (node.op == &kQuantizedMatmul) return of_quantized(node);
  if (node.op == &kPackedMatmul) return of_packed(node);
  if (node.op == &kScaledDotProductAttention) return of_attention(node);
  return 0;
}

}  // namespace uma
