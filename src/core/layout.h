#pragma once
// Strided layouts: what every backend needs to walk over arrays that are not row-major.
#include <span>
#include <vector>

#include "base/shape.h"

namespace uma {

/// Operands of one shape, each with its own strides (in elements; 0 where it is broadcast).
struct Layout {
  Shape shape;
  std::vector<Strides> strides;  // one entry an operand
};

/// The same elements in the same row-major order with as few dimensions as possible: extents of one go,
/// and neighbours merge where every operand steps through them evenly. Never empty: a 0-d layout becomes
/// one dimension of extent 1.
Layout collapse(const Shape& shape, std::span<const Strides> strides);

/// Walks over the outer dimensions of a layout (all but the last `inner`), keeping an element offset an
/// operand.
class OuterWalk {
 public:
  /// Starts at the `start`-th row (block) of the inner dimensions.
  OuterWalk(const Layout& layout, int64_t start, size_t inner = 1);
  int64_t offset(size_t operand) const { return offsets_[operand]; }
  void next();

 private:
  const Layout& layout_;
  SmallVector<int64_t, 8> position_;
  SmallVector<int64_t, 4> offsets_;
};

/// Number of rows that OuterWalk goes through.
int64_t outer_size(const Layout& layout);

/// f.operator()<T>() with the unsigned integer of so many bytes (1, 2, 4, 8), for where only bits move.
template <class F>
decltype(auto) with_bits(int64_t bytes, F&& f) {
  if (bytes == 1) return f.template operator()<uint8_t>();
  if (bytes == 2) return f.template operator()<uint16_t>();
  if (bytes == 4) return f.template operator()<uint32_t>();
  return f.template operator()<uint64_t>();
}

/// Copies a matrix of `item_bytes`-byte elements. Strides in elements, of rows and of columns.
struct BlockStrides {
  int64_t row, column;
};
void copy_block(const uint8_t* src, BlockStrides from, uint8_t* dst, BlockStrides to, int64_t rows,
                int64_t columns, int64_t item_bytes);

/// Copies elements of `item_bytes` bytes (1, 2, 4, 8) between strided places, in parallel where it pays.
/// Strides in elements. Source and destination must not overlap.
void copy_strided(const uint8_t* src, const Strides& src_strides, uint8_t* dst, const Strides& dst_strides,
                  const Shape& shape, int64_t item_bytes);

/// True if elements of this shape lie in row-major order without gaps.
bool is_row_contiguous(const Shape& shape, const Strides& strides);

}  // namespace uma
