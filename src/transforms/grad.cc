#include <algorithm>

#include "core/eval.h"
#include "ops/creation.h"
#include "transforms/derive.h"
#include "transforms/path.h"
#include "transforms/transforms.h"

namespace uma {
namespace {

// The arguments meant, in the caller's order.
std::vector<size_t> resolve(const std::vector<int>& argnums, size_t arguments) {
  std::vector<size_t> out;
  const int n = static_cast<int>(arguments);
  for (const int argnum : argnums) {
    check(argnum >= -n && argnum < n, ErrorCode::kInvalidArgument, "grad",
          "argument {} is meant, and the function is called with {}", argnum, n);
    const auto at = static_cast<size_t>(argnum < 0 ? argnum + n : argnum);
    check(std::find(out.begin(), out.end(), at) == out.end(), ErrorCode::kInvalidArgument, "grad",
          "argument {} comes twice", argnum);
    out.push_back(at);
  }
  return out;
}

std::pair<std::vector<array>, std::vector<array>> evaluate(const Function& fun,
                                                           const std::vector<int>& argnums,
                                                           std::vector<array> arguments) {
  const Tracing tracing;
  std::vector<array> seeds;
  for (const size_t i : resolve(argnums, arguments.size())) {
    check(is_inexact(arguments[i].dtype()), ErrorCode::kDType, "grad",
          "argument {} is {}, and only floats have gradients", i, name_of(arguments[i].dtype()));
    tracing.follow(seeds.emplace_back(seed(arguments[i])));
    arguments[i] = seeds.back();
  }
  std::vector<array> outputs = fun(arguments);
  check(!outputs.empty(), ErrorCode::kShape, "grad", "the function has no result");
  check(outputs[0].ndim() == 0, ErrorCode::kShape, "grad",
        "the function's first result must be a scalar, and has shape {}", outputs[0].shape());
  check(is_inexact(outputs[0].dtype()), ErrorCode::kDType, "grad",
        "the function's first result must be a float, and is {}", name_of(outputs[0].dtype()));
  const std::vector<array> one{ones_like(outputs[0])};
  std::vector<array> gradients = pull_back(seeds, std::span<const array>(outputs.data(), 1), one);
  return {std::move(outputs), std::move(gradients)};
}

Function many(const ScalarFunction& fun) {
  return [fun](const std::vector<array>& arguments) { return std::vector<array>{fun(arguments)}; };
}

}  // namespace

ValueAndGradFunction value_and_grad(const Function& fun, const std::vector<int>& argnums) {
  check(!argnums.empty(), ErrorCode::kInvalidArgument, "grad", "needs at least one argument");
  return [fun, argnums](const std::vector<array>& arguments) { return evaluate(fun, argnums, arguments); };
}
ValueAndGradFunction value_and_grad(const Function& fun, int argnum) {
  return value_and_grad(fun, std::vector<int>{argnum});
}

ScalarValueAndGradFunction value_and_grad(const ScalarFunction& fun, const std::vector<int>& argnums) {
  return [inner = value_and_grad(many(fun), argnums)](const std::vector<array>& arguments) {
    auto [outputs, gradients] = inner(arguments);
    return std::pair(outputs[0], std::move(gradients));
  };
}
ScalarValueAndGradFunction value_and_grad(const ScalarFunction& fun, int argnum) {
  return value_and_grad(fun, std::vector<int>{argnum});
}

std::function<std::pair<array, array>(const array&)> value_and_grad(const UnaryFunction& fun) {
  const ScalarFunction one = [fun](const std::vector<array>& x) { return fun(x[0]); };
  return [inner = value_and_grad(one)](const array& x) {
    const auto [value, gradients] = inner({x});
    return std::pair(value, gradients[0]);
  };
}

Function grad(const ScalarFunction& fun, const std::vector<int>& argnums) {
  return [inner = value_and_grad(fun, argnums)](const std::vector<array>& arguments) {
    return inner(arguments).second;
  };
}
Function grad(const ScalarFunction& fun, int argnum) {
  return grad(fun, std::vector<int>{argnum});
}
UnaryFunction grad(const UnaryFunction& fun) {
  return [inner = value_and_grad(fun)](const array& x) { return inner(x).second; };
}

}  // namespace uma
