#pragma once
// Functions of functions, as in MLX. Each runs the function once on tracers and then walks the graph that it
// made, so they nest in any order; what they give is a graph like any other, and nothing is computed before
// someone reads it.
#include <functional>
#include <utility>
#include <vector>

#include "core/array.h"

namespace uma {

/// The general function; overloads below take functions of one array.
using Function = std::function<std::vector<array>(const std::vector<array>&)>;
using UnaryFunction = std::function<array(const array&)>;
using ScalarFunction = std::function<array(const std::vector<array>&)>;

// What holds for all derivatives: integers and bools have none, so nothing flows through them, as nothing
// flows through stop_gradient; their own gradients and tangents are zero. An op that has neither a rule nor a
// fallback throws Unsupported.

/// Results, and the gradients of sum(cotangents[i] * results[i]) with respect to the primals (zeros for one
/// that is not used). throws  Shape where the cotangents do not match the results, in number or shape
std::pair<std::vector<array>, std::vector<array>> vjp(const Function& fun, const std::vector<array>& primals,
                                                      const std::vector<array>& cotangents);
std::pair<array, array> vjp(const UnaryFunction& fun, const array& primal, const array& cotangent);

/// Results, and their derivatives in the direction of the tangents. throws  Shape where the tangents do not
/// match the primals, in number or shape
std::pair<std::vector<array>, std::vector<array>> jvp(const Function& fun, const std::vector<array>& primals,
                                                      const std::vector<array>& tangents);
std::pair<array, array> jvp(const UnaryFunction& fun, const array& primal, const array& tangent);

/// A function that gives the results of `fun` and the gradients of its first one, a scalar, with respect to
/// the arguments in `argnums` (negative ones count from the end). throws  InvalidArgument for no argnums, one
/// that comes twice or is out of range; when called: Shape where the first result is no scalar, DType where
/// it or an argument in argnums is no float
using ValueAndGradFunction =
    std::function<std::pair<std::vector<array>, std::vector<array>>(const std::vector<array>&)>;
using ScalarValueAndGradFunction =
    std::function<std::pair<array, std::vector<array>>(const std::vector<array>&)>;

ValueAndGradFunction value_and_grad(const Function& fun, const std::vector<int>& argnums);
ValueAndGradFunction value_and_grad(const Function& fun, int argnum = 0);
ScalarValueAndGradFunction value_and_grad(const ScalarFunction& fun, const std::vector<int>& argnums);
ScalarValueAndGradFunction value_and_grad(const ScalarFunction& fun, int argnum = 0);
std::function<std::pair<array, array>(const array&)> value_and_grad(const UnaryFunction& fun);

/// The gradients alone.
Function grad(const ScalarFunction& fun, const std::vector<int>& argnums);
Function grad(const ScalarFunction& fun, int argnum = 0);
UnaryFunction grad(const UnaryFunction& fun);

/// A function of arrays with one more axis: argument i has it at in_axes[i], and is the same for all where
/// that is -1; result i gets it at out_axes[i]. Empty: 0 for all. A result that does not depend on a mapped
/// argument is repeated; with -1 it must not depend on one, and stays as it is. The value of an array inside
/// `fun` that depends on a mapped argument cannot be read: that throws InvalidArgument.
/// throws, when called  InvalidArgument for a wrong number of axes, one out of range or no mapped argument;
/// Shape where the mapped axes differ in extent
Function vmap(const Function& fun, const std::vector<int>& in_axes = {},
              const std::vector<int>& out_axes = {});
UnaryFunction vmap(const UnaryFunction& fun, int in_axis = 0, int out_axis = 0);
std::function<array(const array&, const array&)> vmap(
    const std::function<array(const array&, const array&)>& fun, int x_axis = 0, int y_axis = 0,
    int out_axis = 0);

}  // namespace uma
