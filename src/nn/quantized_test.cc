// Quantized layers: what all handles on one see, what is trained, what files hold. Numbers of MLX:
// layers_test.cc.
#include "nn/quantized.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "nn/gradients.h"
#include "nn/sequential.h"
#include "nn/testing.h"
#include "ops/matmul.h"
#include "ops/reduce.h"

namespace uma::nn {
namespace {

using testing::expect_error;
using testing::expect_near;

struct Net : Module {
  Embedding table = add("table", Embedding(5, 64));
  Linear up = add("up", Linear(64, 32));
  Linear head = add("head", Linear(32, 3, false));
  array operator()(const array& ids) const { return head(up(table(ids))); }
};

const array kIds({1, 4, 0});

array whole(const Module& layer, const PackedFormat& format) {
  return dequantize(layer.parameter("weight"), layer.parameter("scales"), layer.optional("biases"), format);
}

TEST(Quantize, ChangesALayerUnderAllItsHandles) {
  Net net;
  const Linear copy = net.up;
  const array before = net(kIds);
  quantize(net, {.group_size = 32, .bits = 8});
  EXPECT_TRUE(copy.is_packed() && net.head.is_packed());
  EXPECT_EQ(net.parameter("up.weight").shape(), (Shape{32, 16}));
  EXPECT_EQ(net.parameter("up.weight").dtype(), DType::uint32);
  EXPECT_EQ(net.parameter("up.biases").shape(), (Shape{32, 2}));
  // The product with what the codes mean.
  const PackedFormat format{.group = 32, .bits = 8};
  const array x = testing::random_array({2, 64}, 3, -1, 1, DType::float32);
  expect_near(copy(x), matmul(x, transpose(whole(copy, format))) + copy.parameter("bias"), 1e-5, 1e-5);
  expect_near(net.table(kIds), take(whole(net.table, format), kIds, 0));
  expect_near(net.table.as_linear(x), matmul(x, transpose(whole(net.table, format))), 1e-5, 1e-5);
  expect_near(net(kIds), before, 0, 0.02);
}

TEST(Quantize, TrainsWhatIsWhole) {
  Net net;
  quantize(net, {.group_size = 32});
  net.unfreeze();
  const Parameters trained = net.trainable_parameters();
  ASSERT_EQ(trained.size(), 1u);
  EXPECT_EQ(trained.begin()->first, "up.bias");
  const auto [loss, gradients] = value_and_grad(net, [&] { return sum(net(kIds)); })();
  expect_near(gradients.at("up.bias"), 3 * sum(whole(net.head, {.group = 32}), {0}), 1e-5, 1e-5);
  EXPECT_TRUE(QuantizedLinear(64, 2).trainable_parameters().empty());
}

TEST(Quantize, LayersThatArePutInInsteadAndSharedOnes) {
  Net net;
  net.up = net.add("up", QuantizedLinear(net.up, {.mode = "mxfp4"}));
  EXPECT_EQ(to_string(net),
            "Net(\n"
            "  (table): Embedding(5, 64)\n"
            "  (up): QuantizedLinear(input_dims=64, output_dims=32, bias=True, group_size=32, bits=4, "
            "mode=mxfp4)\n"
            "  (head): Linear(input_dims=32, output_dims=3, bias=False)\n"
            ")");
  EXPECT_EQ(net(kIds).shape(), (Shape{3, 3}));
  // What is packed stays so; a layer at two paths is packed once.
  net.add("again", net.table);
  quantize(net, {.group_size = 32});
  EXPECT_EQ(net.up.format()->mode, PackedMode::mxfp4);
  EXPECT_EQ(net.parameter("again.weight").shape(), (Shape{5, 8}));
  const Linear single(64, 2);
  quantize(single);
  EXPECT_TRUE(single.is_packed());
}

TEST(Quantize, FilesServeModelsThatAreQuantizedAlike) {
  const std::string file = std::filesystem::path(::testing::TempDir()) / "quantized_test.npz";
  Net net, other, plain;
  quantize(net, {.group_size = 32, .bits = 5});
  net.save_weights(file);
  expect_error(ErrorCode::kNotFound, [&] { plain.load_weights(file); });
  quantize(other, {.group_size = 32, .bits = 6});
  expect_error(ErrorCode::kShape, [&] { other.load_weights(file); });
  other = Net();
  quantize(other, {.group_size = 32, .bits = 5});
  other.load_weights(file);
  expect_near(other(kIds), net(kIds));
  std::filesystem::remove(file);
}

TEST(Quantize, SaysWhatItCannotDoAndLeavesTheModel) {
  Net net;
  const auto refused = [&](ErrorCode code, const Quantization& how, const QuantizePredicate& choose = {}) {
    expect_error(code, [&] { quantize(net, how, choose); });
    EXPECT_FALSE(net.table.is_packed() || net.up.is_packed() || net.head.is_packed());
  };
  const auto all = [](const std::string&, const Module&) { return true; };
  refused(ErrorCode::kInvalidArgument, {.mode = "int4"});
  refused(ErrorCode::kInvalidArgument, {.bits = 7});
  refused(ErrorCode::kInvalidArgument, {.group_size = 64, .mode = "mxfp4"});
  refused(ErrorCode::kShape, {});  // 32 columns of head, in groups of 64
  refused(ErrorCode::kInvalidArgument, {.mode = "nvfp4", .quantize_input = true});  // table
  refused(ErrorCode::kInvalidArgument, {.mode = "nvfp4", .quantize_input = true},
          [](const std::string& path, const Module&) { return path == "up"; });  // its bias
  refused(ErrorCode::kInvalidArgument, {.mode = "mxfp4", .quantize_input = true},
          [](const std::string& path, const Module&) { return path == "head"; });
  net.add("other", Identity());
  refused(ErrorCode::kInvalidArgument, {.group_size = 32}, all);
  const Linear packed(64, 2);
  quantize(packed);
  quantize(packed);
  expect_error(ErrorCode::kInvalidArgument, [&] { quantize(packed, {}, all); });
  expect_error(ErrorCode::kDType, [&] { QuantizedLinear{packed}; });
  expect_error(ErrorCode::kShape, [&] { packed(ones({2, 32})); });
  expect_error(ErrorCode::kInvalidArgument, [] { QuantizedEmbedding(0, 64); });
}

TEST(QQLinear, RoundsBothAndTrains) {
  const PackedFormat format = PackedFormat::make("mxfp8", {}, {});
  const auto rounded = [&](const array& a) {
    const auto parts = quantize(a, format);
    return dequantize(parts[0], parts[1], {}, format, DType::float32);
  };
  QQLinear layer(64, 4, {.mode = "mxfp8"});
  const array x = testing::random_array({3, 64}, 5, -1, 1, DType::float32),
              weight = layer.parameter("weight");
  const array expected = matmul(rounded(x), transpose(rounded(weight)));
  expect_near(layer(x), expected, 1e-5, 1e-5);
  const auto [loss, gradients] = value_and_grad(layer, [&] { return sum(layer(x)); })();
  expect_near(gradients.at("weight"), broadcast_to(sum(rounded(x), {0}), {4, 64}), 1e-5, 1e-5);

  layer.eval();
  EXPECT_EQ(layer.parameters().size(), 2u);
  EXPECT_EQ(layer.parameter("weight").dtype(), DType::uint32);
  expect_near(layer(x), expected, 1e-5, 1e-5);
  EXPECT_EQ(to_string(layer), "QQLinear(input_dims=64, output_dims=4, group_size=32, bits=8, mode=mxfp8)");
  layer.train();
  EXPECT_EQ(layer.parameters().size(), 1u);
  expect_near(astype(layer.parameter("weight"), DType::float32), rounded(weight));

  Sequential net{Linear(64, 32, false), Linear(32, 4, false)};
  net.eval();
  quantize(net, {.mode = "nvfp4", .quantize_input = true});
  EXPECT_EQ(net.parameter("layers.1.scales").shape(), (Shape{4, 2}));
  net.train();
  EXPECT_EQ(net.find("layers.1.scales"), nullptr);
  expect_error(ErrorCode::kInvalidArgument, [] { QQLinear(64, 4, {}); });
  expect_error(ErrorCode::kInvalidArgument, [] { QQLinear{Linear(64, 4)}; });
}

}  // namespace
}  // namespace uma::nn
