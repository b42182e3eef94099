#include <unordered_map>

#include "core/eval.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "transforms/derive.h"
#include "transforms/path.h"
#include "transforms/transforms.h"

namespace uma {
namespace {

std::vector<array> step_jvp(const PathStep& step, const std::vector<array>& tangents) {
  const OpInfo& op = *step.node->op;
  if (op.jvp) return op.jvp(*step.node, step.outputs, tangents, step.argnums);
  check(op.fallback != nullptr, ErrorCode::kUnsupported, op.name, "has no jvp");
  const auto [composed, primals] = fallback_of(step);
  return jvp(composed, primals, tangents).second;
}

}  // namespace

std::vector<array> push_forward(std::span<const array> seeds, std::span<const array> outputs,
                                std::span<const array> tangents) {
  const Path path(seeds, outputs, Carries::derivative);
  std::unordered_map<uintptr_t, array> known;
  const auto set = [&](const array& of, const array& tangent) {
    if (!path.has(of)) return;
    check(tangent.shape() == of.shape(), ErrorCode::kInternal, "jvp",
          "a tangent of shape {} came for an array of shape {}", tangent.shape(), of.shape());
    known.emplace(of.id(), astype(tangent, of.dtype()));
  };
  for (size_t i = 0; i < seeds.size(); ++i) set(seeds[i], tangents[i]);
  for (const PathStep& step : path.steps()) {
    std::vector<array> of_inputs;
    for (const int argnum : step.argnums)
      of_inputs.push_back(known.at(step.node->inputs[static_cast<size_t>(argnum)].id()));
    const std::vector<array> of_outputs = step_jvp(step, of_inputs);
    for (size_t i = 0; i < step.outputs.size(); ++i) set(step.outputs[i], of_outputs[i]);
  }
  std::vector<array> results;
  for (const array& out : outputs) results.push_back(path.has(out) ? known.at(out.id()) : zeros_like(out));
  return results;
}

std::pair<std::vector<array>, std::vector<array>> jvp(const Function& fun, const std::vector<array>& primals,
                                                      const std::vector<array>& tangents) {
  check(primals.size() == tangents.size(), ErrorCode::kShape, "jvp", "there are {} primals and {} tangents",
        primals.size(), tangents.size());
  const Tracing tracing;
  std::vector<array> seeds;
  for (size_t i = 0; i < primals.size(); ++i) {
    check(primals[i].shape() == tangents[i].shape(), ErrorCode::kShape, "jvp",
          "primal {} has shape {}, its tangent {}", i, primals[i].shape(), tangents[i].shape());
    tracing.follow(seeds.emplace_back(seed(primals[i])));
  }
  std::vector<array> outputs = fun(seeds);
  std::vector<array> results = push_forward(seeds, outputs, tangents);
  return {std::move(outputs), std::move(results)};
}

std::pair<array, array> jvp(const UnaryFunction& fun, const array& primal, const array& tangent) {
  const auto many = [&](const std::vector<array>& x) { return std::vector<array>{fun(x[0])}; };
  const auto [outputs, results] = jvp(Function(many), {primal}, {tangent});
  return {outputs[0], results[0]};
}

}  // namespace uma
