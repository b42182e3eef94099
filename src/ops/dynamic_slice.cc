// Slices at positions that are values of arrays (ops/manipulate.h).
#include <algorithm>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/manipulate.h"
#include "ops/scatter.h"
#include "ops/shape.h"

namespace uma {
namespace {

struct Starts {
  std::vector<int> axes;
  array values;  // int64, (k,)
};

Starts starts_of(const array& x, const array& start, const std::vector<int>& axes, std::string_view op) {
  check(is_integral(start.dtype()) && start.dtype() != DType::bool_, ErrorCode::kDType, op,
        "takes integer starts, not {}", name_of(start.dtype()));
  check(start.ndim() <= 1 && start.size() == static_cast<int64_t>(axes.size()), ErrorCode::kShape, op,
        "needs one start an axis, got starts of shape {} for {} axes", start.shape(), axes.size());
  std::vector<int> places;
  for (const int axis : axes) {
    places.push_back(normalize_axis(axis, x.ndim(), op));
    check(std::count(places.begin(), places.end(), places.back()) == 1, ErrorCode::kInvalidArgument, op,
          "axis {} comes twice", axis);
  }
  return {places, astype(flatten(start), DType::int64)};
}

// Positions start[i] .. start[i] + size - 1, moved inside an axis of n.
array positions(const Starts& starts, size_t i, int64_t size, int64_t n) {
  const auto at = static_cast<int64_t>(i);
  const array first = clip(slice_axis(starts.values, 0, at, at + 1), array(int64_t{0}), array(n - size));
  return first + arange(0, static_cast<double>(size), 1, DType::int64);
}

}  // namespace

array slice(const array& x, const array& start, const std::vector<int>& axes, const Shape& size) {
  const Starts starts = starts_of(x, start, axes, "slice");
  check(size.size() == x.ndim(), ErrorCode::kShape, "slice", "needs {} sizes for shape {}, not {}", x.ndim(),
        x.shape(), size.size());
  for (size_t i = 0; i < x.ndim(); ++i)
    check(size[i] >= 0 && size[i] <= x.shape()[i], ErrorCode::kShape, "slice",
          "sizes {} do not lie within shape {}", size, x.shape());
  array out = slice(x, Shape(x.ndim()), [&] {
    Shape stop = size;  // axes with a start are whole until it is applied
    for (const int axis : starts.axes) stop[static_cast<size_t>(axis)] = x.shape(axis);
    return stop;
  }());
  for (size_t i = 0; i < starts.axes.size(); ++i) {
    const int axis = starts.axes[i];
    out = take(out, positions(starts, i, size[static_cast<size_t>(axis)], x.shape(axis)), axis);
  }
  return out;
}

array slice_update(const array& x, const array& update, const array& start, const std::vector<int>& axes) {
  const Starts starts = starts_of(x, start, axes, "slice_update");
  array block = update;
  check(block.ndim() <= x.ndim(), ErrorCode::kShape, "slice_update",
        "an update of shape {} does not fit shape {}", update.shape(), x.shape());
  // Axes that the update has not are of one; extents of one broadcast where x's axis has no start.
  Shape shape(x.ndim() - block.ndim(), 1);
  for (const int64_t extent : block.shape()) shape.push_back(extent);
  for (size_t i = 0; i < x.ndim(); ++i) {
    check(shape[i] <= x.shape()[i], ErrorCode::kShape, "slice_update",
          "an update of shape {} does not fit shape {}", update.shape(), x.shape());
    const bool moves = std::count(starts.axes.begin(), starts.axes.end(), static_cast<int>(i)) > 0;
    if (!moves && shape[i] == 1) shape[i] = x.shape()[i];
  }
  block = broadcast_to(astype(block, x.dtype()), shape);
  if (starts.axes.empty()) return slice_update(x, block, Shape(x.ndim()));
  // Index arrays for every axis, each along its own; scatter broadcasts them.
  std::vector<array> indices;
  std::vector<int> all;
  for (size_t i = 0; i < x.ndim(); ++i) {
    const auto found = std::find(starts.axes.begin(), starts.axes.end(), static_cast<int>(i));
    Shape column(x.ndim(), 1);
    column[i] = shape[i];
    const array index =
        found == starts.axes.end()
            ? arange(0, static_cast<double>(shape[i]), 1, DType::int64)
            : positions(starts, static_cast<size_t>(found - starts.axes.begin()), shape[i], x.shape()[i]);
    indices.push_back(reshape(index, column));
    all.push_back(static_cast<int>(i));
  }
  return scatter(x, indices, block, all);
}

array put_along_axis(const array& x, const array& indices, const array& values, int axis) {
  check(indices.ndim() == x.ndim(), ErrorCode::kShape, "put_along_axis",
        "x has {} dimensions, indices have {}", x.ndim(), indices.ndim());
  axis = normalize_axis(axis, x.ndim(), "put_along_axis");
  const auto at = static_cast<size_t>(axis);
  Shape shape = x.shape();
  shape[at] = indices.shape()[at];
  const array places = broadcast_to(indices, shape);
  std::vector<array> all;
  std::vector<int> axes;
  for (size_t i = 0; i < x.ndim(); ++i) {
    Shape column(x.ndim(), 1);
    column[i] = shape[i];
    all.push_back(i == at ? places
                          : reshape(arange(0, static_cast<double>(shape[i]), 1, DType::int64), column));
    axes.push_back(static_cast<int>(i));
  }
  return scatter(x, all, broadcast_to(values, shape), axes);
}

}  // namespace uma
