#pragma once
// Inside transforms/ only: derivatives along a path.
#include <span>
#include <vector>

#include "core/array.h"

namespace uma {

/// Gradients of the seeds, given the cotangents of the results. The trace of the seeds must be alive.
std::vector<array> pull_back(std::span<const array> seeds, std::span<const array> outputs,
                             std::span<const array> cotangents);
/// Tangents of the results, given those of the seeds.
std::vector<array> push_forward(std::span<const array> seeds, std::span<const array> outputs,
                                std::span<const array> tangents);

}  // namespace uma
