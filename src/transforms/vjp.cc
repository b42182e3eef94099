#include <unordered_map>

#include "core/eval.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "transforms/derive.h"
#include "transforms/path.h"
#include "transforms/transforms.h"

namespace uma {
namespace {

std::vector<array> step_vjp(const PathStep& step, std::span<const array> cotangents) {
  const OpInfo& op = *step.node->op;
  if (op.vjp) return op.vjp(*step.node, step.outputs, cotangents, step.argnums);
  check(op.fallback != nullptr, ErrorCode::kUnsupported, op.name, "has no vjp");
  const auto [composed, primals] = fallback_of(step);
  return vjp(composed, primals, {cotangents.begin(), cotangents.end()}).second;
}

class Cotangents {
 public:
  void add(const array& of, const array& cotangent) {
    check(cotangent.shape() == of.shape(), ErrorCode::kInternal, "vjp",
          "a cotangent of shape {} came for an array of shape {}", cotangent.shape(), of.shape());
    const array value = astype(cotangent, of.dtype());
    const auto [it, fresh] = values_.try_emplace(of.id(), value);
    if (!fresh) it->second = it->second + value;
  }
  bool has(const array& of) const { return values_.count(of.id()) > 0; }
  /// Zero if nothing came.
  array get(const array& of) const {
    const auto it = values_.find(of.id());
    return it == values_.end() ? zeros_like(of) : it->second;
  }

 private:
  std::unordered_map<uintptr_t, array> values_;
};

}  // namespace

std::vector<array> pull_back(std::span<const array> seeds, std::span<const array> outputs,
                             std::span<const array> cotangents) {
  const Path path(seeds, outputs, Carries::derivative);
  Cotangents sums;
  for (size_t i = 0; i < outputs.size(); ++i)
    if (path.has(outputs[i])) sums.add(outputs[i], cotangents[i]);
  for (size_t s = path.steps().size(); s-- > 0;) {
    const PathStep& step = path.steps()[s];
    bool reached = false;
    std::vector<array> of_outputs;
    for (const array& out : step.outputs) {
      reached = reached || sums.has(out);
      of_outputs.push_back(sums.get(out));
    }
    if (!reached) continue;
    const std::vector<array> of_inputs = step_vjp(step, of_outputs);
    for (size_t i = 0; i < step.argnums.size(); ++i)
      sums.add(step.node->inputs[static_cast<size_t>(step.argnums[i])], of_inputs[i]);
  }
  std::vector<array> gradients;
  for (const array& s : seeds) gradients.push_back(sums.get(s));
  return gradients;
}

std::pair<std::vector<array>, std::vector<array>> vjp(const Function& fun, const std::vector<array>& primals,
                                                      const std::vector<array>& cotangents) {
  const Tracing tracing;
  std::vector<array> seeds;
  for (const array& primal : primals) tracing.follow(seeds.emplace_back(seed(primal)));
  std::vector<array> outputs = fun(seeds);
  check(outputs.size() == cotangents.size(), ErrorCode::kShape, "vjp",
        "the function has {} results, and there are {} cotangents", outputs.size(), cotangents.size());
  for (size_t i = 0; i < outputs.size(); ++i)
    check(outputs[i].shape() == cotangents[i].shape(), ErrorCode::kShape, "vjp",
          "result {} has shape {}, its cotangent {}", i, outputs[i].shape(), cotangents[i].shape());
  std::vector<array> gradients = pull_back(seeds, outputs, cotangents);
  return {std::move(outputs), std::move(gradients)};
}

std::pair<array, array> vjp(const UnaryFunction& fun, const array& primal, const array& cotangent) {
  const auto many = [&](const std::vector<array>& x) { return std::vector<array>{fun(x[0])}; };
  const auto [outputs, gradients] = vjp(Function(many), {primal}, {cotangent});
  return {outputs[0], gradients[0]};
}

}  // namespace uma
