#pragma once
// The inner part of attention: a block of query rows against a range of keys of one key head.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "base/dtype.h"
#include "fast/kv8.h"

namespace uma::cpu {

/// A byte of a row that quantize_kv made: the codes of all features, then the scales.
struct Kv8 {
  int8_t code;
};

/// Rows of keys or values: row j starts at data + j * stride elements, its elements are neighbours.
struct KvRows {
  const void* data;
  int64_t stride;
  DType dtype;  // float32, float16 or bfloat16; uint8: Kv8
};

/// An additive or boolean mask, already at its batch and first query head of the group.
struct MaskView {
  const void* data = nullptr;  // nullptr: none
  DType dtype = DType::float32;
  int64_t head_stride = 0, query_stride = 0, key_stride = 0;  // elements
};

/// Row r of the block is the query (first_row + r) / group of the head (first_row + r) % group.
struct AttentionTile {
  const float* q;  // (rows, dim), already scaled
  int64_t rows, first_row, group;
  int64_t dim, value_dim;
  KvRows k, v;
  int64_t begin, end;  // keys
  int64_t position;    // of query 0
  bool causal;
  int64_t window;
  float softcap;
  MaskView mask;
  float* max;  // (rows) largest score, -inf where no key is seen
  float* sum;  // (rows) of exp(score - max)
  float* out;  // (rows, value_dim), sum of exp(score - max) * value
};

/// The most rows a tile may have.
inline constexpr int64_t kTileRows = 64;

/// Keys between two updates of the running maximum. 64 rows of scores, keys and values of 128 features then
/// take 80 KB: they stay in L2.
inline constexpr int64_t kTileKeys = 64;

/// Computes max, sum and out of the tile, on this thread.
void attend_tile(const AttentionTile& tile);

// -- For the code of the tiles only. --

/// Feature i of a row of `dim`.
template <class T>
float feature(const T* row, int64_t i, int64_t) {
  return row[i];
}
/// The scale of feature i.
inline float kv8_scale(const Kv8* row, int64_t i, int64_t dim) {
  float scale;
  std::memcpy(&scale, row + dim + i / kKv8Group * 4, 4);
  return scale;
}
inline float feature(const Kv8* row, int64_t i, int64_t dim) {
  return static_cast<float>(row[i].code) * kv8_scale(row, i, dim);
}

/// The score of a key that is not seen.
inline constexpr float kNothing = -std::numeric_limits<float>::infinity();

struct Range {
  int64_t begin, end;
};

/// The keys of [begin, end) that row r sees, relative to begin; the mask aside.
Range visible(const AttentionTile& tile, int64_t r, int64_t begin, int64_t end);

/// Adds the mask to the scores of row r and the `keys` keys from `begin` on; scores lie `step` apart.
void add_mask(const AttentionTile& tile, int64_t r, int64_t begin, int64_t keys, float* scores, int64_t step);

/// Working memory of this thread, kept from tile to tile; aligned to a vector.
float* tile_scratch(size_t floats);

}  // namespace uma::cpu
