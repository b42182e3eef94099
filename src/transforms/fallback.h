#pragma once
// For ops of the layers above that have a vmap rule for some cases only.
#include <span>
#include <utility>
#include <vector>

#include "core/array.h"

namespace uma {

/// vmap of an op through its fallback: what an empty slot does.
std::pair<std::vector<array>, std::vector<int>> fallback_vmap(const Node& node, std::span<const array> inputs,
                                                              std::span<const int> axes);

}  // namespace uma
