#pragma once
// Position: rotary, sinusoidal, and linear attention biases.
#include <optional>

#include "nn/module.h"

namespace uma::nn {

struct RoPEOptions {
  bool traditional = false;  // pairs (2 i, 2 i + 1), not (i, i + dims / 2)
  double base = 10000;
  double scale = 1;
};
/// Turns pairs of the first `dims` features by angles that grow with the position (fast/rope.h).
/// shapes  x (..., L, D) with D >= dims -> the same
struct RoPE : Module {
  explicit RoPE(int dims, const RoPEOptions& options = {});
  /// offset: the position of the first row.
  array operator()(const array& x, int64_t offset = 0) const;

 private:
  int dims_;
  RoPEOptions options_;
};

struct SinusoidalOptions {
  double min_freq = 0.0001, max_freq = 1;
  std::optional<double> scale = {};  // sqrt(2 / dims)
  bool cos_first = false;
  bool full_turns = false;  // frequencies times 2 pi
};
/// Sines and cosines of positions at dims / 2 frequencies, geometrically from max_freq to min_freq.
/// shapes  x (...) -> (..., dims)    throws  InvalidArgument unless dims is positive and even
/// source  Vaswani et al. 2017, arXiv:1706.03762
struct SinusoidalPositionalEncoding : Module {
  explicit SinusoidalPositionalEncoding(int64_t dims, const SinusoidalOptions& options = {});
  array operator()(const array& x) const;

 private:
  SinusoidalOptions options_;
  double scale_;
  array frequencies_;
};

/// Lowers attention scores in proportion to the distance of query and key.
/// shapes  scores (N, heads, Q, K) -> the same; a mask is added too    source  Press et al. 2021,
/// arXiv:2108.12409
struct ALiBi : Module {
  /// offset: the position of the first query. throws Shape unless the scores have 4 dimensions
  array operator()(const array& scores, int64_t offset = 0, const std::optional<array>& mask = {}) const;
  /// The slopes (num_heads, 1, 1). throws InvalidArgument for num_heads below 1
  static array create_alibi_slope(int64_t num_heads, DType dtype = DType::float32);
};

}  // namespace uma::nn
