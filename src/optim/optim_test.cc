// Optimizers and schedules against MLX: parameters and states after three steps.
#include <gtest/gtest.h>

#include "nn/gradients.h"
#include "nn/linear.h"
#include "nn/losses.h"
#include "nn/testing.h"
#include "ops/operators.h"
#include "ops/random.h"
#include "optim/optimizers.h"

namespace uma::optim {
namespace {

using testing::expect_error;
using testing::expect_near;
using testing::Golden;

const Golden& golden() {
  static const Golden file("optim");
  return file;
}

template <class O>
void expect_as_mlx(const std::string& name, O&& optimizer) {
  SCOPED_TRACE(name);
  Parameters parameters = golden().group("start");
  for (int step = 0; step < 3; ++step)
    parameters = optimizer.apply_gradients(golden().group("grad/" + std::to_string(step)), parameters);
  expect_near(parameters, golden().group(name + "/param"), 2e-6);
  expect_near(optimizer.state(), golden().group(name + "/state"), 2e-6);
}

TEST(Optimizers, StepAsMlxs) {
  expect_as_mlx("SGD", SGD(0.1));
  expect_as_mlx("SGD.momentum", SGD(0.1, {.momentum = 0.9, .weight_decay = 0.01, .dampening = 0.1}));
  expect_as_mlx("SGD.nesterov", SGD(0.1, {.momentum = 0.9, .nesterov = true}));
  expect_as_mlx("RMSprop", RMSprop(0.1, {.alpha = 0.9}));
  expect_as_mlx("Adagrad", Adagrad(0.1));
  expect_as_mlx("AdaDelta", AdaDelta(0.5, {.rho = 0.8}));
  expect_as_mlx("Adam", Adam(0.1, {.betas = {0.8, 0.99}}));
  expect_as_mlx("Adam.corrected", Adam(0.1, {.bias_correction = true}));
  expect_as_mlx("AdamW", AdamW(0.1, {.weight_decay = 0.1}));
  expect_as_mlx("Adamax", Adamax(0.1));
  expect_as_mlx("Lion", Lion(0.1, {.weight_decay = 0.1}));
  expect_as_mlx("Adafactor", Adafactor());
  expect_as_mlx("Adafactor.warmup", Adafactor({.scale_parameter = false, .warmup_init = true}));
  expect_as_mlx(
      "Adafactor.rate",
      Adafactor({.learning_rate = 0.1, .beta_1 = 0.9, .weight_decay = 0.1, .relative_step = false}));
  expect_as_mlx(
      "Adafactor.clip",
      Adafactor({.learning_rate = 0.1, .clip_threshold = 0.3, .decay_rate = -0.5, .relative_step = false}));
  expect_as_mlx("Muon", Muon(0.1));
  expect_as_mlx("Muon.plain", Muon(0.1, {.weight_decay = 0, .nesterov = false, .ns_steps = 3}));
  expect_as_mlx("scheduled", Adam(cosine_decay(0.1, 3, 0.01)));
}

TEST(Optimizers, ShareTheParameters) {
  using Filter = MultiOptimizer::Filter;
  const std::vector<Filter> filters{
      [](const std::string& path, const array&) { return path.find("weight") != path.npos; },
      [](const std::string&, const array& gradient) { return gradient.ndim() > 1; }};
  const auto make = [&] {
    return MultiOptimizer({std::make_shared<Adam>(0.1), std::make_shared<Lion>(0.1),
                           std::make_shared<SGD>(linear_schedule(0.1, 0.2, 4))},
                          filters);
  };
  expect_as_mlx("Multi", make());
  const Parameters start = golden().group("start"), gradients = golden().group("grad/0");
  MultiOptimizer first = make(), second = make();
  const Parameters one = first.apply_gradients(gradients, start);
  second.set_state(first.state());
  expect_near(second.apply_gradients(gradients, one), first.apply_gradients(gradients, one), 0);
  const Parameters before = first.state();
  Parameters partly = start;
  partly.erase("bias");  // the last one's
  expect_error(ErrorCode::kNotFound, [&] { first.apply_gradients(gradients, partly); });
  expect_near(first.state(), before, 0);
  expect_error(ErrorCode::kInvalidArgument, [&] { first.set_state({{"step", array(1)}}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { MultiOptimizer({std::make_shared<SGD>(0.1)}, filters); });
}

TEST(Optimizers, ResumeFromTheirState) {
  const Parameters start = golden().group("start"), gradients = golden().group("grad/0");
  Adam through(0.1), first(0.1), second(0.7);
  const Parameters one = through.apply_gradients(gradients, start);
  const Parameters two = through.apply_gradients(gradients, one);
  first.apply_gradients(gradients, start);
  second.set_state(first.state());
  expect_near(second.apply_gradients(gradients, one), two, 0);
  EXPECT_EQ(second.step().item<uint64_t>(), 2u);
  second.set_learning_rate(0.25);
  EXPECT_EQ(second.learning_rate().item<float>(), 0.25f);
  expect_error(ErrorCode::kInvalidArgument, [&] { second.set_state({}); });
  expect_error(ErrorCode::kNotFound, [] { Adafactor().learning_rate(); });
}

TEST(Optimizers, StayAsTheyWereWhereAStepFails) {
  struct Fussy : Adam {
    Fussy() : Adam(0.1) {}
    array apply_single(const array& gradient, const array& parameter, Slots& slots) const override {
      check(gradient.ndim() < 2, ErrorCode::kShape, "fussy", "takes no matrices");
      return Adam::apply_single(gradient, parameter, slots);
    }
  } optimizer;
  optimizer.apply_gradients({{"bias", ones({4})}}, golden().group("start"));
  const Parameters before = optimizer.state();
  expect_error(ErrorCode::kShape,
               [&] { optimizer.apply_gradients(golden().group("grad/0"), golden().group("start")); });
  expect_near(optimizer.state(), before, 0);
}

TEST(Optimizers, TrainAModule) {
  random::seed(1);
  nn::Linear model(2, 1);
  const array x({1.0f, 2.0f, -1.0f, 0.5f, 0.0f, 1.0f}, Shape{3, 2});
  const array y({3.0f, -1.0f, 1.0f}, Shape{3, 1});
  Adam optimizer([](const array& step) { return where(step < 600, array(0.1f), array(0.01f)); });
  const auto loss_and_grad =
      nn::value_and_grad(model, [&](const array& in) { return nn::losses::mse_loss(model(in), y); });
  float last = 0;
  for (int i = 0; i < 800; ++i) {
    const auto [loss, gradients] = loss_and_grad(x);
    optimizer.update(model, gradients);
    last = loss.item<float>();
  }
  EXPECT_LT(last, 1e-3f);
  EXPECT_EQ(optimizer.state().count("weight.m"), 1u);
}

TEST(Optimizers, SayWhatDoesNotFit) {
  expect_error(ErrorCode::kInvalidArgument, [] { SGD(0.1, {.nesterov = true}); });
  expect_error(ErrorCode::kInvalidArgument, [] { RMSprop(0.1, {.alpha = -1}); });
  expect_error(ErrorCode::kInvalidArgument, [] { Adagrad(0.1, {.eps = -1}); });
  expect_error(ErrorCode::kInvalidArgument, [] { AdaDelta(0.1, {.rho = -1}); });
  expect_error(ErrorCode::kInvalidArgument, [] { Adamax(0.1, {.eps = -1}); });
  expect_error(ErrorCode::kInvalidArgument, [] { Adafactor({.relative_step = false}); });
  SGD sgd(0.1);
  expect_error(ErrorCode::kNotFound, [&] { sgd.apply_gradients({{"w", array(1.0f)}}, {}); });
  expect_error(ErrorCode::kShape, [&] {
    sgd.apply_gradients({{"w", array(1.0f)}}, {{"w", array({1.0f, 2.0f})}});
  });
  EXPECT_EQ(sgd.step().item<uint64_t>(), 0u);
}

TEST(Schedules, AreMlxs) {
  const auto expect = [](const std::string& name, const Schedule& schedule) {
    SCOPED_TRACE(name);
    std::vector<double> values;
    for (uint64_t step = 0; step < 12; ++step) values.push_back(schedule(array(step)).item<float>());
    expect_near(values, testing::values_of(golden().at("schedule/" + name)), 1e-6, 1e-7);
  };
  expect("exponential_decay", exponential_decay(0.5, 0.9));
  expect("step_decay", step_decay(0.5, 0.5, 3));
  expect("cosine_decay", cosine_decay(0.5, 6, 0.1));
  expect("linear_schedule", linear_schedule(0, 5, 5));
  expect("join_schedules", join_schedules({linear_schedule(0, 1, 4), cosine_decay(1, 5)}, {4}));
  expect_error(ErrorCode::kInvalidArgument, [] { step_decay(1, 0.5, 0); });
  expect_error(ErrorCode::kInvalidArgument, [] { cosine_decay(1, 0); });
  expect_error(ErrorCode::kInvalidArgument, [] { linear_schedule(0, 1, 0); });
  expect_error(ErrorCode::kInvalidArgument, [] { join_schedules({}, {}); });
  expect_error(ErrorCode::kInvalidArgument, [] { join_schedules({linear_schedule(0, 1, 4)}, {3}); });
}

TEST(Clipping, KeepsTheDirection) {
  const auto [clipped, norm] = clip_grad_norm(golden().group("grad/0"), 0.7);
  expect_near(clipped, golden().group("clipped"), 1e-6);
  expect_near(norm, golden().at("norm"), 1e-6);
}

}  // namespace
}  // namespace uma::optim
