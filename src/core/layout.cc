#include "core/layout.h"

#include <cstring>

#include "base/error.h"
#include "base/thread_pool.h"

namespace uma {
namespace {

// Rows shorter than this are not worth handing to another thread.
constexpr int64_t kCopyGrainBytes = 64 << 10;

template <class T>
void copy_row(const uint8_t* src, int64_t src_step, uint8_t* dst, int64_t dst_step, int64_t n) {
  const T* from = reinterpret_cast<const T*>(src);
  T* to = reinterpret_cast<T*>(dst);
  if (src_step == 1 && dst_step == 1) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
  } else if (dst_step == 1) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * src_step];
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * dst_step] = from[i * src_step];
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

OuterWalk::OuterWalk(const Layout& layout, int64_t start)
    : layout_(layout), position_(layout.shape.size() - 1), offsets_(layout.strides.size()) {
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

void copy_strided(const uint8_t* src, const Strides& src_strides, uint8_t* dst, const Strides& dst_strides,
                  const Shape& shape, int64_t item_bytes) {
  const Strides both[] = {src_strides, dst_strides};
  const Layout layout = collapse(shape, both);
  const int64_t inner = layout.shape.back();
  const int64_t src_step = layout.strides[0].back(), dst_step = layout.strides[1].back();
  const auto row = [&](const uint8_t* from, uint8_t* to, int64_t n) {
    switch (item_bytes) {
      case 1:
        return copy_row<uint8_t>(from, src_step, to, dst_step, n);
      case 2:
        return copy_row<uint16_t>(from, src_step, to, dst_step, n);
      case 4:
        return copy_row<uint32_t>(from, src_step, to, dst_step, n);
      case 8:
        return copy_row<uint64_t>(from, src_step, to, dst_step, n);
      default:
        fail(ErrorCode::kInternal, "copy", "elements of {} bytes", item_bytes);
    }
  };
  const int64_t rows = outer_size(layout);
  if (inner == 0 || rows == 0) return;
  if (rows == 1) {
    parallel_ranges(inner, kCopyGrainBytes / item_bytes, [&](int64_t begin, int64_t end) {
      row(src + begin * src_step * item_bytes, dst + begin * dst_step * item_bytes, end - begin);
    });
    return;
  }
  const int64_t grain = std::max<int64_t>(1, kCopyGrainBytes / (inner * item_bytes));
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    OuterWalk walk(layout, begin);
    for (int64_t i = begin; i < end; ++i, walk.next())
      row(src + walk.offset(0) * item_bytes, dst + walk.offset(1) * item_bytes, inner);
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
