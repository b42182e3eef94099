#include "nn/linear.h"

#include <cmath>

#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/matmul.h"
#include "ops/products.h"
#include "ops/random.h"
#include "ops/shape.h"

namespace uma::nn {

array uniform_weights(double bound, const Shape& shape) {
  return random::uniform(-bound, bound, shape);
}

void check_positive(std::string_view layer, std::string_view name, int64_t value) {
  check(value > 0, ErrorCode::kInvalidArgument, layer, "{} must be positive, not {}", name, value);
}

Linear::Linear(int64_t input_dims, int64_t output_dims, bool bias) {
  check_positive("Linear", "input_dims", input_dims);
  check_positive("Linear", "output_dims", output_dims);
  const double bound = std::sqrt(1.0 / static_cast<double>(input_dims));
  add("weight", uniform_weights(bound, {output_dims, input_dims}));
  if (bias) add("bias", uniform_weights(bound, {output_dims}));
}

array Linear::operator()(const array& x) const {
  const array turned = transpose(parameter("weight"));
  const array* bias = find("bias");
  return bias ? addmm(*bias, x, turned) : matmul(x, turned);
}

Bilinear::Bilinear(int64_t input1_dims, int64_t input2_dims, int64_t output_dims, bool bias) {
  check_positive("Bilinear", "input1_dims", input1_dims);
  check_positive("Bilinear", "input2_dims", input2_dims);
  check_positive("Bilinear", "output_dims", output_dims);
  const double bound = std::sqrt(1.0 / static_cast<double>(input1_dims));
  add("weight", uniform_weights(bound, {output_dims, input2_dims, input1_dims}));
  if (bias) add("bias", uniform_weights(bound, {output_dims}));
}

array Bilinear::operator()(const array& x1, const array& x2) const {
  const array& weight = parameter("weight");
  const int64_t outputs = weight.shape(0), in2 = weight.shape(1), in1 = weight.shape(2);
  // One product for all outputs, then x2 against each row.
  Shape mixed = x1.shape();
  check(!mixed.empty(), ErrorCode::kShape, "Bilinear", "needs inputs of at least 1 dimension");
  mixed.back() = outputs;
  mixed.push_back(in2);
  const array rows = reshape(matmul(x1, transpose(reshape(weight, {outputs * in2, in1}))), mixed);
  const array y = squeeze(matmul(rows, expand_dims(x2, {-1})), {-1});
  const array* bias = find("bias");
  return bias ? y + *bias : y;
}

Embedding::Embedding(int64_t num_embeddings, int64_t dims) {
  check_positive("Embedding", "num_embeddings", num_embeddings);
  check_positive("Embedding", "dims", dims);
  const double scale = std::sqrt(1.0 / static_cast<double>(dims));
  add("weight", random::normal({num_embeddings, dims}, DType::float32, {}, array(scale, DType::float32)));
}

array Embedding::operator()(const array& ids) const {
  return take(parameter("weight"), ids, 0);
}

array Embedding::as_linear(const array& x) const {
  return matmul(x, transpose(parameter("weight")));
}

}  // namespace uma::nn
