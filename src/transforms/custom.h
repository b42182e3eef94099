#pragma once
// Functions that bring their own derivatives.
#include "core/op.h"
#include "transforms/transforms.h"

namespace uma {

/// What a function says of itself; where a rule is missing, the function is looked through.
struct CustomRules {
  /// Cotangents of the primals, given the primals, the cotangents of the results, and the results.
  std::function<std::vector<array>(const std::vector<array>& primals, const std::vector<array>& cotangents,
                                   const std::vector<array>& outputs)>
      vjp = {};
  /// Tangents of the results, given the primals and their tangents (zeros for those that have none).
  std::function<std::vector<array>(const std::vector<array>& primals, const std::vector<array>& tangents)>
      jvp = {};
  /// Results over one more axis of the inputs (-1: none), and where the results have it.
  std::function<std::pair<std::vector<array>, std::vector<int>>(const std::vector<array>& inputs,
                                                                const std::vector<int>& axes)>
      vmap = {};
};

/// The function with these rules in place of those that follow from its ops.
Function custom_function(Function fun, CustomRules rules);

/// The function, whose intermediate results are not kept for its gradient but computed again: memory for
/// time. source  Chen et al. 2016, arXiv:1604.06174
Function checkpoint(Function fun);

struct CustomParams {
  Function fun;
  CustomRules rules;
  // Of the function. Its results follow as further inputs of the op, then the inputs as the function got
  // them: cut off from every transformation.
  size_t inputs;
};

std::vector<array> custom_vjp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
std::vector<array> custom_jvp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> custom_vmap(const Node&, std::span<const array>,
                                                            std::span<const int>);
bool custom_view(KernelArgs&);

inline constexpr OpInfo kCustomFunction{.name = "custom_function",
                                        .args = "inputs, outputs",
                                        .doc = "Results of a function that brings its own derivatives.",
                                        .dtype = DTypeRule::custom,
                                        .fusion = Fusion::view,
                                        .vjp = custom_vjp,
                                        .jvp = custom_jvp,
                                        .vmap = custom_vmap,
                                        .view = custom_view};

}  // namespace uma
