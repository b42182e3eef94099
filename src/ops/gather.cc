// Rows and elements chosen by index, and their transpose: ops/indexing.h.
#include "ops/as_index.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/shape.h"

namespace uma {
namespace {

void check_index_dtype(const array& indices, std::string_view op) {
  check(is_integral(indices.dtype()) && indices.dtype() != DType::bool_, ErrorCode::kDType, op,
        "indices must be integers, not {}", name_of(indices.dtype()));
}

}  // namespace

array take(const array& x, const array& indices, int axis) {
  check_index_dtype(indices, "take");
  axis = normalize_axis(axis, x.ndim(), "take");
  Shape shape(x.shape().begin(), x.shape().begin() + axis);
  for (const int64_t extent : indices.shape()) shape.push_back(extent);
  for (size_t i = static_cast<size_t>(axis) + 1; i < x.ndim(); ++i) shape.push_back(x.shape()[i]);
  return array::make(std::move(shape), x.dtype(), kTake, AxisParams{axis}, {x, as_index(indices)});
}

array take_along_axis(const array& x, const array& indices, int axis) {
  check_index_dtype(indices, "take_along_axis");
  check(x.ndim() == indices.ndim(), ErrorCode::kShape, "take_along_axis",
        "x has {} dimensions, indices have {}", x.ndim(), indices.ndim());
  axis = normalize_axis(axis, x.ndim(), "take_along_axis");
  const auto at = static_cast<size_t>(axis);
  Shape xs = x.shape(), is = indices.shape();
  xs[at] = is[at] = 1;
  Shape shape = broadcast_shapes(xs, is, "take_along_axis");
  Shape x_shape = shape;
  x_shape[at] = x.shape()[at];
  shape[at] = indices.shape()[at];
  return array::make(shape, x.dtype(), kTakeAlongAxis, AxisParams{axis},
                     {broadcast_to(x, x_shape), broadcast_to(as_index(indices), shape)});
}

array scatter_add(const array& x, const array& indices, const array& updates, int axis) {
  check_index_dtype(indices, "scatter_add");
  axis = normalize_axis(axis, x.ndim(), "scatter_add");
  Shape shape(x.shape().begin(), x.shape().begin() + axis);
  for (const int64_t extent : indices.shape()) shape.push_back(extent);
  for (size_t i = static_cast<size_t>(axis) + 1; i < x.ndim(); ++i) shape.push_back(x.shape()[i]);
  check(updates.shape() == shape, ErrorCode::kShape, "scatter_add", "updates have shape {}, not {}",
        updates.shape(), shape);
  return array::make(x.shape(), x.dtype(), kScatterAdd, AxisParams{axis},
                     {x, astype(indices, DType::int64), astype(updates, x.dtype())});
}

array scatter_add_along_axis(const array& x, const array& indices, const array& updates, int axis) {
  check_index_dtype(indices, "scatter_add_along_axis");
  axis = normalize_axis(axis, x.ndim(), "scatter_add_along_axis");
  Shape shape = x.shape();
  if (indices.ndim() == x.ndim()) shape[static_cast<size_t>(axis)] = indices.shape(axis);
  check(indices.shape() == shape && updates.shape() == shape, ErrorCode::kShape, "scatter_add_along_axis",
        "indices {} and updates {} must have shape {}", indices.shape(), updates.shape(), shape);
  return array::make(x.shape(), x.dtype(), kScatterAddAlongAxis, AxisParams{axis},
                     {x, astype(indices, DType::int64), astype(updates, x.dtype())});
}

// -- slots --

std::vector<array> take_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                            std::span<const int> argnums) {
  std::vector<array> out;
  const int axis = node.params<AxisParams>().axis;
  for (const int argnum : argnums) {
    const array zero = zeros_like(node.inputs[static_cast<size_t>(argnum)]);
    if (argnum == 1)
      out.push_back(zero);
    else if (node.op == &kTake)
      out.push_back(scatter_add(zero, node.inputs[1], cotangents[0], axis));
    else
      out.push_back(scatter_add_along_axis(zero, node.inputs[1], cotangents[0], axis));
  }
  return out;
}

std::vector<array> take_jvp(const Node& node, std::span<const array> outputs, std::span<const array> tangents,
                            std::span<const int> argnums) {
  const int axis = node.params<AxisParams>().axis;
  for (size_t i = 0; i < argnums.size(); ++i)
    if (argnums[i] == 0)
      return {node.op == &kTake ? take(tangents[i], node.inputs[1], axis)
                                : take_along_axis(tangents[i], node.inputs[1], axis)};
  return {zeros_like(outputs[0])};
}

std::vector<array> scatter_add_vjp(const Node& node, std::span<const array>,
                                   std::span<const array> cotangents, std::span<const int> argnums) {
  std::vector<array> out;
  const int axis = node.params<AxisParams>().axis;
  for (const int argnum : argnums) {
    if (argnum == 0)
      out.push_back(cotangents[0]);
    else if (argnum == 1)
      out.push_back(zeros_like(node.inputs[1]));
    else
      out.push_back(node.op == &kScatterAdd ? take(cotangents[0], node.inputs[1], axis)
                                            : take_along_axis(cotangents[0], node.inputs[1], axis));
  }
  return out;
}

std::vector<array> scatter_add_jvp(const Node& node, std::span<const array> outputs,
                                   std::span<const array> tangents, std::span<const int> argnums) {
  const int axis = node.params<AxisParams>().axis;
  array tx = zeros_like(outputs[0]), tu = zeros_like(node.inputs[2]);
  for (size_t i = 0; i < argnums.size(); ++i) {
    if (argnums[i] == 0) tx = tangents[i];
    if (argnums[i] == 2) tu = tangents[i];
  }
  return {node.op == &kScatterAdd ? scatter_add(tx, node.inputs[1], tu, axis)
                                  : scatter_add_along_axis(tx, node.inputs[1], tu, axis)};
}

namespace {

// (batch, before, extent, after) of x around an axis that does not count the batch.
Shape around(const array& x, int axis, int64_t extent) {
  const Shape& s = x.shape();
  int64_t before = 1, after = 1;
  for (int i = 0; i < axis; ++i) before *= s[static_cast<size_t>(i + 1)];
  for (size_t i = static_cast<size_t>(axis) + 2; i < s.size(); ++i) after *= s[i];
  return {s[0], before, extent, after};
}

// Indices of each batch, (batch, ...), as (batch, before, count, after) for take_along_axis.
array spread(const array& indices, Shape around) {
  const int64_t count = indices.shape(0) == 0 ? 0 : indices.size() / indices.shape(0);
  around[2] = count;
  return broadcast_to(reshape(indices, {around[0], 1, count, 1}), around);
}

}  // namespace

std::pair<std::vector<array>, std::vector<int>> take_vmap(const Node& node, std::span<const array> inputs,
                                                          std::span<const int> axes) {
  const int axis = node.params<AxisParams>().axis;
  if (axes[1] < 0) return {{take(moveaxis(inputs[0], axes[0], 0), inputs[1], axis + 1)}, {0}};
  const array indices = moveaxis(inputs[1], axes[1], 0);
  if (axes[0] < 0) return {{take(inputs[0], indices, axis)}, {axis}};
  // Each batch has rows and indices of its own: element by element, so that an index out of range is found.
  const array x = moveaxis(inputs[0], axes[0], 0);
  const Shape shape = around(x, axis, x.shape(axis + 1));
  const array rows = take_along_axis(reshape(x, shape), spread(indices, shape), 2);
  Shape out = x.shape();
  out.erase(out.begin() + axis + 1);
  for (size_t i = 1; i < indices.ndim(); ++i)
    out.insert(out.begin() + axis + static_cast<int>(i), indices.shape()[i]);
  return {{reshape(rows, out)}, {0}};
}

std::pair<std::vector<array>, std::vector<int>> take_along_axis_vmap(const Node& node,
                                                                     std::span<const array> inputs,
                                                                     std::span<const int> axes) {
  const auto front = [&](size_t i) {
    return axes[i] >= 0 ? moveaxis(inputs[i], axes[i], 0) : expand_dims(inputs[i], {0});
  };
  return {{take_along_axis(front(0), front(1), node.params<AxisParams>().axis + 1)}, {0}};
}

std::pair<std::vector<array>, std::vector<int>> scatter_add_vmap(const Node& node,
                                                                 std::span<const array> inputs,
                                                                 std::span<const int> axes) {
  const int axis = node.params<AxisParams>().axis;
  const std::vector<array> all = batch_first(inputs, axes);
  if (node.op == &kScatterAddAlongAxis)
    return {{scatter_add_along_axis(all[0], all[1], all[2], axis + 1)}, {0}};
  if (axes[1] < 0) return {{scatter_add(all[0], inputs[1], all[2], axis + 1)}, {0}};
  const Shape shape = around(all[0], axis, all[0].shape(axis + 1));
  const array indices = spread(all[1], shape);
  const array sums =
      scatter_add_along_axis(reshape(all[0], shape), indices, reshape(all[2], indices.shape()), 2);
  return {{reshape(sums, all[0].shape())}, {0}};
}

}  // namespace uma
