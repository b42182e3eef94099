#include "nn/position.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "fast/rope.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/shape.h"

namespace uma::nn {

RoPE::RoPE(int dims, const RoPEOptions& options) : dims_(dims), options_(options) {
  traits().details = [=](const Module&) {
    return fmt::format("{}, traditional={}", dims, spelled(options.traditional));
  };
}

array RoPE::operator()(const array& x, int64_t offset) const {
  return rope(x, dims_, options_.traditional, static_cast<float>(options_.base),
              static_cast<float>(options_.scale), offset);
}

namespace {

/// From high to low; one frequency alone is the highest.
array frequencies_of(int64_t dims, const SinusoidalOptions& o) {
  check(dims > 0 && dims % 2 == 0, ErrorCode::kInvalidArgument, "SinusoidalPositionalEncoding",
        "dims must be positive and even, not {}", dims);
  const int64_t half = dims / 2;
  const double low = std::log(o.min_freq), high = std::log(o.max_freq);
  const array fraction = 1 - arange(0, static_cast<double>(half), 1, DType::float32) /
                                 static_cast<double>(std::max<int64_t>(half - 1, 1));
  const array sigmas = exp(fraction * (high - low) + low);
  return o.full_turns ? sigmas * (2 * std::numbers::pi) : sigmas;
}

}  // namespace

SinusoidalPositionalEncoding::SinusoidalPositionalEncoding(int64_t dims, const SinusoidalOptions& options)
    : options_(options),
      scale_(options.scale.value_or(std::sqrt(2 / static_cast<double>(dims)))),
      frequencies_(frequencies_of(dims, options)) {}

array SinusoidalPositionalEncoding::operator()(const array& x) const {
  const array angles = expand_dims(x, {-1}) * frequencies_;
  std::vector<array> parts{sin(angles), cos(angles)};
  if (options_.cos_first) std::swap(parts[0], parts[1]);
  const array y = concatenate(parts, -1);
  return scale_ == 1 ? y : y * scale_;
}

array ALiBi::create_alibi_slope(int64_t num_heads, DType dtype) {
  check(num_heads > 0, ErrorCode::kInvalidArgument, "ALiBi", "num_heads must be positive, not {}", num_heads);
  // Powers down to 2^-8 for a power of two; for others those of the one below, then every second of the one
  // above.
  const auto below = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(num_heads)));
  std::vector<float> slopes;
  const auto take_powers = [&](int64_t n, int64_t step) {
    for (int64_t i = 0; i < n && static_cast<int64_t>(slopes.size()) < num_heads; i += step)
      slopes.push_back(
          static_cast<float>(std::pow(2.0, -8.0 * static_cast<double>(i + 1) / static_cast<double>(n))));
  };
  take_powers(below, 1);
  take_powers(2 * below, 2);
  return astype(array(std::span<const float>(slopes), {num_heads, 1, 1}), dtype);
}

array ALiBi::operator()(const array& scores, int64_t offset, const std::optional<array>& mask) const {
  check(scores.ndim() == 4, ErrorCode::kShape, "ALiBi", "needs scores (N, heads, Q, K), not shape {}",
        scores.shape());
  const auto first = static_cast<double>(offset);
  const array queries = arange(first, first + static_cast<double>(scores.shape(2)));
  const array keys = arange(0, static_cast<double>(scores.shape(3)));
  const array distance = -abs(expand_dims(queries, {1}) - expand_dims(keys, {0}));
  const array bias =
      astype(expand_dims(distance, {0, 1}) * create_alibi_slope(scores.shape(1)), scores.dtype());
  return scores + (mask ? bias + *mask : bias);
}

}  // namespace uma::nn
