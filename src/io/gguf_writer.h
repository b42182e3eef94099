#pragma once
// Writing GGUF files, version 3.
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/array.h"

namespace uma {

/// Of a metadata entry: a text, texts, or an array of no or one dimension (bool, float32 or an integer
/// dtype).
using GgufValue = std::variant<std::string, std::vector<std::string>, array>;

/// Writes arrays (float32, float16, int8, int16, int32; 1 to 4 dimensions, no extent 0) and metadata in the
/// order given. Tensors lie at multiples of 32 bytes, or of what the entry general.alignment says. The file
/// appears whole or not at all.
/// throws  Unsupported (another dtype or number of dimensions), DType (of metadata), InvalidArgument (a name
///         or key that comes twice, is empty, too long for the format or not UTF-8), Io
void write_gguf(const std::string& path, std::span<const std::pair<std::string, array>> tensors,
                std::span<const std::pair<std::string, GgufValue>> metadata = {});

}  // namespace uma
