#pragma once
// Gradients with respect to what a module is made of.
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include "nn/module.h"
#include "transforms/transforms.h"

namespace uma::nn {

/// The results of `call`, and the gradients of the first, a scalar, by the module's trainable parameters. The
/// module has its own parameters again afterwards, also where `call` throws.
/// throws  InvalidArgument where nothing is trainable; what uma::value_and_grad throws
std::pair<std::vector<array>, Parameters> value_and_grad_of(Module module,
                                                            const std::function<std::vector<array>()>& call);

/// A function that returns fn(args...), an array or a vector that begins with the loss, and the gradients:
///
///   auto loss_and_grad = nn::value_and_grad(model, [&](const array& x, const array& y) {
///     return nn::losses::cross_entropy(model(x), y, {.reduction = nn::losses::Reduce::mean});
///   });
///   auto [loss, grads] = loss_and_grad(x, y);
///   optimizer.update(model, grads);
template <class F>
auto value_and_grad(Module module, F fn) {
  return [module, fn](const auto&... args) {
    if constexpr (std::is_same_v<std::invoke_result_t<const F&, decltype(args)...>, array>) {
      auto [values, gradients] = value_and_grad_of(module, [&] { return std::vector<array>{fn(args...)}; });
      return std::pair<array, Parameters>(std::move(values[0]), std::move(gradients));
    } else {
      return value_and_grad_of(module, [&]() -> std::vector<array> { return fn(args...); });
    }
  };
}

/// `fn`, a function of arrays and of the module's parameters, whose intermediate results are not kept for its
/// gradient but computed again: memory for time.  source  Chen et al. 2016, arXiv:1604.06174
Function checkpoint(Module module, Function fn);

/// The same of a module that is called with one array.
template <std::derived_from<Module> M>
UnaryFunction checkpoint(M module) {
  Function inner =
      checkpoint(module, [module](const std::vector<array>& x) { return std::vector<array>{module(x[0])}; });
  return [inner](const array& x) { return inner({x})[0]; };
}

}  // namespace uma::nn
