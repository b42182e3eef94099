#include "ops/indexing.h"

#include <algorithm>

#include "core/kernel.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma {
namespace {

struct Range {
  int64_t start, step, count;
};

// Python's rules for one axis: negative numbers count from the end, what is outside is clamped.
Range resolve(int64_t start, int64_t stop, int64_t step, int64_t extent) {
  check(step != 0, ErrorCode::kInvalidArgument, "slice", "a step of 0 goes nowhere");
  const int64_t lo = step > 0 ? 0 : -1, hi = step > 0 ? extent : extent - 1;
  // For a negative step, -1 as stop means "past the first element", so negatives are not wrapped there.
  const auto clamp = [&](int64_t at, bool wraps) {
    if (at < 0 && wraps) at += extent;
    return std::clamp(at, lo, std::max(lo, hi));
  };
  start = clamp(start, true);
  stop = clamp(stop, step > 0);
  const int64_t span = step > 0 ? stop - start : start - stop;
  const int64_t size = step > 0 ? step : -step;
  return {start, step, span <= 0 ? 0 : (span - 1) / size + 1};
}

}  // namespace

array slice(const array& x, const Shape& start, const Shape& stop, const Shape& strides) {
  check(
      start.size() == x.ndim() && stop.size() == x.ndim() && (strides.empty() || strides.size() == x.ndim()),
      ErrorCode::kShape, "slice", "needs {} starts, stops and steps for shape {}", x.ndim(), x.shape());
  SliceParams params;
  Shape shape;
  bool whole = true;
  for (size_t i = 0; i < x.ndim(); ++i) {
    const int64_t step = strides.empty() ? 1 : strides[i];
    check(step != INT64_MIN, ErrorCode::kInvalidArgument, "slice", "a step of {} is out of range", step);
    const Range range = resolve(start[i], stop[i], step, x.shape()[i]);
    params.start.push_back(range.count == 0 ? 0 : range.start);
    params.strides.push_back(range.step);
    params.count.push_back(range.count);
    shape.push_back(range.count);
    whole = whole && range.step == 1 && range.count == x.shape()[i];
  }
  if (whole) return x;
  return array::make(std::move(shape), x.dtype(), kSlice, std::move(params), {x});
}

array slice_axis(const array& x, int axis, int64_t start, int64_t stop) {
  Shape starts(x.ndim()), stops = x.shape();
  const auto at = static_cast<size_t>(normalize_axis(axis, x.ndim(), "slice"));
  starts[at] = start;
  stops[at] = stop;
  return slice(x, starts, stops);
}

array slice_update(const array& x, const array& update, const Shape& start) {
  check(start.size() == x.ndim() && update.ndim() == x.ndim(), ErrorCode::kShape, "slice_update",
        "x of shape {}, update of shape {} and {} starts do not go together", x.shape(), update.shape(),
        start.size());
  check(x.dtype() == update.dtype(), ErrorCode::kDType, "slice_update", "x is {}, the update {}",
        name_of(x.dtype()), name_of(update.dtype()));
  for (size_t i = 0; i < x.ndim(); ++i) {
    int64_t end = 0;
    check(start[i] >= 0 && add_fits(start[i], update.shape()[i], &end) && end <= x.shape()[i],
          ErrorCode::kShape, "slice_update", "an update of shape {} at {} does not fit shape {}",
          update.shape(), start, x.shape());
  }
  return array::make(x.shape(), x.dtype(), kSliceUpdate, SliceUpdateParams{start}, {x, update});
}

array concatenate(const std::vector<array>& arrays, int axis) {
  check(!arrays.empty(), ErrorCode::kInvalidArgument, "concatenate", "needs at least one array");
  axis = normalize_axis(axis, arrays[0].ndim(), "concatenate");
  const auto at = static_cast<size_t>(axis);
  Shape shape = arrays[0].shape();
  DType dtype = arrays[0].dtype();
  for (size_t i = 1; i < arrays.size(); ++i) {
    Shape other = arrays[i].shape();
    check(other.size() == shape.size(), ErrorCode::kShape, "concatenate",
          "shapes {} and {} differ in dimensions", arrays[0].shape(), other);
    check(add_fits(shape[at], other[at], &shape[at]), ErrorCode::kLimit, "concatenate",
          "the result is too long");
    other[at] = shape[at];
    check(other == shape, ErrorCode::kShape, "concatenate", "shapes {} and {} differ beside axis {}",
          arrays[0].shape(), arrays[i].shape(), axis);
    dtype = promote(dtype, arrays[i].dtype());
  }
  if (arrays.size() == 1) return arrays[0];
  std::vector<array> inputs;
  for (const array& a : arrays) inputs.push_back(astype(a, dtype));
  return array::make(std::move(shape), dtype, kConcatenate, AxisParams{axis}, std::move(inputs));
}

array stack(const std::vector<array>& arrays, int axis) {
  check(!arrays.empty(), ErrorCode::kInvalidArgument, "stack", "needs at least one array");
  std::vector<array> expanded;
  for (const array& a : arrays) {
    check(a.shape() == arrays[0].shape(), ErrorCode::kShape, "stack", "shapes {} and {} differ",
          arrays[0].shape(), a.shape());
    expanded.push_back(expand_dims(a, {axis}));
  }
  return concatenate(expanded, normalize_axis(axis, arrays[0].ndim() + 1, "stack"));
}

std::vector<array> split(const array& x, int64_t parts, int axis) {
  axis = normalize_axis(axis, x.ndim(), "split");
  const int64_t extent = x.shape(axis);
  check(parts > 0 && extent % parts == 0, ErrorCode::kShape, "split",
        "axis {} of shape {} does not split into {} equal parts", axis, x.shape(), parts);
  std::vector<array> out;
  for (int64_t i = 0; i < parts; ++i)
    out.push_back(slice_axis(x, axis, i * (extent / parts), (i + 1) * (extent / parts)));
  return out;
}

std::vector<array> split_at(const array& x, const std::vector<int64_t>& positions, int axis) {
  axis = normalize_axis(axis, x.ndim(), "split");
  std::vector<array> out;
  int64_t from = 0;
  for (const int64_t to : positions) {
    out.push_back(slice_axis(x, axis, from, std::max(from, to)));
    from = to;
  }
  out.push_back(slice_axis(x, axis, from, x.shape(axis)));
  return out;
}

// -- slots --

bool slice_view(KernelArgs& args) {
  const array& x = args.in(0);
  const auto& params = args.params<SliceParams>();
  Strides strides(x.ndim());
  int64_t offset = 0;
  for (size_t i = 0; i < x.ndim(); ++i) {
    strides[i] = x.strides()[i] * params.strides[i];
    offset += params.start[i] * x.strides()[i];
  }
  args.view(0, std::move(strides), offset * size_of(x.dtype()));
  return true;
}

std::vector<array> slice_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                             std::span<const int>) {
  const array& x = node.inputs[0];
  const auto& params = node.params<SliceParams>();
  bool block = true;
  for (const int64_t step : params.strides) block = block && step == 1;
  if (block) return {slice_update(zeros_like(x), cotangents[0], params.start)};
  // Strided: axis by axis, rows go back to where they came from.
  array grad = cotangents[0];
  for (size_t i = 0; i < x.ndim(); ++i) {
    const int64_t n = grad.shape()[i];
    if (n == x.shape()[i] && params.strides[i] == 1) continue;
    Shape shape = grad.shape();
    shape[i] = x.shape()[i];
    const double first = static_cast<double>(params.start[i]), step = static_cast<double>(params.strides[i]);
    const array rows =
        n == 0
            ? zeros({0}, DType::int64)
            : slice_axis(arange(first, first + step * static_cast<double>(n), step, DType::int64), 0, 0, n);
    grad = scatter_add(zeros(shape, grad.dtype()), rows, grad, static_cast<int>(i));
  }
  return {grad};
}

std::vector<array> slice_jvp(const Node& node, std::span<const array> outputs,
                             std::span<const array> tangents, std::span<const int>) {
  return {array::make(outputs[0].shape(), tangents[0].dtype(), kSlice, node.params<SliceParams>(),
                      {tangents[0]})};
}

std::pair<std::vector<array>, std::vector<int>> slice_vmap(const Node& node, std::span<const array> inputs,
                                                           std::span<const int> axes) {
  SliceParams params = node.params<SliceParams>();
  const array x = moveaxis(inputs[0], axes[0], 0);
  Shape shape = x.shape();
  for (size_t i = 1; i < shape.size(); ++i) shape[i] = params.count[i - 1];
  params.start.insert(params.start.begin(), 0);
  params.strides.insert(params.strides.begin(), 1);
  params.count.insert(params.count.begin(), x.shape(0));
  return {{array::make(std::move(shape), x.dtype(), kSlice, std::move(params), {x})}, {0}};
}

std::vector<array> slice_update_vjp(const Node& node, std::span<const array>,
                                    std::span<const array> cotangents, std::span<const int> argnums) {
  const Shape& start = node.params<SliceUpdateParams>().start;
  const Shape& extent = node.inputs[1].shape();
  Shape stop = start;
  for (size_t i = 0; i < stop.size(); ++i) stop[i] += extent[i];
  std::vector<array> out;
  for (const int argnum : argnums)
    out.push_back(argnum == 0 ? slice_update(cotangents[0], zeros(extent, cotangents[0].dtype()), start)
                              : slice(cotangents[0], start, stop));
  return out;
}

std::vector<array> slice_update_jvp(const Node& node, std::span<const array> outputs,
                                    std::span<const array> tangents, std::span<const int> argnums) {
  array tx = zeros_like(outputs[0]), tu = zeros_like(node.inputs[1]);
  for (size_t i = 0; i < argnums.size(); ++i) (argnums[i] == 0 ? tx : tu) = tangents[i];
  return {slice_update(tx, tu, node.params<SliceUpdateParams>().start)};
}

std::pair<std::vector<array>, std::vector<int>> slice_update_vmap(const Node& node,
                                                                  std::span<const array> inputs,
                                                                  std::span<const int> axes) {
  const std::vector<array> all = batch_first(inputs, axes);
  Shape start = node.params<SliceUpdateParams>().start;
  start.insert(start.begin(), 0);
  return {{slice_update(all[0], all[1], start)}, {0}};
}

std::vector<array> concatenate_vjp(const Node& node, std::span<const array>,
                                   std::span<const array> cotangents, std::span<const int> argnums) {
  const int axis = node.params<AxisParams>().axis;
  std::vector<int64_t> starts{0};
  for (const array& input : node.inputs) starts.push_back(starts.back() + input.shape(axis));
  std::vector<array> out;
  for (const int argnum : argnums) {
    const auto i = static_cast<size_t>(argnum);
    out.push_back(slice_axis(cotangents[0], axis, starts[i], starts[i + 1]));
  }
  return out;
}

std::vector<array> concatenate_jvp(const Node& node, std::span<const array>, std::span<const array> tangents,
                                   std::span<const int> argnums) {
  std::vector<array> parts;
  for (const array& input : node.inputs) parts.push_back(zeros_like(input));
  for (size_t i = 0; i < argnums.size(); ++i) parts[static_cast<size_t>(argnums[i])] = tangents[i];
  return {concatenate(parts, node.params<AxisParams>().axis)};
}

std::pair<std::vector<array>, std::vector<int>> concatenate_vmap(const Node& node,
                                                                 std::span<const array> inputs,
                                                                 std::span<const int> axes) {
  return {{concatenate(batch_first(inputs, axes), node.params<AxisParams>().axis + 1)}, {0}};
}

}  // namespace uma
