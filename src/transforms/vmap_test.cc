#include "ops/creation.h"
#include "ops/matmul.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using namespace uma::testing;

TEST(Vmap, AxesOfArgumentsAndResults) {
  const auto f = [](const std::vector<array>& x) { return x[0] * x[1] + x[2]; };
  const std::vector<array> x{random_array({4, 3}, 1), random_array({3, 4}, 2), random_array({3}, 3)};
  expect_vmap(f, x, {0, 1, -1});
  expect_vmap(f, {x[2], x[1], x[0]}, {-1, 1, 0});
  const array y = vmap(UnaryFunction([](const array& v) { return v * 2.0; }), 1, 0)(x[0]);
  expect_near(y, transpose(x[0]) * 2.0);
  const auto two = vmap(std::function<array(const array&, const array&)>(
                            [](const array& a, const array& b) { return sum(a * b); }),
                        0, 1);
  expect_near(two(x[0], x[1]), sum(x[0] * transpose(x[1]), {1}), 1e-15);
}

TEST(Vmap, ResultsThatDoNotDependOnTheBatch) {
  const Function f = [](const std::vector<array>& x) {
    return std::vector<array>{x[0], f64({1, 2}), x[1] * 2.0};
  };
  const array x = random_array({3}, 1), y = f64({5});
  const auto out = vmap(f, {0, -1}, {0, 1, -1})({x, y});
  expect_near(out[0], x);
  EXPECT_EQ(out[1].shape(), (Shape{2, 3}));
  expect_near(values_of(out[1]), {1, 1, 1, 2, 2, 2});
  expect_near(values_of(out[2]), {10});
}

TEST(Vmap, InItself) {
  const array x = random_array({2, 3, 4}, 1), y = random_array({3, 2}, 2);
  const UnaryFunction total = [](const array& v) { return sum(v); };
  expect_near(vmap(vmap(total))(x), sum(x, {2}), 1e-15);
  expect_near(vmap(vmap(total, 1), 0)(x), sum(x, {1}), 1e-15);
  const auto outer = [&](const array& a) {
    return vmap(UnaryFunction([&](const array& b) { return a * b; }))(y);
  };
  EXPECT_EQ(vmap(UnaryFunction(outer))(y).shape(), (Shape{3, 3, 2}));
  expect_near(vmap(UnaryFunction(outer))(y), expand_dims(y, {1}) * expand_dims(y, {0}));
}

TEST(Vmap, EmptyBatches) {
  const array out = vmap(UnaryFunction([](const array& v) { return matmul(v, v); }))(zeros({0, 2, 2}));
  EXPECT_EQ(out.shape(), (Shape{0, 2, 2}));
  EXPECT_EQ(values_of(out).size(), 0u);
}

TEST(Vmap, RefusesWithASentence) {
  const Function id = [](const std::vector<array>& x) { return x; };
  const array x = f64({1, 2});
  expect_error(ErrorCode::kInvalidArgument, [&] { vmap(id, {0, 0})({x}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { vmap(id, {1})({x}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { vmap(id, {-2})({x}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { vmap(id, {-1})({x}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { vmap(id, {0}, {0, 0})({x}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { vmap(id, {0}, {1})({x}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { vmap(id, {0}, {-1})({x}); });
  expect_error(ErrorCode::kShape, [&] { vmap(id)({x, f64({1, 2, 3})}); });
  const UnaryFunction reads = [](const array& v) { return values_of(v)[0] > 0 ? v : -v; };
  expect_error(ErrorCode::kInvalidArgument, [&] { vmap(reads)(x); });
}

}  // namespace
}  // namespace uma
