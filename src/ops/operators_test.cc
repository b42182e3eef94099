#include "ops/operators.h"

#include <gtest/gtest.h>

#include <sstream>

#include "ops/testing.h"

namespace uma {
namespace {

using testing::expect_near;
using Bools = std::vector<bool>;

TEST(Operators, CompareElementByElement) {
  const array x({1, 2, 3}), y({3, 2, 1});
  EXPECT_EQ((x == y).to_vector<bool>(), (Bools{false, true, false}));
  EXPECT_EQ((x != y).to_vector<bool>(), (Bools{true, false, true}));
  EXPECT_EQ((x < y).to_vector<bool>(), (Bools{true, false, false}));
  EXPECT_EQ((x <= y).to_vector<bool>(), (Bools{true, true, false}));
  EXPECT_EQ((x > y).to_vector<bool>(), (Bools{false, false, true}));
  EXPECT_EQ((x >= y).to_vector<bool>(), (Bools{false, true, true}));
  EXPECT_EQ((x == 2).to_vector<bool>(), (Bools{false, true, false}));
  EXPECT_EQ((x != 2).to_vector<bool>(), (Bools{true, false, true}));
  EXPECT_EQ((x < 2.5).to_vector<bool>(), (Bools{true, true, false}));
  EXPECT_EQ((x <= 1).to_vector<bool>(), (Bools{true, false, false}));
  EXPECT_EQ((x > 2).to_vector<bool>(), (Bools{false, false, true}));
  EXPECT_EQ((x >= 2).to_vector<bool>(), (Bools{false, true, true}));
}

TEST(Operators, NumbersTakeTheArraysDType) {
  const array x({1, -2});
  expect_near(maximum(x, 0), array({1, 0}));
  expect_near(minimum(x, 0), array({0, -2}));
  expect_near(power(x, 2), array({1, 4}));
  expect_near(power(2, array({3, 0})), array({8, 1}));
  expect_near(clip(x, -1, 1), array({1, -1}));
  expect_near(where(x > 0, x, 7), array({1, 7}));
  expect_near(where(x > 0, 7, x), array({7, -2}));
  EXPECT_EQ(maximum(x, 0.5).dtype(), DType::float32);
  EXPECT_EQ(power(array(bfloat16(2)), 0.5).dtype(), DType::bfloat16);
}

TEST(Operators, ChangeTheHandle) {
  array x({8.0f, 4.0f});
  const array before = x;
  x += 2;
  x -= array(1.0f);
  x *= 4;
  x /= 2;
  x += x;
  x -= 4;
  x *= array(0.5f);
  x /= array(2.0f);
  expect_near(x, array({8.0f, 4.0f}));
  expect_near(before, array({8.0f, 4.0f}));
  std::ostringstream out;
  out << x;
  EXPECT_EQ(out.str(), "array([8, 4], dtype=float32)");
}

}  // namespace
}  // namespace uma
