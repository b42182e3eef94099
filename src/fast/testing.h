#pragma once
// What the tests of the fused ops share.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "backend/cpu/isa/testing.h"
#include "backend/install.h"
#include "core/array.h"
#include "ops/cast.h"
#include "ops/elementwise.h"

namespace uma::testing {

inline const bool kInstalled = (install_backends(), true);

/// Uniform values in [-range, range), the same for the same seed, rounded to `dtype`.
inline array random_array(const Shape& shape, uint32_t seed, DType dtype = DType::float32,
                          float range = 1.0f) {
  std::mt19937 generator(seed);
  std::vector<float> values(static_cast<size_t>(num_elements(shape)));
  // Not a std distribution: those differ from library to library.
  for (float& x : values) x = (static_cast<float>(generator() >> 8) / 8388608.0f - 1.0f) * range;
  return astype(array(std::span<const float>(values), shape), dtype);
}

inline std::vector<double> as_doubles(const array& x) {
  return astype(x, DType::float64).to_vector<double>();
}

/// |got - expected| <= tolerance * (1 + |expected|), element by element.
inline void expect_close(const std::vector<double>& got, const std::vector<double>& expected,
                         double tolerance) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const bool close = std::abs(got[i] - expected[i]) <= tolerance * (1 + std::abs(expected[i]));
    if (!close) {
      ADD_FAILURE() << "element " << i << " of " << got.size() << ": " << got[i] << ", expected "
                    << expected[i];
      return;
    }
  }
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

}  // namespace uma::testing
