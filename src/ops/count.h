#pragma once
#include "core/array.h"
#include "ops/reduce.h"

namespace uma {

/// How many elements x has over axes (empty: all), as a 0-d array: for functions that are recorded to run
/// with other shapes, where the number itself would be that of the recorded one.
array number_of_elements(const array& x, const Axes& axes, DType dtype);

struct CountParams {
  Axes axes;  // distinct, not negative
  DType dtype;
};
std::vector<array> number_of_elements_fallback(const Node& node, std::span<const array> inputs);

inline constexpr OpInfo kNumberOfElements{.name = "number_of_elements",
                                          .args = "x",
                                          .doc = "How many elements x has over axes.",
                                          .dtype = DTypeRule::custom,
                                          .fallback = number_of_elements_fallback};

}  // namespace uma
