#include "graph/compile.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/eval.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/linalg.h"
#include "ops/matmul.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/scatter.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "ops/sort.h"
#include "ops/testing.h"
#include "transforms/custom.h"

namespace uma {
namespace {

using testing::expect_error;
using testing::expect_near;
using testing::f64;
using testing::random_array;
using testing::values_of;

using Arrays = std::vector<array>;

/// f, and how often it was called.
struct Counted {
  std::shared_ptr<int> calls = std::make_shared<int>(0);
  Function of(Function f) {
    return [f = std::move(f), calls = calls](const Arrays& x) {
      ++*calls;
      return f(x);
    };
  }
};

Arrays mixture(const Arrays& x) {
  const array hidden = tanh(matmul(x[0], x[1]) + x[2]);
  const array weights = softmax(hidden, -1);
  return {sum(weights * hidden), transpose(hidden), argmax(hidden, -1), sort(hidden, 0),
          mean(square(hidden), {0}, true)};
}
Arrays arguments(int64_t rows) {
  return {random_array({rows, 4}, 1), random_array({4, 3}, 2), random_array({3}, 3)};
}
void expect_same(const Arrays& got, const Arrays& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) {
    SCOPED_TRACE("result " + std::to_string(i));
    EXPECT_EQ(got[i].shape(), wanted[i].shape());
    EXPECT_EQ(got[i].dtype(), wanted[i].dtype());
    EXPECT_EQ(values_of(got[i]), values_of(wanted[i]));
  }
}

TEST(Compile, IsTheFunctionAndCallsItOnceAShape) {
  Counted counted;
  const Function f = compile(counted.of(mixture));
  for (int i = 0; i < 3; ++i) expect_same(f(arguments(5)), mixture(arguments(5)));
  EXPECT_EQ(*counted.calls, 1);
  expect_same(f(arguments(6)), mixture(arguments(6)));
  EXPECT_EQ(*counted.calls, 2);
  Arrays half = arguments(5);
  half[0] = astype(half[0], DType::float32);
  expect_same(f(half), mixture(half));
  EXPECT_EQ(*counted.calls, 3);
}

TEST(Compile, ResultsMayBeArgumentsConstantsAndRepeated) {
  const array kept = f64({7, 8});
  const Function f = compile([&](const Arrays& x) {
    return Arrays{x[1], kept, x[0] + x[1], x[1], ones({2})};
  });
  const array x = f64({1, 2}), y = f64({3, 4});
  for (int i = 0; i < 2; ++i) {
    const Arrays out = f({x, y});
    EXPECT_EQ(out[0].id(), y.id());
    EXPECT_EQ(out[1].id(), kept.id());
    EXPECT_EQ(values_of(out[2]), (std::vector<double>{4, 6}));
    EXPECT_EQ(values_of(out[4]), (std::vector<double>{1, 1}));
  }
  EXPECT_EQ(values_of(compile([](const Arrays&) { return Arrays{arange(0, 3)}; })({})[0]),
            (std::vector<double>{0, 1, 2}));
  EXPECT_TRUE(compile([](const Arrays&) { return Arrays{}; })({x}).empty());
}

TEST(Compile, OpsOfSeveralResults) {
  const Function f = compile([](const Arrays& x) {
    Arrays out = custom_function([](const Arrays& y) { return Arrays{y[0] * 2.0, y[0] + 1.0}; }, {})({x[0]});
    return Arrays{out[1]};
  });
  for (const double v : {1.0, 5.0}) EXPECT_EQ(values_of(f({f64({v})})[0]), std::vector<double>{v + 1});
}

TEST(Compile, ReadingAValueIsAnError) {
  const Function f =
      compile([](const Arrays& x) { return x[0].item<double>() > 0 ? x : Arrays{negative(x[0])}; });
  for (int i = 0; i < 2; ++i) expect_error(ErrorCode::kInvalidArgument, [&] { f({array(1.0)}); });
  // What does not depend on an argument has a value.
  const Function g = compile([](const Arrays& x) {
    const array two = array(1.0) + array(1.0);
    return Arrays{two.item<double>() == 2 ? x[0] * two : x[0]};
  });
  for (int i = 0; i < 2; ++i) EXPECT_EQ(g({array(3.0)})[0].item<double>(), 6);
}

TEST(Compile, AnExceptionLeavesNothingBehind) {
  bool fails = true;
  const Function f = compile([&](const Arrays& x) -> Arrays {
    const array y = x[0] * 2.0;
    if (fails) throw std::runtime_error("no");
    return {y};
  });
  EXPECT_THROW(f({array(3.0)}), std::runtime_error);
  EXPECT_FALSE(Recording::any());
  fails = false;
  EXPECT_EQ(f({array(3.0)})[0].item<double>(), 6);
}

TEST(Compile, NestsWithTheOtherTransformations) {
  const ScalarFunction loss = [](const Arrays& x) { return sum(tanh(x[0] * x[1]) * x[0]); };
  const Function many = [&](const Arrays& x) { return Arrays{loss(x)}; };
  const array x = random_array({3}, 1), y = random_array({3}, 2);
  const Arrays wanted = grad(loss, {0, 1})({x, y});

  const Function inner = compile(many);
  const ScalarFunction compiled = [&](const Arrays& v) { return inner(v)[0]; };
  for (int i = 0; i < 2; ++i) expect_same(grad(compiled, {0, 1})({x, y}), wanted);

  const Function outer = compile(grad(loss, {0, 1})), both = compile(grad(compiled, {0, 1}));
  for (int i = 0; i < 2; ++i) {
    expect_same(outer({x, y}), wanted);
    expect_same(both({x, y}), wanted);
  }
  expect_same(vjp(compile(mixture), arguments(2), mixture(arguments(2))).second,
              vjp(mixture, arguments(2), mixture(arguments(2))).second);

  const array batch = random_array({4, 3}, 3);
  const Arrays mapped = vmap(many, {0, -1})({batch, y});
  for (int i = 0; i < 2; ++i) {
    expect_same(vmap(inner, {0, -1})({batch, y}), mapped);
    expect_same(compile(vmap(many, {0, -1}))({batch, y}), mapped);
  }
  // Second derivatives through both.
  const UnaryFunction cube = compile(UnaryFunction([](const array& v) { return v * v * v; }));
  EXPECT_EQ(grad(grad(cube))(array(2.0)).item<double>(), 12);
  EXPECT_EQ(compile(grad(compile(grad(cube))))(array(2.0)).item<double>(), 12);
}

// The variable of a derivative that runs is no constant of a later one.
TEST(Compile, AVariableFromFurtherOutIsNotKept) {
  for (const double at : {2.0, 5.0}) {
    static Counted counted;
    static const array* outside = nullptr;
    static const UnaryFunction times = [] {
      const Function f = compile(counted.of([](const Arrays& x) { return Arrays{x[0] * *outside}; }));
      return UnaryFunction([f](const array& x) { return f({x})[0]; });
    }();
    const UnaryFunction f = [](const array& x) {
      outside = &x;
      return times(array(3.0)) * x;  // 3 x^2
    };
    EXPECT_EQ(grad(f)(array(at)).item<double>(), 6 * at);
  }
}

TEST(Compile, CustomRulesHold) {
  CustomRules rules;
  rules.vjp = [](const Arrays&, const Arrays& cotangents, const Arrays&) {
    return Arrays{cotangents[0] * 100.0};
  };
  const Function f = compile(custom_function([](const Arrays& x) { return Arrays{x[0] * 2.0}; }, rules));
  const UnaryFunction one = [&](const array& x) { return f({x})[0]; };
  for (int i = 0; i < 2; ++i) EXPECT_EQ(grad(one)(array(1.0)).item<double>(), 100);
}

TEST(Compile, KeepsNoMemoryOfWhatItComputes) {
  const Function f = compile([](const Arrays& x) { return Arrays{sum(x[0] + ones({1 << 20}))}; });
  const array x = zeros({1 << 20});
  eval(x);
  eval(f({x}));
  const size_t before = get_active_memory();
  for (int i = 0; i < 3; ++i) eval(f({x}));
  EXPECT_LE(get_active_memory(), before + 4096);
}

TEST(Compile, Switch) {
  Counted counted;
  const Function f = compile(counted.of(mixture));
  disable_compile();
  EXPECT_FALSE(compile_enabled());
  for (int i = 0; i < 2; ++i) f(arguments(2));
  enable_compile();
  EXPECT_EQ(*counted.calls, 2);
  for (int i = 0; i < 2; ++i) f(arguments(2));
  EXPECT_EQ(*counted.calls, 3);
}

TEST(Compile, FromSeveralThreads) {
  const Function f = compile(mixture);
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const Arrays x = arguments(1 + (i + t) % 3);
        right += values_of(f(x)[1]) == values_of(mixture(x)[1]);
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 80);
}

TEST(Shapeless, OneRecordingServesAllShapes) {
  Counted counted;
  const Function f = compile(counted.of(mixture), true);
  for (const int64_t rows : {5, 7, 2, 7, 5}) expect_same(f(arguments(rows)), mixture(arguments(rows)));
  EXPECT_EQ(*counted.calls, 1);
  // Another number of dimensions is another recording.
  Arrays stacked = arguments(5);
  stacked[0] = reshape(stacked[0], {5, 1, 4});
  expect_same(f(stacked), mixture(stacked));
  EXPECT_EQ(*counted.calls, 2);
}

TEST(Shapeless, GradientsAndMeans) {
  const ScalarFunction loss = [](const Arrays& x) {
    const array d = matmul(x[0], x[1]) - mean(x[0], {1}, true);
    return mean(square(d)) + sum(var(d, {0}, false, 1));
  };
  const Function g = compile(grad(loss, {0, 1}), true);
  for (const int64_t rows : {5, 3, 9}) {
    Arrays x = arguments(rows);
    x.pop_back();
    expect_same(g(x), grad(loss, {0, 1})(x));
  }
}

TEST(Shapeless, ReshapesThatTheShapesTell) {
  const auto check_all = [](const Function& f, std::initializer_list<Shape> shapes) {
    Counted counted;
    const Function compiled = compile(counted.of(f), true);
    for (const Shape& s : shapes) expect_same(compiled({random_array(s, 1)}), f({random_array(s, 1)}));
    EXPECT_EQ(*counted.calls, 1);
  };
  check_all([](const Arrays& x) { return Arrays{flatten(x[0])}; }, {{2, 3}, {4, 5}, {2, 7}});
  check_all(
      [](const Arrays& x) {
        return Arrays{transpose(reshape(x[0], {x[0].shape(0), x[0].shape(1), 2, 3}), {0, 2, 1, 3})};
      },
      {{2, 5, 6}, {3, 4, 6}});
  check_all([](const Arrays& x) { return Arrays{squeeze(expand_dims(x[0], {1}), {1})}; }, {{4, 3}, {2, 3}});
  check_all(
      [](const Arrays& x) {
        return Arrays{slice(x[0], {0, 1}, {x[0].shape(0), 3})};
      },
      {{4, 5}, {9, 5}});
  check_all([](const Arrays& x) { return Arrays{x[0] + ones_like(x[0]) * 2.0}; }, {{4, 3}, {2, 3}});
}

TEST(Shapeless, FactorizationsAndScatters) {
  Counted counted;
  const Function f = [](const Arrays& x) {
    return Arrays{linalg::det(x[0]), linalg::solve(x[0], x[0] + 1.0), linalg::singular_values(x[0]),
                  scatter(x[0], {array({0, 2})}, x[1], {0}, ScatterMode::add)};
  };
  const Function compiled = compile(counted.of(f), true);
  for (const Shape& s : {Shape{3, 2, 2}, Shape{5, 2, 2}, Shape{4, 3, 3}}) {
    const Arrays x{random_array(s, 1), random_array({2, s[1], s[2]}, 2)};
    expect_same(compiled(x), f(x));
  }
  EXPECT_EQ(*counted.calls, 1);
}

TEST(Shapeless, WhatTheShapesDoNotTellIsRefused) {
  const auto refused = [](const Function& f, const Shape& first, const Shape& second, ErrorCode code) {
    const Function compiled = compile(f, true);
    compiled({random_array(first, 1)});
    expect_error(code, [&] { compiled({random_array(second, 1)}); });
  };
  refused([](const Arrays& x) { return Arrays{slice_axis(x[0], 0, 0, -1)}; }, {4}, {5}, ErrorCode::kShape);
  refused([](const Arrays& x) { return Arrays{reshape(x[0], {2, 3})}; }, {6}, {12}, ErrorCode::kShape);
  refused([](const Arrays& x) { return Arrays{arange(0, static_cast<double>(x[0].shape(0)))}; }, {4}, {5},
          ErrorCode::kShape);
  refused([](const Arrays& x) { return Arrays{sum(ones_like(x[0]))}; }, {4}, {5}, ErrorCode::kShape);
  refused([](const Arrays& x) { return Arrays{ones_like(x[0])}; }, {4}, {5}, ErrorCode::kShape);
}

}  // namespace
}  // namespace uma
