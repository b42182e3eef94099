#include "ops/fft.h"

#include <gtest/gtest.h>

#include <cmath>

#include "backend/install.h"
#include "base/thread_pool.h"
#include "ops/shape.h"

namespace uma::fft {
namespace {

using Values = std::vector<complex64>;

class Fft : public testing::Test {
 protected:
  void SetUp() override { install_backends(); }
  void TearDown() override { set_num_threads(0); }
};

Values numbers(int64_t n) {
  Values v;
  uint32_t s = 1;
  const auto next = [&] {
    s = s * 1664525u + 1013904223u;
    return static_cast<float>(static_cast<int32_t>(s)) * 0x1p-31f;
  };
  for (int64_t i = 0; i < n; ++i) {
    const float re = next();
    v.emplace_back(re, next());
  }
  return v;
}

// By the definition, in f64.
std::vector<std::complex<double>> definition(const complex64* x, int64_t n) {
  std::vector<std::complex<double>> roots, y(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    roots.push_back(std::polar(1.0, -2 * M_PI * static_cast<double>(i) / static_cast<double>(n)));
  for (int64_t k = 0; k < n; ++k)
    for (int64_t j = 0; j < n; ++j)
      y[static_cast<size_t>(k)] += std::complex<double>(x[j]) * roots[static_cast<size_t>(j * k % n)];
  return y;
}

TEST_F(Fft, EveryLengthByTheDefinition) {
  for (int64_t n = 1; n <= 300; ++n)
    for (const int64_t lines : {1, 20}) {
      const Values x = numbers(n * lines);
      const auto y = fft(array(std::span<const complex64>(x), {lines, n})).to_vector<complex64>();
      double worst = 0, size = 0;
      for (const int64_t line : {int64_t{0}, lines - 1}) {
        const auto want = definition(x.data() + line * n, n);
        for (int64_t k = 0; k < n; ++k) {
          worst = std::max(worst, std::abs(std::complex<double>(y[static_cast<size_t>(line * n + k)]) -
                                           want[static_cast<size_t>(k)]));
          size = std::max(size, std::abs(want[static_cast<size_t>(k)]));
        }
      }
      EXPECT_LE(worst, 8e-7 * size) << n << " points, " << lines << " lines";
    }
}

TEST_F(Fft, InverseGivesBack) {
  for (const int64_t n : {1, 2, 3, 64, 97, 1000, 4096, 5041, 10007}) {
    const Values x = numbers(n);
    const array a(std::span<const complex64>(x), {n});
    const auto y = ifft(fft(a)).to_vector<complex64>();
    for (int64_t i = 0; i < n; ++i)
      EXPECT_LT(std::abs(y[static_cast<size_t>(i)] - x[static_cast<size_t>(i)]), 3e-6) << n;
    std::vector<float> r;
    for (const complex64 v : x) r.push_back(v.real());
    const auto back = irfft(rfft(array(std::span<const float>(r), {n})), n).to_vector<float>();
    for (int64_t i = 0; i < n; ++i)
      EXPECT_NEAR(back[static_cast<size_t>(i)], r[static_cast<size_t>(i)], 3e-6) << n;
  }
}

TEST_F(Fft, ResultsDoNotDependOnThreads) {
  for (const Shape& shape :
       {Shape{1 << 17}, Shape{3, 1 << 14}, Shape{500, 360}, Shape{40, 997}, Shape{2, 64, 300}}) {
    const Values x = numbers(num_elements(shape));
    const array a(std::span<const complex64>(x), shape);
    set_num_threads(1);
    const auto one = fft(a).to_vector<complex64>();
    for (const int threads : {2, 5}) {
      set_num_threads(threads);
      EXPECT_EQ(fft(a).to_vector<complex64>(), one);
    }
  }
}

TEST_F(Fft, BatchesOfVmap) {
  const Values x = numbers(60);
  const array a(std::span<const complex64>(x), {3, 4, 5});
  const array one = fft(array(std::span<const complex64>(x.data(), 12), {3, 4}), {}, 0);
  const std::vector<array> in{a};
  const int axis = 2;  // the batch is the last axis of a
  const auto [outs, axes] = fft_vmap(*one.node(), in, std::span<const int>(&axis, 1));
  const array want = moveaxis(fft(a, {}, 0), 2, 0);
  EXPECT_EQ(moveaxis(outs[0], axes[0], 0).to_vector<complex64>(), want.to_vector<complex64>());
}

TEST_F(Fft, WrongCalls) {
  const array x({1.0f, 2.0f}, {2});
  EXPECT_THROW(fft(x, 0), Error);
  EXPECT_THROW(fft(x, {}, 1), Error);
  EXPECT_THROW(fft(array(1.0)), Error);
  EXPECT_THROW(fft(array({1.0, 2.0}, {2})), Error);
  EXPECT_THROW(fftn(x, Sizes{{2}}), Error);
  EXPECT_THROW(norm_from_name("none"), Error);
}

}  // namespace
}  // namespace uma::fft
