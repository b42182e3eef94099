#include "ops/scatter.h"

#include <algorithm>

#include "core/kernel.h"
#include "ops/as_index.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/shape.h"

namespace uma {
namespace {

/// Indices as the kernels take them, of one shape, and axes counted from the front.
struct Places {
  std::vector<array> indices;
  std::vector<int> axes;
  Shape shape;  // of what gather gives
};

Places places(const array& x, const std::vector<array>& indices, const std::vector<int>& axes,
              std::string_view op) {
  check(!indices.empty() && indices.size() == axes.size(), ErrorCode::kInvalidArgument, op,
        "needs one index array an axis, got {} for {} axes", indices.size(), axes.size());
  Places p;
  for (const int axis : axes) p.axes.push_back(normalize_axis(axis, x.ndim(), op));
  auto sorted = p.axes;
  std::sort(sorted.begin(), sorted.end());
  check(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end(), ErrorCode::kInvalidArgument, op,
        "an axis comes twice");
  for (const array& index : indices) {
    check(is_integral(index.dtype()) && index.dtype() != DType::bool_, ErrorCode::kDType, op,
          "takes integer indices, not {}", name_of(index.dtype()));
    p.shape = broadcast_shapes(p.shape, index.shape(), op);
  }
  for (const array& index : indices) p.indices.push_back(broadcast_to(as_index(index), p.shape));
  for (size_t i = 0; i < x.ndim(); ++i)
    if (!std::binary_search(sorted.begin(), sorted.end(), static_cast<int>(i)))
      p.shape.push_back(x.shape()[i]);
  return p;
}

std::vector<array> joined(std::initializer_list<array> first, std::span<const array> rest) {
  std::vector<array> all(first);
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

std::vector<array> tail(std::span<const array> inputs, size_t from) {
  return {inputs.begin() + static_cast<std::ptrdiff_t>(from), inputs.end()};
}

// The extent of the mapped axis, whoever has it.
int64_t extent_of(std::span<const array> inputs, std::span<const int> axes) {
  for (size_t i = 0; i < inputs.size(); ++i)
    if (axes[i] >= 0) return inputs[i].shape(axes[i]);
  return 1;
}

array in_front(const array& x, int axis, int64_t extent) {
  if (axis >= 0) return moveaxis(x, axis, 0);
  Shape shape{extent};
  for (const int64_t e : x.shape()) shape.push_back(e);
  return broadcast_to(x, shape);
}

// Index arrays for the mapped axis and the axes behind it.
std::pair<std::vector<array>, std::vector<int>> behind_batch(std::span<const array> indices,
                                                             std::span<const int> mapped,
                                                             const std::vector<int>& axes, int64_t extent) {
  std::vector<array> all;
  std::vector<int> places{0};
  for (size_t i = 0; i < indices.size(); ++i) all.push_back(in_front(indices[i], mapped[i], extent));
  Shape column(all[0].ndim(), 1);
  column[0] = extent;
  all.insert(all.begin(), reshape(arange(0, static_cast<double>(extent), 1, DType::int64), column));
  for (const int axis : axes) places.push_back(axis + 1);
  return {all, places};
}

}  // namespace

array gather(const array& x, const std::vector<array>& indices, const std::vector<int>& axes) {
  Places p = places(x, indices, axes, "gather");
  return array::make(p.shape, x.dtype(), kGather, GatherParams{std::move(p.axes)}, joined({x}, p.indices));
}

array scatter(const array& x, const std::vector<array>& indices, const array& updates,
              const std::vector<int>& axes, ScatterMode mode) {
  Places p = places(x, indices, axes, "scatter");
  const array values = broadcast_to(astype(updates, x.dtype()), p.shape);
  return array::make(x.shape(), x.dtype(), kScatter, ScatterParams{std::move(p.axes), mode},
                     joined({x, values}, p.indices));
}

std::vector<array> nonzero(const array& x) {
  const array flat_mask = astype(x, DType::bool_);
  flat_mask.eval();
  const array mask = row_contiguous(flat_mask);
  const auto* set = mask.data<bool>();
  std::vector<int64_t> flat;
  for (int64_t i = 0; i < mask.size(); ++i)
    if (set[i]) flat.push_back(i);
  const DType index = mask.size() > INT32_MAX ? DType::int64 : DType::int32;
  std::vector<array> out;
  int64_t inner = mask.size();
  for (const int64_t extent : x.shape()) {
    inner = extent ? inner / extent : 0;
    std::vector<int64_t> positions(flat.size());
    for (size_t i = 0; i < flat.size(); ++i) positions[i] = flat[i] / inner % extent;
    out.push_back(
        astype(array(std::span<const int64_t>(positions), {static_cast<int64_t>(flat.size())}), index));
  }
  return out;
}

std::vector<array> gather_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                              std::span<const int> argnums) {
  const array& x = node.inputs[0];
  std::vector<array> out;
  for (const int argnum : argnums)
    out.push_back(argnum == 0 ? scatter(zeros_like(x), tail(node.inputs, 1), cotangents[0],
                                        node.params<GatherParams>().axes, ScatterMode::add)
                              : zeros_like(node.inputs[static_cast<size_t>(argnum)]));
  return out;
}

std::vector<array> gather_jvp(const Node& node, std::span<const array> outputs,
                              std::span<const array> tangents, std::span<const int> argnums) {
  for (size_t i = 0; i < argnums.size(); ++i)
    if (argnums[i] == 0) return {gather(tangents[i], tail(node.inputs, 1), node.params<GatherParams>().axes)};
  return {zeros_like(outputs[0])};
}

std::pair<std::vector<array>, std::vector<int>> gather_vmap(const Node& node, std::span<const array> inputs,
                                                            std::span<const int> axes) {
  const int64_t extent = extent_of(inputs, axes);
  const auto [indices, places] =
      behind_batch(inputs.subspan(1), axes.subspan(1), node.params<GatherParams>().axes, extent);
  return {{gather(in_front(inputs[0], axes[0], extent), indices, places)}, {0}};
}

std::vector<array> scatter_vjp(const Node& node, std::span<const array> outputs,
                               std::span<const array> cotangents, std::span<const int> argnums) {
  const auto& params = node.params<ScatterParams>();
  const array &x = node.inputs[0], &updates = node.inputs[1], &g = cotangents[0];
  const auto indices = tail(node.inputs, 2);
  const auto at = [&](const array& a) { return gather(a, indices, params.axes); };
  // With max and min, who made the result gets the gradient.
  const auto where_equal = [&](const array& a, const array& b) { return astype(equal(a, b), g.dtype()); };
  std::vector<array> out;
  for (const int argnum : argnums) {
    const bool of_x = argnum == 0;
    if (argnum > 1) {
      out.push_back(zeros_like(node.inputs[static_cast<size_t>(argnum)]));
      continue;
    }
    switch (params.mode) {
      case ScatterMode::assign:
        out.push_back(of_x ? scatter(g, indices, array(0.0f, g.dtype()), params.axes) : at(g));
        break;
      case ScatterMode::add:
        out.push_back(of_x ? g : at(g));
        break;
      case ScatterMode::multiply:
        out.push_back(of_x ? g * scatter(ones_like(x), indices, updates, params.axes, ScatterMode::multiply)
                           : at(g * outputs[0]) / updates);
        break;
      case ScatterMode::maximum:
      case ScatterMode::minimum:
        out.push_back(of_x ? g * where_equal(x, outputs[0]) : at(g) * where_equal(updates, at(outputs[0])));
        break;
    }
  }
  return out;
}

std::vector<array> scatter_jvp(const Node& node, std::span<const array> outputs,
                               std::span<const array> tangents, std::span<const int> argnums) {
  const auto& params = node.params<ScatterParams>();
  check(params.mode == ScatterMode::assign || params.mode == ScatterMode::add, ErrorCode::kUnsupported,
        "scatter", "has a jvp for assign and add only");
  array dx = zeros_like(outputs[0]), du = zeros_like(node.inputs[1]);
  for (size_t i = 0; i < argnums.size(); ++i) {
    if (argnums[i] == 0) dx = tangents[i];
    if (argnums[i] == 1) du = tangents[i];
  }
  return {scatter(dx, tail(node.inputs, 2), du, params.axes, params.mode)};
}

std::pair<std::vector<array>, std::vector<int>> scatter_vmap(const Node& node, std::span<const array> inputs,
                                                             std::span<const int> axes) {
  const auto& params = node.params<ScatterParams>();
  const int64_t extent = extent_of(inputs, axes);
  const auto [indices, places] = behind_batch(inputs.subspan(2), axes.subspan(2), params.axes, extent);
  return {{scatter(in_front(inputs[0], axes[0], extent), indices, in_front(inputs[1], axes[1], extent),
                   places, params.mode)},
          {0}};
}

}  // namespace uma
