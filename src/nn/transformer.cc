#include "nn/transformer.h"

#include <cmath>
#include <limits>

#include "fast/attention.h"
#include "nn/gradients.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/manipulate.h"
#include "ops/operators.h"
#include "ops/shape.h"

namespace uma::nn {
namespace {

int64_t checked_dims(int64_t dims, int64_t num_heads, const char* name) {
  check(num_heads > 0 && dims % num_heads == 0, ErrorCode::kInvalidArgument, "MultiHeadAttention",
        "{} ({}) must be divisible by num_heads ({})", name, dims, num_heads);
  return dims;
}

double lowest(DType dtype) {
  switch (dtype) {
    case DType::float16:
      return -65504;
    case DType::bfloat16:
      return -0x1.fep127;
    case DType::float64:
      return std::numeric_limits<double>::lowest();
    default:
      return std::numeric_limits<float>::lowest();
  }
}

template <class Layer>
std::vector<Layer> layers_of(int64_t count, int64_t dims, int64_t num_heads,
                             const TransformerOptions& options) {
  std::vector<Layer> layers;
  for (int64_t i = 0; i < count; ++i) layers.emplace_back(dims, num_heads, options);
  return layers;
}

/// The layers one after the other; with `again`, results within a layer are not kept for its gradient.
template <class Layer, class Call>
array run(const std::vector<Layer>& layers, bool again, array x, const Call& call) {
  for (const Layer& layer : layers) {
    if (again) {
      x = checkpoint(layer, [layer, call](const std::vector<array>& in) {
        return std::vector<array>{call(layer, in[0])};
      })({x})[0];
    } else {
      x = call(layer, x);
    }
  }
  return x;
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(int64_t dims, int64_t num_heads, const AttentionDims& o)
    : num_heads_(num_heads),
      query_proj_(add("query_proj", Linear(o.query_input_dims.value_or(dims),
                                           checked_dims(dims, num_heads, "dims"), o.bias))),
      key_proj_(add("key_proj", Linear(o.key_input_dims.value_or(dims), dims, o.bias))),
      value_proj_(add("value_proj",
                      Linear(o.value_input_dims.value_or(o.key_input_dims.value_or(dims)),
                             checked_dims(o.value_dims.value_or(dims), num_heads, "value_dims"), o.bias))),
      out_proj_(
          add("out_proj", Linear(o.value_dims.value_or(dims), o.value_output_dims.value_or(dims), o.bias))) {}

array MultiHeadAttention::heads(const array& x) const {
  return swapaxes(unflatten(x, -1, {num_heads_, -1}), 1, 2);
}

array MultiHeadAttention::operator()(const array& queries, const array& keys, const array& values,
                                     const Mask& mask) const {
  for (const array* x : {&queries, &keys, &values})
    check(x->ndim() == 3, ErrorCode::kShape, "MultiHeadAttention", "needs inputs (N, L, dims), not shape {}",
          x->shape());
  const array q = heads(query_proj_(queries)), k = heads(key_proj_(keys)), v = heads(value_proj_(values));
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(q.shape(-1))));
  const array y = scaled_dot_product_attention(q, k, v, {.scale = scale, .mask = mask});
  return out_proj_(flatten(swapaxes(y, 1, 2), -2));
}

array MultiHeadAttention::create_additive_causal_mask(int64_t n, DType dtype) {
  check(is_floating(dtype), ErrorCode::kDType, "create_additive_causal_mask", "takes a float dtype, not {}",
        name_of(dtype));
  const array position = arange(0, static_cast<double>(n));
  const array future = expand_dims(position, {1}) < expand_dims(position, {0});
  return astype(future, dtype) * array(lowest(dtype), dtype);
}

array TransformerBlock::residual(const array& x, const LayerNorm& norm,
                                 const std::function<array(const array&)>& f) const {
  return options_.norm_first ? x + f(norm(x)) : norm(x + f(x));
}

array TransformerBlock::mlp(const array& x, const Linear& up, const Dropout& dropout,
                            const Linear& down) const {
  return down(dropout(options_.activation(up(x))));
}

TransformerEncoderLayer::TransformerEncoderLayer(int64_t dims, int64_t num_heads,
                                                 const TransformerOptions& options)
    : TransformerBlock(options),
      attention_(add("attention", MultiHeadAttention(dims, num_heads))),
      ln1_(add("ln1", LayerNorm(dims))),
      ln2_(add("ln2", LayerNorm(dims))),
      linear1_(add("linear1", Linear(dims, options.mlp_dims.value_or(4 * dims)))),
      linear2_(add("linear2", Linear(options.mlp_dims.value_or(4 * dims), dims))),
      dropout1_(add("dropout1", Dropout(options.dropout))),
      dropout2_(add("dropout2", Dropout(options.dropout))) {}

array TransformerEncoderLayer::operator()(const array& x, const Mask& mask) const {
  const array y = residual(x, ln1_, [&](const array& in) { return dropout1_(attention_(in, in, in, mask)); });
  return residual(y, ln2_, [&](const array& in) { return mlp(in, linear1_, dropout2_, linear2_); });
}

TransformerEncoder::TransformerEncoder(int64_t num_layers, int64_t dims, int64_t num_heads,
                                       const TransformerOptions& options)
    : layers_(add("layers", layers_of<TransformerEncoderLayer>(num_layers, dims, num_heads, options))),
      ln_(add("ln", LayerNorm(dims))),
      checkpoint_(options.checkpoint) {}

array TransformerEncoder::operator()(const array& x, const Mask& mask) const {
  return ln_(run(layers_, checkpoint_, x,
                 [mask](const TransformerEncoderLayer& layer, const array& in) { return layer(in, mask); }));
}

TransformerDecoderLayer::TransformerDecoderLayer(int64_t dims, int64_t num_heads,
                                                 const TransformerOptions& options)
    : TransformerBlock(options),
      self_attention_(add("self_attention", MultiHeadAttention(dims, num_heads))),
      cross_attention_(add("cross_attention", MultiHeadAttention(dims, num_heads))),
      ln1_(add("ln1", LayerNorm(dims))),
      ln2_(add("ln2", LayerNorm(dims))),
      ln3_(add("ln3", LayerNorm(dims))),
      linear1_(add("linear1", Linear(dims, options.mlp_dims.value_or(4 * dims)))),
      linear2_(add("linear2", Linear(options.mlp_dims.value_or(4 * dims), dims))),
      dropout1_(add("dropout1", Dropout(options.dropout))),
      dropout2_(add("dropout2", Dropout(options.dropout))),
      dropout3_(add("dropout3", Dropout(options.dropout))) {}

array TransformerDecoderLayer::operator()(const array& x, const array& memory, const Mask& x_mask,
                                          const Mask& memory_mask) const {
  const array y =
      residual(x, ln1_, [&](const array& in) { return dropout1_(self_attention_(in, in, in, x_mask)); });
  const array z = residual(
      y, ln2_, [&](const array& in) { return dropout2_(cross_attention_(in, memory, memory, memory_mask)); });
  return residual(z, ln3_, [&](const array& in) { return mlp(in, linear1_, dropout3_, linear2_); });
}

TransformerDecoder::TransformerDecoder(int64_t num_layers, int64_t dims, int64_t num_heads,
                                       const TransformerOptions& options)
    : layers_(add("layers", layers_of<TransformerDecoderLayer>(num_layers, dims, num_heads, options))),
      ln_(add("ln", LayerNorm(dims))),
      checkpoint_(options.checkpoint) {}

array TransformerDecoder::operator()(const array& x, const array& memory, const Mask& x_mask,
                                     const Mask& memory_mask) const {
  return ln_(run(layers_, checkpoint_, x, [=](const TransformerDecoderLayer& layer, const array& in) {
    return layer(in, memory, x_mask, memory_mask);
  }));
}

Transformer::Transformer(int64_t dims, int64_t num_heads, int64_t num_encoder_layers,
                         int64_t num_decoder_layers, const TransformerOptions& options)
    : encoder_(add("encoder", TransformerEncoder(num_encoder_layers, dims, num_heads, options))),
      decoder_(add("decoder", TransformerDecoder(num_decoder_layers, dims, num_heads, options))) {}

array Transformer::operator()(const array& src, const array& tgt, const Mask& src_mask, const Mask& tgt_mask,
                              const Mask& memory_mask) const {
  return decoder_(tgt, encoder_(src, src_mask), tgt_mask, memory_mask);
}

}  // namespace uma::nn
