#include "ops/manipulate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/dot.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/cumulative.h"
#include "ops/elementwise.h"
#include "ops/shape.h"
#include "ops/testing.h"
#include "ops/view.h"

namespace uma {
namespace {

using testing::code_of;
using testing::values_of;
using Values = std::vector<double>;

array count(Shape shape) {
  return reshape(arange(0, static_cast<double>(num_elements(shape)), 1, DType::float32), shape);
}

TEST(Pad, FourModes) {
  const array x{1, 2, 3};
  EXPECT_EQ(values_of(pad(x, {{1, 2}}, array(9))), (Values{9, 1, 2, 3, 9, 9}));
  EXPECT_EQ(values_of(pad(x, {{2, 1}}, array(9), PadMode::edge)), (Values{1, 1, 1, 2, 3, 3}));
  EXPECT_EQ(values_of(pad(x, {{5, 1}}, array(9), PadMode::reflect)), (Values{2, 1, 2, 3, 2, 1, 2, 3, 2}));
  EXPECT_EQ(values_of(pad(x, {{4, 1}}, array(9), PadMode::symmetric)), (Values{3, 3, 2, 1, 1, 2, 3, 3}));
  EXPECT_EQ(pad(count({2, 3}), {{1, 0}, {0, 2}}).shape(), (Shape{3, 5}));
  const array y = count({2, 3});
  EXPECT_EQ(pad(y, {{0, 0}}).id(), y.id());
}

TEST(Pad, SaysWhatIsWrong) {
  const array x = count({2, 3});
  EXPECT_EQ(code_of([&] { pad(x, {{-1, 0}}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { pad(x, {{1, 0}, {1, 0}, {1, 0}}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { pad(x, {{INT64_MAX, 1}}); }), ErrorCode::kLimit);
  EXPECT_EQ(code_of([&] {
              pad(zeros({0}), {{1, 1}}, array(0), PadMode::edge);
            }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { pad_mode_from_name("wrap"); }), ErrorCode::kInvalidArgument);
}

TEST(Repeat, AndTile) {
  const array x = count({2, 2});
  EXPECT_EQ(values_of(repeat(x, 2, 1)), (Values{0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(values_of(repeat(x, 2)), (Values{0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(repeat(x, 0, 0).shape(), (Shape{0, 2}));
  EXPECT_EQ(values_of(tile(x, {2})), (Values{0, 1, 0, 1, 2, 3, 2, 3}));
  EXPECT_EQ(tile(x, {3, 1, 2}).shape(), (Shape{3, 2, 4}));
  EXPECT_EQ(code_of([&] { repeat(x, -1, 0); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { repeat(x, 2, 2); }), ErrorCode::kIndex);
  EXPECT_EQ(code_of([&] { tile(x, {-1}); }), ErrorCode::kInvalidArgument);
}

TEST(Roll, AndFlip) {
  const array x = count({2, 3});
  EXPECT_EQ(values_of(roll(x, 1)), (Values{5, 0, 1, 2, 3, 4}));
  EXPECT_EQ(values_of(roll(x, {1, -1}, {0, 1})), (Values{4, 5, 3, 1, 2, 0}));
  EXPECT_EQ(values_of(roll(x, {300}, {1})), values_of(x));
  EXPECT_EQ(code_of([&] { roll(x, {1}, {0, 1}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(values_of(flip(x)), (Values{5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(values_of(flip(transpose(x), {0})), (Values{2, 5, 1, 4, 0, 3}));
  EXPECT_EQ(flip(zeros({0, 2})).shape(), (Shape{0, 2}));
}

TEST(Diagonals, AllOffsets) {
  const array x = count({3, 4});
  for (int k = -4; k <= 5; ++k) {
    Values expected;
    for (int i = 0; i < 3; ++i)
      if (i + k >= 0 && i + k < 4) expected.push_back(4 * i + i + k);
    EXPECT_EQ(values_of(diagonal(x, k)), expected) << k;
    double sum = 0;
    for (const double v : expected) sum += v;
    EXPECT_EQ(values_of(trace(x, k)), Values{sum}) << k;
  }
  EXPECT_EQ(values_of(diag(array{1, 2}, -1)), (Values{0, 0, 0, 1, 0, 0, 0, 2, 0}));
  EXPECT_EQ(values_of(diag(array{1, 2}, 1)), (Values{0, 1, 0, 0, 0, 2, 0, 0, 0}));
  EXPECT_EQ(code_of([] { diag(zeros({})); }), ErrorCode::kShape);
  EXPECT_EQ(code_of([&] { diagonal(x, 0, 1, -1); }), ErrorCode::kInvalidArgument);
}

TEST(Grids, AndCuts) {
  const auto xy = meshgrid({array{1, 2}, array{3, 4, 5}});
  EXPECT_EQ(values_of(xy[0]), (Values{1, 2, 1, 2, 1, 2}));
  EXPECT_EQ(values_of(xy[1]), (Values{3, 3, 4, 4, 5, 5}));
  EXPECT_EQ(meshgrid({array{1, 2}, array{3, 4, 5}}, true, "ij")[0].shape(), (Shape{2, 1}));
  EXPECT_EQ(code_of([] { meshgrid({}, false, "yx"); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(unflatten(count({6, 2}), 0, {2, -1}).shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(code_of([] { unflatten(count({6}), 0, {4, -1}); }), ErrorCode::kShape);
  EXPECT_EQ(values_of(unstack(count({2, 3}), 1)[2]), (Values{2, 5}));
  EXPECT_EQ(atleast_3d(count({2})).shape(), (Shape{1, 2, 1}));
}

TEST(DynamicSlice, StartsAreClamped) {
  const array x = count({3, 4});
  const auto at = [&](int64_t i, int64_t j) { return slice(x, array{i, j}, {0, 1}, Shape{1, 2}); };
  EXPECT_EQ(values_of(at(1, 2)), (Values{6, 7}));
  EXPECT_EQ(values_of(at(9, 9)), (Values{10, 11}));
  EXPECT_EQ(values_of(at(-9, 0)), (Values{0, 1}));
  const array y = slice_update(x, array{-1.0f, -2.0f}, array(int64_t{2}), {0});
  EXPECT_EQ(values_of(y), (Values{0, 1, 2, 3, 4, 5, 6, 7, -1, -2, 10, 11}));
  EXPECT_EQ(code_of([&] { slice(x, array(0.5f), {0}, Shape{1, 1}); }), ErrorCode::kDType);
  EXPECT_EQ(code_of([&] { slice(x, array{0, 0}, {0, 0}, Shape{1, 1}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(values_of(put_along_axis(x, reshape(array{3, 0, 1}, {3, 1}), array(-1.0f), 1)),
            (Values{0, 1, 2, -1, -1, 5, 6, 7, 8, -1, 10, 11}));
}

TEST(AsStrided, LiesWithinTheArray) {
  const array x = count({6});
  EXPECT_EQ(values_of(as_strided(x, {3, 2}, {1, 2})), (Values{0, 2, 1, 3, 2, 4}));
  EXPECT_EQ(values_of(as_strided(x, {2}, {-1}, 5)), (Values{5, 4}));
  EXPECT_EQ(as_strided(x, {0, 9}, {1, 1}, 99).size(), 0);
  for (const Strides& strides : {Strides{3, 3}, Strides{-1, 1}, Strides{INT64_MAX, 1}})
    EXPECT_EQ(code_of([&] { as_strided(x, {3, 2}, strides); }), ErrorCode::kShape);
}

TEST(View, KeepsBits) {
  const array x = count({2, 3});
  const array bits = view(transpose(x), DType::uint16);
  EXPECT_EQ(bits.shape(), (Shape{3, 4}));
  EXPECT_EQ(values_of(view(bits, DType::float32)), values_of(transpose(x)));
  EXPECT_EQ(code_of([&] { view(x, DType::float64); }), ErrorCode::kShape);
  EXPECT_EQ(code_of([&] { view(array(1.0f), DType::int8); }), ErrorCode::kShape);
}

TEST(Fp8, GoesThereAndBack) {
  const array codes = astype(arange(0, 256, 1, DType::int32), DType::uint8);
  const Values back = values_of(to_fp8(from_fp8(codes, DType::float32)));
  for (int i = 0; i < 256; ++i) EXPECT_EQ(back[static_cast<size_t>(i)], i) << i;
  EXPECT_EQ(values_of(to_fp8(array{1e9f, -464.0f, 0x1p-10f, 0x1.8p-9f})), (Values{126, 254, 0, 2}));
}

TEST(Cumulative, ExtremesAndLogarithms) {
  const array x = reshape(array{3.0f, 1.0f, 4.0f, 2.0f, 5.0f, 0.0f}, {2, 3});
  EXPECT_EQ(values_of(cummax(x, 1)), (Values{3, 3, 4, 2, 5, 5}));
  EXPECT_EQ(values_of(cummin(x, 0)), (Values{3, 1, 4, 2, 1, 0}));
  EXPECT_EQ(values_of(cummax(x, 1, true)), (Values{4, 4, 4, 5, 5, 0}));
  EXPECT_EQ(values_of(cummax(astype(x, DType::uint8), 1, false, false)), (Values{0, 3, 3, 0, 2, 5}));
  const Values v = values_of(logcumsumexp(astype(x, DType::float64), 1));
  EXPECT_NEAR(v[2], std::log(std::exp(3) + std::exp(1) + std::exp(4)), 1e-14);
  EXPECT_EQ(code_of([&] { cummax(x, 2); }), ErrorCode::kIndex);
}

TEST(Dot, NamesOpsOnce) {
  const array x = array(1.0f) + array(2.0f);
  const std::string text = to_dot({x * x}, {{"the \"sum\"", x}});
  EXPECT_EQ(text.find("digraph"), 0u);
  EXPECT_NE(text.find("\"the \\\"sum\\\"\""), std::string::npos);
  size_t boxes = 0;
  for (size_t at = text.find("label"); at != std::string::npos; at = text.find("label", at + 1)) ++boxes;
  EXPECT_EQ(boxes, 2u);
}

}  // namespace
}  // namespace uma
