#pragma once
// The plan of an einsum: which operands meet, in which order.
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/shape.h"

namespace uma::detail {

/// Names of axes: letters as themselves, axes of "..." as numbers above them, counted from the last.
using Labels = std::vector<int>;

struct Equation {
  std::vector<Labels> inputs;
  Labels output;
  std::map<int, int64_t> extents;
  std::string text;  // without spaces
};

/// Throws InvalidArgument and Shape.
Equation parse_einsum(std::string_view subscripts, const std::vector<Shape>& shapes);

struct EinsumStep {
  std::vector<int> operands;  // one, or two in ascending order
};

/// Pairs by the numbers that they free, then by their cost, as long as more than one operand is left.
std::vector<EinsumStep> plan_einsum(const Equation& equation);

/// Labels of a contraction's result: those that others or the output still need, in order of appearance.
Labels kept_labels(const std::vector<const Labels*>& inputs, const std::vector<const Labels*>& others,
                   const Labels& output);

struct EinsumCost {
  int naive_scaling, scaling;  // letters in the largest loop
  double naive_flops, flops;
};
EinsumCost cost_of(const Equation& equation, const std::vector<EinsumStep>& plan);

}  // namespace uma::detail
