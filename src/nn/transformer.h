#pragma once
// Attention and the Transformer of Vaswani et al. 2017, arXiv:1706.03762.
#include <optional>

#include "nn/activations.h"
#include "nn/dropout.h"
#include "nn/linear.h"
#include "nn/module.h"
#include "nn/norm.h"

namespace uma::nn {

using Mask = std::optional<array>;

struct AttentionDims {  // where they are not `dims` (value_input: key_input)
  std::optional<int64_t> query_input_dims = {}, key_input_dims = {}, value_input_dims = {};
  std::optional<int64_t> value_dims = {}, value_output_dims = {};
  bool bias = false;
};
/// Scaled dot-product attention in num_heads subspaces, with projections before and after.
/// shapes  queries (N, Q, query_input_dims), keys (N, K, key_input_dims), values (N, K, value_input_dims) ->
///         (N, Q, value_output_dims); mask additive or bool, broadcast to (N, num_heads, Q, K)
/// throws  InvalidArgument where num_heads does not divide dims or value_dims
struct MultiHeadAttention : Module {
  MultiHeadAttention(int64_t dims, int64_t num_heads, const AttentionDims& options = {});
  array operator()(const array& queries, const array& keys, const array& values, const Mask& mask = {}) const;

  /// (n, n): the lowest finite value where the key comes after the query, else 0.
  static array create_additive_causal_mask(int64_t n, DType dtype = DType::float32);

 private:
  array heads(const array& x) const;
  int64_t num_heads_;
  Linear query_proj_, key_proj_, value_proj_, out_proj_;
};

struct TransformerOptions {
  std::optional<int64_t> mlp_dims = {};  // 4 dims
  double dropout = 0;
  std::function<array(const array&)> activation = relu;
  bool norm_first = true;
  bool checkpoint = false;  // of encoders and decoders: layers are computed again for their gradients
};

/// What encoder and decoder layers share: residual blocks around attention and a perceptron of two layers.
struct TransformerBlock : Module {
 protected:
  explicit TransformerBlock(const TransformerOptions& options) : options_(options) {}
  /// x + f(norm(x)), or norm(x + f(x)) where the norm does not come first.
  array residual(const array& x, const LayerNorm& norm, const std::function<array(const array&)>& f) const;
  array mlp(const array& x, const Linear& up, const Dropout& dropout, const Linear& down) const;
  TransformerOptions options_;
};

/// Self-attention and a perceptron, each with a residual. shapes  x (N, L, dims) -> the same
struct TransformerEncoderLayer : TransformerBlock {
  TransformerEncoderLayer(int64_t dims, int64_t num_heads, const TransformerOptions& options = {});
  array operator()(const array& x, const Mask& mask = {}) const;

 private:
  MultiHeadAttention attention_;
  LayerNorm ln1_, ln2_;
  Linear linear1_, linear2_;
  Dropout dropout1_, dropout2_;
};

/// num_layers of them, and a LayerNorm.
struct TransformerEncoder : Module {
  TransformerEncoder(int64_t num_layers, int64_t dims, int64_t num_heads,
                     const TransformerOptions& options = {});
  array operator()(const array& x, const Mask& mask = {}) const;

 private:
  std::vector<TransformerEncoderLayer> layers_;
  LayerNorm ln_;
  bool checkpoint_;
};

/// Self-attention, attention to the encoder's output, and a perceptron, each with a residual.
/// shapes  x (N, L, dims), memory (N, M, dims) -> (N, L, dims)
struct TransformerDecoderLayer : TransformerBlock {
  TransformerDecoderLayer(int64_t dims, int64_t num_heads, const TransformerOptions& options = {});
  array operator()(const array& x, const array& memory, const Mask& x_mask = {},
                   const Mask& memory_mask = {}) const;

 private:
  MultiHeadAttention self_attention_, cross_attention_;
  LayerNorm ln1_, ln2_, ln3_;
  Linear linear1_, linear2_;
  Dropout dropout1_, dropout2_, dropout3_;
};

struct TransformerDecoder : Module {
  TransformerDecoder(int64_t num_layers, int64_t dims, int64_t num_heads,
                     const TransformerOptions& options = {});
  array operator()(const array& x, const array& memory, const Mask& x_mask = {},
                   const Mask& memory_mask = {}) const;

 private:
  std::vector<TransformerDecoderLayer> layers_;
  LayerNorm ln_;
  bool checkpoint_;
};

/// An encoder, and a decoder that attends to its output.
/// shapes  src (N, S, dims), tgt (N, T, dims) -> (N, T, dims)
struct Transformer : Module {
  Transformer(int64_t dims = 512, int64_t num_heads = 8, int64_t num_encoder_layers = 6,
              int64_t num_decoder_layers = 6, const TransformerOptions& options = {});
  array operator()(const array& src, const array& tgt, const Mask& src_mask = {}, const Mask& tgt_mask = {},
                   const Mask& memory_mask = {}) const;

 private:
  TransformerEncoder encoder_;
  TransformerDecoder decoder_;
};

}  // namespace uma::nn
