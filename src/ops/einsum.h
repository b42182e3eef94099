#pragma once
// Einstein's summation over any number of arrays, as a sequence of matrix products.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/array.h"

namespace uma {

/// "ij,jk->ik": an axis a letter, "..." for axes that broadcast; letters that are missing on the right are
/// summed over. Without "->" the result has the letters that come once, in the order of the alphabet. Extents
/// of one broadcast. dtype   sums over letters of two arrays are matmul's: floats only throws InvalidArgument
/// for a bad equation; Shape where extents of one letter differ
array einsum(std::string_view subscripts, const std::vector<array>& operands);

/// Which operands einsum contracts at each step (the result goes to the end of the list), and what it saves,
/// in words.
std::pair<std::vector<std::vector<int>>, std::string> einsum_path(std::string_view subscripts,
                                                                  const std::vector<array>& operands);

}  // namespace uma
