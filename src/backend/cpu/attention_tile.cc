// Two ways through a tile. Few rows (decoding): vectors lie along the features, keys and values are
// converted in registers, once for up to four rows. Many rows (prefill): vectors lie along the query rows,
// so that softmax needs no sums across lanes and no key is ever transposed.
#include "backend/cpu/attention_tile.h"

#include <algorithm>
#include <limits>
#include <memory>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/attention_tile.cc"
#include <hwy/foreach_target.h>
#include "backend/cpu/simd_targets.h"

#include "backend/cpu/fast_math-inl.h"
#include "backend/cpu/simd_dispatch.h"
#include "backend/cpu/tile_gemm-inl.h"

#ifndef UMA_ATTENTION_TILE_ONCE
#define UMA_ATTENTION_TILE_ONCE
namespace uma::cpu {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Keys between two updates of the running maximum. 64 rows of scores, keys and values of 128 features then
// take 80 KB: they stay in L2.
constexpr int64_t kChunk = 64;

// Up to this many rows the first way is faster (measured with 7 heads a group, 64 and 128 features).
constexpr int64_t kFewRows = 16;

struct Range {
  int64_t begin, end;
};

// The keys of [begin, end) that row r sees, relative to begin.
Range visible(const AttentionTile& t, int64_t r, int64_t begin, int64_t end) {
  if (!t.causal) return {0, end - begin};
  const int64_t at = t.position + (t.first_row + r) / t.group;
  const int64_t hi = std::clamp<int64_t>(at + 1 - begin, 0, end - begin);
  const int64_t lo = t.window ? std::clamp<int64_t>(at + 1 - t.window - begin, 0, hi) : 0;
  return {lo, hi};
}

// What the mask adds to the score of row r and key j.
float mask_value(const AttentionTile& t, int64_t r, int64_t j) {
  const MaskView& mask = t.mask;
  const int64_t row = t.first_row + r;
  const int64_t i =
      row % t.group * mask.head_stride + row / t.group * mask.query_stride + j * mask.key_stride;
  switch (mask.dtype) {
    case DType::bool_:
      return static_cast<const bool*>(mask.data)[i] ? 0.0f : kMinusInfinity;
    case DType::float16:
      return static_cast<const float16*>(mask.data)[i];
    case DType::bfloat16:
      return static_cast<const bfloat16*>(mask.data)[i];
    default:
      return static_cast<const float*>(mask.data)[i];
  }
}

// Working memory of one thread, kept from tile to tile.
float* scratch(size_t floats) {
  struct Memory {
    std::unique_ptr<float[]> data;
    size_t size = 0;
  };
  thread_local Memory memory;
  if (memory.size < floats + 16) {
    memory.data.reset(new float[floats + 16]);
    memory.size = floats + 16;
  }
  const uintptr_t address = reinterpret_cast<uintptr_t>(memory.data.get());
  return reinterpret_cast<float*>((address + 63) / 64 * 64);
}

}  // namespace
}  // namespace uma::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {
namespace {

// -- Few rows. --

/// The sums over the lanes of four vectors, as four floats.
HWY_INLINE void store_sums(DF d, VF a, VF b, VF c, VF e, float* out) {
#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
  out[0] = hn::GetLane(hn::SumOfLanes(d, a));
  out[1] = hn::GetLane(hn::SumOfLanes(d, b));
  out[2] = hn::GetLane(hn::SumOfLanes(d, c));
  out[3] = hn::GetLane(hn::SumOfLanes(d, e));
#else
  // Within each block of four lanes: two rounds of interleaving leave (a, b, c, e).
  const hn::Repartition<double, DF> dd;
  const auto ab = hn::BitCast(dd, hn::InterleaveLower(d, a, b) + hn::InterleaveUpper(d, a, b));
  const auto ce = hn::BitCast(dd, hn::InterleaveLower(d, c, e) + hn::InterleaveUpper(d, c, e));
  const VF blocks =
      hn::BitCast(d, hn::InterleaveLower(dd, ab, ce)) + hn::BitCast(d, hn::InterleaveUpper(dd, ab, ce));
  const hn::Half<DF> half;
  const auto sum2 = hn::LowerHalf(half, blocks) + hn::UpperHalf(half, blocks);
#if HWY_TARGET == HWY_AVX3
  const hn::Half<decltype(half)> quarter;
  hn::StoreU(hn::LowerHalf(quarter, sum2) + hn::UpperHalf(quarter, sum2), quarter, out);
#else
  hn::StoreU(sum2, half, out);
#endif
#endif
}

/// scores[r][0..3] = q[r] . k[0..3] for ROWS rows.
template <int ROWS, class T>
HWY_INLINE void score_four(const float* q, int64_t dim, const T* k, int64_t stride, float* scores) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  VF acc[ROWS][4];
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r) acc[r][0] = acc[r][1] = acc[r][2] = acc[r][3] = hn::Zero(d);
  for (int64_t i = 0; i < dim; i += lanes) {
    const VF k0 = load_f32(d, k + i), k1 = load_f32(d, k + stride + i);
    const VF k2 = load_f32(d, k + 2 * stride + i), k3 = load_f32(d, k + 3 * stride + i);
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; ++r) {
      const VF x = hn::LoadU(d, q + r * dim + i);
      acc[r][0] = hn::MulAdd(x, k0, acc[r][0]);
      acc[r][1] = hn::MulAdd(x, k1, acc[r][1]);
      acc[r][2] = hn::MulAdd(x, k2, acc[r][2]);
      acc[r][3] = hn::MulAdd(x, k3, acc[r][3]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r)
    store_sums(d, acc[r][0], acc[r][1], acc[r][2], acc[r][3], scores + r * kChunk);
}

/// Scores of ROWS rows against `keys` keys. The last keys are done with overlap or, below four, with the
/// first one repeated: nothing past the last key is read.
template <int ROWS, class T>
HWY_NOINLINE void score_rows(const float* q, int64_t dim, const T* k, int64_t stride, int64_t keys,
                             float* scores) {
  int64_t j = 0;
  for (; j + 4 <= keys; j += 4) score_four<ROWS>(q, dim, k + j * stride, stride, scores + j);
  if (j == keys) return;
  if (keys >= 4) return score_four<ROWS>(q, dim, k + (keys - 4) * stride, stride, scores + keys - 4);
  for (; j < keys; ++j) score_four<ROWS>(q, dim, k + j * stride, 0, scores + j);
}

/// out[r][0..VECS * lanes) += sum_j p[r][j] v[j] for ROWS rows.
template <int ROWS, int VECS, class T>
HWY_NOINLINE void add_values(const float* p, const T* v, int64_t stride, int64_t keys, float* out,
                             int64_t out_stride) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  VF acc[ROWS][VECS];
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int c = 0; c < VECS; ++c) acc[r][c] = hn::LoadU(d, out + r * out_stride + c * lanes);
  for (int64_t j = 0; j < keys; ++j) {
    VF x[VECS];
#pragma GCC unroll 4
    for (int c = 0; c < VECS; ++c) x[c] = load_f32(d, v + j * stride + c * lanes);
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; ++r) {
      const VF w = hn::Set(d, p[r * kChunk + j]);
#pragma GCC unroll 4
      for (int c = 0; c < VECS; ++c) acc[r][c] = hn::MulAdd(w, x[c], acc[r][c]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int c = 0; c < VECS; ++c) hn::StoreU(acc[r][c], d, out + r * out_stride + c * lanes);
}

template <int ROWS, class T>
HWY_INLINE void add_value_rows(const float* p, const T* v, int64_t stride, int64_t keys, int64_t dim,
                               float* out) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(DF()));
  int64_t c = 0;
  for (; c + 4 * lanes <= dim; c += 4 * lanes) add_values<ROWS, 4>(p, v + c, stride, keys, out + c, dim);
  for (; c < dim; c += lanes) add_values<ROWS, 1>(p, v + c, stride, keys, out + c, dim);
}

/// Calls f with blocks of 4, 2 and 1 rows (2 and 1 where there are only 16 registers).
template <class F>
HWY_INLINE void for_row_blocks(int64_t rows, F f) {
  int64_t r = 0;
#if HWY_TARGET == HWY_AVX3
  for (; r + 4 <= rows; r += 4) f.template run<4>(r);
#endif
  for (; r + 2 <= rows; r += 2) f.template run<2>(r);
  if (r < rows) f.template run<1>(r);
}

template <class T>
struct Scores {
  const AttentionTile& t;
  int64_t begin, end;
  float* scores;
  template <int ROWS>
  HWY_INLINE void run(int64_t r) {
    score_rows<ROWS>(t.q + r * t.dim, t.dim, static_cast<const T*>(t.k.data) + begin * t.k.stride, t.k.stride,
                     end - begin, scores + r * kChunk);
  }
};

template <class T>
struct Values {
  const AttentionTile& t;
  int64_t begin, end;
  const float* p;
  template <int ROWS>
  HWY_INLINE void run(int64_t r) {
    add_value_rows<ROWS>(p + r * kChunk, static_cast<const T*>(t.v.data) + begin * t.v.stride, t.v.stride,
                         end - begin, t.value_dim, t.out + r * t.value_dim);
  }
};

HWY_INLINE void scale_row(float* row, int64_t n, float factor) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < n; i += lanes) hn::StoreU(hn::LoadU(d, row + i) * hn::Set(d, factor), d, row + i);
}

/// One row of scores becomes exp(score - max); max and sum go on. Returns what the row's older sums are to
/// be multiplied with.
HWY_INLINE float soften_row(const AttentionTile& t, int64_t r, int64_t begin, int64_t end, float* scores) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t keys = end - begin;
  const Range seen = visible(t, r, begin, end);
  // Past the last key lies room for whole vectors.
  for (int64_t j = keys; j < kChunk; ++j) scores[j] = kMinusInfinity;
  if (t.softcap > 0) {
    const VF cap = hn::Set(d, t.softcap), inverse = hn::Set(d, 1.0f / t.softcap);
    for (int64_t j = 0; j < keys; j += lanes)
      hn::StoreU(cap * HWY_NAMESPACE::tanh(d, hn::LoadU(d, scores + j) * inverse), d, scores + j);
    for (int64_t j = keys; j < kChunk; ++j) scores[j] = kMinusInfinity;
  }
  if (t.mask.data)
    for (int64_t j = seen.begin; j < seen.end; ++j) scores[j] += mask_value(t, r, begin + j);
  std::fill(scores, scores + seen.begin, kMinusInfinity);
  std::fill(scores + seen.end, scores + keys, kMinusInfinity);

  VF top = hn::Set(d, kMinusInfinity);
  for (int64_t j = 0; j < kChunk; j += lanes) top = hn::Max(top, hn::LoadU(d, scores + j));
  const float max = std::max(t.max[r], hn::GetLane(hn::MaxOfLanes(d, top)));
  // Without a key in sight the exponents must not become inf - inf.
  const VF base = hn::Set(d, max == kMinusInfinity ? 0.0f : max);
  VF sum = hn::Zero(d);
  for (int64_t j = 0; j < kChunk; j += lanes) {
    const VF p = exp_nonpositive(d, hn::LoadU(d, scores + j) - base);
    hn::StoreU(p, d, scores + j);
    sum = sum + p;
  }
  const float factor = t.max[r] == max ? 1.0f : hn::GetLane(exp_nonpositive(d, hn::Set(d, t.max[r]) - base));
  t.sum[r] = t.sum[r] * factor + hn::GetLane(hn::SumOfLanes(d, sum));
  t.max[r] = max;
  return factor;
}

template <class K, class V>
void attend_few(const AttentionTile& t) {
  float* scores = scratch(static_cast<size_t>(kFewRows * kChunk));
  for (int64_t begin = t.begin; begin < t.end; begin += kChunk) {
    const int64_t end = std::min(begin + kChunk, t.end);
    for_row_blocks(t.rows, Scores<K>{t, begin, end, scores});
    for (int64_t r = 0; r < t.rows; ++r) {
      const float factor = soften_row(t, r, begin, end, scores + r * kChunk);
      if (factor != 1.0f) scale_row(t.out + r * t.value_dim, t.value_dim, factor);
    }
    for_row_blocks(t.rows, Values<V>{t, begin, end, scores});
  }
}

// -- Many rows: all matrices are transposed, with the query rows in the lanes. --

/// Rows of keys or values as f32: where they lie, or converted into `room`.
template <class T>
HWY_INLINE const float* rows_as_f32(const KvRows& rows, int64_t dim, int64_t begin, int64_t end, float* room,
                                    int64_t* stride) {
  const T* from = static_cast<const T*>(rows.data) + begin * rows.stride;
  if constexpr (std::is_same_v<T, float>) {
    *stride = rows.stride;
    return from;
  } else {
    const DF d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    *stride = dim;
    for (int64_t j = 0; j < end - begin; ++j) {
      const T* x = from + j * rows.stride;
      float* y = room + j * dim;
      int64_t i = 0;
      for (; i + lanes <= dim; i += lanes) hn::StoreU(load_f32(d, x + i), d, y + i);
      for (; i < dim; ++i) y[i] = x[i];
    }
    return room;
  }
}

struct ManyRows {
  float *q, *scores, *out, *keys, *values;  // (dim, kTileRows), (kChunk, kTileRows), (value_dim, kTileRows)
  float *max, *sum;                         // (kTileRows)
  int64_t used;                             // rows rounded up to whole vectors
};

/// Masks, softcap, running maximum and exponentials of a chunk of scores.
HWY_NOINLINE void soften_chunk(const AttentionTile& t, const ManyRows& m, int64_t begin, int64_t end) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t keys = end - begin;
  HWY_ALIGN float first[kTileRows], last[kTileRows];
  bool all_seen = true;
  for (int64_t r = 0; r < m.used; ++r) {
    const Range seen = visible(t, std::min(r, t.rows - 1), begin, end);
    first[r] = static_cast<float>(seen.begin);
    last[r] = static_cast<float>(seen.end);
    all_seen &= seen.begin == 0 && seen.end == keys;
  }
  for (int64_t c = 0; c < m.used; c += lanes) {
    float* column = m.scores + c;
    if (t.softcap > 0) {
      const VF cap = hn::Set(d, t.softcap), inverse = hn::Set(d, 1.0f / t.softcap);
      for (int64_t j = 0; j < keys; ++j)
        hn::StoreU(cap * HWY_NAMESPACE::tanh(d, hn::LoadU(d, column + j * kTileRows) * inverse), d,
                   column + j * kTileRows);
    }
    if (t.mask.data)
      for (int64_t r = c; r < std::min(c + lanes, t.rows); ++r)
        for (int64_t j = 0; j < keys; ++j) m.scores[j * kTileRows + r] += mask_value(t, r, begin + j);
    if (!all_seen) {
      const VF lo = hn::LoadU(d, first + c), hi = hn::LoadU(d, last + c);
      const VF hidden = hn::Set(d, kMinusInfinity);
      for (int64_t j = 0; j < keys; ++j) {
        const VF at = hn::Set(d, static_cast<float>(j));
        const auto seen = hn::And(hn::Ge(at, lo), hn::Lt(at, hi));
        float* s = column + j * kTileRows;
        hn::StoreU(hn::IfThenElse(seen, hn::LoadU(d, s), hidden), d, s);
      }
    }
    const VF old = hn::LoadU(d, m.max + c);
    VF top = old, top2 = old;
    int64_t j = 0;
    for (; j + 2 <= keys; j += 2) {
      top = hn::Max(top, hn::LoadU(d, column + j * kTileRows));
      top2 = hn::Max(top2, hn::LoadU(d, column + (j + 1) * kTileRows));
    }
    if (j < keys) top = hn::Max(top, hn::LoadU(d, column + j * kTileRows));
    top = hn::Max(top, top2);
    const auto blind = hn::Eq(top, hn::Set(d, kMinusInfinity));
    const VF base = hn::IfThenZeroElse(blind, top);
    VF sum = hn::Zero(d);
    for (j = 0; j < keys; ++j) {
      const VF p = exp_nonpositive(d, hn::LoadU(d, column + j * kTileRows) - base);
      hn::StoreU(p, d, column + j * kTileRows);
      sum = sum + p;
    }
    hn::StoreU(top, d, m.max + c);
    const VF factor = exp_nonpositive(d, hn::IfThenZeroElse(blind, old) - base);
    hn::StoreU(hn::MulAdd(hn::LoadU(d, m.sum + c), factor, sum), d, m.sum + c);
    if (hn::AllTrue(d, hn::Eq(factor, hn::Set(d, 1.0f)))) continue;
    for (int64_t i = 0; i < t.value_dim; ++i) {
      float* o = m.out + i * kTileRows + c;
      hn::StoreU(hn::LoadU(d, o) * factor, d, o);
    }
  }
}

template <class K, class V>
void attend_many(const AttentionTile& t) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t converted = kChunk * (t.dim + t.value_dim);
  ManyRows m;
  m.q = scratch(static_cast<size_t>((t.dim + kChunk + t.value_dim + 2) * kTileRows + converted));
  m.scores = m.q + t.dim * kTileRows;
  m.out = m.scores + kChunk * kTileRows;
  m.max = m.out + t.value_dim * kTileRows;
  m.sum = m.max + kTileRows;
  m.keys = m.sum + kTileRows;
  m.values = m.keys + kChunk * t.dim;
  m.used = (t.rows + lanes - 1) / lanes * lanes;
  transpose(t.q, t.dim, t.rows, t.dim, m.q, kTileRows, m.used);
  std::fill(m.out, m.out + t.value_dim * kTileRows, 0.0f);
  std::fill(m.max, m.max + kTileRows, kMinusInfinity);
  std::fill(m.sum, m.sum + kTileRows, 0.0f);

  for (int64_t begin = t.begin; begin < t.end; begin += kChunk) {
    const int64_t end = std::min(begin + kChunk, t.end);
    int64_t ld = 0;
    const float* k = rows_as_f32<K>(t.k, t.dim, begin, end, m.keys, &ld);
    tile_gemm<false>(end - begin, m.used, t.dim, k, ld, m.q, m.scores, kTileRows);
    soften_chunk(t, m, begin, end);
    const float* v = rows_as_f32<V>(t.v, t.value_dim, begin, end, m.values, &ld);
    tile_gemm<true>(t.value_dim, m.used, end - begin, v, ld, m.scores, m.out, kTileRows);
  }
  std::copy(m.max, m.max + t.rows, t.max);
  std::copy(m.sum, m.sum + t.rows, t.sum);
  transpose(m.out, kTileRows, t.value_dim, t.rows, t.out, t.value_dim, t.value_dim);
}

// -- Choice of the way. --

template <class K, class V>
void attend_typed(const AttentionTile& t) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(DF()));
  const bool whole = t.dim % lanes == 0 && t.value_dim % lanes == 0;
  if (t.rows > kFewRows || !whole) return attend_many<K, V>(t);
  std::fill(t.max, t.max + t.rows, kMinusInfinity);
  std::fill(t.sum, t.sum + t.rows, 0.0f);
  std::fill(t.out, t.out + t.rows * t.value_dim, 0.0f);
  attend_few<K, V>(t);
}

template <class K>
void attend_values(const AttentionTile& t) {
  if (t.v.dtype == DType::float16) return attend_typed<K, float16>(t);
  if (t.v.dtype == DType::bfloat16) return attend_typed<K, bfloat16>(t);
  attend_typed<K, float>(t);
}

void attend(const AttentionTile& t) {
  if (t.k.dtype == DType::float16) return attend_values<float16>(t);
  if (t.k.dtype == DType::bfloat16) return attend_values<bfloat16>(t);
  attend_values<float>(t);
}

}  // namespace
void attend_on_target(const AttentionTile& t) {
  attend(t);
}
}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uma::cpu {
HWY_EXPORT(attend_on_target);

void attend_tile(const AttentionTile& tile) {
  simd_choose(HWY_DISPATCH_TABLE(attend_on_target))(tile);
}
}  // namespace uma::cpu
#endif
