#pragma once
// Arrays whose elements lie in a mapped file.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/array.h"
#include "core/mapped_file.h"

namespace uma {

/// Bits of a row-major array, `item_bits` an element; nothing where they are more than 63 bits can count. An
/// extent of 0 makes it empty and hides no overflow of the others. Extents must not be negative.
std::optional<int64_t> bits_of(const Shape& shape, int64_t item_bits);

/// The elements `data` of a file as an array: a view, or a copy where the file does not align them. `what`
/// names them in sentences. Throws Format for a bool that is neither 0 nor 1. data has shape's bytes.
array mapped_array(const std::shared_ptr<const MappedFile>& file, std::span<const uint8_t> data, Shape shape,
                   DType dtype, std::string_view op, std::string_view what);
/// The same of bytes that `owner` keeps, which came from the file at `path`.
array owned_array(const std::shared_ptr<const void>& owner, const std::string& path,
                  std::span<const uint8_t> data, Shape shape, DType dtype, std::string_view op,
                  std::string_view what);

}  // namespace uma
