// A tile of many query rows, as in prefill: all matrices are transposed, with the query rows in the lanes, so
// that softmax needs no sums across lanes and no key is ever transposed. Included once a target.
#if defined(UMA_ATTENTION_MANY_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef UMA_ATTENTION_MANY_INL_H
#undef UMA_ATTENTION_MANY_INL_H
#else
#define UMA_ATTENTION_MANY_INL_H
#endif

#include <algorithm>

#include "backend/cpu/attention_few-inl.h"
#include "backend/cpu/attention_tile.h"
#include "backend/cpu/fast_math-inl.h"
#include "backend/cpu/tile_gemm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {
namespace {

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
      for (; i + lanes <= dim; i += lanes) hn::StoreU(load_features(d, x, i, dim), d, y + i);
      for (; i < dim; ++i) y[i] = feature(x, i, dim);
    }
    return room;
  }
}

struct ManyRows {
  float *q, *scores, *out, *keys,
      *values;       // (dim, kTileRows), (kTileKeys, kTileRows), (value_dim, kTileRows)
  float *max, *sum;  // (kTileRows)
  int64_t used;      // rows rounded up to whole vectors
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
        add_mask(t, r, begin, keys, m.scores + r, kTileRows);
    if (!all_seen) {
      const VF lo = hn::LoadU(d, first + c), hi = hn::LoadU(d, last + c);
      const VF hidden = hn::Set(d, kNothing);
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
    const auto blind = hn::Eq(top, hn::Set(d, kNothing));
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
  const int64_t converted = kTileKeys * (t.dim + t.value_dim);
  ManyRows m;
  m.q = tile_scratch(static_cast<size_t>((t.dim + kTileKeys + t.value_dim + 2) * kTileRows + converted));
  m.scores = m.q + t.dim * kTileRows;
  m.out = m.scores + kTileKeys * kTileRows;
  m.max = m.out + t.value_dim * kTileRows;
  m.sum = m.max + kTileRows;
  m.keys = m.sum + kTileRows;
  m.values = m.keys + kTileKeys * t.dim;
  m.used = (t.rows + lanes - 1) / lanes * lanes;
  transpose(t.q, t.dim, t.rows, t.dim, m.q, kTileRows, m.used);
  std::fill(m.out, m.out + t.value_dim * kTileRows, 0.0f);
  std::fill(m.max, m.max + kTileRows, kNothing);
  std::fill(m.sum, m.sum + kTileRows, 0.0f);

  for (int64_t begin = t.begin; begin < t.end; begin += kTileKeys) {
    const int64_t end = std::min(begin + kTileKeys, t.end);
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

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#endif
