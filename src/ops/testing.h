#pragma once
// What the tests of ops and transforms share: arrays in odd layouts, and comparisons.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "backend/install.h"
#include "core/array.h"
#include "core/eval.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/shape.h"

namespace uma::testing {

inline const bool kInstalled = (install_backends(), true);

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Uniform in [lo, hi), the same for the same seed.
inline std::vector<double> random_values(int64_t n, uint32_t seed, double lo = -2, double hi = 2) {
  std::mt19937 generator(seed);
  std::vector<double> values(static_cast<size_t>(n));
  for (double& x : values) x = lo + (hi - lo) * (generator() >> 1) / 2147483648.0;
  return values;
}

inline array f64(const std::vector<double>& values, Shape shape) {
  return array(std::span<const double>(values), std::move(shape));
}
inline array f64(const std::vector<double>& values) {
  return f64(values, {static_cast<int64_t>(values.size())});
}
inline array random_array(const Shape& shape, uint32_t seed, double lo = -2, double hi = 2,
                          DType dtype = DType::float64) {
  return astype(f64(random_values(num_elements(shape), seed, lo, hi), shape), dtype);
}

inline std::vector<double> values_of(const array& x) {
  return astype(x, DType::float64).to_vector<double>();
}

/// Equal as numbers, NaN with NaN, or within `relative` and `absolute`.
inline void expect_near(const std::vector<double>& got, const std::vector<double>& expected,
                        double relative = 0, double absolute = 0) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const double g = got[i], e = expected[i];
    const bool same =
        g == e || (std::isnan(g) && std::isnan(e)) || std::abs(g - e) <= absolute + relative * std::abs(e);
    if (!same) {
      ADD_FAILURE() << "element " << i << " of " << got.size() << ": " << g << ", expected " << e;
      return;
    }
  }
}
inline void expect_near(const array& got, const array& expected, double relative = 0, double absolute = 0) {
  EXPECT_EQ(got.shape(), expected.shape());
  EXPECT_EQ(got.dtype(), expected.dtype());
  expect_near(values_of(got), values_of(expected), relative, absolute);
}

/// |got - expected| <= tolerance * (1 + |expected|), element by element.
inline void expect_close(const std::vector<double>& got, const std::vector<double>& expected,
                         double tolerance) {
  expect_near(got, expected, tolerance, tolerance);
}

/// The same values in other layouts: plain, transposed memory, reversed, every second element of a larger
/// buffer with an offset.
inline std::vector<array> layouts_of(const array& x) {
  std::vector<array> out{x};
  if (x.ndim() == 0) return out;
  out.push_back(transpose(contiguous(transpose(x))));
  const auto walked = [&](int64_t step, int64_t begin, bool grow) {
    Shape start(x.ndim(), 0), stop = x.shape(), steps(x.ndim(), 1), big = x.shape();
    const int64_t n = x.shape(-1);
    array from = x;
    if (grow) {
      big.back() = 2 * n + 1;
      from = broadcast_to(array(7, x.dtype()), big);
      for (int64_t i = 0; i < n; ++i) {
        Shape at(x.ndim(), 0);
        at.back() = 2 * i + 1;
        from = slice_update(from, slice_axis(x, -1, i, i + 1), at);
      }
      stop.back() = 2 * n + 1;
    } else if (n > 0) {
      start.back() = n - 1;
      stop.back() = -1;
      steps.back() = -1;
      from = contiguous(slice(x, start, stop, steps));
    }
    start.back() = grow ? begin : std::max<int64_t>(0, n - 1);
    stop.back() = grow ? 2 * n + 1 : -1;
    steps.back() = step;
    return n == 0 && !grow ? x : slice(from, start, stop, steps);
  };
  out.push_back(walked(-1, 0, false));
  if (x.shape(-1) <= 8) out.push_back(walked(2, 1, true));
  return out;
}

/// Of the Error that f throws; it is a failure of the test if there is none.
template <class F>
ErrorCode code_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

template <class F>
void expect_error(ErrorCode code, F f) {
  try {
    f();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
  }
}

/// Distance in units of the last place of f32, from a result to the f64 truth.
inline double ulps_f32(float got, double truth) {
  if (std::isnan(truth)) return std::isnan(got) ? 0 : kInf;
  const float nearest = static_cast<float>(truth);
  if (std::isinf(nearest) || std::isinf(got)) return got == nearest ? 0 : kInf;
  const double smallest = std::numeric_limits<float>::denorm_min();
  const double unit = std::max(smallest, std::ldexp(1.0, std::ilogb(truth == 0 ? smallest : truth) - 23));
  return std::abs(static_cast<double>(got) - truth) / unit;
}

}  // namespace uma::testing
