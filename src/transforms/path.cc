#include "transforms/path.h"

#include "core/eval.h"
#include "core/kernel.h"
#include "ops/shape.h"

namespace uma {
namespace {

bool seed_view(KernelArgs& args) {
  args.view(0, args.in(0).strides());
  return true;
}
std::vector<array> seed_linear(const Node&, std::span<const array>, std::span<const array> directions,
                               std::span<const int>) {
  return {directions[0]};
}
std::pair<std::vector<array>, std::vector<int>> seed_vmap(const Node&, std::span<const array> inputs,
                                                          std::span<const int> axes) {
  return {{inputs[0]}, {axes[0]}};
}
std::vector<array> no_value(const Node&, std::span<const array>) {
  fail(ErrorCode::kInvalidArgument, "vmap",
       "an array inside the function has a value for each element of the batch, and cannot be read as one");
}

// These stand in graphs only while a transformation runs; users never make them.
constexpr OpInfo kSeed{.name = "seed",
                       .args = "x",
                       .doc = "x, as the variable of a transformation.",
                       .fusion = Fusion::view,
                       .vjp = seed_linear,
                       .jvp = seed_linear,
                       .vmap = seed_vmap,
                       .view = seed_view};
constexpr OpInfo kPlaceholder{
    .name = "placeholder", .args = "", .doc = "An element of a batch.", .fallback = no_value};

}  // namespace

std::pair<Function, std::vector<array>> fallback_of(const PathStep& step) {
  std::vector<array> primals;
  for (const int argnum : step.argnums) primals.push_back(step.node->inputs[static_cast<size_t>(argnum)]);
  const auto composed = [&step](const std::vector<array>& variables) {
    std::vector<array> inputs = step.node->inputs;
    for (size_t i = 0; i < variables.size(); ++i) inputs[static_cast<size_t>(step.argnums[i])] = variables[i];
    return step.node->op->fallback(*step.node, inputs);
  };
  return {composed, std::move(primals)};
}

array seed(const array& x) {
  // With its node, by which is_seed knows it.
  return array::make(x.shape(), x.dtype(),
                     std::make_shared<Node>(kSeed, default_stream(), std::vector<array>{x}));
}

bool is_seed(const Node& node) {
  return node.op == &kSeed;
}

array placeholder(const Shape& shape, DType dtype) {
  return array::make(shape, dtype, kPlaceholder, std::vector<array>{}, default_stream());
}

Path::Path(std::span<const array> seeds, std::span<const array> outputs, Carries what) : what_(what) {
  for (const array& s : seeds) {
    visited_.insert(s.node().get());
    if (what == Carries::batch || is_inexact(s.dtype())) on_path_.insert(s.id());
  }
  for (const array& output : outputs) walk(output);
}

// Depth first, without recursion: a chain of a million ops is a legal graph.
void Path::walk(const array& output) {
  struct Frame {
    array a;
    size_t next;
  };
  std::vector<Frame> stack;
  const auto enter = [&](const array& a) {
    // What is no tracer depends on no seed, and another thread may be evaluating it.
    if (a.is_tracer() && a.node() && visited_.insert(a.node().get()).second) stack.push_back({a, 0});
  };
  enter(output);
  while (!stack.empty()) {
    const auto& inputs = stack.back().a.node()->inputs;
    if (stack.back().next < inputs.size()) {
      enter(inputs[stack.back().next++]);
    } else {
      leave(stack.back().a);
      stack.pop_back();
    }
  }
}

void Path::leave(const array& a) {
  const std::shared_ptr<Node>& node = a.node();
  if (what_ == Carries::derivative && node->op == &kStopGradient) return;
  std::vector<int> argnums;
  for (size_t i = 0; i < node->inputs.size(); ++i)
    if (has(node->inputs[i])) argnums.push_back(static_cast<int>(i));
  if (argnums.empty()) return;
  PathStep step{node, siblings_of(a), std::move(argnums)};
  bool carried = false;
  for (const array& out : step.outputs)
    if (what_ == Carries::batch || is_inexact(out.dtype())) carried = on_path_.insert(out.id()).second;
  if (carried) steps_.push_back(std::move(step));
}

}  // namespace uma
