#pragma once
// Functions that MLX has and that are one line of others.
#include <utility>

#include "core/array.h"
#include "ops/reduce.h"

namespace uma {

/// num values from start to stop, both among them, evenly spaced. throws InvalidArgument for a negative
/// number
array linspace(double start, double stop, int64_t num = 50, DType dtype = DType::float32);
/// The identity matrix; ones on and below the k-th diagonal of an (n, m) matrix, m < 0: n.
array identity(int64_t n, DType dtype = DType::float32);
array tri(int64_t n, int64_t m = -1, int64_t k = 0, DType dtype = DType::float32);
/// Every element `value`, in x's shape and dtype.
array full_like(const array& x, double value);

array isfinite(const array& x);
array isposinf(const array& x);
array isneginf(const array& x);
/// x without its fraction.
array trunc(const array& x);
/// Radians to degrees, and back.
array degrees(const array& x);
array radians(const array& x);
/// True where exactly one is not zero.
array logical_xor(const array& x, const array& y);
/// Quotient, rounded down, and remainder.
std::pair<array, array> divmod(const array& x, const array& y);
/// The square root of var().
array std(const array& x, const Axes& axes = {}, bool keepdims = false, int64_t ddof = 0);

}  // namespace uma
