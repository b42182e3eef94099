// vjp, jvp and grad: results, composition with each other, and what they refuse.
#include <thread>

#include "core/memory.h"
#include "ops/creation.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/softmax.h"
#include "ops/sort.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using namespace uma::testing;

double at(const array& x) {
  return values_of(x)[0];
}
array s(double v) {
  return array(v);
}
const UnaryFunction kCube = [](const array& x) { return x * x * x; };

TEST(Vjp, GivesResultsAndGradients) {
  const auto f = [](const std::vector<array>& x) { return std::vector<array>{x[0] * x[1], sin(x[0])}; };
  const auto [y, g] = vjp(Function(f), {f64({1, 2}), f64({3, 4})}, {f64({1, 10}), f64({0, 1})});
  expect_near(values_of(y[0]), {3, 8});
  expect_near(values_of(g[0]), {3, 40 + std::cos(2)}, 1e-15);
  expect_near(values_of(g[1]), {1, 20});
}

TEST(Vjp, UnusedAndIntegerArgumentsGetZeros) {
  const auto f = [](const std::vector<array>& x) { return std::vector<array>{x[0] * x[1]}; };
  const array n({2, 3}), unused({1.f, 1.f});
  const auto [y, g] = vjp(Function(f), {f64({1, 2}), n, unused}, {f64({1, 1})});
  expect_near(values_of(g[0]), {2, 3});
  EXPECT_EQ(g[1].dtype(), DType::int32);
  expect_near(values_of(g[1]), {0, 0});
  EXPECT_EQ(g[2].dtype(), DType::float32);
  expect_near(values_of(g[2]), {0, 0});
}

TEST(Vjp, BroadcastArgumentsUsedTwiceAndConstants) {
  const array outside = f64({1, 2, 3, 4, 5, 6}, {2, 3});
  expect_derivatives([&](const std::vector<array>& x) { return x[0] * outside + x[0] * x[1] / x[0]; },
                     {random_array({3}, 1, 0.5, 2), random_array({2, 1}, 2)});
}

TEST(Vjp, NothingFlowsThroughStopGradientIntegersAndTests) {
  const auto slope = [](const UnaryFunction& f) { return at(grad(f)(s(2.5))); };
  EXPECT_EQ(slope([](const array& x) { return x * stop_gradient(x); }), 2.5);
  EXPECT_EQ(slope([](const array& x) { return x * astype(astype(x, DType::int32), DType::float64); }), 2);
  EXPECT_EQ(slope([](const array& x) { return astype(greater(x, s(1)), DType::float64) + x; }), 1);
  EXPECT_EQ(slope([](const array&) { return s(1); }), 0);
  EXPECT_EQ(slope([](const array& x) { return x; }), 1);
  EXPECT_EQ(at(jvp(UnaryFunction([](const array& x) { return stop_gradient(x) * x; }), s(3), s(1)).second),
            3);
}

TEST(Vjp, DtypesOfGradientsAreThoseOfTheArguments) {
  for (const DType d : {DType::float16, DType::bfloat16, DType::float32, DType::float64}) {
    const array g = grad(UnaryFunction([](const array& x) {
      return sum(astype(square(astype(x, DType::float32)), x.dtype()));
    }))(astype(array({1.5f, 2.f}), d));
    EXPECT_EQ(g.dtype(), d);
    expect_near(values_of(g), {3, 4});
  }
}

TEST(Jvp, MovesAlongTheTangents) {
  const auto f = [](const std::vector<array>& x) { return std::vector<array>{x[0] * x[1], x[1], x[0] + 1}; };
  const auto [y, t] = jvp(Function(f), {f64({2}), f64({5})}, {f64({1}), f64({10})});
  EXPECT_EQ(at(t[0]), 25);
  EXPECT_EQ(at(t[1]), 10);
  EXPECT_EQ(at(t[2]), 1);
}

TEST(Grad, ArgnumsAndAuxiliaryResults) {
  const Function f = [](const std::vector<array>& x) {
    return std::vector<array>{sum(x[0] * x[1]), x[0], array(7)};
  };
  const auto [y, g] = value_and_grad(f, {1, -2})({f64({1, 2}), f64({3, 4})});
  EXPECT_EQ(at(y[0]), 11);
  EXPECT_EQ(y[2].item<int32_t>(), 7);
  ASSERT_EQ(g.size(), 2u);
  expect_near(values_of(g[0]), {1, 2});
  expect_near(values_of(g[1]), {3, 4});
  const ScalarFunction one = [](const std::vector<array>& x) { return x[0] * x[1]; };
  EXPECT_EQ(at(value_and_grad(one, 1)({s(2), s(3)}).second[0]), 2);
  EXPECT_EQ(at(grad(one)({s(2), s(3)})[0]), 3);
  const auto [value, slope] = value_and_grad(kCube)(s(2));
  EXPECT_EQ(at(value), 8);
  EXPECT_EQ(at(slope), 12);
}

TEST(Grad, RefusesWithASentence) {
  const ScalarFunction f = [](const std::vector<array>& x) { return x[0]; };
  expect_error(ErrorCode::kInvalidArgument, [&] { grad(f, std::vector<int>{}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { grad(f, {0, 0})({s(1)}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { grad(f, {0, -1})({s(1)}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { grad(f, 1)({s(1)}); });
  expect_error(ErrorCode::kShape, [&] { grad(f)({f64({1, 2})}); });
  expect_error(ErrorCode::kDType, [&] { grad(f)({array(1)}); });
  const ScalarFunction counts = [](const std::vector<array>& x) { return astype(x[0], DType::int32); };
  expect_error(ErrorCode::kDType, [&] { grad(counts)({s(1)}); });
  const Function none = [](const std::vector<array>&) { return std::vector<array>{}; };
  expect_error(ErrorCode::kShape, [&] { value_and_grad(none)({s(1)}); });
  const Function id = [](const std::vector<array>& x) { return x; };
  expect_error(ErrorCode::kShape, [&] { vjp(id, {s(1)}, {}); });
  expect_error(ErrorCode::kShape, [&] { vjp(id, {s(1)}, {f64({1})}); });
  expect_error(ErrorCode::kShape, [&] { jvp(id, {s(1)}, {}); });
  expect_error(ErrorCode::kShape, [&] { jvp(id, {s(1)}, {f64({1})}); });
}

// -- ops made here: without rules, with a fallback, with two outputs --

std::vector<array> squares(const Node&, std::span<const array> x) {
  return {x[0] * x[0]};
}
std::vector<array> sum_and_product(const Node&, std::span<const array> x) {
  return {x[0] + x[1], x[0] * x[1]};
}
constexpr OpInfo kBare{.name = "bare", .args = "x"};
constexpr OpInfo kComposed{.name = "composed", .args = "x", .fallback = squares};
constexpr OpInfo kPair{.name = "pair", .args = "x, y", .fallback = sum_and_product};

array composed(const array& x) {
  return array::make(x.shape(), x.dtype(), kComposed, {x}, default_stream());
}
std::vector<array> pair(const array& x, const array& y) {
  return array::make_many({{x.shape(), x.dtype(), {}}, {x.shape(), x.dtype(), {}}},
                          std::make_shared<Node>(kPair, default_stream(), std::vector<array>{x, y}));
}

TEST(Rules, MissingOnesComeFromTheFallbackOrAreAnError) {
  const UnaryFunction f = [](const array& x) { return composed(x); };
  EXPECT_EQ(at(grad(f)(s(3))), 6);
  EXPECT_EQ(at(grad(grad(f))(s(3))), 2);
  EXPECT_EQ(at(jvp(f, s(3), s(1)).second), 6);
  expect_near(values_of(vmap(f)(f64({1, 2}))), {1, 4});
  expect_near(values_of(vmap(grad(f))(f64({1, 2}))), {2, 4});
  const UnaryFunction bare = [](const array& x) {
    return array::make(x.shape(), x.dtype(), kBare, {x}, default_stream());
  };
  expect_error(ErrorCode::kUnsupported, [&] { grad(bare)(s(1)); });
  expect_error(ErrorCode::kUnsupported, [&] { jvp(bare, s(1), s(1)); });
  expect_error(ErrorCode::kUnsupported, [&] { vmap(bare)(f64({1})); });
}

TEST(Rules, SeveralOutputsEvenIfOneIsGone) {
  const ScalarFunction both = [](const std::vector<array>& x) {
    const auto p = pair(x[0], x[1]);
    return p[0] * p[1];
  };
  const auto g = grad(both, {0, 1})({s(2), s(3)});
  EXPECT_EQ(at(g[0]), 6 + 5 * 3);
  EXPECT_EQ(at(g[1]), 6 + 5 * 2);
  const ScalarFunction second = [](const std::vector<array>& x) { return pair(x[0], x[1])[1]; };
  EXPECT_EQ(at(grad(second)({s(2), s(3)})[0]), 3);
  const ScalarFunction read = [](const std::vector<array>& x) {
    const array product = pair(x[0], x[1])[1];
    product.eval();
    return product * product;
  };
  EXPECT_EQ(at(grad(read)({s(2), s(3)})[0]), 2 * 6 * 3);
}

// -- in each other --

TEST(Nested, HigherOrdersAndModes) {
  EXPECT_EQ(at(grad(grad(kCube))(s(2))), 12);
  EXPECT_EQ(at(grad(grad(grad(kCube)))(s(2))), 6);
  EXPECT_EQ(at(grad(grad(grad(grad(kCube))))(s(2))), 0);
  EXPECT_NEAR(at(grad(grad(grad(UnaryFunction([](const array& x) { return sin(x); }))))(s(1))), -std::cos(1),
              1e-15);
  const UnaryFunction forward = [](const array& x) { return jvp(kCube, x, ones_like(x)).second; };
  EXPECT_EQ(at(jvp(forward, s(2), s(1)).second), 12);
  EXPECT_EQ(at(grad(forward)(s(2))), 12);
  EXPECT_EQ(at(jvp(grad(kCube), s(2), s(1)).second), 12);
  const UnaryFunction backward = [](const array& x) { return vjp(kCube, x, ones_like(x)).second; };
  EXPECT_EQ(at(vjp(backward, s(2), s(1)).second), 12);
}

TEST(Nested, PerturbationsAreNotConfused) {
  // d/dx (x * d/dy (x + y)) at x = 1: the inner derivative is 1, whatever x is.
  const UnaryFunction inner_jvp = [](const array& x) {
    return x * jvp(UnaryFunction([&](const array& y) { return x + y; }), s(1), s(1)).second;
  };
  EXPECT_EQ(at(jvp(inner_jvp, s(1), s(1)).second), 1);
  EXPECT_EQ(at(grad(inner_jvp)(s(1))), 1);
  const UnaryFunction inner_grad = [](const array& x) {
    return x * grad(UnaryFunction([&](const array& y) { return x * y; }))(x);  // x^2
  };
  EXPECT_EQ(at(grad(inner_grad)(s(3))), 6);
  EXPECT_EQ(at(jvp(inner_grad, s(3), s(1)).second), 6);
  // d/dx of d/dy (x^2 y^3) at y = x: 3 x^4, so 12 x^3.
  const UnaryFunction same = [](const array& x) {
    return grad(UnaryFunction([&](const array& y) { return x * x * y * y * y; }))(x);
  };
  EXPECT_EQ(at(grad(same)(s(2))), 96);
}

TEST(Nested, VmapInsideAndOutside) {
  const array x = f64({1, 2, 3});
  expect_near(values_of(vmap(grad(kCube))(x)), {3, 12, 27});
  expect_near(values_of(vmap(grad(grad(kCube)))(x)), {6, 12, 18});
  const UnaryFunction total = [](const array& v) { return sum(vmap(kCube)(v)); };
  expect_near(values_of(grad(total)(x)), {3, 12, 27});
  const UnaryFunction along = [](const array& v) { return jvp(kCube, v, ones_like(v)).second; };
  expect_near(values_of(vmap(along)(x)), {3, 12, 27});
  expect_near(values_of(jvp(vmap(kCube), x, ones_like(x)).second), {3, 12, 27});
  // Hessian of sum(x^3) + x0 x1 x2, a column at a time.
  const UnaryFunction f = [](const array& v) { return sum(kCube(v)) + prod(v); };
  const UnaryFunction column = [&](const array& e) { return jvp(grad(f), x, e).second; };
  expect_near(values_of(vmap(column)(eye(3, -1, 0, DType::float64))), {6, 3, 2, 3, 12, 1, 2, 1, 18}, 1e-15);
  const UnaryFunction row = [&](const array& e) { return vjp(grad(f), x, e).second; };
  expect_near(values_of(vmap(row)(eye(3, -1, 0, DType::float64))), {6, 3, 2, 3, 12, 1, 2, 1, 18}, 1e-15);
}

TEST(Nested, OuterDerivativesSeeArgumentsThatTheInnerOneHoldsFixed) {
  const ScalarFunction f = [](const std::vector<array>& v) { return v[0] * v[0] * v[1] * v[1]; };
  const ScalarFunction g = [&](const std::vector<array>& v) { return grad(f, 0)(v)[0]; };  // 2 x y^2
  EXPECT_EQ(at(grad(g, 1)({s(3), s(5)})[0]), 4 * 3 * 5);
}

// -- evaluation while traced, memory, threads --

TEST(Tracing, ValuesMayBeReadInside) {
  const UnaryFunction f = [](const array& x) {
    array y = x * x;
    for (int i = 0; i < 3; ++i) {
      y = y + x;
      y.eval();
    }
    return at(y) > 0 ? y * y : -y;
  };
  EXPECT_EQ(at(grad(f)(s(2))), 2 * (4 + 6) * (4 + 3));
  EXPECT_EQ(at(grad(grad(f))(s(2))), 2 * 7 * 7 + 2 * 10 * 2);
  const UnaryFunction async = [](const array& x) {
    const array y = exp(x);
    async_eval(std::vector<array>{y});
    return y * x;
  };
  EXPECT_NEAR(at(grad(async)(s(1))), 2 * std::exp(1), 1e-14);
}

TEST(Tracing, InputsOfKeptNodesAreNotOverwritten) {
  // 2 x has no other handle than the node of sin, whose gradient reads it again after sin() has run.
  const UnaryFunction f = [](const array& x) {
    const array y = sin(2 * x);
    y.eval();
    return sum(y);
  };
  expect_near(values_of(grad(f)(f64({0.1, 0.2, 0.3}))),
              {2 * std::cos(.2), 2 * std::cos(.4), 2 * std::cos(.6)}, 1e-14);
}

TEST(Tracing, NodesAreLetGoAfterwards) {
  const array x = zeros({1 << 16});
  x.eval();
  array kept_value = x;
  const auto f = [&](const array& v) {
    array y = v;
    for (int i = 0; i < 10; ++i) y = sin(y + 1.0);
    y.eval();
    kept_value = y;
    return sum(y);
  };
  clear_cache();
  const size_t before = get_active_memory();
  {
    const auto [value, gradient] = value_and_grad(UnaryFunction(f))(x);
    eval(std::vector<array>{value, gradient});
    // The gradient, the value, and what f kept: not twenty intermediate results.
    EXPECT_LE(get_active_memory(), before + 3 * (4u << 16));
    EXPECT_FALSE(gradient.is_tracer());
    EXPECT_EQ(gradient.node(), nullptr);
    EXPECT_EQ(kept_value.node(), nullptr);
  }
  kept_value = x;
  EXPECT_EQ(get_active_memory(), before);
  // A function that throws leaves nothing behind either.
  EXPECT_THROW(grad(UnaryFunction([&](const array& v) {
                 kept_value = sin(v);
                 kept_value.eval();
                 fail(ErrorCode::kCancelled, "test", "stop");
                 return v;
               }))(x),
               Error);
  EXPECT_FALSE(kept_value.is_tracer());
  EXPECT_EQ(kept_value.node(), nullptr);
}

TEST(Tracing, LongChainsNeedNoStack) {
  const UnaryFunction f = [](const array& x) {
    array y = x;
    for (int i = 0; i < 50000; ++i) y = y + 1e-9;
    return y;
  };
  EXPECT_EQ(at(grad(f)(s(1))), 1);
}

TEST(Tracing, ThreadsDoNotDisturbEachOther) {
  const array shared = exp(f64({0.1, 0.2}));  // lazy, and evaluated by whoever is first
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const UnaryFunction f = [&](const array& x) {
        const array y = sum(shared * x * x);
        y.eval();
        return y;
      };
      for (int i = 0; i < 50; ++i) {
        const double slope = at(grad(f)(s(t + 1)));
        right += std::abs(slope - 2 * (t + 1) * (std::exp(.1) + std::exp(.2))) < 1e-12;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 200);
}

}  // namespace
}  // namespace uma
