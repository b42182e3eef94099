#include "fast/kv8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/eval.h"
#include "fast/testing.h"
#include "ops/cast.h"

namespace uma {
namespace {

using testing::as_doubles;
using testing::expect_error;
using testing::random_array;

TEST(Kv8, SizesOfRows) {
  EXPECT_EQ(kv8_bytes(128), 144);
  EXPECT_EQ(kv8_bytes(80), 92);
  for (int64_t d = 4; d <= 1024; d += 4) EXPECT_EQ(kv8_features(kv8_bytes(d)), d);
}

TEST(Kv8, WithinHalfAScale) {
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16})
    for (const int64_t d : {4, 32, 36, 64, 80, 256}) {
      const array x = random_array({2, 3, 5, d}, 1, dtype, 3.0f);
      const array rows = quantize_kv(x);
      EXPECT_EQ(rows.dtype(), DType::uint8);
      EXPECT_EQ(rows.shape(), (Shape{2, 3, 5, kv8_bytes(d)}));
      const auto from = as_doubles(x), to = as_doubles(dequantize_kv(rows));
      ASSERT_EQ(from.size(), to.size());
      for (size_t r = 0; r < from.size(); r += static_cast<size_t>(d))
        for (int64_t g = 0; g < d; g += kKv8Group) {
          const size_t begin = r + static_cast<size_t>(g),
                       end = r + static_cast<size_t>(std::min(g + kKv8Group, d));
          double most = 0;
          for (size_t i = begin; i < end; ++i) most = std::max(most, std::fabs(from[i]));
          for (size_t i = begin; i < end; ++i) ASSERT_NEAR(to[i], from[i], most / 127 * 0.5001) << i;
        }
    }
}

TEST(Kv8, KernelIsItsFallback) {
  for (const int64_t d : {32, 36, 128}) {
    const array x = random_array({3, 2, d}, 7, DType::float32, 2.0f);
    const array rows = quantize_kv(x);
    const array inputs[] = {x};
    const array again = quantize_kv_fallback(*rows.node(), inputs)[0];
    const auto composed = as_doubles(again);
    EXPECT_EQ(as_doubles(rows), composed) << d;
  }
}

TEST(Kv8, ZerosExtremesAndNaN) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> values(96, 0.0f);
  values[5] = 1e38f;
  values[40] = nan;
  std::vector<double> got =
      as_doubles(dequantize_kv(quantize_kv(array(std::span<const float>(values), {1, 96}))));
  EXPECT_NEAR(got[5] / values[5], 1, 1e-6);
  EXPECT_EQ(got[6], 0);
  EXPECT_TRUE(std::isnan(got[41]));
  EXPECT_EQ(got[64], 0);
  values[40] = inf;
  got = as_doubles(dequantize_kv(quantize_kv(array(std::span<const float>(values), {1, 96}))));
  EXPECT_TRUE(std::isnan(got[40]));
  EXPECT_EQ(quantize_kv(random_array({0, 32}, 1)).shape(), (Shape{0, 36}));
}

TEST(Kv8, RefusesOtherShapesAndDtypes) {
  expect_error(ErrorCode::kShape, [] { quantize_kv(random_array({2, 30}, 1)); });
  expect_error(ErrorCode::kShape, [] { quantize_kv(array(1.0f)); });
  expect_error(ErrorCode::kDType, [] { quantize_kv(random_array({2, 32}, 1, DType::float64)); });
  expect_error(ErrorCode::kDType, [] { dequantize_kv(random_array({2, 36}, 1)); });
  expect_error(ErrorCode::kShape, [] { dequantize_kv(astype(random_array({2, 37}, 1), DType::uint8)); });
}

}  // namespace
}  // namespace uma
