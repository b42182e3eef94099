#include "graph/export.h"

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "graph/compile.h"
#include "graph/rules.h"
#include "graph/testing.h"
#include "ops/creation.h"
#include "ops/matmul.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/softmax.h"
#include "transforms/custom.h"

namespace uma {
namespace {

using testing::expect_equal_bits;
using testing::expect_error;
using testing::f64;
using ::testing::HasSubstr;
using testing::random_array;
using testing::values_of;
using testing_files::Folder;
using testing_files::read_bytes;
using testing_files::sentence_of;

using Arrays = std::vector<array>;

class Export : public ::testing::Test {
 protected:
  std::string path(std::string_view name = "f") const { return folder_.path(name); }
  ImportedFunction through_a_file(const Function& f, const Arrays& x, bool shapeless = false) const {
    export_function(path(), f, x, shapeless);
    return import_function(path());
  }
  Folder folder_;
};

Arrays mixture(const Arrays& x) {
  const array hidden = tanh(matmul(x[0], x[1]) + x[2]);
  return {sum(softmax(hidden, -1) * hidden), transpose(hidden), mean(square(hidden), {0}, true)};
}
Arrays arguments(int64_t rows) {
  return {random_array({rows, 4}, 1), random_array({4, 3}, 2), random_array({3}, 3)};
}

TEST_F(Export, IsTheFunction) {
  const ImportedFunction f = through_a_file(mixture, arguments(5));
  for (int i = 0; i < 2; ++i) expect_equal_bits(f(arguments(5)), mixture(arguments(5)));
  expect_error(ErrorCode::kInvalidArgument, [&] { f(arguments(6)); });
  expect_error(ErrorCode::kInvalidArgument, [&] { f({}); });
}

TEST_F(Export, ArgumentsByNameAndPlace) {
  const KeywordFunction minus = [](const Arrays& x, const Keywords& named) {
    return Arrays{x[0] - named.at("b")};
  };
  const array one = f64({1}), five = f64({5});
  export_function(path(), minus, {one}, {{"b", five}});
  const ImportedFunction f = import_function(path());
  EXPECT_EQ(values_of(f({five}, {{"b", one}})[0]), std::vector<double>{4});
  // A name that is not known takes the place that is left, as in MLX.
  EXPECT_EQ(values_of(f({}, {{"a", five}, {"b", one}})[0]), std::vector<double>{4});
  EXPECT_EQ(values_of(f({}, {{"z", five}, {"b", one}})[0]), std::vector<double>{4});
  for (const auto& [args, named] :
       std::vector<std::pair<Arrays, Keywords>>{{{one, one}, {}},
                                                {{one}, {{"c", one}}},
                                                {{}, {{"x", one}, {"y", one}}},
                                                {{one}, {{"a", one}, {"b", one}}}})
    expect_error(ErrorCode::kInvalidArgument, [&] { f(args, named); });
  EXPECT_EQ(f.signatures(), "(float64 (1,), b: float64 (1,))");
}

TEST_F(Export, SeveralTracesInOneFile) {
  const array weights = random_array({1000}, 1);
  FunctionExporter out = exporter(path(), [&](const Arrays& x) {
    array total = weights * 2.0;
    for (const array& a : x) total = total + a;
    return Arrays{total};
  });
  const array x = random_array({1000}, 2), y = random_array({1, 1000}, 3);
  out({x});
  out({x, y});
  out({});
  expect_error(ErrorCode::kUnsupported, [&] { out({y - 1.0 + 1.0, x}), out({y, x}); });
  EXPECT_FALSE(std::filesystem::exists(path()));
  out.close();
  out.close();
  expect_error(ErrorCode::kUnsupported, [&] { out({y}); });
  const ImportedFunction f = import_function(path());
  expect_equal_bits(f({x}), {weights * 2.0 + x});
  expect_equal_bits(f({x, y}), {weights * 2.0 + x + y});
  expect_equal_bits(f({}), {weights * 2.0});
  // The weights are there once.
  EXPECT_LT(read_bytes(path()).size(), size_t{2 * 8000});
}

TEST_F(Export, Shapeless) {
  const ImportedFunction f = through_a_file(mixture, arguments(5), true);
  for (const int64_t rows : {5, 7, 2, 7}) expect_equal_bits(f(arguments(rows)), mixture(arguments(rows)));
  Arrays other = arguments(5);
  other[0] = reshape(other[0], {5, 1, 4});
  expect_error(ErrorCode::kInvalidArgument, [&] { f(other); });
  other = arguments(5);
  other[1] = random_array({5, 3}, 1);
  expect_error(ErrorCode::kShape, [&] { f(other); });
  FunctionExporter out = exporter(path(), mixture, true);
  out(arguments(3));
  expect_error(ErrorCode::kUnsupported, [&] { out(arguments(4)); });
}

TEST_F(Export, ShapelessDerivativesMeansAndBroadcasts) {
  const ScalarFunction loss = [](const Arrays& x) {
    const array d = matmul(x[0], x[1]) - mean(x[0], {1}, true);
    return mean(square(d)) + sum(var(d, {0}, false, 1)) + sum(ones_like(d) * d);
  };
  const Function g = grad(loss, {0, 1});
  const auto two = [](int64_t rows) { return Arrays{random_array({rows, 4}, 1), random_array({4, 3}, 2)}; };
  const ImportedFunction f = through_a_file(g, two(5), true);
  for (const int64_t rows : {5, 3, 9}) expect_equal_bits(f(two(rows)), g(two(rows)));
  // What was read can be written again.
  const ImportedFunction again = through_a_file([&](const Arrays& x) { return f(x); }, two(5), true);
  expect_equal_bits(again(two(4)), g(two(4)));
}

TEST_F(Export, ResultsMayBeArgumentsConstantsAndRepeated) {
  const array kept = f64({7, 8});
  const Function f = [&](const Arrays& x) { return Arrays{x[1], kept, x[0] + x[1], x[1], ones({2})}; };
  const Arrays x{f64({1, 2}), f64({3, 4})};
  expect_equal_bits(through_a_file(f, x)(x), f(x));
  EXPECT_TRUE(through_a_file([](const Arrays&) { return Arrays{}; }, x)(x).empty());
  const Function none = [](const Arrays&) { return Arrays{arange(0, 3)}; };
  expect_equal_bits(through_a_file(none, {})({}), none({}));
}

TEST_F(Export, ConstantsOfEveryDtypeAndLayout) {
  Arrays constants;
  for (size_t d = 0; d < kNumDTypes; ++d) {
    const array x = astype(random_array({3, 2}, 1, 0, 3), static_cast<DType>(d));
    constants.insert(constants.end(),
                     {x, transpose(x), slice_axis(x, 0, 1, 2), sum(x), slice_axis(x, 0, 1, 1)});
  }
  const Function f = [&](const Arrays&) { return constants; };
  expect_equal_bits(through_a_file(f, {})({}), constants);
}

TEST_F(Export, UnusedWorkIsNotWritten) {
  const KeywordFunction f = [](const Arrays& x, const Keywords&) {
    const array unused = exp(x[0]) * random_array({1000}, 1);
    return Arrays{x[0] + 1.0};
  };
  const FunctionTrace trace = trace_function(f, {f64({1})}, {}, false);
  EXPECT_EQ(trace.graph.steps.size(), 2u);  // the number is repeated, and added
  EXPECT_EQ(trace.graph.constants.size(), 1u);
}

TEST_F(Export, CustomFunctionsBecomeWhatTheyDid) {
  CustomRules rules;
  rules.vjp = [](const Arrays&, const Arrays& cotangents, const Arrays&) {
    return Arrays{cotangents[0] * 100.0};
  };
  const Function inner = custom_function([](const Arrays& x) { return Arrays{x[0] * x[0], x[0]}; }, rules);
  const Function outer = custom_function(
      [&](const Arrays& x) {
        const Arrays y = inner({x[0] * 2.0});
        return Arrays{y[0] + y[1], stop_gradient(x[0]) * x[0]};
      },
      rules);
  const Arrays x{f64({3})};
  const ImportedFunction f = through_a_file(outer, x);
  expect_equal_bits(f(x), outer(x));
  // 4 x^2 + 2 x, and c x: the derivatives of the ops.
  const UnaryFunction first = [&](const array& v) { return sum(f({v})[0]); };
  const UnaryFunction second = [&](const array& v) { return sum(f({v})[1]); };
  EXPECT_EQ(grad(first)(x[0]).to_vector<double>()[0], 8 * 3 + 2);
  EXPECT_EQ(grad(second)(x[0]).to_vector<double>()[0], 3);
  const Function saved = checkpoint(mixture);
  const ImportedFunction g = through_a_file(saved, arguments(2));
  const auto wanted = mixture(arguments(2));
  expect_equal_bits(vjp([&](const Arrays& v) { return g(v); }, arguments(2), wanted).second,
                    vjp(mixture, arguments(2), wanted).second);
}

TEST_F(Export, NestsWithTheTransformations) {
  const Arrays x = arguments(3);
  const ImportedFunction f = through_a_file(mixture, x);
  const Function g = [&](const Arrays& v) { return f(v); };
  expect_equal_bits(vjp(g, x, mixture(x)).second, vjp(mixture, x, mixture(x)).second);
  expect_equal_bits(compile(g)(x), mixture(x));
  const array batch = random_array({2, 3, 4}, 9);
  expect_equal_bits(vmap(g, {0, -1, -1})({batch, x[1], x[2]}),
                    vmap(mixture, {0, -1, -1})({batch, x[1], x[2]}));
  // Of a compiled function, and of one that was read.
  expect_equal_bits(through_a_file(compile(mixture), x)(x), mixture(x));
  expect_equal_bits(through_a_file(g, x)(x), mixture(x));
}

TEST_F(Export, RandomNumbersAreThoseOfTheStateThatItFound) {
  const ImportedFunction f = through_a_file(
      [](const Arrays& x) { return Arrays{x[0] + random::normal({3}, DType::float64)}; }, {f64({1})});
  EXPECT_EQ(values_of(f({f64({1})})[0]), values_of(f({f64({1})})[0]));
}

std::vector<array> no_rule(const Node&, std::span<const array> inputs) {
  return {inputs[0]};
}
constexpr OpInfo kForeign{.name = "foreign", .args = "x", .fallback = no_rule};

TEST_F(Export, WhatCannotBeExportedIsNamed) {
  const Function f = [](const Arrays& x) {
    return Arrays{array::make(x[0].shape(), x[0].dtype(), kForeign, {x[0]})};
  };
  EXPECT_EQ(sentence_of(folder_, [&] { export_function(path(), f, {f64({1})}); }),
            "[export_function] the op 'foreign' cannot be exported");
  expect_error(ErrorCode::kInvalidArgument, [&] {
    export_function(path(), [](const Arrays& x) { return x[0].item<double>() > 0 ? x : Arrays{}; },
                    {array(1.0)});
  });
  EXPECT_THROW(export_function(path(), [](const Arrays&) -> Arrays { throw std::runtime_error("no"); }, {}),
               std::runtime_error);
  // Nothing is left, not even a temporary file.
  EXPECT_EQ(folder_.files(), 0u);
}

TEST_F(Export, FilesAppearWholeOrNotAtAll) {
  folder_.write("f", "what was there");
  {
    FunctionExporter out = exporter(path(), mixture);
    out(arguments(2));
    out.discard();
    out.close();
  }
  { FunctionExporter left = exporter(path(), mixture); }
  EXPECT_EQ(read_bytes(path()), "what was there");
  EXPECT_EQ(folder_.files(), 1u);
  EXPECT_THAT(sentence_of(folder_, [&] { exporter(path("no/such"), mixture); }), HasSubstr("no/such"));
  expect_error(ErrorCode::kNotFound, [&] { import_function(path("missing")); });
  expect_error(ErrorCode::kInvalidArgument, [&] {
    FunctionExporter(
        path(), [](const Arrays& x, const Keywords&) { return x; }, false, "\xff");
  });
}

TEST_F(Export, Metadata) {
  FunctionExporter out(
      path(), [](const Arrays& x, const Keywords&) { return x; }, false, "{\"layers\": 3}");
  out.close();
  const ImportedFunction f = import_function(path());
  EXPECT_EQ(f.metadata(), "{\"layers\": 3}");
  EXPECT_EQ(f.signatures(), "nothing");
  expect_error(ErrorCode::kInvalidArgument, [&] { f({}); });
}

TEST_F(Export, FromSeveralThreads) {
  FunctionExporter out = exporter(path(), mixture);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back([&, t] { out(arguments(2 + t)); });
  for (auto& thread : threads) thread.join();
  out.close();
  const ImportedFunction f = import_function(path());
  std::atomic<int> right{0};
  threads.clear();
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const Arrays x = arguments(2 + t);
      for (int i = 0; i < 10; ++i) right += values_of(f(x)[1]) == values_of(mixture(x)[1]);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 40);
}

}  // namespace
}  // namespace uma
