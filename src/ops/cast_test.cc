#include "transforms/testing.h"

namespace uma {
namespace {

using namespace uma::testing;

TEST(Cast, EveryPairKeepsSmallIntegers) {
  for (int from = 0; from < kNumDTypes; ++from)
    for (int to = 0; to < kNumDTypes; ++to) {
      const auto a = static_cast<DType>(from), b = static_cast<DType>(to);
      SCOPED_TRACE(std::string(name_of(a)) + " to " + std::string(name_of(b)));
      const bool as_bool = a == DType::bool_ || b == DType::bool_;
      const array x = astype(array({0, 1, 2, 100}), a);
      const array y = astype(x, b);
      EXPECT_EQ(y.dtype(), b);
      expect_near(values_of(y),
                  as_bool ? std::vector<double>{0, 1, 1, 1} : std::vector<double>{0, 1, 2, 100});
    }
}

TEST(Cast, LayoutsAndSizes) {
  for (const array& a : layouts_of(random_array({3, 5}, 1, -9, 9)))
    expect_near(values_of(astype(a, DType::float32)), values_of(astype(contiguous(a), DType::float32)));
  for (int64_t n = 0; n <= 33; ++n) {
    const std::vector<double> x = random_values(n, 1, -100, 100);
    std::vector<double> truth;
    for (const double v : x) truth.push_back(std::trunc(v));
    expect_near(values_of(astype(f64(x), DType::int16)), truth);
  }
}

TEST(Cast, FloatsOutsideTheRangeSaturateAndNanIsZero) {
  const array x = f64({300, -1, -300.7, 3e9, kNan, kInf, -kInf, 0.9, -0.9});
  expect_near(values_of(astype(x, DType::uint8)), {255, 0, 0, 255, 0, 255, 0, 0, 0});
  expect_near(values_of(astype(x, DType::int32)),
              {300, -1, -300, 2147483647, 0, 2147483647, -2147483648.0, 0, 0});
  EXPECT_EQ(astype(array(1e30), DType::int64).item<int64_t>(), INT64_MAX);
  EXPECT_EQ(astype(array(1e30), DType::uint64).item<uint64_t>(), UINT64_MAX);
}

TEST(Cast, IntegersWrapAsInNumPy) {
  expect_near(values_of(astype(array({300, -1, 128}), DType::uint8)), {44, 255, 128});
  expect_near(values_of(astype(array({300, -1, 128}), DType::int8)), {44, -1, -128});
}

TEST(Cast, AnythingButZeroIsTrue) {
  expect_near(values_of(astype(f64({0, -0.0, kNan, 1e-300, kInf}), DType::bool_)), {0, 0, 1, 1, 1});
}

TEST(Cast, HalvesRoundToEvenAndOverflowToInfinity) {
  // 2049 lies between the float16 numbers 2048 and 2050; 257 between the bfloat16 numbers 256 and 258.
  expect_near(values_of(astype(array({2049.f, 2051.f, 65519.f, 65520.f, 1e-8f}), DType::float16)),
              {2048, 2052, 65504, kInf, 0});
  expect_near(values_of(astype(array({257.f, 259.f, 3.4e38f}), DType::bfloat16)), {256, 260, kInf});
  // Once, and not by way of float32: this number is just above a tie of float16.
  EXPECT_EQ(values_of(astype(f64({2049 + 1e-9}), DType::float16))[0], 2050);
  EXPECT_EQ(values_of(astype(f64({257 + 1e-9}), DType::bfloat16))[0], 258);
}

TEST(Cast, ComplexGivesItsRealPart) {
  const array z = array({complex64(1, 5), complex64(0, 2)});
  expect_near(values_of(astype(z, DType::float32)), {1, 0});
  expect_near(values_of(astype(z, DType::bool_)), {1, 1});
}

TEST(Cast, Rules) {
  const Fn f = [](const std::vector<array>& v) {
    return astype(astype(v[0], DType::float32), DType::float64);
  };
  expect_vmap(f, {random_array({3, 2}, 1)}, {1});
  const auto [y, g] = vjp(many(f), {f64({1, 2})}, {f64({3, 4})});
  expect_near(values_of(g[0]), {3, 4});
  EXPECT_EQ(g[0].dtype(), DType::float64);
}

}  // namespace
}  // namespace uma
