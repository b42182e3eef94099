#pragma once
// NumPy's .npz files: a zip of .npy files, whose names without the ending are those of the arrays.
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/array.h"

namespace uma {

/// The arrays of a file, stored or deflated; of all members, or of those whose names are `wanted`. They are
/// copies: a zip aligns nothing.
/// Throws NotFound, Io; Format: no sound zip, a checksum that is wrong, two members of one name, a member
/// that is encrypted or packed otherwise or says it is larger than deflate could have packed; and what
/// read_npy throws.
std::map<std::string, array, std::less<>> read_npz(const std::string& path,
                                                   const std::function<bool(std::string_view)>& wanted = {});

/// Writes arrays under their names, not compressed, as MLX's savez does. The file appears whole or not at
/// all. Throws Io; InvalidArgument for a name that comes twice, is empty or is not UTF-8; and what write_npy
/// throws.
void write_npz(const std::string& path, std::span<const std::pair<std::string, array>> arrays);

}  // namespace uma
