// Every layer against MLX: names and first values of parameters, printed form, results, gradients.
#include <gtest/gtest.h>

#include "nn/conv.h"
#include "nn/dropout.h"
#include "nn/gradients.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/pooling.h"
#include "nn/position.h"
#include "nn/quantized.h"
#include "nn/recurrent.h"
#include "nn/sequential.h"
#include "nn/testing.h"
#include "nn/transformer.h"
#include "nn/upsample.h"
#include "ops/matmul.h"
#include "ops/random.h"
#include "ops/reduce.h"

namespace uma::nn {
namespace {

using testing::expect_error;
using testing::expect_near;
using testing::Golden;

using Inputs = std::vector<std::optional<array>>;

const Golden& golden() {
  static const Golden file("layers");
  return file;
}

Inputs inputs_of(const std::string& name) {
  Inputs inputs;
  for (int i = 0; i < 5; ++i) {
    const std::string key = name + "/in/" + std::to_string(i);
    inputs.push_back(golden().has(key) ? std::optional(golden().at(key)) : std::nullopt);
  }
  return inputs;
}

/// make() gives the layer, call(layer, inputs) its result.
template <class Make, class Call>
void expect_as_mlx(const std::string& name, const Make& make, const Call& call) {
  SCOPED_TRACE(name);
  random::seed(7);
  auto layer = make();
  expect_near(layer.parameters(), golden().group(name + "/start"), 1e-6);
  EXPECT_EQ(to_string(layer), golden().text(name));
  layer.load_weights(golden().group(name + "/param"));
  const Inputs inputs = inputs_of(name);
  if (golden().has(name + "/loss")) {
    const auto loss_and_grad = value_and_grad(layer, [&] { return mean(square(call(layer, inputs))); });
    const auto [loss, gradients] = loss_and_grad();
    expect_near(loss, golden().at(name + "/loss"), 1e-5, 1e-6);
    expect_near(gradients, golden().group(name + "/grad"), 2e-5);
    expect_near(layer.parameters(), golden().group(name + "/after"), 1e-6);
    layer.load_weights(golden().group(name + "/param"));
  }
  expect_near(call(layer, inputs), golden().at(name + "/out"), 1e-5, 2e-6);
}

template <class Make>
void expect_as_mlx(const std::string& name, const Make& make) {
  expect_as_mlx(name, make, [](const auto& layer, const Inputs& in) { return layer(*in[0]); });
}

TEST(Layers, LinearMapsAndTables) {
  expect_as_mlx("Linear", [] { return Linear(5, 3); });
  expect_as_mlx("Linear.bare", [] { return Linear(5, 3, false); });
  expect_as_mlx(
      "Bilinear", [] { return Bilinear(3, 4, 2); },
      [](const auto& layer, const Inputs& in) { return layer(*in[0], *in[1]); });
  expect_as_mlx("Embedding", [] { return Embedding(7, 4); });
  expect_as_mlx("Sequential", [] { return Sequential{Linear(4, 5), relu, Linear(5, 2), Tanh()}; });
  expect_as_mlx("PReLU", [] { return PReLU(4); });
  const Embedding table(7, 4);
  expect_near(table.as_linear(ones({2, 4})), matmul(ones({2, 4}), transpose(table.parameter("weight"))));
  expect_error(ErrorCode::kInvalidArgument, [] { Linear(0, 3); });
  expect_error(ErrorCode::kShape, [] { Linear(5, 3)(ones({2, 4})); });
}

TEST(Layers, Normalizations) {
  expect_as_mlx("LayerNorm", [] { return LayerNorm(6); });
  expect_as_mlx("LayerNorm.plain", [] { return LayerNorm(6, 1e-5, false); });
  expect_as_mlx("LayerNorm.weight", [] { return LayerNorm(6, 1e-2, true, false); });
  expect_as_mlx("RMSNorm", [] { return RMSNorm(6, 1e-2); });
  expect_as_mlx("GroupNorm", [] { return GroupNorm(2, 6); });
  expect_as_mlx("GroupNorm.torch", [] { return GroupNorm(2, 6, 1e-5, true, true); });
  expect_as_mlx("InstanceNorm", [] { return InstanceNorm(4, 1e-5, true); });
  expect_as_mlx("BatchNorm", [] { return BatchNorm(4, {.momentum = 0.3}); });
  expect_as_mlx("BatchNorm.eval", [] {
    BatchNorm layer(4);
    layer.eval();
    return layer;
  });
  expect_error(ErrorCode::kInvalidArgument, [] { GroupNorm(4, 6); });
  expect_error(ErrorCode::kShape, [] { GroupNorm(2, 6)(ones({2, 5})); });
  expect_error(ErrorCode::kShape, [] { InstanceNorm(4)(ones({2, 4})); });
  expect_error(ErrorCode::kShape, [] { BatchNorm(4)(ones({4})); });
  expect_error(ErrorCode::kShape, [] { BatchNorm(4)(ones({1, 4})); });
}

TEST(Layers, RunningStatisticsAreNeverTrained) {
  BatchNorm layer(4);
  layer.freeze().unfreeze();
  EXPECT_EQ(layer.trainable_parameters().size(), 2u);
  layer.unfreeze({.keys = {"running_mean"}});
  EXPECT_EQ(layer.trainable_parameters().count("running_mean"), 0u);
}

TEST(Layers, Convolutions) {
  expect_as_mlx("Conv1d", [] { return Conv1d(4, 6, 3, {.stride = 2, .padding = 1, .groups = 2}); });
  expect_as_mlx("Conv2d", [] {
    return Conv2d(3, 4, {2, 3}, {.stride = {2, 1}, .padding = 1, .dilation = 2});
  });
  expect_as_mlx("Conv3d", [] { return Conv3d(2, 3, 2, {.bias = false}); });
  expect_as_mlx("ConvTranspose1d",
                [] { return ConvTranspose1d(3, 4, 3, {.stride = 2, .padding = 1, .output_padding = 1}); });
  expect_as_mlx("ConvTranspose2d", [] { return ConvTranspose2d(2, 3, {2, 3}); });
  expect_error(ErrorCode::kInvalidArgument, [] { Conv1d(4, 6, 3, {.groups = 3}); });
  expect_error(ErrorCode::kInvalidArgument, [] { Conv2d(4, 6, 0); });
  expect_error(ErrorCode::kInvalidArgument, [] { Conv2d(4, 6, {1, 2, 3}); });
}

TEST(Layers, Pools) {
  expect_as_mlx("MaxPool1d", [] { return MaxPool1d(3, {.stride = 2, .padding = 1}); });
  expect_as_mlx("MaxPool2d", [] { return MaxPool2d(2); });
  expect_as_mlx("AvgPool2d", [] { return AvgPool2d({2, 3}, {.stride = 1, .padding = {1, 0}}); });
  expect_as_mlx("AvgPool3d", [] { return AvgPool3d(2); });
  const array ints({-5, -7, -9, -8}, Shape{1, 4, 1});
  EXPECT_EQ(MaxPool1d(2, {.stride = 2, .padding = 1})(ints).to_vector<int>(), (std::vector<int>{-5, -7, -8}));
  expect_error(ErrorCode::kShape, [] { MaxPool1d(5)(ones({1, 4, 1})); });
  expect_error(ErrorCode::kShape, [] { MaxPool1d(2)(ones({1, 4})); });
  expect_error(ErrorCode::kInvalidArgument, [] { MaxPool1d(0); });
  expect_error(ErrorCode::kInvalidArgument, [] { MaxPool1d(2, {.padding = -1}); });
}

TEST(Layers, Positions) {
  expect_as_mlx("RoPE", [] { return RoPE(8); });
  expect_as_mlx("RoPE.traditional",
                [] { return RoPE(6, {.traditional = true, .base = 1000, .scale = 0.5}); });
  expect_as_mlx("Sinusoidal", [] { return SinusoidalPositionalEncoding(6); });
  expect_as_mlx("Sinusoidal.turns", [] {
    return SinusoidalPositionalEncoding(
        4, {.min_freq = 0.01, .max_freq = 2, .scale = 1.0, .cos_first = true, .full_turns = true});
  });
  expect_as_mlx("ALiBi", [] { return ALiBi(); });
  expect_error(ErrorCode::kInvalidArgument, [] { SinusoidalPositionalEncoding(5); });
  expect_error(ErrorCode::kInvalidArgument, [] { ALiBi::create_alibi_slope(0); });
  expect_error(ErrorCode::kShape, [] { ALiBi()(ones({2, 2})); });
}

TEST(Layers, Recurrent) {
  expect_as_mlx("RNN", [] { return RNN(3, 4); });
  expect_as_mlx("GRU", [] { return GRU(3, 4); });
  expect_as_mlx(
      "LSTM", [] { return LSTM(3, 4); },
      [](const auto& layer, const Inputs& in) { return layer(*in[0]).first; });
  expect_error(ErrorCode::kShape, [] { GRU(3, 4)(ones({2, 5})); });
}

TEST(Layers, AttentionAndTransformers) {
  const auto encode = [](const auto& layer, const Inputs& in) { return layer(*in[0], in[1]); };
  const auto attend = [](const auto& layer, const Inputs& in) {
    return layer(*in[0], *in[1], *in[2], in[3]);
  };
  expect_as_mlx(
      "MultiHeadAttention", [] { return MultiHeadAttention(8, 2); }, attend);
  expect_as_mlx(
      "MultiHeadAttention.dims",
      [] {
        return MultiHeadAttention(8, 2,
                                  {.query_input_dims = 4,
                                   .key_input_dims = 6,
                                   .value_dims = 4,
                                   .value_output_dims = 3,
                                   .bias = true});
      },
      attend);
  expect_as_mlx(
      "TransformerEncoder", [] { return TransformerEncoder(2, 8, 2, {.mlp_dims = 6}); }, encode);
  expect_as_mlx(
      "TransformerEncoder.post",
      [] {
        return TransformerEncoder(
            1, 8, 2, {.mlp_dims = 6, .activation = gelu, .norm_first = false, .checkpoint = true});
      },
      encode);
  expect_as_mlx(
      "Transformer", [] { return Transformer(8, 2, 1, 1, {.mlp_dims = 6}); },
      [](const auto& layer, const Inputs& in) { return layer(*in[0], *in[1], in[2], in[3], in[4]); });
  expect_error(ErrorCode::kInvalidArgument, [] { MultiHeadAttention(8, 3); });
  const array flat = ones({2, 8});
  expect_error(ErrorCode::kShape, [&] { MultiHeadAttention(8, 2)(flat, flat, flat); });
  expect_error(ErrorCode::kDType, [] { MultiHeadAttention::create_additive_causal_mask(3, DType::int32); });
}

TEST(Layers, Upsampling) {
  using enum UpsampleMode;
  expect_as_mlx("Upsample", [] { return Upsample(2); });
  expect_as_mlx("Upsample.nearest", [] { return Upsample({1.3, 0.6}); });
  expect_as_mlx("Upsample.linear", [] { return Upsample({2, 1.5}, {.mode = linear}); });
  expect_as_mlx("Upsample.linear.corners",
                [] { return Upsample(2.5, {.mode = linear, .align_corners = true}); });
  expect_as_mlx("Upsample.linear.antialias",
                [] { return Upsample(0.4, {.mode = linear, .antialias = true}); });
  expect_as_mlx("Upsample.cubic", [] { return Upsample(std::vector{1.7}, {.mode = cubic}); });
  expect_as_mlx("Upsample.cubic.corners", [] {
    return Upsample({2, 0.5}, {.mode = cubic, .align_corners = true});
  });
  expect_as_mlx("Upsample.cubic.antialias", [] {
    return Upsample({0.6, 1.5}, {.mode = cubic, .antialias = true});
  });
  expect_as_mlx("Upsample.volume", [] { return Upsample({1, 2, 1.5}, {.mode = linear}); });
  EXPECT_EQ(Upsample(2)(array({1, 2}, Shape{1, 2, 1})).to_vector<int>(), (std::vector<int>{1, 1, 2, 2}));
  expect_error(ErrorCode::kInvalidArgument, [] { Upsample(0); });
  expect_error(ErrorCode::kInvalidArgument, [] { Upsample({2, testing::kInf}); });
  expect_error(ErrorCode::kInvalidArgument, [] { Upsample(2, {.antialias = true}); });
  expect_error(ErrorCode::kInvalidArgument,
               [] { Upsample(2, {.mode = cubic, .align_corners = true, .antialias = true}); });
  expect_error(ErrorCode::kShape, [] { Upsample(2)(ones({4, 3})); });
  expect_error(ErrorCode::kShape, [] { Upsample({2, 2})(ones({1, 4, 3})); });
  for (const double scale : {0.2, 1e18})
    expect_error(ErrorCode::kShape, [&] { Upsample(scale, {.mode = linear})(ones({1, 4, 3})); });
}

TEST(Layers, QuantizedOnes) {
  expect_as_mlx("QuantizedLinear", [] { return QuantizedLinear(64, 8); });
  expect_as_mlx("QuantizedLinear.mxfp8", [] { return QuantizedLinear(64, 8, false, {.mode = "mxfp8"}); });
  expect_as_mlx("QuantizedLinear.from",
                [] { return QuantizedLinear(Linear(64, 8), {.group_size = 32, .bits = 3}); });
  expect_as_mlx("QuantizedEmbedding", [] { return QuantizedEmbedding(7, 64, {.bits = 8}); });
  expect_as_mlx("QuantizedEmbedding.nvfp4", [] { return QuantizedEmbedding(7, 32, {.mode = "nvfp4"}); });
  const auto make = [] { return Sequential{Embedding(7, 64), Linear(64, 32), relu, Linear(32, 64, false)}; };
  expect_as_mlx("quantize", [&] {
    const Sequential net = make();
    quantize(net, {.group_size = 32, .bits = 8});
    return net;
  });
  expect_as_mlx("quantize.chosen", [&] {
    const Sequential net = make();
    quantize(net, {}, [](const std::string& path, const Module&) -> QuantizeChoice {
      if (path == "layers.3") return Quantization{.mode = "mxfp4"};
      return path == "layers.1";
    });
    return net;
  });
}

TEST(Layers, DropoutInTrainingOnly) {
  random::seed(3);
  Dropout layer(0.3);
  EXPECT_EQ(to_string(layer), golden().text("Dropout"));
  const array x = golden().at("Dropout/in/0");
  expect_near(layer(x), golden().at("Dropout/out"), 1e-6);
  expect_near(Dropout2d(0.5)(golden().at("Dropout2d/in/0")), golden().at("Dropout2d/out"), 1e-6);
  layer.eval();
  expect_near(layer(x), x);
  expect_error(ErrorCode::kInvalidArgument, [] { Dropout(1.0); });
  expect_error(ErrorCode::kShape, [] { Dropout2d()(ones({2, 2})); });
}

}  // namespace
}  // namespace uma::nn
