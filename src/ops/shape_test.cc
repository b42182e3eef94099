#include <algorithm>

#include "ops/creation.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using namespace uma::testing;

array iota(const Shape& shape) {
  return reshape(arange(0, static_cast<double>(num_elements(shape)), 1, DType::float64), shape);
}

TEST(Reshape, KeepsRowMajorOrderWhateverTheLayout) {
  const array x = random_array({4, 6}, 1);
  for (const array& a : layouts_of(x))
    for (const Shape& to : {Shape{24}, {2, 2, 6}, {4, 3, 2}, {1, 24, 1}, {8, 3}, {3, 8}, {2, -1}, {-1, 4}})
      expect_near(values_of(reshape(a, to)), values_of(x));
  EXPECT_EQ(reshape(x, {2, -1}).shape(), (Shape{2, 12}));
  EXPECT_EQ(reshape(zeros({0, 3}), {3, 0, 2}).shape(), (Shape{3, 0, 2}));
  EXPECT_EQ(reshape(array(1.f), {1, 1}).shape(), (Shape{1, 1}));
}

TEST(Reshape, IsAViewWhereTheLayoutAllows) {
  const array x = iota({4, 6});
  const array t = transpose(x);  // (6, 4): rows can be cut, not merged
  const array cut = reshape(t, {2, 3, 4}), merged = reshape(t, {24});
  eval(std::vector<array>{x, cut, merged});
  EXPECT_EQ(cut.buffer(), x.buffer());
  EXPECT_NE(merged.buffer(), x.buffer());
}

TEST(Reshape, Refuses) {
  const array x = iota({4, 6});
  for (const Shape& to : {Shape{5, 5}, {-1, -1}, {-1, 5}, {-2, 12}, {INT64_MAX, 4}, {}})
    expect_error(ErrorCode::kShape, [&] { reshape(x, to); });
  expect_error(ErrorCode::kShape, [] { reshape(zeros({0}), {0, -1}); });
  EXPECT_EQ(reshape(zeros({0}), {2, 0}).shape(), (Shape{2, 0}));
}

TEST(Transpose, MovesAxes) {
  const array x = iota({2, 3, 4});
  const std::vector<double> v = values_of(x);
  const std::vector<double> t = values_of(transpose(x, {2, 0, 1}));
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < 3; ++j)
      for (size_t k = 0; k < 4; ++k) EXPECT_EQ(t[(k * 2 + i) * 3 + j], v[(i * 3 + j) * 4 + k]);
  EXPECT_EQ(transpose(x).shape(), (Shape{4, 3, 2}));
  EXPECT_EQ(transpose(array(1.f)).shape(), Shape{});
  expect_near(swapaxes(x, 0, -1), transpose(x, {2, 1, 0}));
  expect_near(moveaxis(x, 0, -1), transpose(x, {1, 2, 0}));
  expect_near(moveaxis(x, -1, 0), transpose(x, {2, 0, 1}));
  expect_error(ErrorCode::kInvalidArgument, [&] { transpose(x, {0, 1}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { transpose(x, {0, 1, 1}); });
  expect_error(ErrorCode::kIndex, [&] { transpose(x, {0, 1, 3}); });
  expect_error(ErrorCode::kIndex, [&] { swapaxes(x, 0, 3); });
  expect_error(ErrorCode::kIndex, [&] { moveaxis(x, 0, -4); });
}

TEST(Dims, AreAddedDroppedAndMerged) {
  const array x = iota({2, 1, 3});
  EXPECT_EQ(expand_dims(x, {0, -1}).shape(), (Shape{1, 2, 1, 3, 1}));
  EXPECT_EQ(squeeze(x).shape(), (Shape{2, 3}));
  EXPECT_EQ(squeeze(x, {-2}).shape(), (Shape{2, 3}));
  EXPECT_EQ(flatten(x).shape(), (Shape{6}));
  EXPECT_EQ(flatten(x, 1, 2).shape(), (Shape{2, 3}));
  EXPECT_EQ(flatten(array(1.f)).shape(), (Shape{1}));
  expect_error(ErrorCode::kInvalidArgument, [&] { expand_dims(x, {0, 0}); });
  expect_error(ErrorCode::kIndex, [&] { expand_dims(x, {5}); });
  expect_error(ErrorCode::kShape, [&] { squeeze(x, {0}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { flatten(x, 2, 1); });
}

TEST(Broadcast, RepeatsWithoutACopy) {
  const array x = iota({3, 1});
  const array y = broadcast_to(x, {2, 3, 2});
  expect_near(values_of(y), {0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2});
  EXPECT_EQ(y.buffer(), x.buffer());
  EXPECT_EQ(broadcast_to(zeros({1, 3}), {0, 3}).size(), 0);
  expect_error(ErrorCode::kShape, [&] { broadcast_to(x, {4, 2}); });
  expect_error(ErrorCode::kShape, [&] { broadcast_to(x, {3}); });
}

TEST(Contiguous, LaysRowsOut) {
  for (const array& a : layouts_of(random_array({3, 4}, 1))) {
    const array c = contiguous(a);
    expect_near(values_of(c), values_of(a));
    EXPECT_TRUE(c.is_row_contiguous());
  }
}

TEST(Contiguous, CopiesInBlocksOfAnySize) {
  for (const DType d : {DType::uint8, DType::float16, DType::float32, DType::float64})
    for (const Shape& shape : {Shape{37, 53}, {2, 3, 300}, {300, 3, 2}, {65, 16, 9}, {1, 130, 3, 40}}) {
      const array x = random_array(shape, 1, 0, 200, d);
      const std::vector<double> v = values_of(x);
      std::vector<int> axes(shape.size());
      for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int>(i);
      do {
        const array turned = transpose(x, axes);
        std::vector<double> expected;
        for (int64_t n = 0; n < x.size(); ++n) {
          int64_t left = n, from = 0;
          for (size_t i = shape.size(); i-- > 0; left /= turned.shape()[i])
            from += left % turned.shape()[i] * row_major_strides(shape)[static_cast<size_t>(axes[i])];
          expected.push_back(v[static_cast<size_t>(from)]);
        }
        EXPECT_EQ(values_of(contiguous(turned)), expected);
        EXPECT_EQ(values_of(turned + zeros_like(turned)), expected);  // read tile by tile
      } while (std::next_permutation(axes.begin(), axes.end()));
    }
}

TEST(Shape, EveryOpHasItsThreeRules) {
  const array x = random_array({2, 3, 1}, 1);
  const std::vector<Fn> ops{
      [](const std::vector<array>& v) {
        return reshape(v[0], {3, 2});
      },
      [](const std::vector<array>& v) {
        return transpose(v[0], {2, 0, 1});
      },
      [](const std::vector<array>& v) {
        return broadcast_to(v[0], {4, 2, 3, 5});
      },
      [](const std::vector<array>& v) { return contiguous(transpose(v[0])); },
      [](const std::vector<array>& v) { return squeeze(expand_dims(v[0], {1}), {3}); },
      [](const std::vector<array>& v) { return flatten(v[0], 1, 2); },
      [](const std::vector<array>& v) { return stop_gradient(v[0]) * v[0] - stop_gradient(square(v[0])); },
  };
  for (size_t i = 0; i < ops.size(); ++i) {
    SCOPED_TRACE(i);
    if (i + 1 < ops.size()) expect_derivatives(ops[i], {x});
    for (int axis = 0; axis < 4; ++axis) {
      Shape batched = x.shape();
      batched.insert(batched.begin() + axis, 5);
      expect_vmap(ops[i], {random_array(batched, 2)}, {axis});
    }
  }
}

TEST(Creation, Constants) {
  expect_near(values_of(full({2, 2}, 3)), {3, 3, 3, 3});
  expect_near(values_of(full({2, 2}, array({1, 2}))), {1, 2, 1, 2});
  expect_near(values_of(ones_like(array({4, 5}))), {1, 1});
  EXPECT_EQ(zeros_like(array({4, 5})).dtype(), DType::int32);
  expect_error(ErrorCode::kShape, [] { full({2}, array({1, 2, 3})); });
  expect_error(ErrorCode::kShape, [] { zeros({-1}); });
}

TEST(Creation, Arange) {
  expect_near(values_of(arange(0, 5)), {0, 1, 2, 3, 4});
  expect_near(values_of(arange(5, 0, -2)), {5, 3, 1});
  expect_near(values_of(arange(0, 1, 0.25, DType::float32)), {0, 0.25, 0.5, 0.75});
  EXPECT_EQ(arange(3, 3).size(), 0);
  EXPECT_EQ(arange(3, 0).size(), 0);
  expect_error(ErrorCode::kInvalidArgument, [] { arange(0, 1, 0); });
  expect_error(ErrorCode::kInvalidArgument, [] { arange(0, kNan); });
  expect_error(ErrorCode::kInvalidArgument, [] { arange(0, kInf); });
  expect_error(ErrorCode::kLimit, [] { arange(0, 1e300); });
}

TEST(Creation, DiagonalsAndTriangles) {
  expect_near(values_of(eye(2, 3, 1)), {0, 1, 0, 0, 0, 1});
  expect_near(values_of(eye(2)), {1, 0, 0, 1});
  const array x = iota({2, 3});
  expect_near(values_of(tril(x)), {0, 0, 0, 3, 4, 0});
  expect_near(values_of(triu(x, 1)), {0, 1, 2, 0, 0, 5});
  expect_near(values_of(tril(x, -1)), {0, 0, 0, 3, 0, 0});
  expect_derivatives([](const std::vector<array>& v) { return triu(v[0]); }, {random_array({2, 3}, 1)});
  expect_error(ErrorCode::kShape, [] { tril(zeros({3})); });
}

}  // namespace
}  // namespace uma
