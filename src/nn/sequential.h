#pragma once
#include <functional>

#include "nn/module.h"

namespace uma::nn {

/// Calls its parts one after the other, each on the result of the one before. Modules among them are
/// layers.0, layers.1, ...; plain functions are called too, but have no parameters:
///   nn::Sequential net{nn::Linear(784, 128), nn::relu, nn::Linear(128, 10)};
/// Braces make the parts in this order, and so start them with the numbers that they have in Python.
struct Sequential : Module {
  using Part = std::function<array(const array&)>;

  Sequential() = default;
  template <class... Parts>
  requires(sizeof...(Parts) > 0 && (std::is_invocable_r_v<array, const Parts&, const array&> &&
                                    ...)) explicit Sequential(const Parts&... parts) {
    (append(parts), ...);
  }

  template <class P>
  requires std::is_invocable_r_v<array, const P&, const array&> Sequential& append(const P& part) {
    if constexpr (std::derived_from<P, Module>) add("layers." + std::to_string(parts_.size()), part);
    parts_.emplace_back(part);
    return *this;
  }

  array operator()(const array& x) const {
    array y = x;
    for (const Part& part : parts_) y = part(y);
    return y;
  }

 private:
  std::vector<Part> parts_;
};

}  // namespace uma::nn
