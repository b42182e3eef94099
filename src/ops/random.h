#pragma once
// Random numbers: threefry-2x32, a function of a key and a counter, as in MLX and JAX. The same key gives the
// same numbers as MLX on any number of threads; a key must be used once, and split where more are needed.
#include <optional>

#include "core/array.h"
#include "core/op.h"

namespace uma::random {

using Key = std::optional<array>;

/// A key of a seed: uint32 of shape (2).
array key(uint64_t seed);
/// `num` new keys, uint32 (num, 2).
array split(const array& key, int64_t num = 2);

/// Each thread has one state, a key; functions below that are given no key split it and use the second half.
/// A thread that was never seeded starts from the time at which the process drew first.
void seed(uint64_t seed);
array state();
void set_state(const array& key);
array next_key();

// All below: throws  Shape, where bounds or parameters do not broadcast to `shape` or it is negative; DType,
// where the dtype is no float (no integer for randint) or a key is not uint32; Shape for a key that is not
// (2).

/// Random bits as uint8, uint16 or uint32 for a width of 1, 2 or 4 bytes.
array bits(const Shape& shape, int width = 4, const Key& key = {});

/// Uniform in [low, high). float32 has 32 random bits rounded to 24, halves are rounded down from those,
/// float64 has 53 bits.
array uniform(double low, double high, const Shape& shape, DType dtype = DType::float32, const Key& key = {});
array uniform(const array& low, const array& high, const Shape& shape, DType dtype = DType::float32,
              const Key& key = {});
/// In [0, 1).
array uniform(const Shape& shape, DType dtype = DType::float32, const Key& key = {});

/// loc + scale z, z normal; complex64 has variance 1/2 in either part. All dtypes are rounded from float32.
array normal(const Shape& shape, DType dtype = DType::float32, const std::optional<array>& loc = {},
             const std::optional<array>& scale = {}, const Key& key = {});
/// Normal between two bounds.
array truncated_normal(const array& lower, const array& upper, const std::optional<Shape>& shape = {},
                       DType dtype = DType::float32, const Key& key = {});
/// Vectors with a mean and a covariance: mean + z U diag(sqrt(s)) V^T of its svd, z normal, float32.
/// shapes  mean (..., n), cov (..., n, n) -> batch + (n); `shape`, where it is not empty, broadcasts with
/// their batch
array multivariate_normal(const array& mean, const array& cov, const Shape& shape = {},
                          DType dtype = DType::float32, const Key& key = {});
array laplace(const Shape& shape, DType dtype = DType::float32, double loc = 0, double scale = 1,
              const Key& key = {});
array gumbel(const Shape& shape, DType dtype = DType::float32, const Key& key = {});

/// True with probability p. throws DType for p that is no float
array bernoulli(const array& p, const std::optional<Shape>& shape = {}, const Key& key = {});
/// Integers in [low, high), from a float32: beyond 2^24 not all are reached, as in MLX. dtype  integers or
/// bool
array randint(const array& low, const array& high, const Shape& shape, DType dtype = DType::int32,
              const Key& key = {});

/// Indices along `axis`, uint32, with probabilities softmax(logits). shapes  logits without the axis, which
/// must broadcast to `shape` where that is given
array categorical(const array& logits, int axis = -1, const std::optional<Shape>& shape = {},
                  const Key& key = {});
/// The same, `num_samples` of each along a new last axis.
array categorical_samples(const array& logits, int axis, int64_t num_samples, const Key& key = {});

/// 0 ... n-1 in random order, uint32; or x with an axis in random order.
array permutation(int64_t n, const Key& key = {});
array permutation(const array& x, int axis = 0, const Key& key = {});

// Three forms of one stream of numbers. Keys (..., 2) give (..., shape); reals are float32.
struct BitsParams {
  Shape shape;  // of what one key gives
  int width;
};
struct UniformParams {  // low + range u, u in [0, 1)
  Shape shape;
  float low, range;
};
struct NormalParams {
  Shape shape;
};

std::pair<std::vector<array>, std::vector<int>> draw_vmap(const Node&, std::span<const array>,
                                                          std::span<const int>);
std::vector<array> uniform_fallback(const Node&, std::span<const array>);
std::vector<array> normal_fallback(const Node&, std::span<const array>);

}  // namespace uma::random

namespace uma {

inline constexpr OpInfo kRandomBits{.name = "random_bits",
                                    .args = "keys",
                                    .doc = "Random bits.",
                                    .dtype = DTypeRule::custom,
                                    .vmap = random::draw_vmap};
inline constexpr OpInfo kRandomUniform{.name = "random_uniform",
                                       .args = "keys",
                                       .doc = "Uniform float32 numbers.",
                                       .dtype = DTypeRule::custom,
                                       .vmap = random::draw_vmap,
                                       .fallback = random::uniform_fallback};
inline constexpr OpInfo kRandomNormal{.name = "random_normal",
                                      .args = "keys",
                                      .doc = "Normal float32 numbers.",
                                      .dtype = DTypeRule::custom,
                                      .vmap = random::draw_vmap,
                                      .fallback = random::normal_fallback,
                                      .max_ulp = 2};

}  // namespace uma
