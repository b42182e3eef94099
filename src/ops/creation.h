#pragma once
// Arrays from nothing. Constants are a broadcast scalar: no memory until someone writes.
#include "core/array.h"
#include "core/op.h"

namespace uma {

/// Every element is `value` (0-d, or broadcastable to the shape). Throws Shape.
array full(const Shape& shape, const array& value);
array full(const Shape& shape, double value, DType dtype = DType::float32);
array zeros(const Shape& shape, DType dtype = DType::float32);
array ones(const Shape& shape, DType dtype = DType::float32);
array zeros_like(const array& x);
array ones_like(const array& x);

/// start, start + step, ... below stop (above it for a negative step). Throws InvalidArgument for a step of 0
/// or NaN, Limit for a length over 2^62.
array arange(double start, double stop, double step = 1, DType dtype = DType::int32);

/// Ones on the k-th diagonal of an (n, m) array; m < 0: n.
array eye(int64_t n, int64_t m = -1, int64_t k = 0, DType dtype = DType::float32);
/// The lower or upper triangle of the last two axes, the rest zero. Throws Shape below 2 dimensions.
array tril(const array& x, int64_t k = 0);
array triu(const array& x, int64_t k = 0);

struct ArangeParams {
  double start, step;
};
inline constexpr OpInfo kArange{
    .name = "arange", .args = "", .doc = "Evenly spaced values.", .dtype = DTypeRule::custom};

}  // namespace uma
