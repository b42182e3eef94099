// silu_mul and gelu_tanh_mul against f64, in ULP of f32.
#include "fast/activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/thread_pool.h"
#include "fast/testing.h"
#include "ops/shape.h"

namespace uma {
namespace {

using testing::as_doubles;
using testing::expect_close;
using testing::expect_error;
using testing::random_array;

double silu(double g) {
  return g / (1 + std::exp(-g));
}
double gelu(double g) {
  return g / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g)));
}

// Distance in units of the last place of the f32 nearest to `expected`, subnormals included.
double ulps(float got, double expected) {
  const float nearest = std::abs(static_cast<float>(expected));
  const double unit = static_cast<double>(std::nextafter(nearest, std::numeric_limits<float>::infinity())) -
                      static_cast<double>(nearest);
  return std::abs(static_cast<double>(got) - expected) / unit;
}

// Values of every size on both sides of zero.
array sweep() {
  std::vector<float> v{0.0f};
  for (float x = 1e-6f; x < 110; x *= 1.0021f) {
    v.push_back(x);
    v.push_back(-x);
  }
  return array(std::span<const float>(v), {static_cast<int64_t>(v.size())});
}

TEST(Activation, SiluIsWithinFourUlp) {
  const array g = sweep(), one = array(1.0f);
  const auto values = g.to_vector<float>();
  testing::for_each_isa([&] {
    const auto got = silu_mul(g, contiguous(broadcast_to(one, g.shape()))).to_vector<float>();
    for (size_t i = 0; i < got.size(); ++i) {
      const double expected = silu(static_cast<double>(values[i]));
      if (std::abs(expected) >= 1.2e-38 || expected == 0)
        ASSERT_LE(ulps(got[i], expected), 4) << values[i];
      else
        ASSERT_NEAR(got[i], expected, 3e-43) << values[i];
    }
  });
}

TEST(Activation, GeluIsWithinEightUlpAndGoesSmoothlyToItsLimits) {
  const array g = sweep(), one = array(1.0f);
  const auto values = g.to_vector<float>();
  testing::for_each_isa([&] {
    const auto got = gelu_tanh_mul(g, contiguous(broadcast_to(one, g.shape()))).to_vector<float>();
    for (size_t i = 0; i < got.size(); ++i) {
      const double expected = gelu(static_cast<double>(values[i]));
      if (values[i] >= -2)
        ASSERT_LE(ulps(got[i], expected), 8) << values[i];
      else
        ASSERT_NEAR(got[i], expected, 1e-7) << values[i];
    }
  });
}

TEST(Activation, EveryDtypeAndSize) {
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16, DType::float64})
    for (const int64_t n : {0, 1, 3, 15, 16, 17, 33, 100}) {
      const array g = random_array({n}, 1, dtype, 6.0f), up = random_array({n}, 2, dtype, 3.0f);
      const auto gate = as_doubles(g), factor = as_doubles(up);
      std::vector<double> s, t;
      for (size_t i = 0; i < gate.size(); ++i) {
        s.push_back(silu(gate[i]) * factor[i]);
        t.push_back(gelu(gate[i]) * factor[i]);
      }
      const double tolerance = dtype == DType::float64   ? 1e-14
                               : dtype == DType::float32 ? 5e-7
                               : dtype == DType::float16 ? 1e-3
                                                         : 5e-3;
      testing::for_each_isa([&] {
        expect_close(as_doubles(silu_mul(g, up)), s, tolerance);
        expect_close(as_doubles(gelu_tanh_mul(g, up)), t, tolerance);
      });
    }
}

TEST(Activation, InfinitiesAndNaN) {
  const float inf = std::numeric_limits<float>::infinity();
  const array g({inf, std::nanf(""), 3e38f, -3e38f, -inf}), one({1.0f, 1.0f, 1.0f, 1.0f, 1.0f});
  testing::for_each_isa([&] {
    const auto s = silu_mul(g, one).to_vector<float>(), t = gelu_tanh_mul(g, one).to_vector<float>();
    for (const auto& y : {s, t}) {
      EXPECT_EQ(y[0], inf);
      EXPECT_TRUE(std::isnan(y[1]));
      EXPECT_EQ(y[2], 3e38f);
      EXPECT_EQ(y[3], 0.0f);
      EXPECT_EQ(y[4], 0.0f);
    }
  });
}

TEST(Activation, StridedInputsThreadsAndOwnMemory) {
  const array g = swapaxes(random_array({130, 120}, 1), 0, 1), up = random_array({120, 130}, 2);
  set_num_threads(1);
  const auto expected = silu_mul(contiguous(g), up).to_vector<float>();
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    EXPECT_EQ(silu_mul(g, up).to_vector<float>(), expected);
  }
  set_num_threads(0);
  array a = add(up, array(1.0f));
  a.eval();
  const void* memory = a.bytes();
  array y = silu_mul(a, up);
  a = array(0.0f);
  y.eval();
  EXPECT_EQ(y.bytes(), memory);
}

TEST(Activation, FallbackGivesTheSame) {
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16, DType::float64}) {
    const array g = random_array({70}, 1, dtype, 5.0f), up = random_array({70}, 2, dtype);
    for (const array& y : {silu_mul(g, up), gelu_tanh_mul(g, up)}) {
      const auto composed = y.node()->op->fallback(*y.node(), y.node()->inputs);
      EXPECT_EQ(composed[0].dtype(), dtype);
      expect_close(as_doubles(y), as_doubles(composed[0]),
                   dtype == DType::bfloat16  ? 8e-3
                   : dtype == DType::float16 ? 1e-3
                                             : 1e-6);
    }
  }
}

TEST(Activation, RefusesWhatDoesNotFit) {
  const array x = random_array({4}, 1);
  for (const auto f : {silu_mul, gelu_tanh_mul}) {
    expect_error(ErrorCode::kShape, [&] { f(x, random_array({5}, 1)); });
    expect_error(ErrorCode::kDType, [&] { f(x, random_array({4}, 1, DType::float16)); });
    expect_error(ErrorCode::kDType,
                 [&] { f(random_array({4}, 1, DType::int32), random_array({4}, 1, DType::int32)); });
  }
}

}  // namespace
}  // namespace uma
