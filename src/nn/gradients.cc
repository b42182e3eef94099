#include "nn/gradients.h"

#include <numeric>

#include "transforms/custom.h"

namespace uma::nn {
namespace {

/// Other arrays in place of a module's, and at the end the former ones again: but for those that were
/// replaced meanwhile by someone else.
class Borrowed {
 public:
  /// Gives the arrays to the paths of `names`, in order.
  Borrowed(Module& module, const Parameters& names, std::span<const array> arrays) : module_(module) {
    auto next = arrays.begin();
    for (const auto& [path, value] : names) {
      before_.emplace(path, module.parameter(path));
      placed_.emplace(path, *next++);
    }
    module_.update(placed_);
  }
  ~Borrowed() {
    Parameters back;
    for (const auto& [path, array] : placed_) {
      const auto* now = module_.find(path);
      if (now && now->id() == array.id()) back.emplace(path, before_.find(path)->second);
    }
    module_.update(back);
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

 private:
  Module& module_;
  Parameters before_, placed_;
};

std::vector<array> values_of(const Parameters& parameters) {
  std::vector<array> values;
  for (const auto& [path, value] : parameters) values.push_back(value);
  return values;
}

}  // namespace

std::pair<std::vector<array>, Parameters> value_and_grad_of(Module module,
                                                            const std::function<std::vector<array>()>& call) {
  Parameters before = module.trainable_parameters();
  check(!before.empty(), ErrorCode::kInvalidArgument, "value_and_grad", "the module has nothing to train");
  std::vector<int> argnums(before.size());
  std::iota(argnums.begin(), argnums.end(), 0);
  const Function inner = [&](const std::vector<array>& arrays) {
    const Borrowed borrowed(module, before, arrays);
    return call();
  };
  auto [values, gradients] = value_and_grad(inner, argnums)(values_of(before));
  Parameters named;
  auto next = gradients.begin();
  for (const auto& [path, own] : before) named.emplace(path, std::move(*next++));
  return {std::move(values), std::move(named)};
}

Function checkpoint(Module module, Function fn) {
  return [module, fn](const std::vector<array>& arguments) {
    const Parameters parameters = module.trainable_parameters();
    std::vector<array> all = values_of(parameters);
    const size_t own = all.size();
    all.insert(all.end(), arguments.begin(), arguments.end());
    // By value: the gradient calls it again, when this scope has long ended.
    const auto inner = [module, fn, parameters, own](const std::vector<array>& arrays) mutable {
      const Borrowed borrowed(module, parameters, std::span(arrays).first(own));
      return fn({arrays.begin() + static_cast<std::ptrdiff_t>(own), arrays.end()});
    };
    return uma::checkpoint(inner)(all);
  };
}

}  // namespace uma::nn
