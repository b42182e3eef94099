#include "transforms/custom.h"

#include <algorithm>

#include "core/kernel.h"
#include "ops/creation.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma {
namespace {

std::vector<array> primals_of(const Node& node) {
  const auto n = static_cast<std::ptrdiff_t>(node.params<CustomParams>().inputs);
  return {node.inputs.begin(), node.inputs.begin() + n};
}

void check_count(std::string_view what, size_t got, size_t wanted) {
  check(got == wanted, ErrorCode::kInvalidArgument, "custom_function", "its {} gave {} arrays for {}", what,
        got, wanted);
}

std::vector<array> joined(std::initializer_list<const std::vector<array>*> parts) {
  std::vector<array> all;
  for (const auto* part : parts) all.insert(all.end(), part->begin(), part->end());
  return all;
}

/// The rules of vmap(fun, axes), whose results have the batch in front.
CustomRules batched(const CustomRules& rules, const std::vector<int>& axes) {
  CustomRules out;
  const auto n = static_cast<std::ptrdiff_t>(axes.size());
  if (rules.vjp)
    out.vjp = [rule = rules.vjp, axes, n](const std::vector<array>& primals,
                                          const std::vector<array>& cotangents,
                                          const std::vector<array>& outputs) {
      const auto results = static_cast<std::ptrdiff_t>(outputs.size());
      std::vector<int> in = axes;
      in.insert(in.end(), 2 * outputs.size(), 0);
      const Function one = [&](const std::vector<array>& x) {
        return rule({x.begin(), x.begin() + n}, {x.begin() + n, x.begin() + n + results},
                    {x.begin() + n + results, x.end()});
      };
      std::vector<array> grads = vmap(one, in)(joined({&primals, &cotangents, &outputs}));
      // A primal that all shared gets what all give it.
      for (size_t i = 0; i < grads.size(); ++i)
        grads[i] = axes[i] == -1 ? sum(grads[i], {0}) : moveaxis(grads[i], 0, axes[i]);
      return grads;
    };
  if (rules.jvp)
    out.jvp = [rule = rules.jvp, axes, n](const std::vector<array>& primals,
                                          const std::vector<array>& tangents) {
      std::vector<int> in = axes;
      in.insert(in.end(), axes.begin(), axes.end());
      const Function one = [&](const std::vector<array>& x) {
        return rule({x.begin(), x.begin() + n}, {x.begin() + n, x.end()});
      };
      return vmap(one, in)(joined({&primals, &tangents}));
    };
  return out;
}

}  // namespace

// The op hands on results that were computed from inputs cut off from every transformation: those see the op
// and its rules, and nothing behind them.
Function custom_function(Function fun, CustomRules rules) {
  return [fun = std::move(fun), rules = std::move(rules)](const std::vector<array>& inputs) {
    std::vector<array> cut;
    for (const array& x : inputs) cut.push_back(stop_gradient(x));
    const std::vector<array> results = fun(cut);
    std::vector<Node::Output> outputs;
    for (const array& y : results) outputs.push_back({y.shape(), y.dtype(), {}});
    std::vector<array> all = joined({&inputs, &results, &cut});
    return array::make_many(std::move(outputs), std::make_shared<NodeWith<CustomParams>>(
                                                    kCustomFunction, default_stream(), std::move(all),
                                                    CustomParams{fun, rules, inputs.size()}));
  };
}

Function checkpoint(Function fun) {
  CustomRules rules;
  rules.vjp = [fun](const std::vector<array>& primals, const std::vector<array>& cotangents,
                    const std::vector<array>&) { return vjp(fun, primals, cotangents).second; };
  return custom_function(fun, std::move(rules));
}

bool custom_view(KernelArgs& args) {
  const size_t n = args.params<CustomParams>().inputs;
  for (size_t i = 0; i < args.num_outputs(); ++i) args.view(n + i, args.in(n + i).strides(), 0, i);
  return true;
}

std::vector<array> custom_vjp(const Node& node, std::span<const array> outputs,
                              std::span<const array> cotangents, std::span<const int> argnums) {
  const auto& params = node.params<CustomParams>();
  const std::vector<array> primals = primals_of(node), given(cotangents.begin(), cotangents.end());
  const std::vector<array> grads = params.rules.vjp
                                       ? params.rules.vjp(primals, given, {outputs.begin(), outputs.end()})
                                       : vjp(params.fun, primals, given).second;
  check_count("vjp", grads.size(), primals.size());
  std::vector<array> out;
  for (const int argnum : argnums) {
    const auto i = static_cast<size_t>(argnum);
    out.push_back(i < primals.size() ? grads[i] : zeros_like(node.inputs[i]));
  }
  return out;
}

std::vector<array> custom_jvp(const Node& node, std::span<const array> outputs,
                              std::span<const array> tangents, std::span<const int> argnums) {
  const auto& params = node.params<CustomParams>();
  const std::vector<array> primals = primals_of(node);
  std::vector<array> all;
  for (const array& x : primals) all.push_back(zeros_like(x));
  for (size_t i = 0; i < argnums.size(); ++i)
    if (static_cast<size_t>(argnums[i]) < all.size()) all[static_cast<size_t>(argnums[i])] = tangents[i];
  const std::vector<array> out =
      params.rules.jvp ? params.rules.jvp(primals, all) : jvp(params.fun, primals, all).second;
  check_count("jvp", out.size(), outputs.size());
  return out;
}

std::pair<std::vector<array>, std::vector<int>> custom_vmap(const Node& node, std::span<const array> inputs,
                                                            std::span<const int> axes) {
  const auto& params = node.params<CustomParams>();
  const auto n = static_cast<std::ptrdiff_t>(params.inputs);
  const std::vector<array> primals(inputs.begin(), inputs.begin() + n);
  const std::vector<int> mapped(axes.begin(), axes.begin() + n);
  if (params.rules.vmap) return params.rules.vmap(primals, mapped);
  // The same over batches: the function and each of its rules.
  const auto results = custom_function(vmap(params.fun, mapped), batched(params.rules, mapped))(primals);
  return {results, std::vector<int>(results.size(), 0)};
}

}  // namespace uma
