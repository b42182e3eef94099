#include "nn/module.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "nn/activations.h"
#include "nn/gradients.h"
#include "nn/init.h"
#include "nn/linear.h"
#include "nn/losses.h"
#include "nn/sequential.h"
#include "nn/testing.h"
#include "ops/operators.h"
#include "ops/reduce.h"

namespace uma::nn {
namespace {

using testing::expect_error;
using testing::expect_near;

struct Net : Module {
  std::vector<Linear> layers = add("layers", std::vector<Linear>{Linear(2, 3), Linear(3, 3, false)});
  Linear head = add("head", Linear(3, 1));
  Net() { add("scale", array(2.0f)); }
  array operator()(const array& x) const {
    array y = x;
    for (const Linear& layer : layers) y = relu(layer(y));
    return head(y) * parameter("scale");
  }
};

std::vector<std::string> paths(const Parameters& parameters) {
  std::vector<std::string> out;
  for (const auto& [path, value] : parameters) out.push_back(path);
  return out;
}

using Paths = std::vector<std::string>;
const Paths kAll{"head.bias", "head.weight", "layers.0.bias", "layers.0.weight", "layers.1.weight", "scale"};

TEST(Module, IsATreeOfNamedArrays) {
  const Net net;
  EXPECT_EQ(paths(net.parameters()), kAll);
  EXPECT_EQ(net.parameter("layers.0.weight").shape(), (Shape{3, 2}));
  EXPECT_EQ(net.find("layers.2.weight"), nullptr);
  EXPECT_EQ(net.find("layers"), nullptr);
  EXPECT_EQ(net.find("layers.0"), nullptr);
  EXPECT_EQ(net.find("scale.x"), nullptr);
  expect_error(ErrorCode::kNotFound, [&] { net.parameter("head.wait"); });
  Paths names;
  for (const auto& [path, module] : net.named_modules()) names.push_back(path);
  EXPECT_EQ(names, (Paths{"", "layers.0", "layers.1", "head"}));
  EXPECT_EQ(net.children().size(), 3u);
  EXPECT_EQ(net.leaf_modules().size(), 3u);
  EXPECT_EQ(Sequential(Linear(2, 2), relu, ReLU()).named_modules().size(), 3u);
}

TEST(Module, IsAHandle) {
  Net net;
  const Net copy = net;
  net.head.add("bias", array({7.0f}));
  expect_near(copy.parameter("head.bias"), array({7.0f}));
  EXPECT_TRUE(copy == net);
  EXPECT_FALSE(Net() == net);
  // Adding under the same name replaces.
  net.head = net.add("head", Linear(3, 5));
  EXPECT_EQ(net(ones({4, 2})).shape(), (Shape{4, 5}));
  EXPECT_EQ(copy.parameter("head.weight").shape(), (Shape{5, 3}));
}

TEST(Module, RefusesNamesThatAreNone) {
  Net net;
  for (const char* name : {"", ".", "a.", ".a", "a..b", "_hidden", "a._b", "layers", "scale.x"})
    expect_error(ErrorCode::kInvalidArgument, [&] { net.add(name, array(1.0f)); });
  Module inner;
  inner.add("net", net);
  expect_error(ErrorCode::kInvalidArgument, [&] { net.add("inner", inner); });
  expect_error(ErrorCode::kInvalidArgument, [&] { net.add("self", net); });
  EXPECT_EQ(paths(net.parameters()), kAll);
}

TEST(Module, UpdatesAllOrNothing) {
  Net net;
  const Parameters before = net.parameters();
  expect_error(ErrorCode::kNotFound, [&] { net.update({{"scale", array(5.0f)}, {"shift", array(1.0f)}}); });
  expect_near(net.parameters(), before, 0);
  net.update({{"scale", array(5.0f)}, {"shift", array(1.0f)}}, false);
  expect_near(net.parameter("scale"), array(5.0f));
  net.apply([](const array& x) { return zeros_like(x); });
  expect_near(net(ones({1, 2})), zeros({1, 1}));
  net.set_dtype(DType::bfloat16);
  EXPECT_EQ(net.parameter("layers.1.weight").dtype(), DType::bfloat16);
  expect_error(ErrorCode::kDType, [&] { net.set_dtype(DType::int8); });
  net.head.apply(init::constant(0.25));
  expect_near(net.parameter("head.bias"), array({0.25f}));
}

TEST(Module, FreezesByName) {
  Net net;
  net.freeze({.keys = {"bias"}});
  EXPECT_EQ(paths(net.trainable_parameters()),
            (Paths{"head.weight", "layers.0.weight", "layers.1.weight", "scale"}));
  net.freeze();
  EXPECT_TRUE(net.trainable_parameters().empty());
  net.unfreeze({.keys = {"weight"}, .strict = true});
  EXPECT_EQ(paths(net.trainable_parameters()), (Paths{"head.weight", "layers.0.weight", "layers.1.weight"}));
  net.unfreeze().freeze({.recurse = false, .keys = {"layers"}});
  EXPECT_EQ(paths(net.trainable_parameters()), (Paths{"head.bias", "head.weight", "scale"}));
  net.unfreeze().freeze({.recurse = false});
  EXPECT_EQ(net.trainable_parameters().size(), 5u);
  net.unfreeze();
  EXPECT_EQ(paths(net.trainable_parameters()), kAll);
  expect_error(ErrorCode::kNotFound, [&] { net.freeze({.keys = {"wait"}, .strict = true}); });
}

TEST(Module, TrainsAndEvaluates) {
  Net net;
  EXPECT_TRUE(net.training());
  net.eval();
  EXPECT_FALSE(net.head.training());
  net.train();
  EXPECT_TRUE(net.layers[1].training());
}

template <class>
struct Wide : Module {};

TEST(Module, PrintsAsInPython) {
  const Net net;
  const std::string text =
      "Net(\n"
      "  (layers.0): Linear(input_dims=2, output_dims=3, bias=True)\n"
      "  (layers.1): Linear(input_dims=3, output_dims=3, bias=False)\n"
      "  (head): Linear(input_dims=3, output_dims=1, bias=True)\n"
      ")";
  EXPECT_EQ(to_string(net), text);
  std::ostringstream out;
  out << net;
  EXPECT_EQ(out.str(), text);
  // A handle that has forgotten its class finds what the module knows.
  const Module plain = net;
  EXPECT_EQ(to_string(plain), text);
  EXPECT_EQ(to_string(Module()), "Module()");

  struct Outer : Module {
    Net inner = add("inner", Net());
    GELU act = add("act", GELU());
    Outer() {
      traits().details = [](const Module&) { return "depth=1"; };
    }
  };
  const std::string printed = to_string(Outer());
  EXPECT_TRUE(printed.starts_with("Outer(depth=1\n  (inner): Net(\n    (layers.0): Linear(")) << printed;
  EXPECT_TRUE(printed.ends_with("\n  )\n  (act): GELU()\n)")) << printed;
  struct Rotated : Linear {
    using Linear::Linear;
  };
  EXPECT_EQ(to_string(Rotated(2, 3)), "Rotated(input_dims=2, output_dims=3, bias=True)");
  EXPECT_EQ(to_string(Wide<Net>()), "Wide<uma::nn::(anonymous namespace)::Net>()");
  EXPECT_EQ(to_string(Sequential{Sigmoid(), relu, ReLU6()}),
            "Sequential(\n  (layers.0): Sigmoid()\n  (layers.2): ReLU6()\n)");
}

class ModuleFiles : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Endings, ModuleFiles, ::testing::Values("safetensors", "npz"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(ModuleFiles, KeepWeights) {
  const std::string file =
      std::filesystem::path(::testing::TempDir()) / (std::string("module_test.") + GetParam());
  Net net, other;
  net.save_weights(file);
  other.load_weights(file);
  expect_near(other.parameters(), net.parameters(), 0);
  expect_error(ErrorCode::kInvalidArgument, [&] { net.save_weights("weights.bin"); });
  expect_error(ErrorCode::kNotFound, [&] { Linear(3, 1).load_weights(file); });

  Parameters weights = net.parameters();
  weights.erase("scale");
  expect_error(ErrorCode::kNotFound, [&] { other.load_weights(weights); });
  other.load_weights(weights, false);
  weights.emplace("scale", array({1.0f, 2.0f}));
  expect_error(ErrorCode::kShape, [&] { other.load_weights(weights); });
  expect_near(other.parameters(), net.parameters(), 0);
  std::filesystem::remove(file);
  expect_error(ErrorCode::kNotFound, [&] { other.load_weights(file); });
}

TEST(Gradients, AreOfWhatIsTrainable) {
  Net net;
  net.freeze({.keys = {"bias"}});
  const array x({1.0f, 2.0f, -1.0f, 0.5f}, Shape{2, 2}), y({1.0f, -1.0f}, Shape{2, 1});
  const Parameters before = net.parameters();
  const auto loss_and_grad = value_and_grad(net, [&](const array& a, const array& b, double factor) {
    EXPECT_NE(net.parameter("scale").id(), before.at("scale").id());
    return losses::mse_loss(net(a), b) * factor;
  });
  const auto [loss, gradients] = loss_and_grad(x, y, 3.0);
  EXPECT_EQ(paths(gradients), paths(net.trainable_parameters()));
  for (const auto& [path, value] : net.parameters()) EXPECT_EQ(value.id(), before.at(path).id()) << path;
  expect_near(loss, losses::mse_loss(net(x), y) * 3.0);
  // d/dscale of mean((s f - y)^2).
  const array f = net(x) / net.parameter("scale");
  expect_near(gradients.at("scale"), 3.0 * mean(2 * (net(x) - y) * f), 1e-5, 1e-6);
}

TEST(Gradients, LeaveTheModuleAsItWas) {
  Net net;
  const array x = ones({1, 2});
  const uintptr_t before = net.parameter("scale").id();
  const auto throwing =
      value_and_grad(net, [&](const array&) -> array { fail(ErrorCode::kCancelled, "test", "no"); });
  expect_error(ErrorCode::kCancelled, [&] { throwing(x); });
  EXPECT_EQ(net.parameter("scale").id(), before);
  // What the function itself has replaced stays.
  const auto replacing = value_and_grad(net, [&](const array& in) {
    const array loss = sum(net(in));
    net.update({{"scale", array(9.0f)}});
    return std::vector<array>{loss, in};
  });
  EXPECT_EQ(replacing(x).first.size(), 2u);
  expect_near(net.parameter("scale"), array(9.0f));
  net.freeze();
  expect_error(ErrorCode::kInvalidArgument, [&] { replacing(x); });
}

TEST(Gradients, CheckpointChangesNoNumber) {
  Net net;
  const array x = testing::random_array({3, 2}, 1, -1, 1, DType::float32);
  const auto plain = value_and_grad(net, [&](const array& in) { return sum(square(net(in))); })(x);
  int runs = 0;
  const auto counted = checkpoint(net, [&](const std::vector<array>& in) {
    ++runs;
    return std::vector<array>{net(in[0])};
  });
  const auto again = value_and_grad(net, [&](const array& in) { return sum(square(counted({in})[0])); })(x);
  EXPECT_EQ(runs, 2);
  expect_near(again.first, plain.first);
  expect_near(again.second, plain.second, 0);
  expect_near(checkpoint(net)(x), net(x));
}

}  // namespace
}  // namespace uma::nn
