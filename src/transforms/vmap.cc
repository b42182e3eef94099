#include <unordered_map>

#include "core/eval.h"
#include "ops/shape.h"
#include "transforms/fallback.h"
#include "transforms/path.h"
#include "transforms/transforms.h"

namespace uma {
namespace {

struct Batched {
  array value;
  int axis;
};

// The extent that the mapped axes share.
int64_t batch_of(std::span<const array> inputs, std::span<const int> axes) {
  int64_t batch = -1;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (axes[i] == -1) continue;
    check(axes[i] >= 0 && axes[i] < static_cast<int>(inputs[i].ndim()), ErrorCode::kInvalidArgument, "vmap",
          "axis {} is out of range for argument {} of shape {}", axes[i], i, inputs[i].shape());
    const int64_t extent = inputs[i].shape(axes[i]);
    check(batch < 0 || batch == extent, ErrorCode::kShape, "vmap", "the mapped axes have extents {} and {}",
          batch, extent);
    batch = extent;
  }
  check(batch >= 0, ErrorCode::kInvalidArgument, "vmap", "needs at least one mapped argument");
  return batch;
}

Shape without_axis(Shape shape, int axis) {
  shape.erase(shape.begin() + axis);
  return shape;
}

std::pair<std::vector<array>, std::vector<int>> step_vmap(const PathStep& step, std::span<const array> inputs,
                                                          std::span<const int> axes) {
  const OpInfo& op = *step.node->op;
  if (op.vmap) return op.vmap(*step.node, inputs, axes);
  check(op.fallback != nullptr, ErrorCode::kUnsupported, op.name, "has no vmap");
  return fallback_vmap(*step.node, inputs, axes);
}

// Runs the ops between the placeholders and the results again, on whole batches.
std::unordered_map<uintptr_t, Batched> replay(const Path& path,
                                              std::unordered_map<uintptr_t, Batched> known) {
  for (const PathStep& step : path.steps()) {
    std::vector<array> inputs;
    std::vector<int> axes;
    for (const array& input : step.node->inputs) {
      const auto it = known.find(input.id());
      inputs.push_back(it == known.end() ? input : it->second.value);
      axes.push_back(it == known.end() ? -1 : it->second.axis);
    }
    const auto [values, at] = step_vmap(step, inputs, axes);
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      check(at[i] >= 0 && at[i] < static_cast<int>(values[i].ndim()) &&
                without_axis(values[i].shape(), at[i]) == step.outputs[i].shape() &&
                values[i].dtype() == step.outputs[i].dtype(),
            ErrorCode::kInternal, step.node->op->name, "vmap gave shape {} with the batch at {} for {}",
            values[i].shape(), at[i], step.outputs[i].shape());
      known.emplace(step.outputs[i].id(), Batched{values[i], at[i]});
    }
  }
  return known;
}

// An axis of `batch` at `axis`, along which nothing changes.
array repeated(const array& x, int64_t batch, int axis) {
  Shape shape = x.shape();
  shape.insert(shape.begin() + axis, batch);
  return broadcast_to(expand_dims(x, {axis}), shape);
}

array placed(const array& out, const Batched* batched, int64_t batch, int axis) {
  if (axis == -1) {
    check(!batched, ErrorCode::kInvalidArgument, "vmap",
          "a result of shape {} depends on a mapped argument and is to have no batch axis", out.shape());
    return out;
  }
  check(axis >= 0 && axis <= static_cast<int>(out.ndim()), ErrorCode::kInvalidArgument, "vmap",
        "axis {} is out of range for a result of shape {} and a batch", axis, out.shape());
  return batched ? moveaxis(batched->value, batched->axis, axis) : repeated(out, batch, axis);
}

std::vector<array> mapped(const Function& fun, const std::vector<array>& inputs, std::vector<int> in_axes,
                          std::vector<int> out_axes) {
  if (in_axes.empty()) in_axes.assign(inputs.size(), 0);
  check(in_axes.size() == inputs.size(), ErrorCode::kInvalidArgument, "vmap",
        "there are {} arguments and {} axes for them", inputs.size(), in_axes.size());
  const int64_t batch = batch_of(inputs, in_axes);
  const Tracing tracing;
  std::vector<array> arguments = inputs, seeds;
  std::unordered_map<uintptr_t, Batched> known;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (in_axes[i] == -1) continue;
    arguments[i] = placeholder(without_axis(inputs[i].shape(), in_axes[i]), inputs[i].dtype());
    tracing.follow(seeds.emplace_back(arguments[i]));
    known.emplace(arguments[i].id(), Batched{inputs[i], in_axes[i]});
  }
  std::vector<array> outputs = fun(arguments);
  if (out_axes.empty()) out_axes.assign(outputs.size(), 0);
  check(out_axes.size() == outputs.size(), ErrorCode::kInvalidArgument, "vmap",
        "there are {} results and {} axes for them", outputs.size(), out_axes.size());
  known = replay(Path(seeds, outputs, Carries::batch), std::move(known));
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto it = known.find(outputs[i].id());
    outputs[i] = placed(outputs[i], it == known.end() ? nullptr : &it->second, batch, out_axes[i]);
  }
  return outputs;
}

}  // namespace

std::pair<std::vector<array>, std::vector<int>> fallback_vmap(const Node& node, std::span<const array> inputs,
                                                              std::span<const int> axes) {
  const auto composed = [&](const std::vector<array>& xs) { return node.op->fallback(node, xs); };
  std::vector<array> outputs =
      mapped(composed, {inputs.begin(), inputs.end()}, {axes.begin(), axes.end()}, {});
  std::vector<int> at(outputs.size(), 0);
  return {std::move(outputs), std::move(at)};
}

Function vmap(const Function& fun, const std::vector<int>& in_axes, const std::vector<int>& out_axes) {
  return [=](const std::vector<array>& inputs) { return mapped(fun, inputs, in_axes, out_axes); };
}

UnaryFunction vmap(const UnaryFunction& fun, int in_axis, int out_axis) {
  const Function many = [fun](const std::vector<array>& x) { return std::vector<array>{fun(x[0])}; };
  return [=](const array& x) { return mapped(many, {x}, {in_axis}, {out_axis})[0]; };
}

std::function<array(const array&, const array&)> vmap(
    const std::function<array(const array&, const array&)>& fun, int x_axis, int y_axis, int out_axis) {
  const Function many = [fun](const std::vector<array>& x) { return std::vector<array>{fun(x[0], x[1])}; };
  return [=](const array& x, const array& y) {
    return mapped(many, {x, y}, {x_axis, y_axis}, {out_axis})[0];
  };
}

}  // namespace uma
