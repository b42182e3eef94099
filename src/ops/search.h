#pragma once
// Comparison of whole arrays, order statistics, search, windows.
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/array.h"
#include "core/op.h"
#include "ops/reduce.h"

namespace uma {

/// |a - b| <= atol + rtol |b|; equal infinities are close, NaNs where equal_nan says so.
array isclose(const array& a, const array& b, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false);
array allclose(const array& a, const array& b, double rtol = 1e-5, double atol = 1e-8,
               bool equal_nan = false);
/// True where shapes and all values are equal; dtypes may differ.
array array_equal(const array& a, const array& b, bool equal_nan = false);

/// The middle value over axes (none: all), the mean of two where there are two; NaN wins.
/// dtype   floats stay, integers become float32       throws  InvalidArgument over an empty axis
array median(const array& x, const Axes& axes = {}, bool keepdims = false);
std::pair<array, array> minmax(const array& x, const Axes& axes = {}, bool keepdims = false);
/// n times the difference of neighbours along an axis (of bools: whether they differ).
array diff(const array& x, int n = 1, int axis = -1);

/// uint32 indices before which values would keep a sorted vector in order; right: behind equal elements.
/// NaN is larger than all. throws Shape where `sorted` is no vector; InvalidArgument for another side
array searchsorted(const array& sorted, const array& values, std::string_view side = "left");

struct Unique {
  array values;   // ascending
  array index;    // uint32: where each comes first in the flattened array
  array inverse;  // uint32, x's shape: which of `values` each element is
  array counts;   // int32; 0 behind the last
};
/// The `size` smallest distinct values, filled up with `fill` (none: the smallest). Each NaN is distinct.
/// throws  InvalidArgument: a negative size, an empty array without a fill
Unique unique(const array& x, int64_t size, const std::optional<array>& fill = {});

/// Symmetric windows of n float32 points; none for n < 1.
array hamming(int64_t n);
array hanning(int64_t n);
array blackman(int64_t n);
array bartlett(int64_t n);

struct SearchParams {
  bool right;
};
std::vector<array> searchsorted_fallback(const Node&, std::span<const array>);

// Of a vector and an array of one real dtype.
inline constexpr OpInfo kSearchsorted{.name = "searchsorted",
                                      .args = "sorted, values",
                                      .doc = "Where values would keep a sorted vector in order.",
                                      .dtype = DTypeRule::index,
                                      .fallback = searchsorted_fallback};

}  // namespace uma
