#include "ops/shape.h"

#include <algorithm>
#include <numeric>

#include "core/kernel.h"
#include "core/layout.h"
#include "ops/creation.h"
#include "ops/reduce.h"

namespace uma {

array reshape(const array& x, Shape shape) {
  int64_t known = 1;
  int unknown = -1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1) {
      check(unknown < 0, ErrorCode::kShape, "reshape", "{} has more than one -1", shape);
      unknown = static_cast<int>(i);
    } else {
      check(shape[i] >= 0 && mul_fits(known, shape[i], &known), ErrorCode::kShape, "reshape",
            "{} is no shape", shape);
    }
  }
  if (unknown >= 0 && known > 0 && x.size() % known == 0)
    shape[static_cast<size_t>(unknown)] = x.size() / known;
  check((unknown < 0 || shape[static_cast<size_t>(unknown)] >= 0) && num_elements(shape) == x.size(),
        ErrorCode::kShape, "reshape", "{} elements of shape {} do not fit shape {}", x.size(), x.shape(),
        shape);
  if (shape == x.shape()) return x;
  return array::make(shape, x.dtype(), kReshape, ReshapeParams{shape}, {x});
}

array transpose(const array& x, const std::vector<int>& axes) {
  TransposeParams params;
  const int n = static_cast<int>(x.ndim());
  if (axes.empty())
    for (int i = n; i-- > 0;) params.axes.push_back(i);
  check(axes.empty() || axes.size() == x.ndim(), ErrorCode::kInvalidArgument, "transpose",
        "needs all {} axes of an array of shape {}, not {}", n, x.shape(), axes.size());
  for (const int axis : axes) params.axes.push_back(normalize_axis(axis, x.ndim(), "transpose"));
  std::vector<bool> seen(x.ndim());
  for (const int axis : params.axes) {
    check(!seen[static_cast<size_t>(axis)], ErrorCode::kInvalidArgument, "transpose", "axis {} comes twice",
          axis);
    seen[static_cast<size_t>(axis)] = true;
  }
  if (std::is_sorted(params.axes.begin(), params.axes.end())) return x;
  Shape shape;
  for (const int axis : params.axes) shape.push_back(x.shape()[static_cast<size_t>(axis)]);
  return array::make(std::move(shape), x.dtype(), kTranspose, std::move(params), {x});
}

array swapaxes(const array& x, int a, int b) {
  std::vector<int> axes(x.ndim());
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[static_cast<size_t>(normalize_axis(a, x.ndim(), "swapaxes"))],
            axes[static_cast<size_t>(normalize_axis(b, x.ndim(), "swapaxes"))]);
  return x.ndim() == 0 ? x : transpose(x, axes);
}

array moveaxis(const array& x, int source, int target) {
  source = normalize_axis(source, x.ndim(), "moveaxis");
  target = normalize_axis(target, x.ndim(), "moveaxis");
  std::vector<int> axes(x.ndim());
  std::iota(axes.begin(), axes.end(), 0);
  axes.erase(axes.begin() + source);
  axes.insert(axes.begin() + target, source);
  return transpose(x, axes);
}

array expand_dims(const array& x, const std::vector<int>& axes) {
  const size_t n = x.ndim() + axes.size();
  std::vector<bool> added(n);
  for (const int axis : axes) {
    const auto at = static_cast<size_t>(normalize_axis(axis, n, "expand_dims"));
    check(!added[at], ErrorCode::kInvalidArgument, "expand_dims", "axis {} comes twice", axis);
    added[at] = true;
  }
  Shape shape;
  for (size_t i = 0, from = 0; i < n; ++i) shape.push_back(added[i] ? 1 : x.shape()[from++]);
  return reshape(x, std::move(shape));
}

array squeeze(const array& x, const std::vector<int>& axes) {
  std::vector<bool> dropped(x.ndim());
  for (const int axis : axes) {
    const auto at = static_cast<size_t>(normalize_axis(axis, x.ndim(), "squeeze"));
    check(x.shape()[at] == 1, ErrorCode::kShape, "squeeze", "axis {} of shape {} is not 1", axis, x.shape());
    dropped[at] = true;
  }
  Shape shape;
  for (size_t i = 0; i < x.ndim(); ++i)
    if (!(axes.empty() ? x.shape()[i] == 1 : dropped[i])) shape.push_back(x.shape()[i]);
  return reshape(x, std::move(shape));
}

array flatten(const array& x, int start, int end) {
  if (x.ndim() == 0) return reshape(x, {1});
  // Out of range is as far as there are axes, as in MLX.
  const int n = static_cast<int>(x.ndim());
  const int first = std::max(0, start < 0 ? start + n : start);
  const int last = std::min(n - 1, end < 0 ? end + n : end);
  check(first <= last, ErrorCode::kInvalidArgument, "flatten", "axis {} comes after axis {}", start, end);
  Shape shape;
  int64_t merged = 1;
  for (int i = 0; i < n; ++i) {
    if (i >= first && i <= last) merged *= x.shape(i);
    if (i == last) shape.push_back(merged);
    if (i < first || i > last) shape.push_back(x.shape(i));
  }
  return reshape(x, std::move(shape));
}

array broadcast_to(const array& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  check(broadcast_shapes(x.shape(), shape, "broadcast_to") == shape, ErrorCode::kShape, "broadcast_to",
        "shape {} cannot become {}", x.shape(), shape);
  return array::make(shape, x.dtype(), kBroadcastTo, ReshapeParams{shape}, {x});
}

array contiguous(const array& x) {
  return array::make(x.shape(), x.dtype(), kContiguous, {x}, default_stream());
}
array stop_gradient(const array& x) {
  return array::make(x.shape(), x.dtype(), kStopGradient, {x}, default_stream());
}

std::vector<array> batch_first(std::span<const array> inputs, std::span<const int> axes) {
  int64_t batch = 0;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (axes[i] >= 0) batch = inputs[i].shape(axes[i]);
  std::vector<array> out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (axes[i] >= 0) {
      out.push_back(moveaxis(inputs[i], axes[i], 0));
    } else {
      Shape shape = inputs[i].shape();
      shape.insert(shape.begin(), batch);
      out.push_back(broadcast_to(expand_dims(inputs[i], {0}), shape));
    }
  }
  return out;
}

// -- reshape --

bool reshape_view(KernelArgs& args) {
  const array& x = args.in(0);
  if (x.is_row_contiguous()) {
    args.view(0, row_major_strides(args.out().shape()));
    return true;
  }
  // Each merged run of the input's axes must be cut exactly by axes of the output.
  const Strides strides[] = {x.strides()};
  const Layout layout = collapse(x.shape(), strides);
  const Shape& to = args.out().shape();
  Strides out(to.size());
  size_t run = 0;
  int64_t left = layout.shape.empty() ? 1 : layout.shape[0];
  for (size_t d = 0; d < to.size(); ++d) {
    if (to[d] == 1) continue;
    while (left == 1 && run + 1 < layout.shape.size()) left = layout.shape[++run];
    if (left % to[d] != 0) return false;
    left /= to[d];
    out[d] = layout.strides[0][run] * left;
  }
  args.view(0, std::move(out));
  return true;
}

std::vector<array> reshape_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                               std::span<const int>) {
  return {reshape(cotangents[0], node.inputs[0].shape())};
}
std::vector<array> reshape_jvp(const Node&, std::span<const array> outputs, std::span<const array> tangents,
                               std::span<const int>) {
  return {reshape(tangents[0], outputs[0].shape())};
}
std::pair<std::vector<array>, std::vector<int>> reshape_vmap(const Node& node, std::span<const array> inputs,
                                                             std::span<const int> axes) {
  const array x = moveaxis(inputs[0], axes[0], 0);
  Shape shape = node.params<ReshapeParams>().shape;
  shape.insert(shape.begin(), x.shape(0));
  return {{reshape(x, shape)}, {0}};
}

// -- transpose --

bool transpose_view(KernelArgs& args) {
  Strides strides;
  for (const int axis : args.params<TransposeParams>().axes)
    strides.push_back(args.in(0).strides()[static_cast<size_t>(axis)]);
  args.view(0, std::move(strides));
  return true;
}
std::vector<array> transpose_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                                 std::span<const int>) {
  const auto& axes = node.params<TransposeParams>().axes;
  std::vector<int> inverse(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) inverse[static_cast<size_t>(axes[i])] = static_cast<int>(i);
  return {transpose(cotangents[0], inverse)};
}
std::vector<array> transpose_jvp(const Node& node, std::span<const array>, std::span<const array> tangents,
                                 std::span<const int>) {
  const auto& axes = node.params<TransposeParams>().axes;
  return {transpose(tangents[0], {axes.begin(), axes.end()})};
}
std::pair<std::vector<array>, std::vector<int>> transpose_vmap(const Node& node,
                                                               std::span<const array> inputs,
                                                               std::span<const int> axes) {
  std::vector<int> order{0};
  for (const int axis : node.params<TransposeParams>().axes) order.push_back(axis + 1);
  return {{transpose(moveaxis(inputs[0], axes[0], 0), order)}, {0}};
}

// -- broadcast_to --

bool broadcast_view(KernelArgs& args) {
  const array& x = args.in(0);
  const Shape& to = args.out().shape();
  Strides strides(to.size(), 0);
  const size_t lead = to.size() - x.ndim();
  for (size_t i = 0; i < x.ndim(); ++i)
    if (x.shape()[i] != 1) strides[lead + i] = x.strides()[i];
  args.view(0, std::move(strides));
  return true;
}
std::vector<array> broadcast_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                                 std::span<const int>) {
  const Shape &from = node.inputs[0].shape(), &to = cotangents[0].shape();
  const size_t lead = to.size() - from.size();
  Axes axes;
  for (size_t i = 0; i < to.size(); ++i)
    if (i < lead || (from[i - lead] == 1 && to[i] != 1)) axes.push_back(static_cast<int>(i));
  return {reshape(axes.empty() ? cotangents[0] : sum(cotangents[0], axes), from)};
}
std::vector<array> broadcast_jvp(const Node&, std::span<const array> outputs, std::span<const array> tangents,
                                 std::span<const int>) {
  return {broadcast_to(tangents[0], outputs[0].shape())};
}
std::pair<std::vector<array>, std::vector<int>> broadcast_vmap(const Node& node,
                                                               std::span<const array> inputs,
                                                               std::span<const int> axes) {
  array x = moveaxis(inputs[0], axes[0], 0);
  Shape to = node.params<ReshapeParams>().shape;
  Shape padded = x.shape();
  while (padded.size() < to.size() + 1) padded.insert(padded.begin() + 1, 1);
  to.insert(to.begin(), x.shape(0));
  return {{broadcast_to(reshape(x, padded), to)}, {0}};
}

// -- contiguous, stop_gradient --

bool contiguous_view(KernelArgs& args) {
  if (!args.in(0).is_row_contiguous()) return false;
  args.view(0, row_major_strides(args.out().shape()));
  return true;
}
std::vector<array> contiguous_vjp(const Node&, std::span<const array>, std::span<const array> cotangents,
                                  std::span<const int>) {
  return {cotangents[0]};
}
std::vector<array> contiguous_jvp(const Node&, std::span<const array>, std::span<const array> tangents,
                                  std::span<const int>) {
  return {tangents[0]};
}
std::pair<std::vector<array>, std::vector<int>> contiguous_vmap(const Node& node,
                                                                std::span<const array> inputs,
                                                                std::span<const int> axes) {
  return {{array::make(inputs[0].shape(), inputs[0].dtype(), *node.op, {inputs[0]}, node.stream)}, {axes[0]}};
}

bool stop_gradient_view(KernelArgs& args) {
  args.view(0, args.in(0).strides());
  return true;
}
std::vector<array> stop_gradient_vjp(const Node& node, std::span<const array>, std::span<const array>,
                                     std::span<const int>) {
  return {zeros_like(node.inputs[0])};
}
std::vector<array> stop_gradient_jvp(const Node&, std::span<const array> outputs, std::span<const array>,
                                     std::span<const int>) {
  return {zeros_like(outputs[0])};
}

}  // namespace uma
