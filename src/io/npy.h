#pragma once
// NumPy's .npy files, version 1.0.
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/array.h"

namespace uma {

/// Writes an array. bfloat16, which NumPy has not, is written as elements of two bytes ("<V2"), as MLX does.
/// The file appears whole or not at all. Throws Io, DType.
void write_npy(const std::string& path, const array& a);

/// Reads a little-endian file; the array is a view of the mapped file (a copy where the file does not align
/// it, or has it in Fortran order). Throws Io, NotFound, Format, Unsupported (a dtype outside the
/// framework's).
array read_npy(const std::string& path);

/// What a file has before the elements of a row-major array. Throws DType.
std::string npy_header(const array& a);
/// The array in the bytes of a file, which `owner` keeps; `path` names them in sentences. Throws as read_npy.
array parse_npy(const std::shared_ptr<const void>& owner, std::span<const uint8_t> bytes,
                const std::string& path);

}  // namespace uma
