// The whole API in one file, with all names at once: none hides another.
#include "uma/uma.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "ops/testing.h"

using namespace uma;
using namespace uma::nn;
using namespace uma::optim;

namespace {

using uma::testing::expect_error;
using uma::testing::expect_near;

TEST(Api, TakesOneAxisOrManyOrAll) {
  const array x({1.0f, 2.0f, 3.0f, 4.0f}, Shape{2, 2});
  expect_near(sum(x, 1), array({3.0f, 7.0f}));
  expect_near(sum(x, {1}), array({3.0f, 7.0f}));
  expect_near(sum(x, {0, 1}), array(10.0f));
  // Not "axis 0".
  expect_near(sum(x, {}, true), array({10.0f}, Shape{1, 1}));
  expect_near(prod(x, 0), array({3.0f, 8.0f}));
  expect_near(max(x, -1, true), array({2.0f, 4.0f}, Shape{2, 1}));
  expect_near(min(x, 0), array({1.0f, 2.0f}));
  expect_near(mean(x, 0), array({2.0f, 3.0f}));
  expect_near(var(x, 0), array({1.0f, 1.0f}));
  expect_near(logsumexp(zeros({2, 1}), 1), zeros({2}));
  EXPECT_TRUE(all(all(x > 0, 0)).item<bool>());
  EXPECT_FALSE(any(any(x < 0, 1)).item<bool>());
  EXPECT_EQ(squeeze(expand_dims(x, 0), 0).shape(), x.shape());
  EXPECT_EQ(concat({x, x}, 1).shape(), (Shape{2, 4}));
  expect_near(matrix_transpose(x), permute_dims(x));
}

TEST(Api, ConvolvesOverSoManyAxes) {
  EXPECT_EQ(conv1d(ones({1, 4, 1}), ones({1, 3, 1}), {.padding = {1}}).to_vector<float>(),
            (std::vector<float>{2, 3, 3, 2}));
  EXPECT_EQ(conv2d(ones({1, 4, 4, 2}), ones({3, 2, 2, 2}), {.stride = {2, 1}}).shape(), (Shape{1, 2, 3, 3}));
  EXPECT_EQ(conv3d(ones({1, 2, 2, 2, 1}), ones({1, 2, 2, 2, 1})).size(), 1);
  expect_error(ErrorCode::kShape, [] { conv1d(ones({1, 4, 4, 1}), ones({1, 3, 1})); });
}

TEST(Api, EvaluatesWhatATrainingStepMade) {
  Linear model(2, 1);
  SGD optimizer(0.1, {.momentum = 0.9});
  const auto step = value_and_grad(model, [&](const array& x) { return sum(model(x)); });
  const auto [loss, gradients] = step(ones({1, 2}));
  optimizer.update(model, gradients);
  const std::vector<array> others{loss + 1, loss + 2};
  uma::eval(loss, model.parameters(), optimizer.state(), others);
  EXPECT_TRUE(loss.is_ready() && model.parameter("weight").is_ready() && others[1].is_ready());
  EXPECT_TRUE(optimizer.state().at("bias.v").is_ready());
  uma::eval(gradients);
  EXPECT_TRUE(gradients.at("bias").is_ready());
}

TEST(Api, ReadsAndWritesFiles) {
  const std::string folder = ::testing::TempDir();
  const array x({1.0f, 2.0f});
  save(folder + "/api.npy", x);
  expect_near(load(folder + "/api.npy"), x);
  save_safetensors(folder + "/api.safetensors", {{"a.b", x}}, {{"made", "here"}});
  const auto [arrays, metadata] = load_safetensors(folder + "/api.safetensors");
  expect_near(arrays.at("a.b"), x);
  EXPECT_EQ(metadata.at("made"), "here");
  expect_error(ErrorCode::kInvalidArgument, [&] { save(folder + "/api.txt", x); });
  expect_error(ErrorCode::kInvalidArgument, [&] { load(folder + "/api.txt"); });
  expect_error(ErrorCode::kInvalidArgument, [&] { save_safetensors(folder + "/api.npy", {}); });
  std::filesystem::remove(folder + "/api.npy");
  std::filesystem::remove(folder + "/api.safetensors");
}

}  // namespace
