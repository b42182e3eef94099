// rms_norm and layer_norm against loops in f64.
#include <gtest/gtest.h>

#include <cmath>

#include "base/thread_pool.h"
#include "fast/layer_norm.h"
#include "fast/rms_norm.h"
#include "fast/testing.h"
#include "ops/shape.h"

namespace uma {
namespace {

using testing::as_doubles;
using testing::expect_close;
using testing::expect_error;
using testing::random_array;

// y = (x - mean) / sqrt(variance + eps) * w + b; without the mean for rms_norm.
std::vector<double> naive(const array& x, const std::optional<array>& weight,
                          const std::optional<array>& bias, float eps, bool centre) {
  std::vector<double> v = as_doubles(x), w, b;
  if (weight) w = as_doubles(*weight);
  if (bias) b = as_doubles(*bias);
  const size_t dim = static_cast<size_t>(x.shape(-1));
  for (size_t r = 0; r + dim <= v.size(); r += dim) {
    double mean = 0, variance = 0;
    if (centre)
      for (size_t i = 0; i < dim; ++i) mean += v[r + i] / static_cast<double>(dim);
    for (size_t i = 0; i < dim; ++i) variance += (v[r + i] - mean) * (v[r + i] - mean);
    const double factor = 1 / std::sqrt(variance / static_cast<double>(dim) + static_cast<double>(eps));
    for (size_t i = 0; i < dim; ++i)
      v[r + i] = (v[r + i] - mean) * factor * (w.empty() ? 1 : w[i]) + (b.empty() ? 0 : b[i]);
  }
  return v;
}

double tolerance(DType d) {
  switch (d) {
    case DType::float64:
      return 1e-14;
    case DType::float32:
      return 1e-6;
    case DType::float16:
      return 6e-4;
    default:
      return 4e-3;
  }
}

constexpr DType kFloats[] = {DType::float32, DType::float16, DType::bfloat16, DType::float64};

TEST(RmsNorm, EverySizeDtypeAndInstructionSet) {
  for (const int64_t dim : {1, 2, 7, 15, 16, 17, 63, 64, 65, 130, 896, 1030})
    for (const DType dtype : kFloats) {
      SCOPED_TRACE(fmt::format("{} {}", dim, name_of(dtype)));
      const array x = random_array({3, dim}, 1, dtype, 4.0f), w = random_array({dim}, 2);
      testing::for_each_isa([&] {
        expect_close(as_doubles(rms_norm(x, w, 1e-5f)), naive(x, w, {}, 1e-5f, false), tolerance(dtype));
        expect_close(as_doubles(rms_norm(x, {}, 1e-5f)), naive(x, {}, {}, 1e-5f, false), tolerance(dtype));
      });
    }
}

TEST(LayerNorm, EverySizeDtypeAndInstructionSet) {
  for (const int64_t dim : {1, 2, 7, 15, 16, 17, 63, 64, 65, 130, 896, 1030})
    for (const DType dtype : kFloats) {
      SCOPED_TRACE(fmt::format("{} {}", dim, name_of(dtype)));
      const array x = random_array({3, dim}, 1, dtype, 4.0f);
      const array w = random_array({dim}, 2), b = random_array({dim}, 3);
      testing::for_each_isa([&] {
        expect_close(as_doubles(layer_norm(x, w, b, 1e-3f)), naive(x, w, b, 1e-3f, true),
                     4 * tolerance(dtype));
        expect_close(as_doubles(layer_norm(x, {}, b, 1e-3f)), naive(x, {}, b, 1e-3f, true),
                     4 * tolerance(dtype));
        expect_close(as_doubles(layer_norm(x, w, {}, 1e-3f)), naive(x, w, {}, 1e-3f, true),
                     4 * tolerance(dtype));
        expect_close(as_doubles(layer_norm(x, {}, {}, 1e-3f)), naive(x, {}, {}, 1e-3f, true),
                     4 * tolerance(dtype));
      });
    }
}

TEST(Norms, ManyRowsOnAnyNumberOfThreads) {
  const array x = random_array({5, 60, 257}, 4), w = random_array({257}, 5);
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    expect_close(as_doubles(rms_norm(x, w, 1e-6f)), naive(x, w, {}, 1e-6f, false), 1e-6);
    expect_close(as_doubles(layer_norm(x, w, w, 1e-6f)), naive(x, w, w, 1e-6f, true), 3e-6);
  }
  set_num_threads(0);
}

TEST(LayerNorm, LargeMeanCostsNoDigits) {
  const array x = add(random_array({4, 500}, 6), array(1000.0f));
  testing::for_each_isa(
      [&] { expect_close(as_doubles(layer_norm(x, {}, {}, 1e-5f)), naive(x, {}, {}, 1e-5f, true), 3e-6); });
}

TEST(RmsNorm, SquaresMayLeaveTheRange) {
  for (const float size : {1e30f, 1e-30f}) {
    const array x = multiply(random_array({2, 100}, 7), array(size));
    testing::for_each_isa([&] {
      const auto y = as_doubles(rms_norm(x, {}, 0.0f));
      expect_close(y, naive(x, {}, {}, 0.0f, false), 2e-6);
    });
  }
  for (const float y :
       rms_norm(multiply(random_array({2, 100}, 7), array(0.0f)), {}, 1e-6f).to_vector<float>())
    EXPECT_EQ(y, 0.0f);
}

TEST(Norms, EmptyAndStridedInputs) {
  EXPECT_EQ(rms_norm(random_array({0, 4}, 1), {}, 1e-5f).size(), 0);
  EXPECT_EQ(layer_norm(random_array({3, 0}, 1), {}, {}, 1e-5f).size(), 0);
  const array x = swapaxes(random_array({40, 6}, 8), 0, 1);
  expect_close(as_doubles(rms_norm(x, {}, 1e-5f)), naive(x, {}, {}, 1e-5f, false), 1e-6);
  expect_close(as_doubles(layer_norm(x, {}, {}, 1e-5f)), naive(x, {}, {}, 1e-5f, true), 3e-6);
}

TEST(Norms, NaNStaysInItsRow) {
  array x = random_array({3, 70}, 9);
  auto v = x.to_vector<float>();
  v[75] = std::nanf("");
  const array poisoned(std::span<const float>(v), {3, 70});
  const auto good = rms_norm(x, {}, 1e-5f).to_vector<float>();
  const auto got = rms_norm(poisoned, {}, 1e-5f).to_vector<float>();
  for (size_t i = 0; i < got.size(); ++i)
    if (i / 70 == 1)
      EXPECT_TRUE(std::isnan(got[i]));
    else
      EXPECT_EQ(got[i], good[i]);
}

TEST(Norms, WriteOverAnInputNobodyElseHolds) {
  array x = add(random_array({2, 2048}, 10), array(1.0f));
  x.eval();
  const void* memory = x.bytes();
  array y = rms_norm(x, {}, 1e-5f);
  x = array(0.0f);
  y.eval();
  EXPECT_EQ(y.bytes(), memory);
}

TEST(Norms, FallbackGivesTheSame) {
  for (const DType dtype : kFloats) {
    const array x = random_array({4, 50}, 1, dtype), w = random_array({50}, 2, dtype),
                b = random_array({50}, 3, dtype);
    const array rms = rms_norm(x, w, 1e-5f), layer = layer_norm(x, w, b, 1e-5f),
                bare = layer_norm(x, {}, b, 1e-5f);
    for (const array& y : {rms, layer, bare}) {
      const auto composed = y.node()->op->fallback(*y.node(), y.node()->inputs);
      EXPECT_EQ(composed[0].dtype(), dtype);
      expect_close(as_doubles(y), as_doubles(composed[0]), 4 * tolerance(dtype));
    }
  }
}

TEST(Norms, HaveWhatTheArraysPromoteTo) {
  const array half = random_array({2, 8}, 1, DType::float16), brain = random_array({8}, 2, DType::bfloat16),
              wide = random_array({8}, 3);
  EXPECT_EQ(rms_norm(half, {}, 1e-5f).dtype(), DType::float16);
  EXPECT_EQ(rms_norm(half, astype(wide, DType::float16), 1e-5f).dtype(), DType::float16);
  EXPECT_EQ(rms_norm(half, brain, 1e-5f).dtype(), DType::float32);
  EXPECT_EQ(layer_norm(half, wide, {}, 1e-5f).dtype(), DType::float32);
  EXPECT_EQ(layer_norm(half, astype(wide, DType::float16), wide, 1e-5f).dtype(), DType::float32);
  EXPECT_EQ(layer_norm(half, {}, wide, 1e-5f).dtype(), DType::float16);
  // Promoting first loses nothing.
  EXPECT_EQ(as_doubles(rms_norm(half, wide, 1e-5f)),
            as_doubles(rms_norm(astype(half, DType::float32), wide, 1e-5f)));
}

TEST(Norms, RefuseWhatDoesNotFit) {
  const array x = random_array({2, 8}, 1), w = random_array({8}, 1), short_w = random_array({7}, 1);
  const array integers = random_array({2, 8}, 1, DType::int32), int_w = random_array({8}, 1, DType::int32);
  expect_error(ErrorCode::kShape, [&] { rms_norm(array(1.0f), {}, 1e-5f); });
  expect_error(ErrorCode::kShape, [&] { rms_norm(x, short_w, 1e-5f); });
  expect_error(ErrorCode::kShape, [&] { rms_norm(x, x, 1e-5f); });
  expect_error(ErrorCode::kDType, [&] { rms_norm(integers, {}, 1e-5f); });
  expect_error(ErrorCode::kDType, [&] { rms_norm(x, int_w, 1e-5f); });
  expect_error(ErrorCode::kInvalidArgument, [&] { rms_norm(x, w, -1.0f); });
  expect_error(ErrorCode::kInvalidArgument, [&] { rms_norm(x, w, std::nanf("")); });
  expect_error(ErrorCode::kShape, [&] { layer_norm(array(1.0f), {}, {}, 1e-5f); });
  expect_error(ErrorCode::kShape, [&] { layer_norm(x, short_w, {}, 1e-5f); });
  expect_error(ErrorCode::kShape, [&] { layer_norm(x, w, short_w, 1e-5f); });
  expect_error(ErrorCode::kDType, [&] { layer_norm(integers, {}, {}, 1e-5f); });
  expect_error(ErrorCode::kDType, [&] { layer_norm(x, w, int_w, 1e-5f); });
  expect_error(ErrorCode::kInvalidArgument, [&] { layer_norm(x, w, w, -1.0f); });
}

}  // namespace
}  // namespace uma
