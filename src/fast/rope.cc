#include "fast/rope.h"

#include <cmath>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/shape.h"

namespace uma {

namespace {

// x, and the frequencies where there are some.
std::vector<array> checked_inputs(const array& x, int dims, float base, float scale,
                                  const std::optional<array>& freqs) {
  check(x.ndim() >= 2, ErrorCode::kShape, "rope", "needs an array (..., T, D), not of shape {}", x.shape());
  check(is_floating(x.dtype()) && x.dtype() != DType::float64, ErrorCode::kDType, "rope",
        "takes float16, bfloat16 or float32, not {}", name_of(x.dtype()));
  check(dims >= 2 && dims % 2 == 0 && dims <= x.shape(-1), ErrorCode::kInvalidArgument, "rope",
        "dims must be even, at least 2 and at most the {} features of x, and is {}", x.shape(-1), dims);
  check(std::isfinite(scale), ErrorCode::kInvalidArgument, "rope", "scale must be finite, and is {}", scale);
  if (!freqs) {
    check(base > 0 && std::isfinite(base), ErrorCode::kInvalidArgument, "rope",
          "base must be positive and finite, and is {}", base);
    return {x};
  }
  check(freqs->ndim() == 1 && freqs->shape(0) == dims / 2, ErrorCode::kShape, "rope",
        "freqs must have shape ({},) for {} dims, not {}", dims / 2, dims, freqs->shape());
  check(is_floating(freqs->dtype()), ErrorCode::kDType, "rope", "takes float freqs, not {}",
        name_of(freqs->dtype()));
  return {x, astype(*freqs, DType::float32)};
}

}  // namespace

array rope(const array& x, int dims, bool traditional, float base, float scale, int64_t offset,
           const std::optional<array>& freqs) {
  std::vector<array> inputs = checked_inputs(x, dims, base, scale, freqs);
  check(offset >= 0, ErrorCode::kInvalidArgument, "rope", "offset must not be negative, and is {}", offset);
  int64_t last = 0;
  check(add_fits(offset, x.shape(-2), &last), ErrorCode::kInvalidArgument, "rope",
        "positions from {} on are more than 63 bits can count", offset);
  return array::make(x.shape(), x.dtype(), kRope,
                     RopeParams{dims, traditional, base, scale, offset, freqs.has_value(), false},
                     std::move(inputs));
}

array rope(const array& x, int dims, bool traditional, float base, float scale, const array& offset,
           const std::optional<array>& freqs) {
  std::vector<array> inputs = checked_inputs(x, dims, base, scale, freqs);
  check(is_integral(offset.dtype()) && offset.dtype() != DType::bool_, ErrorCode::kDType, "rope",
        "takes integer offsets, not {}", name_of(offset.dtype()));
  check(offset.ndim() <= 1 && (offset.size() == 1 || (x.ndim() >= 3 && offset.size() == x.shape(0))),
        ErrorCode::kShape, "rope", "an offset of shape {} fits no x of shape {}", offset.shape(), x.shape());
  inputs.push_back(astype(reshape(offset, {offset.size()}), DType::int64));
  return array::make(x.shape(), x.dtype(), kRope,
                     RopeParams{dims, traditional, base, scale, 0, freqs.has_value(), true},
                     std::move(inputs));
}

namespace {

// Angles in f64, (T, dims / 2), or (B, 1, ..., T, dims / 2) where each sequence has its own offset.
array angles(const RopeParams& p, const array& x, std::span<const array> inputs) {
  const int64_t length = x.shape(-2);
  array at = reshape(arange(0, static_cast<double>(length), 1, DType::float64), {length, 1});
  if (p.has_offset) {
    Shape each(inputs.back().size() > 1 ? x.ndim() : 1, 1);
    each[0] = inputs.back().size();
    at = add(at, reshape(astype(inputs.back(), DType::float64), each));
  } else {
    at = add(at, array(static_cast<double>(p.offset)));
  }
  if (p.has_freqs)
    return multiply(at, divide(array(static_cast<double>(p.scale)), astype(inputs[1], DType::float64)));
  std::vector<double> frequencies;
  for (int i = 0; i < p.dims / 2; ++i)
    frequencies.push_back(p.scale * std::pow(static_cast<double>(p.base), -2.0 * i / p.dims));
  return multiply(at, array(std::span<const double>(frequencies), {p.dims / 2}));
}

// Elements [begin, end) of the last axis.
array features(const array& x, int64_t begin, int64_t end) {
  Shape start(x.ndim(), 0), stop(x.shape());
  start.back() = begin;
  stop.back() = end;
  return slice(x, start, stop);
}

}  // namespace

std::vector<array> rope_fallback(const Node& node, std::span<const array> inputs) {
  const RopeParams& p = node.params<RopeParams>();
  const int64_t half = p.dims / 2, dim = inputs[0].shape(-1);
  const DType dtype = inputs[0].dtype();
  const array x = astype(inputs[0], DType::float32);
  const array angle = angles(p, x, inputs);
  const array c = astype(cos(angle), DType::float32), s = astype(sin(angle), DType::float32);
  const auto turned = [&](const array& a, const array& b) {
    return std::pair(subtract(multiply(a, c), multiply(b, s)), add(multiply(a, s), multiply(b, c)));
  };
  std::vector<array> parts;
  if (p.traditional) {
    Shape pairs(x.shape());
    pairs.back() = half;
    pairs.push_back(2);
    const array split = reshape(features(x, 0, p.dims), pairs);
    Shape flat(x.shape());
    flat.back() = half;
    const auto [a, b] = turned(reshape(features(split, 0, 1), flat), reshape(features(split, 1, 2), flat));
    Shape joined(x.shape());
    joined.back() = p.dims;
    const int last = static_cast<int>(x.ndim());
    parts.push_back(reshape(concatenate({expand_dims(a, {last}), expand_dims(b, {last})}, last), joined));
  } else {
    const auto [a, b] = turned(features(x, 0, half), features(x, half, p.dims));
    parts = {a, b};
  }
  if (p.dims < dim) parts.push_back(features(x, p.dims, dim));
  return {astype(parts.size() == 1 ? parts[0] : concatenate(parts, -1), dtype)};
}

}  // namespace uma
