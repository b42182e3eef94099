// A tile of few query rows, as in decoding: vectors lie along the features; keys and values are converted in
// registers, once for up to four rows. Included once a target.
#if defined(UMA_ATTENTION_FEW_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef UMA_ATTENTION_FEW_INL_H
#undef UMA_ATTENTION_FEW_INL_H
#else
#define UMA_ATTENTION_FEW_INL_H
#endif

#include <algorithm>

#include "backend/cpu/attention_tile.h"
#include "backend/cpu/fast_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR
/// The sum of a vector's blocks of four lanes.
template <class D>
HWY_INLINE void store_block_sum(D d, hn::Vec<D> v, float* out) {
  if constexpr (hn::MaxLanes(D()) <= 4) {
    hn::StoreU(v, d, out);
  } else {
    const hn::Half<D> half;
    store_block_sum(half, hn::LowerHalf(half, v) + hn::UpperHalf(half, v), out);
  }
}
#endif

/// The sums over the lanes of four vectors, as four floats.
HWY_INLINE void store_sums([[maybe_unused]] DF d, VF a, VF b, VF c, VF e, float* out) {
#if HWY_TARGET == HWY_SCALAR
  out[0] = hn::GetLane(a);
  out[1] = hn::GetLane(b);
  out[2] = hn::GetLane(c);
  out[3] = hn::GetLane(e);
#else
  // Within each block of four lanes: two rounds of interleaving leave (a, b, c, e).
  const hn::Repartition<double, DF> dd;
  const auto ab = hn::BitCast(dd, hn::InterleaveLower(d, a, b) + hn::InterleaveUpper(d, a, b));
  const auto ce = hn::BitCast(dd, hn::InterleaveLower(d, c, e) + hn::InterleaveUpper(d, c, e));
  const VF blocks =
      hn::BitCast(d, hn::InterleaveLower(dd, ab, ce)) + hn::BitCast(d, hn::InterleaveUpper(dd, ab, ce));
  store_block_sum(d, blocks, out);
#endif
}

/// Features i.. of a row of `dim`, as many as a vector has lanes.
template <class T>
HWY_INLINE VF load_features(DF d, const T* row, int64_t i, int64_t) {
  return load_f32(d, row + i);
}
HWY_INLINE VF load_features(DF d, const Kv8* row, int64_t i, int64_t dim) {
  const hn::Rebind<int8_t, DF> d8;
  const hn::Rebind<int32_t, DF> d32;
  const VF codes =
      hn::ConvertTo(d, hn::PromoteTo(d32, hn::LoadU(d8, reinterpret_cast<const int8_t*>(row) + i)));
  return codes * hn::Set(d, kv8_scale(row, i, dim));
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
    const VF k0 = load_features(d, k, i, dim), k1 = load_features(d, k + stride, i, dim);
    const VF k2 = load_features(d, k + 2 * stride, i, dim), k3 = load_features(d, k + 3 * stride, i, dim);
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
    store_sums(d, acc[r][0], acc[r][1], acc[r][2], acc[r][3], scores + r * kTileKeys);
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

/// out[r] += sum_j p[r][j] v[j] for ROWS rows and VECS vectors of features from `first` on.
template <int ROWS, int VECS, class T>
HWY_NOINLINE void add_values(const float* p, const T* v, int64_t stride, int64_t keys, int64_t first,
                             int64_t dim, float* out) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  VF acc[ROWS][VECS];
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int c = 0; c < VECS; ++c) acc[r][c] = hn::LoadU(d, out + r * dim + first + c * lanes);
  for (int64_t j = 0; j < keys; ++j) {
    VF x[VECS];
#pragma GCC unroll 4
    for (int c = 0; c < VECS; ++c) x[c] = load_features(d, v + j * stride, first + c * lanes, dim);
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; ++r) {
      const VF w = hn::Set(d, p[r * kTileKeys + j]);
#pragma GCC unroll 4
      for (int c = 0; c < VECS; ++c) acc[r][c] = hn::MulAdd(w, x[c], acc[r][c]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int c = 0; c < VECS; ++c) hn::StoreU(acc[r][c], d, out + r * dim + first + c * lanes);
}

template <int ROWS, class T>
HWY_INLINE void add_value_rows(const float* p, const T* v, int64_t stride, int64_t keys, int64_t dim,
                               float* out) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(DF()));
  int64_t c = 0;
  for (; c + 4 * lanes <= dim; c += 4 * lanes) add_values<ROWS, 4>(p, v, stride, keys, c, dim, out);
  for (; c < dim; c += lanes) add_values<ROWS, 1>(p, v, stride, keys, c, dim, out);
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
                     end - begin, scores + r * kTileKeys);
  }
};

template <class T>
struct Values {
  const AttentionTile& t;
  int64_t begin, end;
  const float* p;
  template <int ROWS>
  HWY_INLINE void run(int64_t r) {
    add_value_rows<ROWS>(p + r * kTileKeys, static_cast<const T*>(t.v.data) + begin * t.v.stride, t.v.stride,
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
  for (int64_t j = keys; j < kTileKeys; ++j) scores[j] = kNothing;
  if (t.softcap > 0) {
    const VF cap = hn::Set(d, t.softcap), inverse = hn::Set(d, 1.0f / t.softcap);
    for (int64_t j = 0; j < keys; j += lanes)
      hn::StoreU(cap * HWY_NAMESPACE::tanh(d, hn::LoadU(d, scores + j) * inverse), d, scores + j);
    for (int64_t j = keys; j < kTileKeys; ++j) scores[j] = kNothing;
  }
  if (t.mask.data) add_mask(t, r, begin, keys, scores, 1);
  std::fill(scores, scores + seen.begin, kNothing);
  std::fill(scores + seen.end, scores + keys, kNothing);

  VF top = hn::Set(d, kNothing);
  for (int64_t j = 0; j < kTileKeys; j += lanes) top = hn::Max(top, hn::LoadU(d, scores + j));
  const float max = std::max(t.max[r], hn::GetLane(hn::MaxOfLanes(d, top)));
  // Without a key in sight the exponents must not become inf - inf.
  const VF base = hn::Set(d, max == kNothing ? 0.0f : max);
  VF sum = hn::Zero(d);
  for (int64_t j = 0; j < kTileKeys; j += lanes) {
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
  std::fill(t.max, t.max + t.rows, kNothing);
  std::fill(t.sum, t.sum + t.rows, 0.0f);
  std::fill(t.out, t.out + t.rows * t.value_dim, 0.0f);
  float* scores = tile_scratch(static_cast<size_t>(t.rows * kTileKeys));
  for (int64_t begin = t.begin; begin < t.end; begin += kTileKeys) {
    const int64_t end = std::min(begin + kTileKeys, t.end);
    for_row_blocks(t.rows, Scores<K>{t, begin, end, scores});
    for (int64_t r = 0; r < t.rows; ++r) {
      const float factor = soften_row(t, r, begin, end, scores + r * kTileKeys);
      if (factor != 1.0f) scale_row(t.out + r * t.value_dim, t.value_dim, factor);
    }
    for_row_blocks(t.rows, Values<V>{t, begin, end, scores});
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#endif
