// Activations, losses and initializers against MLX.
#include <gtest/gtest.h>

#include "nn/activations.h"
#include "nn/init.h"
#include "nn/losses.h"
#include "nn/testing.h"
#include "ops/matmul.h"
#include "ops/random.h"
#include "ops/reduce.h"

namespace uma::nn {
namespace {

using testing::expect_error;
using testing::expect_near;
using testing::Golden;

const Golden& golden() {
  static const Golden file("functions");
  return file;
}

void expect_activation(const std::string& name, const array& plain,
                       const std::optional<array>& options = {}) {
  SCOPED_TRACE(name);
  expect_near(plain, golden().at("activation/" + name + "/default"), 1e-5, 1e-6);
  if (options) expect_near(*options, golden().at("activation/" + name + "/options"), 1e-5, 1e-6);
}

TEST(Activations, AreMlxs) {
  const array x = golden().at("x");
  expect_activation("relu", relu(x), ReLU()(x));
  expect_activation("relu2", relu2(x));
  expect_activation("relu6", relu6(x));
  expect_activation("leaky_relu", leaky_relu(x), LeakyReLU(0.1)(x));
  expect_activation("log_softmax", log_softmax(x), log_softmax(x, 0));
  expect_activation("elu", elu(x), ELU(1.5)(x));
  expect_activation("softplus", softplus(x));
  expect_activation("softsign", softsign(x));
  expect_activation("softshrink", softshrink(x), Softshrink(0.3)(x));
  expect_activation("celu", celu(x), CELU(1.3)(x));
  expect_activation("silu", silu(x), SiLU()(x));
  expect_activation("log_sigmoid", log_sigmoid(x));
  expect_activation("gelu", gelu(x), GELU()(x));
  expect_activation("gelu_approx", gelu_approx(x), GELU("tanh")(x));
  expect_activation("gelu_fast_approx", gelu_fast_approx(x), GELU("fast")(x));
  expect_activation("glu", glu(x), GLU(1)(x));
  expect_activation("step", step(x), Step(0.2)(x));
  expect_activation("selu", selu(x));
  expect_activation("mish", mish(x));
  expect_activation("hardswish", hardswish(x));
  expect_activation("hard_tanh", hard_tanh(x), hard_tanh(x, -0.5));
  expect_activation("hard_shrink", hard_shrink(x), HardShrink(0.7)(x));
  expect_activation("softmin", softmin(x), softmin(x, 0));
  EXPECT_EQ(relu(array({-1, 2})).dtype(), DType::int32);
  expect_error(ErrorCode::kInvalidArgument, [] { GELU("sharp"); });
  expect_error(ErrorCode::kShape, [&] { glu(array({1.0f, 2.0f, 3.0f})); });
}

TEST(Losses, AreMlxs) {
  using namespace losses;
  const array x = golden().at("x"), y = golden().at("y"), positive = golden().at("positive");
  const array labels = golden().at("labels"), signs = golden().at("signs"), third = golden().at("third");
  const auto expect = [](const std::string& name, const array& loss) {
    SCOPED_TRACE(name);
    expect_near(loss, golden().at("loss/" + name), 1e-5, 1e-6);
  };
  expect("cross_entropy", cross_entropy(x, labels));
  expect(
      "cross_entropy.options",
      cross_entropy(x, labels,
                    {.weights = golden().at("weights"), .label_smoothing = 0.2, .reduction = Reduce::mean}));
  expect("cross_entropy.probabilities",
         cross_entropy(x, softmax(y, 0), {.axis = 0, .reduction = Reduce::sum}));
  expect("binary_cross_entropy", binary_cross_entropy(x, positive));
  expect("binary_cross_entropy.probabilities",
         binary_cross_entropy(sigmoid(x), positive, {.with_logits = false, .reduction = Reduce::none}));
  expect("l1_loss", l1_loss(x, y));
  expect("mse_loss", mse_loss(x, y));
  expect("smooth_l1_loss", smooth_l1_loss(x, y, 0.5, Reduce::none));
  expect("gaussian_nll_loss", gaussian_nll_loss(x, y, positive, true));
  expect("margin_ranking_loss", margin_ranking_loss(x, y, signs, 0.3));
  expect("nll_loss", nll_loss(log_softmax(x), labels));
  expect("kl_div_loss", kl_div_loss(log_softmax(x), log_softmax(y)));
  expect("triplet_loss", triplet_loss(x, y, third, -1, 3, 0.5));
  expect("hinge_loss", hinge_loss(x, signs));
  expect("huber_loss", huber_loss(x, y, 0.7, Reduce::sum));
  expect("log_cosh_loss", log_cosh_loss(x, y));
  expect("cosine_similarity_loss", cosine_similarity_loss(x, y));
}

TEST(Losses, SayWhatDoesNotFit) {
  using namespace losses;
  const array x = golden().at("x"), labels = golden().at("labels"), bad = ones({3});
  expect_error(ErrorCode::kShape, [&] { cross_entropy(x, bad); });
  expect_error(ErrorCode::kShape, [&] { cross_entropy(x, labels, {.weights = bad}); });
  expect_error(ErrorCode::kIndex, [&] { cross_entropy(x, labels, {.axis = 2}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { cross_entropy(x, labels, {.label_smoothing = 1}); });
  expect_error(ErrorCode::kShape, [&] { binary_cross_entropy(x, bad); });
  expect_error(ErrorCode::kShape, [&] { l1_loss(x, bad); });
  expect_error(ErrorCode::kShape, [&] { mse_loss(x, bad); });
  expect_error(ErrorCode::kShape, [&] { smooth_l1_loss(x, bad); });
  expect_error(ErrorCode::kShape, [&] { gaussian_nll_loss(x, x, bad); });
  expect_error(ErrorCode::kShape, [&] { margin_ranking_loss(x, x, bad); });
}

TEST(Init, DrawsMlxsNumbers) {
  const array like = zeros({5, 3, 4});
  const auto expect = [](const std::string& name, const init::Initializer& f, const array& a) {
    SCOPED_TRACE(name);
    random::seed(11);
    expect_near(f(a), golden().at("init/" + name), 1e-6, 1e-6);
  };
  expect("normal", init::normal(), like);
  expect("uniform", init::uniform(), like);
  expect("glorot_normal", init::glorot_normal(), like);
  expect("glorot_uniform", init::glorot_uniform(), like);
  expect("he_normal", init::he_normal(), like);
  expect("he_uniform", init::he_uniform(), like);
  expect("sparse", init::sparse(0.4), zeros({4, 6}));
  expect_near(init::constant(0.5)(ones({2})), array({0.5f, 0.5f}));
  expect_near(init::identity()(zeros({2, 2})), array({1.0f, 0.0f, 0.0f, 1.0f}, Shape{2, 2}));
  const array q = init::orthogonal(2)(zeros({3, 5}));
  expect_near(matmul(q, transpose(q)), 4 * eye(3), 1e-5, 1e-5);
}

TEST(Init, SaysWhatDoesNotFit) {
  const array vector = zeros({3});
  expect_error(ErrorCode::kShape, [&] { init::identity()(vector); });
  expect_error(ErrorCode::kShape, [&] { init::he_normal()(vector); });
  expect_error(ErrorCode::kShape, [&] { init::glorot_uniform()(vector); });
  expect_error(ErrorCode::kShape, [&] { init::orthogonal()(vector); });
  expect_error(ErrorCode::kShape, [&] { init::sparse(0.5)(vector); });
  expect_error(ErrorCode::kInvalidArgument, [] { init::sparse(1.5); });
}

}  // namespace
}  // namespace uma::nn
