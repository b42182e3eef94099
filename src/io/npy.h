#pragma once
// NumPy's .npy files, version 1.0.
#include <string>

#include "core/array.h"

namespace uma {

/// Writes an array (any dtype but bfloat16, which NumPy has not). The file appears whole or not at all.
/// Throws Io, DType.
void write_npy(const std::string& path, const array& a);

/// Reads a little-endian, C-order file; the array is a view of the mapped file (a copy where the file does
/// not align it). Throws Io, NotFound, Format, Unsupported (Fortran order, a dtype outside the framework's).
array read_npy(const std::string& path);

}  // namespace uma
