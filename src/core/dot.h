#pragma once
#include <string>
#include <utility>
#include <vector>

#include "core/array.h"

namespace uma {

/// The graph of what is not computed yet, in the DOT language: ops as boxes, arrays between them. `names` are
/// for arrays that should not be called A, B, C...
std::string to_dot(const std::vector<array>& outputs,
                   const std::vector<std::pair<std::string, array>>& names = {});

}  // namespace uma
