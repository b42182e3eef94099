#pragma once
// The inner part of attention: a block of query rows against a range of keys of one key head.
#include <cstdint>

#include "base/dtype.h"

namespace uma::cpu {

/// Rows of keys or values: row j starts at data + j * stride elements, its elements are neighbours.
struct KvRows {
  const void* data;
  int64_t stride;
  DType dtype;  // float32, float16 or bfloat16
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

/// Computes max, sum and out of the tile, on this thread.
void attend_tile(const AttentionTile& tile);

}  // namespace uma::cpu
