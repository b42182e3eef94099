#pragma once
// Layers with quantized weights, and quantize, which turns a model's layers into them (nn/packable.h has
// how).
#include <functional>
#include <string>
#include <variant>

#include "nn/linear.h"

namespace uma::nn {

/// For one layer: false keeps it, true quantizes it as the call says, a Quantization as that says alone.
using QuantizeChoice = std::variant<bool, Quantization>;
using QuantizePredicate = std::function<QuantizeChoice(const std::string& path, const Module& module)>;

/// Quantizes layers of a model in place: each Linear and Embedding that is not yet, or those that the
/// predicate chooses among the modules without children.
///   nn::quantize(model, {.group_size = 32, .bits = 8});
///   nn::quantize(model, {}, [](const std::string& path, const nn::Module&) { return path != "head"; });
/// A packed matrix is never trained, whatever unfreeze() is told; a bias is, as before. To load a file of
/// quantized weights: make the model, quantize it so, load_weights.
/// throws  InvalidArgument for an unknown mode, another size of group or bits than it knows, a chosen module
///         that is no Linear or Embedding or is quantized already; with quantize_input also for an Embedding,
///         a bias, the modes affine and mxfp4; Shape where a matrix has no whole groups; DType unless it is
///         float16, bfloat16 or float32. The model is then as it was.
void quantize(const Module& model, const Quantization& how = {}, const QuantizePredicate& choose = {});

/// x weight^T + bias with a packed matrix; nothing of it is trained, but for the bias that a Linear brings.
/// shapes  x (..., input_dims) -> (..., output_dims); weight uint32 (output_dims, input_dims * bits / 32),
///         scales and (affine) biases (output_dims, input_dims / group_size), bias (output_dims)
/// start   as Linear before it is packed, the bias zero
/// throws  as quantize, and InvalidArgument for dims below 1
struct QuantizedLinear : Linear {
  QuantizedLinear(int64_t input_dims, int64_t output_dims, bool bias = true, const Quantization& how = {});
  /// The form of a Linear, which stays as it is.
  explicit QuantizedLinear(const Linear& linear, const Quantization& how = {});
};

/// Rows of a packed table; nothing of it is trained.
/// shapes  integers (...) -> (..., dims); weight uint32 (num_embeddings, dims * bits / 32),
///         scales and (affine) biases (num_embeddings, dims / group_size)
/// dtype   that of the table (of its scales); bfloat16 in the modes whose scales are bytes
/// start   as Embedding before it is packed    throws  as quantize, and InvalidArgument for dims below 1
struct QuantizedEmbedding : Embedding {
  QuantizedEmbedding(int64_t num_embeddings, int64_t dims, const Quantization& how = {});
  explicit QuantizedEmbedding(const Embedding& embedding, const Quantization& how = {});
};

/// x weight^T with both rounded to the format, nvfp4 or mxfp8, without a bias. In training the weight is
/// whole and rounded on its way, so it gets gradients; eval() packs it, and train() unpacks it: what was
/// rounded stays so.
/// shapes  x (..., input_dims) -> (..., output_dims); weight (output_dims, input_dims), in evaluation as in
///         QuantizedLinear with scales
/// throws  as quantize with quantize_input
struct QQLinear : Linear {
  QQLinear(int64_t input_dims, int64_t output_dims, const Quantization& how = {.mode = "nvfp4"});
  explicit QQLinear(const Linear& linear, const Quantization& how = {.mode = "nvfp4"});
};

}  // namespace uma::nn
