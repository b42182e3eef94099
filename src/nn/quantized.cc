#include "nn/quantized.h"

#include <algorithm>
#include <vector>

#include "ops/creation.h"

namespace uma::nn {
namespace {

Quantization with_input(Quantization how) {
  how.quantize_input = true;
  return how;
}

}  // namespace

void quantize(const Module& model, const Quantization& how, const QuantizePredicate& choose) {
  constexpr auto kOp = "quantize";
  // A layer may lie at several paths.
  std::vector<Module> seen;
  std::vector<std::function<void()>> steps;
  for (const auto& [path, module] : model.leaf_modules()) {
    if (std::find(seen.begin(), seen.end(), module) != seen.end()) continue;
    seen.push_back(module);
    const auto& quantizer = module.traits().quantizer;
    const QuantizeChoice choice = choose ? choose(path, module) : QuantizeChoice(quantizer != nullptr);
    const bool* yes = std::get_if<bool>(&choice);
    if (yes && !*yes) continue;
    check(quantizer != nullptr, ErrorCode::kInvalidArgument, kOp, "\"{}\" is {}, which cannot be quantized",
          path, module.text());
    steps.push_back(quantizer(module, yes ? how : std::get<Quantization>(choice)));
  }
  for (const auto& step : steps) step();
}

QuantizedLinear::QuantizedLinear(int64_t input_dims, int64_t output_dims, bool bias, const Quantization& how)
    : Linear(input_dims, output_dims, false) {
  if (bias) add("bias", zeros({output_dims}));
  quantize(how);
  freeze();
}

QuantizedLinear::QuantizedLinear(const Linear& linear, const Quantization& how)
    : Linear(linear.parameter("weight"), linear.optional("bias")) {
  quantize(how);
}

QuantizedEmbedding::QuantizedEmbedding(int64_t num_embeddings, int64_t dims, const Quantization& how)
    : Embedding(num_embeddings, dims) {
  quantize(how);
}

QuantizedEmbedding::QuantizedEmbedding(const Embedding& embedding, const Quantization& how)
    : Embedding(embedding.parameter("weight")) {
  quantize(how);
}

QQLinear::QQLinear(int64_t input_dims, int64_t output_dims, const Quantization& how)
    : Linear(input_dims, output_dims, false) {
  quantize(with_input(how));
}

QQLinear::QQLinear(const Linear& linear, const Quantization& how)
    : Linear(linear.parameter("weight"), linear.optional("bias")) {
  train(linear.training());
  quantize(with_input(how));
}

}  // namespace uma::nn
