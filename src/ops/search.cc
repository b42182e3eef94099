#include "ops/search.h"

#include <algorithm>
#include <numbers>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/manipulate.h"
#include "ops/scatter.h"
#include "ops/shape.h"
#include "ops/sort.h"

namespace uma {
namespace {

array both_nan(const array& a, const array& b) {
  return logical_and(isnan(a), isnan(b));
}

// a before b in sorting order, where NaN is last. equal: or at the same place.
array precedes(const array& a, const array& b, bool equal) {
  const array ordered = equal ? less_equal(a, b) : less(a, b);
  if (!is_inexact(a.dtype())) return ordered;
  return logical_or(ordered, equal ? isnan(b) : logical_and(isnan(b), logical_not(isnan(a))));
}

// f of 0, 1/(n-1), ... 1 in float64, which makes both halves of a window the same to the last digit of
// float32.
template <class F>
array window(int64_t n, F f) {
  if (n < 1) return zeros({0});
  if (n == 1) return ones({1});
  const array t = arange(0, static_cast<double>(n), 1, DType::float64) * (1 / static_cast<double>(n - 1));
  return astype(f(t), DType::float32);
}

array cosine(const array& t, double periods) {
  return cos(t * (2 * std::numbers::pi * periods));
}

}  // namespace

array isclose(const array& a, const array& b, double rtol, double atol, bool equal_nan) {
  DType d = promote(a.dtype(), b.dtype());
  const array x = astype(a, d), y = astype(b, d);
  // Largest less smallest: unsigned numbers have no negative difference.
  const array distance =
      d == DType::complex64 || d == DType::bool_
          ? abs(astype(x, promote(d, DType::float32)) - astype(y, promote(d, DType::float32)))
          : maximum(x, y) - minimum(x, y);
  const DType wide = is_inexact(d) ? d : DType::float32;
  const array limit = abs(astype(y, wide)) * rtol + atol;
  array out = logical_or(equal(x, y), logical_and(less_equal(distance, limit), logical_not(isinf(y))));
  return equal_nan ? logical_or(out, both_nan(x, y)) : out;
}

array allclose(const array& a, const array& b, double rtol, double atol, bool equal_nan) {
  return all(isclose(a, b, rtol, atol, equal_nan));
}

array array_equal(const array& a, const array& b, bool equal_nan) {
  if (a.shape() != b.shape()) return array(false);
  const array same = equal(a, b);
  return all(equal_nan ? logical_or(same, both_nan(a, b)) : same);
}

array median(const array& x, const Axes& axes, bool keepdims) {
  std::vector<int> taken, order;
  for (const int axis : axes) {
    taken.push_back(normalize_axis(axis, x.ndim(), "median"));
    check(std::count(taken.begin(), taken.end(), taken.back()) == 1, ErrorCode::kInvalidArgument, "median",
          "axis {} comes twice", axis);
  }
  Shape kept, flat;
  int64_t n = 1;
  for (int i = 0; i < static_cast<int>(x.ndim()); ++i) {
    const bool gone = axes.empty() || std::count(taken.begin(), taken.end(), i);
    if (gone) n *= x.shape(i);
    if (!gone) order.push_back(i), flat.push_back(x.shape(i));
    if (!gone || keepdims) kept.push_back(gone ? 1 : x.shape(i));
  }
  check(n > 0, ErrorCode::kInvalidArgument, "median", "an empty axis of shape {} has none", x.shape());
  for (int i = 0; i < static_cast<int>(x.ndim()); ++i)
    if (!std::count(order.begin(), order.end(), i)) order.push_back(i);
  flat.push_back(n);
  const DType result = is_inexact(x.dtype()) ? x.dtype() : DType::float32;
  // Sorted as it is; the mean is taken of the converted values, as a sum of integers could overflow.
  const array sorted = sort(reshape(order.empty() ? x : transpose(x, order), flat), -1);
  const array low = astype(slice_axis(sorted, -1, (n - 1) / 2, (n - 1) / 2 + 1), result);
  const array high = astype(slice_axis(sorted, -1, n / 2, n / 2 + 1), result);
  const array last = astype(slice_axis(sorted, -1, n - 1, n), result);
  const array middle = n % 2 ? low : low * 0.5 + high * 0.5;
  return reshape(where(isnan(last), last, middle), kept);
}

std::pair<array, array> minmax(const array& x, const Axes& axes, bool keepdims) {
  return {min(x, axes, keepdims), max(x, axes, keepdims)};
}

array diff(const array& x, int n, int axis) {
  axis = normalize_axis(axis, x.ndim(), "diff");
  check(n >= 0, ErrorCode::kInvalidArgument, "diff", "the order must not be negative, got {}", n);
  array out = x;
  for (int i = 0; i < n && out.shape(axis) > 0; ++i) {
    const int64_t extent = out.shape(axis);
    const array later = slice_axis(out, axis, 1, extent), earlier = slice_axis(out, axis, 0, extent - 1);
    out = x.dtype() == DType::bool_ ? not_equal(later, earlier) : later - earlier;
  }
  return out;
}

array searchsorted(const array& sorted, const array& values, std::string_view side) {
  check(sorted.ndim() == 1, ErrorCode::kShape, "searchsorted", "takes a sorted vector, not shape {}",
        sorted.shape());
  check(side == "left" || side == "right", ErrorCode::kInvalidArgument, "searchsorted",
        "side is 'left' or 'right', not '{}'", side);
  const DType d = promote(sorted.dtype(), values.dtype());
  check(d != DType::complex64, ErrorCode::kDType, "searchsorted", "does not take complex64");
  return array::make(values.shape(), DType::uint32, kSearchsorted, SearchParams{side == "right"},
                     {astype(sorted, d), astype(values, d)});
}

std::vector<array> searchsorted_fallback(const Node& node, std::span<const array> inputs) {
  const array &keys = inputs[0], &wanted = inputs[1];
  const bool right = node.params<SearchParams>().right;
  const int64_t n = keys.size();
  array at = zeros(wanted.shape(), DType::int64);
  // How many elements come before: bit by bit, the highest first.
  int64_t step = 1;
  while (step <= n / 2) step *= 2;
  for (; n > 0 && step > 0; step /= 2) {
    const array next = at + array(step);
    const array key = take(keys, minimum(next, array(n)) - array(int64_t{1}), 0);
    at = where(logical_and(less_equal(next, array(n)), precedes(key, wanted, right)), next, at);
  }
  return {astype(at, DType::uint32)};
}

Unique unique(const array& x, int64_t size, const std::optional<array>& fill) {
  check(size >= 0, ErrorCode::kInvalidArgument, "unique", "the size must not be negative, got {}", size);
  check(x.size() > 0 || size == 0 || fill, ErrorCode::kInvalidArgument, "unique",
        "an empty array needs a fill value");
  check(!fill || fill->size() == 1, ErrorCode::kInvalidArgument, "unique",
        "the fill value is one element, not shape {}", fill ? fill->shape() : Shape{});
  const array flat = flatten(x);
  const int64_t n = flat.size();
  const array order = argsort(flat), sorted = take(flat, order, 0);
  array group = zeros({n}, DType::int64), first = ones({n}, DType::bool_);
  if (n > 1) {
    first = concatenate(
        {ones({1}, DType::bool_), not_equal(slice_axis(sorted, 0, 1, n), slice_axis(sorted, 0, 0, n - 1))});
    group = cumsum(astype(first, DType::int64), 0) - array(int64_t{1});
  }
  // One place more than wanted takes what does not count.
  const array limit(size);
  const array place = minimum(group, limit), first_place = where(first, place, limit);
  const auto placed = [&](const array& start, const array& at, const array& updates, ScatterMode mode) {
    return slice_axis(scatter(broadcast_to(start, {size + 1}), {at}, updates, {0}, mode), 0, 0, size);
  };
  const auto smallest = [&](const array& from) {
    return n ? reshape(slice_axis(from, 0, 0, 1), {}) : array(0, from.dtype());
  };
  const array filler = fill ? astype(reshape(*fill, {}), x.dtype()) : smallest(sorted);
  const array inverse =
      scatter(zeros({n}, DType::int64), {order}, minimum(group, array(std::max<int64_t>(0, size - 1))), {0});
  return {placed(filler, first_place, sorted, ScatterMode::assign),
          placed(smallest(order), first_place, order, ScatterMode::assign),
          reshape(astype(inverse, DType::uint32), x.shape()),
          placed(array(0, DType::int32), place, ones({n}, DType::int32), ScatterMode::add)};
}

array hamming(int64_t n) {
  return window(n, [](const array& t) { return 0.54 - cosine(t, 1) * 0.46; });
}
array hanning(int64_t n) {
  return window(n, [](const array& t) { return 0.5 - cosine(t, 1) * 0.5; });
}
array blackman(int64_t n) {
  return window(n, [](const array& t) {
    return maximum(0.42 - cosine(t, 1) * 0.5 + cosine(t, 2) * 0.08,
                   zeros_like(t));  // the ends are 0, not -1e-17
  });
}
array bartlett(int64_t n) {
  return window(n, [](const array& t) { return 1.0 - abs(t * 2 - 1.0); });
}

}  // namespace uma
