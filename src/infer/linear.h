#pragma once
#include <optional>

#include "core/array.h"
#include "fast/quantized.h"

namespace uma::infer {

/// x weight^T + bias. Quantization is a property of the weight, not another layer.
struct Linear {
  QuantizedMatrix weight;
  std::optional<array> bias = {};  // (rows,) float32
  bool exact = false;              // never round activations to int8

  /// (..., cols) -> (..., rows) float32. Throws as quantized_matmul, and Shape for a bias of another size.
  array operator()(const array& x) const;
};

/// Several layers on one input (query, key, value; gate, up), in one product. `exact` is the first one's.
/// Throws InvalidArgument for an empty list, and as Linear.
std::vector<array> apply_together(const array& x, std::span<const Linear* const> layers);

/// A table of vectors, and the output head of models that tie the two.
struct Embedding {
  QuantizedMatrix weight;  // (vocabulary, features)
  bool exact = false;

  /// ids (...) int32 -> (..., features) float32.
  array operator()(const array& ids) const;
  /// The head: (..., features) -> (..., vocabulary).
  array as_linear(const array& x) const;
};

}  // namespace uma::infer
