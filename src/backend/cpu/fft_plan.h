#pragma once
// What a transform of one length needs: its factors, and roots of unity that are computed in f64.
#include <complex>
#include <cstdint>
#include <memory>
#include <vector>

namespace uma::cpu {

/// One pass of Stockham's algorithm: m groups of s butterflies of `radix` points.
struct FftPass {
  int64_t radix, m, s;
  std::vector<std::complex<float>> twiddles;  // w^(p k) at p (radix - 1) + k - 1; w of order radix m
  std::vector<std::complex<float>> roots;     // of order radix, for a radix without a butterfly of its own
};

struct FftPlan {
  int64_t n = 0;
  std::vector<FftPass> passes;  // empty for a length with a large prime factor

  // n = n1 n2 in two steps: n2 transforms of n1 points, a product with twiddles (n1, n2), n1 transforms of
  // n2.
  std::shared_ptr<const FftPlan> first, second;
  std::vector<std::complex<float>> twiddles;

  // Bluestein's algorithm: a convolution with a chirp, of a length that has small factors only.
  std::shared_ptr<const FftPlan> convolution;
  std::vector<std::complex<float>> chirp;            // n
  std::vector<std::complex<float>> chirp_transform;  // of the convolution's length, over that length
};

/// Prime factors up to this have passes; larger ones go through Bluestein's algorithm, which is faster then.
constexpr int64_t kLargestRadix = 31;
/// A length up to which both buffers of all lanes stay in L2.
constexpr int64_t kLongestInLanes = 2048;

/// The plan of a length, from a cache.
std::shared_ptr<const FftPlan> fft_plan(int64_t n);

/// exp(-2 pi i k / n) for k = 0 ... n/2, from a cache.
std::shared_ptr<const std::vector<std::complex<float>>> half_roots(int64_t n);

/// exp(-2 pi i k / n), right to the last bit of f64.
std::complex<double> root_of_unity(int64_t k, int64_t n);

}  // namespace uma::cpu
