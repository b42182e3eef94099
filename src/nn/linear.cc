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

namespace {

/// The first weights of a layer lie within it.
double bound_of(int64_t input_dims) {
  return std::sqrt(1.0 / static_cast<double>(input_dims));
}

/// (outputs, inputs), after the sizes have been checked.
array first_weight(int64_t input_dims, int64_t output_dims) {
  check_positive("Linear", "input_dims", input_dims);
  check_positive("Linear", "output_dims", output_dims);
  return uniform_weights(bound_of(input_dims), {output_dims, input_dims});
}

array first_table(int64_t num_embeddings, int64_t dims) {
  check_positive("Embedding", "num_embeddings", num_embeddings);
  check_positive("Embedding", "dims", dims);
  const double scale = std::sqrt(1.0 / static_cast<double>(dims));
  return random::normal({num_embeddings, dims}, DType::float32, {}, array(scale, DType::float32));
}

}  // namespace

Linear::Linear(const array& weight, const std::optional<array>& bias) : Packable(weight, false) {
  if (bias) add("bias", *bias);
}

Linear::Linear(int64_t input_dims, int64_t output_dims, bool bias)
    : Linear(first_weight(input_dims, output_dims), std::nullopt) {
  if (bias) add("bias", uniform_weights(bound_of(input_dims), {output_dims}));
}

array Linear::operator()(const array& x) const {
  const array* bias = find("bias");
  if (bias && !format()) return addmm(*bias, x, transpose(parameter("weight")));
  const array y = times_weight(x);
  return bias ? y + *bias : y;
}

Bilinear::Bilinear(int64_t input1_dims, int64_t input2_dims, int64_t output_dims, bool bias) {
  check_positive("Bilinear", "input1_dims", input1_dims);
  check_positive("Bilinear", "input2_dims", input2_dims);
  check_positive("Bilinear", "output_dims", output_dims);
  const double bound = bound_of(input1_dims);
  add("weight", uniform_weights(bound, {output_dims, input2_dims, input1_dims}));
  if (bias) add("bias", uniform_weights(bound, {output_dims}));
  traits().details = [=](const Module&) {
    return fmt::format("input1_dims={}, input2_dims={}, output_dims={}, bias={}", input1_dims, input2_dims,
                       output_dims, spelled(bias));
  };
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

Embedding::Embedding(int64_t num_embeddings, int64_t dims) : Embedding(first_table(num_embeddings, dims)) {}

array Embedding::operator()(const array& ids) const {
  return rows_at(ids);
}

array Embedding::as_linear(const array& x) const {
  return times_weight(x);
}

}  // namespace uma::nn
