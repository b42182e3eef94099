#pragma once
// Affine and bilinear maps, tables.
#include <optional>

#include "nn/packable.h"

namespace uma::nn {

struct Identity : Module {
  array operator()(const array& x) const { return x; }
};

/// x weight^T + bias.
/// shapes  x (..., input_dims) -> (..., output_dims); weight (output_dims, input_dims), bias (output_dims)
/// start   both from U(-k, k) with k = 1 / sqrt(input_dims)
/// throws  InvalidArgument for dims below 1
struct Linear : Packable {
  Linear(int64_t input_dims, int64_t output_dims, bool bias = true);
  array operator()(const array& x) const;

 protected:
  Linear(const array& weight, const std::optional<array>& bias);
};

/// y_i = x2^T weight_i x1 + bias_i.
/// shapes  x1 (..., input1_dims), x2 (..., input2_dims) -> (..., output_dims);
///         weight (output_dims, input2_dims, input1_dims), bias (output_dims)
/// start   both from U(-k, k) with k = 1 / sqrt(input1_dims)
struct Bilinear : Module {
  Bilinear(int64_t input1_dims, int64_t input2_dims, int64_t output_dims, bool bias = true);
  array operator()(const array& x1, const array& x2) const;
};

/// Row i of weight for each integer i. Negative ones count from the end.
/// shapes  integers (...) -> (..., dims); weight (num_embeddings, dims) from N(0, 1 / dims)
struct Embedding : Packable {
  Embedding(int64_t num_embeddings, int64_t dims);
  array operator()(const array& ids) const;
  /// x weight^T: the head of a model that ties it to its embedding.
  array as_linear(const array& x) const;

 protected:
  explicit Embedding(const array& weight) : Packable(weight, true) {}
};

// For layers: weights from U(-bound, bound), and a check of their sizes.
array uniform_weights(double bound, const Shape& shape);
void check_positive(std::string_view layer, std::string_view name, int64_t value);

}  // namespace uma::nn
