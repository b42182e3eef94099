#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/cumulative.h"
#include "ops/softmax.h"
#include "ops/sort.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using namespace uma::testing;

TEST(Sort, EveryDtypeSizeAndLayout) {
  for (const DType d : {DType::float32, DType::float64, DType::float16, DType::bfloat16, DType::int32,
                        DType::uint8, DType::int64, DType::bool_})
    for (const int64_t n : {0, 1, 2, 15, 16, 17, 33, 1000}) {
      const array x = random_array({2, n}, 1, 0, 50, d);
      std::vector<double> v = values_of(x);
      for (int r = 0; r < 2; ++r) std::sort(v.begin() + r * n, v.begin() + (r + 1) * n);
      expect_near(values_of(sort(x)), v);
      expect_near(values_of(take_along_axis(x, argsort(x), -1)), v);
      EXPECT_EQ(sort(x).dtype(), d);
    }
  for (const array& a : layouts_of(random_array({3, 5}, 2))) {
    expect_near(values_of(sort(a, 0)), values_of(transpose(sort(transpose(a)))));
    expect_near(values_of(argsort(a)), values_of(argsort(contiguous(a))));
  }
}

TEST(Sort, IsStableWithNanLast) {
  const array x = f64({3, kNan, 1, kInf, 1, -kInf, kNan, -0.0, 0});
  EXPECT_EQ(argsort(x).to_vector<uint32_t>(), (std::vector<uint32_t>{5, 7, 8, 2, 4, 0, 3, 1, 6}));
  expect_near(values_of(sort(x)), {-kInf, 0, 0, 1, 1, 3, kInf, kNan, kNan});
}

TEST(Sort, TopkAndPartition) {
  const array x = f64({5, 1, 4, 2});
  expect_near(values_of(topk(x, 2)), {4, 5});
  EXPECT_EQ(topk(x, 0).size(), 0);
  EXPECT_EQ(values_of(partition(x, 1))[1], 2);
  EXPECT_EQ(values_of(argpartition(x, -1))[3], 0);
  const array many = random_array({3, 200}, 1, 0, 50);  // with values that come twice
  const std::vector<double> sorted = values_of(sort(many)), picked = values_of(partition(many, 70));
  expect_near(values_of(topk(many, 30)), values_of(slice_axis(sort(many), 1, 170, 200)));
  for (size_t row = 0; row < 600; row += 200) {
    EXPECT_EQ(picked[row + 70], sorted[row + 70]);
    for (size_t i = 0; i < 200; ++i)
      EXPECT_TRUE(i < 70 ? picked[row + i] <= picked[row + 70] : picked[row + i] >= picked[row + 70]);
  }
  expect_near(values_of(topk(f64({3, kNan, 1, kInf}), 2)), {kInf, kNan});
  expect_error(ErrorCode::kInvalidArgument, [&] { topk(x, 5); });
  expect_error(ErrorCode::kInvalidArgument, [&] { topk(x, -1); });
  expect_error(ErrorCode::kInvalidArgument, [&] { partition(x, 4); });
  expect_error(ErrorCode::kInvalidArgument, [&] { argpartition(x, -5); });
  expect_error(ErrorCode::kIndex, [&] { sort(x, 1); });
  expect_error(ErrorCode::kIndex, [] { sort(array(1.f)); });
}

TEST(Sort, LongRowsKeepOrderOfEqualsZerosAndNan) {
  std::vector<float> v;
  for (const double r : random_values(5000, 3, -40, 40)) v.push_back(static_cast<float>(std::trunc(r) / 4));
  for (size_t i = 0; i < v.size(); i += 97) v[i] = static_cast<float>(i % 2 ? kNan : -kInf);
  const auto before = [](float a, float b) { return a < b || (a == a && b != b); };
  std::vector<uint32_t> order(v.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return before(v[a], v[b]); });
  const array x(std::span<const float>(v), {5000});
  EXPECT_EQ(argsort(x).to_vector<uint32_t>(), order);  // -0 and 0 are equal
  for (const DType d :
       {DType::float16, DType::bfloat16, DType::float64, DType::float32, DType::int16, DType::int64}) {
    const array y = astype(x, d), sorted = sort(y);
    expect_near(values_of(take_along_axis(y, argsort(y), -1)), values_of(sorted));
    for (const int64_t k : {0, 1, 700, 2500, 4999}) {
      const std::vector<double> all = values_of(sorted), split = values_of(partition(y, k));
      const auto at = static_cast<size_t>(k);
      expect_near(std::vector<double>{split[at]}, std::vector<double>{all[at]});
      expect_near(values_of(sort(slice_axis(partition(y, k), 0, 0, k))),
                  values_of(slice_axis(sorted, 0, 0, k)));
    }
    expect_near(values_of(topk(y, 300)), values_of(slice_axis(sorted, 0, 4700, 5000)));
  }
}

TEST(Scan, AlongEveryAxisOfEveryLayout) {
  const array x = random_array({5, 70, 3, 33}, 4);
  for (const int axis : {0, 1, 2, 3})
    for (const bool reverse : {false, true})
      for (const bool inclusive : {false, true}) {
        const array rows = contiguous(moveaxis(x, axis, 3));
        const auto expected = moveaxis(cumsum(rows, 3, reverse, inclusive), 3, axis);
        for (const array& a : layouts_of(x)) expect_near(cumsum(a, axis, reverse, inclusive), expected);
        const array largest = moveaxis(cummax(rows, 3, reverse, inclusive), 3, axis);
        for (const array& a : layouts_of(x)) expect_near(cummax(a, axis, reverse, inclusive), largest);
      }
}

TEST(Scan, SumsAndProducts) {
  const array x = f64({1, 2, 3, 4});
  expect_near(values_of(cumsum(x, 0)), {1, 3, 6, 10});
  expect_near(values_of(cumsum(x, 0, true)), {10, 9, 7, 4});
  expect_near(values_of(cumsum(x, 0, false, false)), {0, 1, 3, 6});
  expect_near(values_of(cumsum(x, 0, true, false)), {9, 7, 4, 0});
  expect_near(values_of(cumprod(x, 0)), {1, 2, 6, 24});
  expect_near(values_of(cumprod(x, -1, true, false)), {24, 12, 4, 1});
  expect_near(values_of(cumsum(f64({1, 2, 3, 4}, {2, 2}), 0)), {1, 2, 4, 6});
  EXPECT_EQ(cumsum(array({true, true}), 0).to_vector<int32_t>(), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(cumsum(astype(array({100, 100}), DType::int8), 0).to_vector<int8_t>(),
            (std::vector<int8_t>{100, -56}));
  EXPECT_EQ(cumsum(array({INT32_MAX, 1}), 0).to_vector<int32_t>()[1], INT32_MIN);
  EXPECT_EQ(values_of(cumsum(astype(broadcast_to(array(1), {4096}), DType::float16), 0))[4095], 4096);
  EXPECT_EQ(cumsum(broadcast_to(x, {0, 4}), 0).size(), 0);
  expect_error(ErrorCode::kIndex, [&] { cumsum(x, 1); });
}

TEST(Sort, Rules) {
  const array x = random_array({3, 4}, 1), xs = random_array({3, 5, 4}, 2);
  const auto run = [&](const Fn& f, bool derivable = true) {
    if (derivable) expect_derivatives(f, {x});
    for (const int axis : {0, 1, 2}) expect_vmap(f, {moveaxis(xs, 1, axis)}, {axis}, 1e-15);
  };
  for (const int axis : {0, -1}) {
    run([=](const std::vector<array>& v) { return sort(v[0], axis); });
    run([=](const std::vector<array>& v) { return argsort(v[0], axis); }, false);
    run([=](const std::vector<array>& v) { return topk(v[0], 2, axis); });
    run([=](const std::vector<array>& v) { return partition(v[0], 1, axis); });
    run([=](const std::vector<array>& v) { return argpartition(v[0], 1, axis); }, false);
    run([=](const std::vector<array>& v) { return softmax(v[0], axis); });
    for (const bool reverse : {false, true})
      for (const bool inclusive : {false, true}) {
        run([=](const std::vector<array>& v) { return cumsum(v[0], axis, reverse, inclusive); });
        run([=](const std::vector<array>& v) { return cumprod(v[0], axis, reverse, inclusive); });
        const auto second = [=](const std::vector<array>& v) {
          const UnaryFunction f = [=](const array& a) {
            return sum(square(cumprod(a, axis, reverse, inclusive)));
          };
          return grad(f)(v[0]);
        };
        expect_derivatives(second, {x}, 1e-5);
      }
  }
}

TEST(Scan, ProductsAreDerivedBesideZeros) {
  const Fn f = [](const std::vector<array>& v) { return cumprod(v[0], 0); };
  for (const auto& v : {std::vector<double>{2, 0, 3, 4}, {0, 0, 1, 2}, {1, 2, 3, 0}})
    expect_derivatives(f, {f64(v)});
}

TEST(Softmax, AgreesWithALoop) {
  for (const DType d : {DType::float32, DType::float64, DType::float16, DType::bfloat16})
    for (const int64_t n : {1, 7, 8, 9, 17, 33, 300}) {
      const array x = random_array({3, n}, 4, -20, 20, d);
      const std::vector<double> v = values_of(x);
      std::vector<double> truth(v.size());
      for (size_t r = 0; r < 3; ++r) {
        const size_t begin = r * static_cast<size_t>(n), end = begin + static_cast<size_t>(n);
        double total = 0;
        for (size_t i = begin; i < end; ++i) total += std::exp(v[i]);
        for (size_t i = begin; i < end; ++i) truth[i] = std::exp(v[i]) / total;
      }
      const array y = softmax(x);
      EXPECT_EQ(y.dtype(), d);
      if (d == DType::float32) {
        const auto got = y.to_vector<float>();
        for (size_t i = 0; i < got.size(); ++i) ASSERT_LE(ulps_f32(got[i], truth[i]), kSoftmax.max_ulp);
      } else {
        expect_near(values_of(y), truth, d == DType::float64 ? 1e-13 : 5e-3, d == DType::float64 ? 0 : 1e-7);
      }
    }
}

TEST(Softmax, Edges) {
  expect_near(values_of(softmax(f64({1e308, 1e308}))), {.5, .5});
  expect_near(values_of(softmax(f64({-kInf, 0, -kInf}))), {0, 1, 0});
  expect_near(values_of(softmax(f64({-kInf, -kInf}))), {kNan, kNan});
  expect_near(values_of(softmax(f64({kNan, 1}))), {kNan, kNan});
  EXPECT_EQ(softmax(array({1, 1})).dtype(), DType::float32);
  EXPECT_EQ(softmax(broadcast_to(f64({1}), {0, 1})).size(), 0);
  EXPECT_EQ(softmax(slice_axis(f64({1}), 0, 0, 0)).size(), 0);
  for (const array& a : layouts_of(random_array({3, 5}, 1)))
    expect_near(values_of(softmax(a, 0)), values_of(transpose(softmax(contiguous(transpose(a))))));
  expect_error(ErrorCode::kIndex, [] { softmax(array(1.f)); });
  expect_error(ErrorCode::kIndex, [] { softmax(array({1.f}), 1); });
}

}  // namespace
}  // namespace uma
