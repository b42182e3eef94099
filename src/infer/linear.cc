#include "infer/linear.h"

#include "ops/elementwise.h"

namespace uma::infer {
namespace {

array with_bias(const array& y, const Linear& layer) {
  if (!layer.bias) return y;
  check(layer.bias->ndim() == 1 && layer.bias->shape(0) == layer.weight.rows, ErrorCode::kShape, "linear",
        "bias of shape {} does not fit {} outputs", to_string(layer.bias->shape()), layer.weight.rows);
  return add(y, *layer.bias);
}

}  // namespace

array Linear::operator()(const array& x) const {
  return with_bias(quantized_matmul(x, weight, exact), *this);
}

std::vector<array> apply_together(const array& x, std::span<const Linear* const> layers) {
  std::vector<QuantizedMatrix> weights;
  weights.reserve(layers.size());
  for (const Linear* layer : layers) weights.push_back(layer->weight);
  std::vector<array> out = quantized_matmul(x, weights, !layers.empty() && layers[0]->exact);
  for (size_t i = 0; i < layers.size(); ++i) out[i] = with_bias(out[i], *layers[i]);
  return out;
}

array Embedding::operator()(const array& ids) const {
  return quantized_embedding(weight, ids);
}

array Embedding::as_linear(const array& x) const {
  return quantized_matmul(x, weight, exact);
}

}  // namespace uma::infer
