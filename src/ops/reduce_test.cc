#include <cmath>

#include "ops/creation.h"
#include "ops/view.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using namespace uma::testing;

using Reduce = array (*)(const array&, const Axes&, bool);
struct Case {
  const char* name;
  Reduce op;
  double start;
  double (*step)(double, double);
};
const Case kCases[] = {
    {"sum", sum, 0, [](double a, double b) { return a + b; }},
    {"prod", prod, 1, [](double a, double b) { return a * b; }},
    {"max", max, -kInf,
     [](double a, double b) { return std::isnan(a)            ? a
                                     : std::isnan(b) || b > a ? b
                                                              : a; }},
    {"min", min, kInf, [](double a, double b) { return std::isnan(a)            ? a
                                                       : std::isnan(b) || b < a ? b
                                                                                : a; }},
    {"all", all, 1, [](double a, double b) { return static_cast<double>(a != 0 && b != 0); }},
    {"any", any, 0, [](double a, double b) { return static_cast<double>(a != 0 || b != 0); }},
};

// A plain loop over x (a, b, c) with any axes reduced.
std::vector<double> loop(const Case& c, const array& x, const std::vector<bool>& reduced) {
  const std::vector<double> v = values_of(x);
  const Shape& s = x.shape();
  const auto extent = [&](size_t i) { return reduced[i] ? 1 : s[i]; };
  std::vector<double> out(static_cast<size_t>(extent(0) * extent(1) * extent(2)), c.start);
  for (int64_t i = 0; i < s[0]; ++i)
    for (int64_t j = 0; j < s[1]; ++j)
      for (int64_t k = 0; k < s[2]; ++k) {
        const int64_t a = reduced[0] ? 0 : i, b = reduced[1] ? 0 : j, d = reduced[2] ? 0 : k;
        double& y = out[static_cast<size_t>((a * extent(1) + b) * extent(2) + d)];
        y = c.step(y, v[static_cast<size_t>((i * s[1] + j) * s[2] + k)]);
      }
  return out;
}

TEST(Reduce, EveryKindOverEverySetOfAxes) {
  for (const Case& c : kCases)
    for (int set = 1; set < 8; ++set) {
      SCOPED_TRACE(std::string(c.name) + " " + std::to_string(set));
      std::vector<bool> reduced;
      Axes axes;
      for (int i = 0; i < 3; ++i) {
        reduced.push_back((set >> i) & 1);
        if (reduced.back()) axes.push_back(i == 2 ? -1 : i);
      }
      for (const array& x : layouts_of(random_array({2, 3, 5}, 1))) {
        const array y = c.op(x, axes, true), z = c.op(x, axes, false);
        EXPECT_EQ(y.ndim(), 3u);
        EXPECT_EQ(z.ndim(), 3 - axes.size());
        expect_near(values_of(y), loop(c, x, reduced), 1e-14);
        expect_near(values_of(z), values_of(y));
      }
    }
}

TEST(Reduce, SizesAroundTheVectorAndBlockWidths) {
  for (const DType d :
       {DType::float32, DType::float16, DType::bfloat16, DType::int32, DType::int8, DType::bool_})
    for (const int64_t n : {0, 1, 7, 8, 9, 15, 16, 17, 33, 255, 256, 257, 513, 5000}) {
      SCOPED_TRACE(std::string(name_of(d)) + " " + std::to_string(n));
      const array x = random_array({2, n}, 3, -1, 2, d);
      for (const Case& c : kCases) {
        if (n == 0 && (c.op == static_cast<Reduce>(max) || c.op == static_cast<Reduce>(min))) continue;
        if (c.op == static_cast<Reduce>(prod) && n > 33) continue;
        const array y = c.op(x, {-1}, false);
        const std::vector<double> truth = loop(c, reshape(x, {2, 1, n}), {false, false, true});
        std::vector<double> rounded = values_of(astype(f64(truth), y.dtype()));
        const double eps = y.dtype() == DType::float32 ? 1e-6 : is_floating(y.dtype()) ? 8e-3 : 0;
        expect_near(values_of(y), rounded, eps, eps * std::sqrt(static_cast<double>(n)));
      }
    }
}

TEST(Sum, IsBlocked) {
  // One by one in f32, a million tenths come to 100958.
  const array x = full({1000000}, 0.1, DType::float32);
  EXPECT_NEAR(values_of(sum(x))[0], 1e6 * static_cast<double>(0.1f), 0.05);
  EXPECT_EQ(values_of(sum(full({4096}, 1, DType::float16)))[0], 4096);
  EXPECT_EQ(values_of(mean(full({100000}, 3, DType::float16)))[0], 3);
}

TEST(Sum, DtypesAsInMlx) {
  EXPECT_EQ(sum(array({true, true})).item<int32_t>(), 2);
  EXPECT_EQ(sum(astype(array({200, 200}), DType::uint8)).item<uint32_t>(), 400u);
  EXPECT_EQ(prod(astype(array({100, 100}), DType::int8)).item<int32_t>(), 10000);
  EXPECT_EQ(sum(astype(array({1}), DType::int64)).dtype(), DType::int64);
  EXPECT_EQ(sum(array({INT32_MAX, 1})).item<int32_t>(), INT32_MIN);
  EXPECT_EQ(prod(array({1 << 30, 4})).item<int32_t>(), 0);
}

TEST(Reduce, NanAndInfinity) {
  expect_near(values_of(max(f64({1, kNan, 3}))), {kNan});
  expect_near(values_of(min(f64({1, kNan, 3}))), {kNan});
  expect_near(values_of(max(f64({-kInf, -kInf}))), {-kInf});
  expect_near(values_of(sum(f64({kInf, -kInf}))), {kNan});
  expect_near(values_of(any(f64({0, kNan}))), {1});
}

TEST(Reduce, EmptyAnd0d) {
  EXPECT_EQ(values_of(sum(array(3.)))[0], 3);
  expect_near(values_of(sum(zeros({2, 0}), {1})), {0, 0});
  expect_near(values_of(prod(zeros({0}))), {1});
  EXPECT_TRUE(all(zeros({0})).item<bool>());
  EXPECT_FALSE(any(zeros({0})).item<bool>());
  EXPECT_EQ(sum(zeros({0, 3}), {1}).size(), 0);
  expect_near(values_of(mean(zeros({0}))), {kNan});
  expect_error(ErrorCode::kInvalidArgument, [] { max(zeros({2, 0}), {1}); });
  EXPECT_EQ(max(zeros({2, 0}), {0}).size(), 0);
  expect_error(ErrorCode::kInvalidArgument, [] { argmax(zeros({0})); });
  expect_error(ErrorCode::kIndex, [] { sum(zeros({2}), {1}); });
  expect_error(ErrorCode::kInvalidArgument, [] { sum(zeros({2, 2}), {1, -1}); });
}

TEST(ArgReduce, FirstExtremeAndNan) {
  const array x = f64({3, 1, 3, 1, 5, 5}, {2, 3});
  EXPECT_EQ(argmax(x, 1).to_vector<uint32_t>(), (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(argmin(x, 0).to_vector<uint32_t>(), (std::vector<uint32_t>{1, 0, 0}));
  EXPECT_EQ(argmax(x).item<uint32_t>(), 4u);
  EXPECT_EQ(argmin(x, 1, true).shape(), (Shape{2, 1}));
  EXPECT_EQ(argmax(f64({3, kNan, 9, kNan})).item<uint32_t>(), 1u);
  EXPECT_EQ(argmin(f64({3, kNan, -9})).item<uint32_t>(), 1u);
  EXPECT_EQ(argmax(array({false, true})).item<uint32_t>(), 1u);
  for (const array& a : layouts_of(random_array({4, 7}, 9)))
    expect_near(values_of(argmax(a, 1)), values_of(argmax(contiguous(a), 1)));
}

TEST(Moments, MeanVarianceAndLogsumexp) {
  const array x = f64({1, 2, 3, 4, 1e8 + 1, 1e8 + 2, 1e8 + 3, 1e8 + 4}, {2, 4});
  expect_near(values_of(mean(x, {1})), {2.5, 1e8 + 2.5});
  expect_near(values_of(var(x, {1})), {1.25, 1.25});
  expect_near(values_of(var(x, {1}, false, 1)), {5. / 3, 5. / 3}, 1e-15);
  EXPECT_EQ(mean(array({1, 2})).item<float>(), 1.5f);
  expect_near(values_of(logsumexp(f64({1000, 1000}))), {1000 + std::log(2)}, 1e-15);
  expect_near(values_of(logsumexp(f64({-kInf, -kInf}))), {-kInf});
  expect_near(values_of(logsumexp(f64({kInf, 1}))), {kInf});
  EXPECT_EQ(logsumexp(random_array({2, 3}, 1), {1}, true).shape(), (Shape{2, 1}));
}

TEST(Reduce, Derivatives) {
  const array x = random_array({2, 3, 2}, 1);
  for (const Axes& axes : {Axes{}, {1}, {0, 2}, {-1}}) {
    const auto run = [&](auto op) {
      expect_derivatives([&](const std::vector<array>& v) { return op(v[0], axes, false); }, {x}, 1e-5);
      for (const int batch : {0, 2})
        expect_vmap([&](const std::vector<array>& v) { return op(v[0], axes, true); },
                    {random_array(batch == 0 ? Shape{4, 2, 3, 2} : Shape{2, 3, 4, 2}, 2)}, {batch}, 1e-14);
    };
    for (const Case& c : kCases)
      if (c.op != static_cast<Reduce>(all) && c.op != static_cast<Reduce>(any)) run(c.op);
    run([](const array& v, const Axes& a, bool k) { return mean(v, a, k); });
    run([](const array& v, const Axes& a, bool k) { return var(v, a, k); });
    run([](const array& v, const Axes& a, bool k) { return logsumexp(v, a, k); });
  }
  for (const int batch : {0, 1, 2})
    expect_vmap([](const std::vector<array>& v) { return argmax(v[0], -1); }, {random_array({3, 4, 5}, 3)},
                {batch});
  expect_vmap([](const std::vector<array>& v) { return all(v[0], {0}); },
              {random_array({3, 4}, 3, -1, 1, DType::int32)}, {1});
}

TEST(Reduce, ProductsAreDerivedBesideZeros) {
  const UnaryFunction f = [](const array& x) { return prod(x); };
  expect_near(values_of(grad(f)(f64({2, 0, 3}))), {0, 6, 0});
  expect_near(values_of(grad(f)(f64({2, 0, 0}))), {0, 0, 0});
  // Second derivatives: d2/dx_i dx_j is the product of the others.
  const UnaryFunction slopes = [&](const array& x) { return grad(f)(x); };
  const array x = f64({2, 0, 3});
  const auto column = [&](std::initializer_list<double> e) {
    return values_of(jvp(slopes, x, f64(std::vector<double>(e))).second);
  };
  expect_near(column({1, 0, 0}), {0, 3, 0});
  expect_near(column({0, 1, 0}), {3, 0, 2});
  expect_near(column({0, 0, 1}), {0, 2, 0});
}

TEST(Reduce, EqualExtremesShareTheGradient) {
  expect_near(values_of(grad(UnaryFunction([](const array& x) { return max(x); }))(f64({1, 2, 2}))),
              {0, .5, .5});
}

// Kept axes after reduced ones go column by column, with the rows in halves.
TEST(Reduce, EveryAxisOfLongAndWideArrays) {
  const Shape shapes[] = {{65, 3},        {200, 5},  {1023, 2},    {3, 130, 7},
                          {2, 700, 1030}, {4000, 9}, {5, 1, 64, 3}};
  for (const Shape& shape : shapes)
    for (int axis = 0; axis < static_cast<int>(shape.size()); ++axis)
      for (const DType dtype : {DType::float32, DType::bfloat16, DType::float64, DType::int32}) {
        SCOPED_TRACE(fmt::format("{} axis {} {}", shape, axis, name_of(dtype)));
        const array x = round(random_array(shape, 3, -9, 9, dtype));
        // The same along the last axis, which every row has for itself.
        const array rows = contiguous(moveaxis(x, axis, -1));
        const auto same = [&](const array& got, const array& expected) {
          EXPECT_EQ(values_of(got), values_of(expected));
        };
        same(max(x, {axis}), max(rows, {-1}));
        same(min(x, {axis}), min(rows, {-1}));
        same(all(x, {axis}), all(rows, {-1}));
        same(any(equal(x, array(9, dtype)), {axis}), any(equal(rows, array(9, dtype)), {-1}));
        // Whole numbers: exact in every order.
        same(sum(x, {axis}), sum(rows, {-1}));
      }
}

TEST(Reduce, ColumnsKeepTheErrorOfLongSumsSmall) {
  // Added one by one these would stop at 2^24.
  const array ones = full({1 << 25, 2}, 1.0, DType::float32);
  EXPECT_EQ(sum(ones, {0}).to_vector<float>(), (std::vector<float>{1 << 25, 1 << 25}));
}

TEST(Reduce, NanWinsInEveryPlace) {
  for (const int64_t n : {1, 7, 16, 33, 100})
    for (int64_t at = 0; at < n; ++at) {
      std::vector<float> values(static_cast<size_t>(n), 1);
      values[static_cast<size_t>(at)] = std::numeric_limits<float>::quiet_NaN();
      const array x(std::span<const float>(values), {n});
      EXPECT_TRUE(std::isnan(max(x, {0}).item<float>()) && std::isnan(min(x, {0}).item<float>()))
          << n << " " << at;
    }
}

TEST(ArgReduce, ShortRowsAndColumnsFindTheFirstAndNan) {
  std::vector<double> v = random_values(9 * 40 * 7, 5, 0, 4);
  for (double& e : v) e = std::trunc(e);
  v[100] = v[900] = v[1700] = kNan;
  for (const DType d : {DType::float32, DType::float16, DType::float64, DType::int32}) {
    const array x = astype(f64(v, {9, 40, 7}), d);
    for (const int axis : {0, 1, 2}) {
      const array rows = contiguous(moveaxis(x, axis, 2));
      const std::vector<double> all = values_of(rows), got = values_of(argmin(x, axis));
      const size_t n = static_cast<size_t>(x.shape(axis));
      for (size_t r = 0; r < got.size(); ++r) {
        size_t best = 0;
        for (size_t i = 1; i < n; ++i) {
          const double a = all[r * n + best], b = all[r * n + i];
          if (a == a && (b < a || b != b)) best = i;
        }
        EXPECT_EQ(got[r], static_cast<double>(best));
      }
    }
  }
}

TEST(Reduce, WindowsAroundAContiguousAxis) {
  const array x = random_array({2, 12, 9, 5}, 6, -2, 2, DType::float32);
  const array windows = as_strided(x, {2, 5, 4, 3, 2, 5}, {540, 90, 10, 45, 5, 1});
  const array rows = contiguous(windows);
  expect_near(max(windows, {3, 4}), max(reshape(rows, {2, 5, 4, 6, 5}), {3}));
  expect_near(sum(windows, {3, 4}), sum(reshape(rows, {2, 5, 4, 6, 5}), {3}), 1e-6, 1e-6);
  expect_near(min(windows, {0, 3}), min(transpose(rows, {1, 2, 4, 5, 0, 3}), {4, 5}));
}

}  // namespace
}  // namespace uma
