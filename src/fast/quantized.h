#pragma once
#include <optional>
#include <span>
#include <vector>

#include "core/array.h"
#include "core/quant_format.h"

namespace uma {

/// A weight matrix in the layout of its file: `rows` outputs of `cols` inputs each.
struct QuantizedMatrix {
  array data;  // uint8 (rows, row_bytes(format, cols)), usually a view of the mapped file; any alignment
  QuantFormat format;
  int64_t rows;
  int64_t cols;
};

/// Throws Shape, DType or InvalidArgument, naming `op`, where data, format, rows and cols do not fit
/// together. Every function below checks this first.
void check_matrix(const QuantizedMatrix& w, std::string_view op);

/// x w^T, with the weights decoded in registers.
/// shapes  x (..., cols) -> (..., rows)
/// dtype   x float32, float16 or bfloat16; the result is float32
/// exact   true: activations stay f32. false: with formats of 8 bits and less they are rounded to int8, one
///         scale for 32 of them (relative rms error about 0.5 %)
/// throws  Shape for a 0-d x or a last axis that is not cols; DType
array quantized_matmul(const array& x, const QuantizedMatrix& w, bool exact = false);

/// The same for several matrices that share the input (query, key and value; gate and up): one op with
/// several outputs, the input quantized once. Throws InvalidArgument for an empty list as well.
std::vector<array> quantized_matmul(const array& x, std::span<const QuantizedMatrix> ws, bool exact = false);

/// Rows of the matrix: an embedding lookup.
/// shapes  ids (...) -> (..., cols)       dtype  ids int32 -> float32
/// throws  DType; InvalidArgument, when evaluated, for an id outside [0, rows)
array quantized_embedding(const QuantizedMatrix& w, const array& ids);

/// The whole matrix as float32 (rows, cols), bit for bit as decode_reference gives it.
array dequantize(const QuantizedMatrix& w);

struct QuantizedMatmulParams {
  struct Weight {
    QuantFormat format;
    int64_t rows, cols;
  };
  std::vector<Weight> weights;  // of the inputs 1, 2, ...
  bool exact;
};
struct QuantizedParams {
  QuantFormat format;
  int64_t rows, cols;
};

std::vector<array> quantized_matmul_fallback(const Node& node, std::span<const array> inputs);
std::vector<array> quantized_embedding_fallback(const Node& node, std::span<const array> inputs);
std::vector<array> dequantize_fallback(const Node& node, std::span<const array> inputs);

std::pair<std::vector<array>, std::vector<int>> quantized_matmul_vmap(const Node&, std::span<const array>,
                                                                      std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> quantized_embedding_vmap(const Node&, std::span<const array>,
                                                                         std::span<const int>);

inline constexpr OpInfo kQuantizedMatmul{.name = "quantized_matmul",
                                         .args = "x, weights",
                                         .doc = "x w^T for weights in a GGUF format.",
                                         .dtype = DTypeRule::custom,
                                         .vmap = quantized_matmul_vmap,
                                         .fallback = quantized_matmul_fallback,
                                         .example = "quantized_matmul(x, w)"};

inline constexpr OpInfo kQuantizedEmbedding{.name = "quantized_embedding",
                                            .args = "data, ids",
                                            .doc = "Rows of a weight matrix in a GGUF format, as float32.",
                                            .dtype = DTypeRule::custom,
                                            .vmap = quantized_embedding_vmap,
                                            .fallback = quantized_embedding_fallback,
                                            .example = "quantized_embedding(w, ids)"};

inline constexpr OpInfo kDequantize{.name = "dequantize",
                                    .args = "data",
                                    .doc = "A weight matrix in a GGUF format as float32.",
                                    .dtype = DTypeRule::custom,
                                    .fallback = dequantize_fallback,
                                    .example = "dequantize(w)"};

}  // namespace uma
