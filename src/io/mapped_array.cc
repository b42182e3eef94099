#include "io/mapped_array.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace uma {

std::optional<int64_t> bits_of(const Shape& shape, int64_t item_bits) {
  int64_t bits = item_bits;
  bool empty = false;
  for (const int64_t extent : shape) {
    empty |= extent == 0;
    if (extent > 0 && !mul_fits(bits, extent, &bits)) return std::nullopt;
  }
  return empty ? 0 : bits;
}

array mapped_array(const std::shared_ptr<const MappedFile>& file, std::span<const uint8_t> data, Shape shape,
                   DType dtype, std::string_view op, std::string_view what) {
  return owned_array(file, file->path(), data, std::move(shape), dtype, op, what);
}

array owned_array(const std::shared_ptr<const void>& owner, const std::string& path,
                  std::span<const uint8_t> data, Shape shape, DType dtype, std::string_view op,
                  std::string_view what) {
  if (dtype == DType::bool_)
    for (const uint8_t b : data)
      check(b <= 1, ErrorCode::kFormat, op, "{}: {} holds the bool {}, which is neither 0 nor 1", path, what,
            b);
  // complex64 is two floats, and aligned as one.
  const auto alignment = static_cast<uintptr_t>(dtype == DType::complex64 ? 4 : size_of(dtype));
  if (reinterpret_cast<uintptr_t>(data.data()) % alignment == 0)
    return array::from_buffer(Buffer::view(data.data(), data.size(), owner), 0, std::move(shape), dtype);
  // The widest element has 8 bytes. Not from a device's memory: files are read before there is a backend.
  const auto copy = std::make_shared<std::vector<uint64_t>>(std::max<size_t>(1, (data.size() + 7) / 8));
  std::memcpy(copy->data(), data.data(), data.size());
  return array::from_buffer(Buffer::view(copy->data(), data.size(), copy), 0, std::move(shape), dtype);
}

}  // namespace uma
