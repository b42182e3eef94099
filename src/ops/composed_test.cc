#include "ops/composed.h"

#include <gtest/gtest.h>

#include "ops/testing.h"

namespace uma {
namespace {

using testing::expect_error;
using testing::expect_near;
using testing::f64;
using testing::kInf;
using testing::kNan;
using Bools = std::vector<bool>;

TEST(Composed, Creation) {
  expect_near(linspace(0, 1, 5), array({0.0f, 0.25f, 0.5f, 0.75f, 1.0f}));
  EXPECT_EQ(linspace(0, 0.1, 7, DType::float64).to_vector<double>().back(), 0.1);
  EXPECT_EQ(linspace(3, 4, 1).to_vector<float>(), (std::vector<float>{3}));
  EXPECT_EQ(linspace(3, 4, 0).size(), 0);
  expect_error(ErrorCode::kInvalidArgument, [] { linspace(0, 1, -1); });
  expect_near(identity(2), array({1.0f, 0.0f, 0.0f, 1.0f}, Shape{2, 2}));
  expect_near(tri(2, 3, 0, DType::int32), array({1, 0, 0, 1, 1, 0}, Shape{2, 3}));
  expect_near(tri(2), array({1.0f, 0.0f, 1.0f, 1.0f}, Shape{2, 2}));
  expect_near(full_like(array({1, 2}), 7), array({7, 7}));
}

TEST(Composed, ClassesOfNumbers) {
  const array x = f64({1, kInf, -kInf, kNan});
  EXPECT_EQ(isfinite(x).to_vector<bool>(), (Bools{true, false, false, false}));
  EXPECT_EQ(isposinf(x).to_vector<bool>(), (Bools{false, true, false, false}));
  EXPECT_EQ(isneginf(x).to_vector<bool>(), (Bools{false, false, true, false}));
  EXPECT_EQ(isposinf(array({1})).to_vector<bool>(), (Bools{false}));
}

TEST(Composed, Elementwise) {
  expect_near(trunc(f64({-1.5, 1.5, -0.2})), f64({-1, 1, 0}));
  expect_near(degrees(f64({M_PI})), f64({180}), 1e-15);
  expect_near(radians(f64({180})), f64({M_PI}), 1e-15);
  EXPECT_EQ(logical_xor(array({0, 2, 3}), array({1, 0, 1})).to_vector<bool>(), (Bools{true, true, false}));
  const auto [quotient, rest] = divmod(array({7, -7}), array({2, 2}));
  expect_near(quotient, array({3, -4}));
  expect_near(rest, array({1, 1}));
  expect_near(std(f64({1, 3})), f64({1}, {}));
  expect_near(std(f64({1, 2, 3}), {0}, true, 1), f64({1}, {1}));
}

}  // namespace
}  // namespace uma
