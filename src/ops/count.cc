#include "ops/count.h"

namespace uma {

array number_of_elements(const array& x, const Axes& axes, DType dtype) {
  CountParams params{{}, dtype};
  for (const int axis : axes) params.axes.push_back(normalize_axis(axis, x.ndim(), "number_of_elements"));
  if (axes.empty())
    for (size_t i = 0; i < x.ndim(); ++i) params.axes.push_back(static_cast<int>(i));
  return array::make(Shape{}, dtype, kNumberOfElements, std::move(params), {x});
}

// The shape is known before any value is.
std::vector<array> number_of_elements_fallback(const Node& node, std::span<const array> inputs) {
  const auto& params = node.params<CountParams>();
  double n = 1;
  for (const int axis : params.axes) n *= static_cast<double>(inputs[0].shape(axis));
  return {array(n, params.dtype)};
}

}  // namespace uma
