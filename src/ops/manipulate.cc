#include "ops/manipulate.h"

#include <algorithm>
#include <numeric>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma {
namespace {

// Where element i of an axis of n comes from, i counted from before the border.
int64_t mirrored(int64_t i, int64_t n, PadMode mode) {
  if (mode == PadMode::edge || n == 1) return std::clamp<int64_t>(i, 0, n - 1);
  const int64_t overlap = mode == PadMode::reflect ? 1 : 0;  // the edge itself is not repeated
  const int64_t period = 2 * (n - overlap);
  i = (i % period + period) % period;
  return i < n ? i : period - i - 1 + overlap;
}

array extended(const array& x, int axis, int64_t before, int64_t after, PadMode mode) {
  const int64_t n = x.shape(axis);
  check(n > 0, ErrorCode::kInvalidArgument, "pad", "axis {} of shape {} is empty and has nothing to extend",
        axis, x.shape());
  std::vector<int64_t> from;
  for (int64_t i = -before; i < n + after; ++i) from.push_back(mirrored(i, n, mode));
  return take(x, array(std::span<const int64_t>(from), {n + before + after}), axis);
}

}  // namespace

PadMode pad_mode_from_name(std::string_view name) {
  static constexpr std::pair<std::string_view, PadMode> kNames[] = {{"constant", PadMode::constant},
                                                                    {"edge", PadMode::edge},
                                                                    {"reflect", PadMode::reflect},
                                                                    {"symmetric", PadMode::symmetric}};
  for (const auto& [text, mode] : kNames)
    if (text == name) return mode;
  fail(ErrorCode::kInvalidArgument, "pad", "knows no mode '{}'", name);
}

array pad(const array& x, const PadWidths& widths, const array& value, PadMode mode) {
  check(widths.size() == x.ndim() || widths.size() == 1, ErrorCode::kInvalidArgument, "pad",
        "needs a pair of widths an axis, got {} for shape {}", widths.size(), x.shape());
  check(value.size() == 1, ErrorCode::kInvalidArgument, "pad", "the value must be one element, not shape {}",
        value.shape());
  Shape start, shape;
  for (size_t i = 0; i < x.ndim(); ++i) {
    const auto [before, after] = widths[widths.size() == 1 ? 0 : i];
    check(before >= 0 && after >= 0, ErrorCode::kInvalidArgument, "pad",
          "widths ({}, {}) of axis {} must not be negative", before, after, i);
    int64_t extent = 0;
    check(add_fits(before, after, &extent) && add_fits(extent, x.shape()[i], &extent), ErrorCode::kLimit,
          "pad", "axis {} would be too long", i);
    start.push_back(before);
    shape.push_back(extent);
  }
  static_cast<void>(num_elements(shape));
  if (shape == x.shape()) return x;
  if (mode == PadMode::constant)
    return slice_update(full(shape, astype(reshape(value, {}), x.dtype())), x, start);
  array out = x;
  for (size_t i = 0; i < x.ndim(); ++i)
    if (shape[i] != x.shape()[i])
      out = extended(out, static_cast<int>(i), start[i], shape[i] - start[i] - x.shape()[i], mode);
  return out;
}

array pad(const array& x, const PadWidths& widths) {
  return pad(x, widths, array(0, x.dtype()));
}

array repeat(const array& x, int64_t repeats, int axis) {
  axis = normalize_axis(axis, x.ndim(), "repeat");
  check(repeats >= 0, ErrorCode::kInvalidArgument, "repeat", "needs 0 repeats or more, not {}", repeats);
  if (repeats == 1) return x;
  Shape shape = x.shape(), out = x.shape();
  int64_t& extent = out[static_cast<size_t>(axis)];
  check(mul_fits(extent, repeats, &extent), ErrorCode::kLimit, "repeat", "{} repeats are too many", repeats);
  shape.insert(shape.begin() + axis + 1, repeats);
  return reshape(broadcast_to(expand_dims(x, {axis + 1}), shape), out);
}

array repeat(const array& x, int64_t repeats) {
  return repeat(flatten(x), repeats, 0);
}

array tile(const array& x, const std::vector<int64_t>& reps) {
  const size_t n = std::max(x.ndim(), reps.size());
  Shape apart, wide, out;
  for (size_t i = 0; i < n; ++i) {
    const int64_t extent = i < n - x.ndim() ? 1 : x.shape()[i - (n - x.ndim())];
    const int64_t rep = i < n - reps.size() ? 1 : reps[i - (n - reps.size())];
    check(rep >= 0, ErrorCode::kInvalidArgument, "tile", "needs 0 repetitions or more, not {}", rep);
    int64_t total = 0;
    check(mul_fits(rep, extent, &total), ErrorCode::kLimit, "tile", "{} repetitions are too many", rep);
    apart.push_back(1), apart.push_back(extent);
    wide.push_back(rep), wide.push_back(extent);
    out.push_back(total);
  }
  return reshape(broadcast_to(reshape(x, apart), wide), out);
}

array roll(const array& x, const std::vector<int64_t>& shifts, const std::vector<int>& axes) {
  check(shifts.size() >= axes.size(), ErrorCode::kInvalidArgument, "roll", "has {} shifts for {} axes",
        shifts.size(), axes.size());
  array out = x;
  for (size_t i = 0; i < axes.size(); ++i) {
    const int axis = normalize_axis(axes[i], x.ndim(), "roll");
    const int64_t n = x.shape(axis);
    if (n == 0) continue;
    const int64_t cut = n - (shifts[i] % n + n) % n;  // what stands here comes to the front
    if (cut == n) continue;
    out = concatenate({slice_axis(out, axis, cut, n), slice_axis(out, axis, 0, cut)}, axis);
  }
  return out;
}

array roll(const array& x, int64_t shift) {
  return reshape(roll(flatten(x), {shift}, {0}), x.shape());
}

array flip(const array& x, const std::vector<int>& axes) {
  Shape start(x.ndim()), stop = x.shape(), step(x.ndim(), 1);
  const auto turn = [&](size_t i) {
    start[i] = x.shape()[i] - 1;
    stop[i] = -1;
    step[i] = -1;
  };
  for (const int axis : axes) turn(static_cast<size_t>(normalize_axis(axis, x.ndim(), "flip")));
  for (size_t i = 0; axes.empty() && i < x.ndim(); ++i) turn(i);
  return x.size() == 0 ? x : slice(x, start, stop, step);
}

std::vector<array> unstack(const array& x, int axis) {
  axis = normalize_axis(axis, x.ndim(), "unstack");
  std::vector<array> out;
  for (int64_t i = 0; i < x.shape(axis); ++i) out.push_back(squeeze(slice_axis(x, axis, i, i + 1), {axis}));
  return out;
}

array unflatten(const array& x, int axis, Shape shape) {
  axis = normalize_axis(axis, x.ndim(), "unflatten");
  check(!shape.empty(), ErrorCode::kShape, "unflatten", "needs at least one extent");
  const int64_t n = x.shape(axis);
  int64_t known = 1, unknown = 0;
  for (const int64_t extent : shape) {
    unknown += extent == -1;
    check(extent == -1 || (extent >= 0 && mul_fits(known, extent, &known)), ErrorCode::kShape, "unflatten",
          "{} is no shape", shape);
  }
  const bool fits = unknown == 0 ? known == n : unknown == 1 && known > 0 && n % known == 0;
  check(fits, ErrorCode::kShape, "unflatten", "axis {} of shape {} does not become {}", axis, x.shape(),
        shape);
  Shape out(x.shape().begin(), x.shape().begin() + axis);
  for (const int64_t extent : shape) out.push_back(extent == -1 ? n / known : extent);
  for (size_t i = static_cast<size_t>(axis) + 1; i < x.ndim(); ++i) out.push_back(x.shape()[i]);
  return reshape(x, out);
}

std::vector<array> broadcast_arrays(const std::vector<array>& arrays) {
  Shape shape;
  for (const array& a : arrays) shape = broadcast_shapes(shape, a.shape(), "broadcast_arrays");
  std::vector<array> out;
  for (const array& a : arrays) out.push_back(broadcast_to(a, shape));
  return out;
}

std::vector<array> meshgrid(const std::vector<array>& arrays, bool sparse, std::string_view indexing) {
  check(indexing == "xy" || indexing == "ij", ErrorCode::kInvalidArgument, "meshgrid",
        "indexing is 'xy' or 'ij', not '{}'", indexing);
  std::vector<array> out;
  for (size_t i = 0; i < arrays.size(); ++i) {
    const size_t place = indexing == "xy" && arrays.size() > 1 && i < 2 ? 1 - i : i;
    Shape shape(arrays.size(), 1);
    shape[place] = arrays[i].size();
    out.push_back(reshape(arrays[i], shape));
  }
  return sparse ? out : broadcast_arrays(out);
}

array atleast_1d(const array& x) {
  return x.ndim() == 0 ? reshape(x, {1}) : x;
}
array atleast_2d(const array& x) {
  return x.ndim() >= 2 ? x : expand_dims(atleast_1d(x), {0});
}
array atleast_3d(const array& x) {
  return x.ndim() >= 3 ? x : expand_dims(atleast_2d(x), {2});
}

array diagonal(const array& x, int offset, int axis1, int axis2) {
  check(x.ndim() >= 2, ErrorCode::kShape, "diagonal", "needs at least 2 dimensions, not shape {}", x.shape());
  axis1 = normalize_axis(axis1, x.ndim(), "diagonal");
  axis2 = normalize_axis(axis2, x.ndim(), "diagonal");
  check(axis1 != axis2, ErrorCode::kInvalidArgument, "diagonal", "axes {} and {} are the same", axis1, axis2);
  std::vector<int> order;
  for (int i = 0; i < static_cast<int>(x.ndim()); ++i)
    if (i != axis1 && i != axis2) order.push_back(i);
  order.push_back(axis1), order.push_back(axis2);
  const int64_t rows = x.shape(axis1), columns = x.shape(axis2);
  const int64_t row = std::max<int64_t>(0, -int64_t{offset}), column = std::max<int64_t>(0, offset);
  const int64_t length = std::max<int64_t>(0, std::min(rows - row, columns - column));
  // Along the flattened matrix a diagonal is every (columns + 1)-th element.
  const array flat = flatten(transpose(x, order), -2, -1);
  Shape start(flat.ndim()), stop = flat.shape(), step(flat.ndim(), 1);
  start.back() = length ? row * columns + column : 0;
  stop.back() = length ? start.back() + (length - 1) * (columns + 1) + 1 : 0;
  step.back() = columns + 1;
  return slice(flat, start, stop, step);
}

array diag(const array& x, int k) {
  check(x.ndim() == 1 || x.ndim() == 2, ErrorCode::kShape, "diag", "takes 1 or 2 dimensions, not shape {}",
        x.shape());
  if (x.ndim() == 2) return diagonal(x, k);
  const int64_t above = std::max(0, k), below = std::max<int64_t>(0, -int64_t{k});
  const int64_t n = x.size() + above + below;
  // Along the flattened matrix the diagonal is every (n + 1)-th element: x with n zeros behind each.
  const array apart = flatten(pad(reshape(x, {x.size(), 1}), {{0, 0}, {0, n}}));
  const int64_t first = below * n + above, rest = n * n - first - apart.size();
  return reshape(slice_axis(pad(apart, {{first, std::max<int64_t>(0, rest)}}), 0, 0, n * n), {n, n});
}

array trace(const array& x, int offset, int axis1, int axis2, std::optional<DType> dtype) {
  check(x.ndim() >= 2, ErrorCode::kShape, "trace", "needs at least 2 dimensions, not shape {}", x.shape());
  const array values = diagonal(x, offset, axis1, axis2);
  return sum(dtype ? astype(values, *dtype) : values, {-1});
}

}  // namespace uma
