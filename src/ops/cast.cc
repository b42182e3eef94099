#include "ops/cast.h"

namespace uma {

array astype(const array& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  return array::make(x.shape(), dtype, kAstype, CastParams{dtype}, {x});
}

std::vector<array> astype_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                              std::span<const int>) {
  return {astype(cotangents[0], node.inputs[0].dtype())};
}

std::vector<array> astype_jvp(const Node&, std::span<const array> outputs, std::span<const array> tangents,
                              std::span<const int>) {
  return {astype(tangents[0], outputs[0].dtype())};
}

std::pair<std::vector<array>, std::vector<int>> astype_vmap(const Node& node, std::span<const array> inputs,
                                                            std::span<const int> axes) {
  return {{array::make(inputs[0].shape(), node.params<CastParams>().dtype, kAstype, node.params<CastParams>(),
                       {inputs[0]})},
          {axes[0]}};
}

}  // namespace uma
