#include "core/layout.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/thread_pool.h"

namespace uma {
namespace {

// Rows shorter than this are not worth handing to another thread.
constexpr int64_t kCopyGrainBytes = 64 << 10;

template <class T>
void copy_row(const T* from, int64_t from_step, T* to, int64_t to_step, int64_t n) {
  if (from_step == 1 && to_step == 1) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
  } else if (from_step == 0 && to_step == 1) {
    std::fill_n(to, n, *from);
  } else if (from_step == -1 && to_step == 1) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[-i];
  } else if (to_step == 1) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * from_step];
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * to_step] = from[i * from_step];
  }
}

// Rows of the source become columns, in tiles that read whole cache lines and write a few rows side by side:
// lines a power of two apart share a set of the cache, which would lose them before their next element.
template <class T>
void transpose_block(const T* from, int64_t from_column, T* to, int64_t to_row, int64_t rows,
                     int64_t columns) {
  constexpr int64_t kRows = 64 / sizeof(T), kColumns = 8;
  T tile[kColumns][kRows];
  const auto turn = [&](int64_t i, int64_t j, auto m, auto n) {
    for (int64_t c = 0; c < n; ++c) std::copy_n(from + i + (j + c) * from_column, int64_t{m}, tile[c]);
    for (int64_t r = 0; r < m; ++r)
      for (int64_t c = 0; c < n; ++c) to[(i + r) * to_row + j + c] = tile[c][r];
  };
  using Rows = std::integral_constant<int64_t, kRows>;
  using Columns = std::integral_constant<int64_t, kColumns>;
  for (int64_t i = 0; i < rows; i += kRows) {
    const int64_t m = std::min(kRows, rows - i);
    for (int64_t j = 0; j < columns; j += kColumns) {
      const int64_t n = std::min(kColumns, columns - j);
      if (m == kRows && n == kColumns)
        turn(i, j, Rows(), Columns());
      else
        turn(i, j, m, n);
    }
  }
}

template <class T>
void copy_block(const T* from, BlockStrides f, T* to, BlockStrides t, int64_t rows, int64_t columns) {
  constexpr int64_t kFew = 16;    // a row so short costs less as parts of columns,
  constexpr int64_t kRows = 256;  // of so many rows, which stay in L1
  if (columns < kFew && columns < rows) {
    for (int64_t i = 0; i < rows; i += kRows)
      for (int64_t j = 0; j < columns; ++j)
        copy_row(from + i * f.row + j * f.column, f.row, to + i * t.row + j * t.column, t.row,
                 std::min(kRows, rows - i));
  } else if (f.row == 1 && t.column == 1 && rows >= kFew) {
    transpose_block(from, f.column, to, t.row, rows, columns);
  } else {
    for (int64_t i = 0; i < rows; ++i)
      copy_row(from + i * f.row, f.column, to + i * t.row, t.column, columns);
  }
}

}  // namespace

Layout collapse(const Shape& shape, std::span<const Strides> strides) {
  Layout out;
  out.strides.resize(strides.size());
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    bool merges = !out.shape.empty();
    for (size_t k = 0; merges && k < strides.size(); ++k)
      merges = out.strides[k].back() == strides[k][d] * shape[d];
    if (merges) {
      out.shape.back() *= shape[d];
      for (size_t k = 0; k < strides.size(); ++k) out.strides[k].back() = strides[k][d];
    } else {
      out.shape.push_back(shape[d]);
      for (size_t k = 0; k < strides.size(); ++k) out.strides[k].push_back(strides[k][d]);
    }
  }
  if (out.shape.empty()) {
    out.shape.push_back(1);
    for (auto& s : out.strides) s.push_back(1);
  }
  return out;
}

int64_t outer_size(const Layout& layout) {
  int64_t n = 1;
  for (size_t d = 0; d + 1 < layout.shape.size(); ++d) n *= layout.shape[d];
  return n;
}

OuterWalk::OuterWalk(const Layout& layout, int64_t start, size_t inner)
    : layout_(layout), position_(layout.shape.size() - inner), offsets_(layout.strides.size()) {
  for (size_t d = position_.size(); d-- > 0;) {
    if (layout.shape[d] == 0) continue;
    position_[d] = start % layout.shape[d];
    start /= layout.shape[d];
    for (size_t k = 0; k < offsets_.size(); ++k) offsets_[k] += position_[d] * layout.strides[k][d];
  }
}

void OuterWalk::next() {
  for (size_t d = position_.size(); d-- > 0;) {
    for (size_t k = 0; k < offsets_.size(); ++k) offsets_[k] += layout_.strides[k][d];
    if (++position_[d] < layout_.shape[d]) return;
    position_[d] = 0;
    for (size_t k = 0; k < offsets_.size(); ++k) offsets_[k] -= layout_.strides[k][d] * layout_.shape[d];
  }
}

void copy_block(const uint8_t* src, BlockStrides from, uint8_t* dst, BlockStrides to, int64_t rows,
                int64_t columns, int64_t item_bytes) {
  with_bits(item_bytes, [&]<class T>() {
    copy_block(reinterpret_cast<const T*>(src), from, reinterpret_cast<T*>(dst), to, rows, columns);
  });
}

void copy_strided(const uint8_t* src, const Strides& src_strides, uint8_t* dst, const Strides& dst_strides,
                  const Shape& shape, int64_t item_bytes) {
  // Elements may go in any order: forwards through the destination,
  Strides both[] = {src_strides, dst_strides};
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0) return;
    if (both[1][d] >= 0) continue;
    src += (shape[d] - 1) * both[0][d] * item_bytes;
    dst += (shape[d] - 1) * both[1][d] * item_bytes;
    for (Strides& s : both) s[d] = -s[d];
  }
  Layout layout = collapse(shape, both);
  const size_t last = layout.shape.size() - 1;
  const int64_t inner = layout.shape[last], outer = outer_size(layout);
  const BlockStrides of_row{0, layout.strides[0][last]}, to_row{0, layout.strides[1][last]};
  if (outer == 1) {
    parallel_ranges(inner, kCopyGrainBytes / item_bytes, [&](int64_t begin, int64_t end) {
      copy_block(src + begin * of_row.column * item_bytes, of_row, dst + begin * to_row.column * item_bytes,
                 to_row, 1, end - begin, item_bytes);
    });
    return;
  }
  // and where its rows cross those of the source, with the source's beside them.
  for (size_t d = 0; of_row.column != 1 && d + 1 < last; ++d)
    if (layout.strides[0][d] == 1) {
      std::swap(layout.shape[d], layout.shape[last - 1]);
      for (Strides& s : layout.strides) std::swap(s[d], s[last - 1]);
    }
  const int64_t rows = layout.shape[last - 1];
  const BlockStrides from{layout.strides[0][last - 1], of_row.column},
      to{layout.strides[1][last - 1], to_row.column};
  const int64_t grain = std::max<int64_t>(1, kCopyGrainBytes / (inner * item_bytes));
  parallel_ranges(outer, grain, [&](int64_t begin, int64_t end) {
    OuterWalk walk(layout, begin / rows, 2);
    for (int64_t at = begin, n = 0; at < end; at += n, walk.next()) {
      const int64_t row = at % rows;
      n = std::min(rows - row, end - at);
      copy_block(src + (walk.offset(0) + row * from.row) * item_bytes, from,
                 dst + (walk.offset(1) + row * to.row) * item_bytes, to, n, inner, item_bytes);
    }
  });
}

bool is_row_contiguous(const Shape& shape, const Strides& strides) {
  int64_t step = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    if (shape[d] == 0) return true;
    if (shape[d] != 1) {
      if (strides[d] != step) {
        // An empty array is in order whatever its strides.
        for (int64_t extent : shape)
          if (extent == 0) return true;
        return false;
      }
      step *= shape[d];
    }
  }
  return true;
}

}  // namespace uma
