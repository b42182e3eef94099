// What the two ways through a tile share and what needs no vectors.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "backend/cpu/attention_tile.h"
#include "base/scratch.h"

namespace uma::cpu {

Range visible(const AttentionTile& t, int64_t r, int64_t begin, int64_t end) {
  if (!t.causal) return {0, end - begin};
  const int64_t at = t.position + (t.first_row + r) / t.group;
  const int64_t hi = std::clamp<int64_t>(at + 1 - begin, 0, end - begin);
  const int64_t lo = t.window ? std::clamp<int64_t>(at + 1 - t.window - begin, 0, hi) : 0;
  return {lo, hi};
}

void add_mask(const AttentionTile& t, int64_t r, int64_t begin, int64_t keys, float* scores, int64_t step) {
  const MaskView& mask = t.mask;
  const int64_t row = t.first_row + r;
  const int64_t at =
      row % t.group * mask.head_stride + row / t.group * mask.query_stride + begin * mask.key_stride;
  const auto add = [&]<class T>(const T* values) {
    for (int64_t j = 0; j < keys; ++j) {
      const T x = values[j * mask.key_stride];
      if constexpr (std::is_same_v<T, bool>) {
        if (!x) scores[j * step] = kNothing;
      } else {
        scores[j * step] += static_cast<float>(x);
      }
    }
  };
  if (mask.dtype == DType::bool_) return add(static_cast<const bool*>(mask.data) + at);
  if (mask.dtype == DType::float16) return add(static_cast<const float16*>(mask.data) + at);
  if (mask.dtype == DType::bfloat16) return add(static_cast<const bfloat16*>(mask.data) + at);
  add(static_cast<const float*>(mask.data) + at);
}

float* tile_scratch(size_t floats) {
  static thread_local Scratch<float> scratch;
  return scratch.get(static_cast<int64_t>(floats));
}

}  // namespace uma::cpu
