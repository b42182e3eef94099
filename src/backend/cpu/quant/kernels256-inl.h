#pragma once
// The kernels with 32-byte vectors and 16 registers, for AVX2.
#include "backend/cpu/quant/formats-inl.h"
#include "backend/cpu/quant/kernels.h"

namespace uma::cpu {
namespace {

// ---- what exact-inl.h needs ----

using Floats = __m256;
constexpr int kLanes = 8;
constexpr int kExactWeights = 2;  // weight rows beside four activation rows: 8 sums, 6 operands

[[gnu::always_inline]] inline __m256i first_lanes(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
[[gnu::always_inline]] inline Floats zero_floats() {
  return _mm256_setzero_ps();
}
[[gnu::always_inline]] inline void store_floats(float* p, Floats v) {
  _mm256_store_ps(p, v);
}
[[gnu::always_inline]] inline Floats multiply_add(Floats a, Floats b, Floats c) {
  return _mm256_fmadd_ps(a, b, c);
}
// The first n of a vector, then zeros; nothing beyond is read.
[[gnu::always_inline]] inline Floats load_floats(const void* p, int n) {
  if (n >= kLanes) return _mm256_loadu_ps(static_cast<const float*>(p));
  return _mm256_maskload_ps(static_cast<const float*>(p), first_lanes(n));
}
[[gnu::always_inline]] inline __m128i load_words(const void* p, int n) {
  if (n >= kLanes) return load128(p);
  uint16_t words[kLanes] = {};
  __builtin_memcpy(words, p, static_cast<size_t>(2 * n));
  return load128(words);
}
[[gnu::always_inline]] inline Floats load_halves(const void* p, int n) {
  return _mm256_cvtph_ps(load_words(p, n));
}
[[gnu::always_inline]] inline Floats load_bfloats(const void* p, int n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_words(p, n)), 16));
}
// out = s * code + b for 16 codes.
[[gnu::always_inline]] inline void decode_16(bool is_signed, __m128i bytes, float s, float b, float* out) {
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const __m128i eight = i ? _mm_unpackhi_epi64(bytes, bytes) : bytes;
    const __m256i codes = is_signed ? _mm256_cvtepi8_epi32(eight) : _mm256_cvtepu8_epi32(eight);
    _mm256_store_ps(out + 8 * i,
                    _mm256_fmadd_ps(_mm256_cvtepi32_ps(codes), _mm256_set1_ps(s), _mm256_set1_ps(b)));
  }
}
[[gnu::always_inline]] inline float sum_lanes(Floats v) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}

// ---- products of bytes ----

// Sums of two products in 16 bits. They cannot saturate: codes are at most 63, or 128 in magnitude with
// their sign moved to x.
template <bool kWide>
[[gnu::always_inline]] inline __m256i pairs(__m256i codes, __m256i x) {
  if (kWide) return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes));
  return _mm256_maddubs_epi16(codes, x);
}
[[gnu::always_inline]] inline __m256i fours(__m256i words) {
  return _mm256_madd_epi16(words, _mm256_set1_epi16(1));
}

// ---- one pass over a weight row, kRows activation rows ----

struct RowSum {
  __m256 even, odd;
  __m256 side;  // what the biases add; or, before the factor -offset, what the offsets take away
};

// Up to 256 weights at p. The order of every sum is the same for any kRows.
template <class F, int kRows>
[[gnu::always_inline]] inline void direct_step(const uint8_t* p, int groups, const ActChunk* act,
                                               RowSum* sums) {
  constexpr int kVectors = F::kGroup == 32 ? 1 : 2;
  __m256 s[2], b[2];
  if constexpr (F::kGroup == 32)
    F::scales(p, groups, s[0], b[0]);
  else
    F::scales(p, s, b);
  alignas(32) float scale[kRows][8 * kVectors];
#pragma GCC unroll 4
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const ActChunk& a = act[m];
      const float* d = F::kGroup == 32 ? a.d32 : a.d16 + 8 * v;
      const float* x = F::kGroup == 32 ? a.x32 : a.x16 + 8 * v;
      _mm256_store_ps(scale[m] + 8 * v, _mm256_mul_ps(s[v], _mm256_load_ps(d)));
      if (F::kMin || F::kOffset)
        sums[m].side = _mm256_fmadd_ps(F::kMin ? b[v] : s[v], _mm256_load_ps(x), sums[m].side);
    }
  const auto group = [&](int g) __attribute__((always_inline)) {
    const __m256i codes = F::codes32(p, g);
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m) {
      const __m256i x = _mm256_load_si256(reinterpret_cast<const __m256i*>(act[m].q + 32 * g));
      const __m256 dot = _mm256_cvtepi32_ps(fours(pairs<F::kWide>(codes, x)));
      const __m256 lanes = F::kGroup == 32 ? _mm256_broadcast_ss(scale[m] + g)
                                           : _mm256_set_m128(_mm_broadcast_ss(scale[m] + 2 * g + 1),
                                                             _mm_broadcast_ss(scale[m] + 2 * g));
      __m256& sum = g % 2 ? sums[m].odd : sums[m].even;
      sum = _mm256_fmadd_ps(dot, lanes, sum);
    }
  };
  if (groups == kGroups) {
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) group(g);
  } else {
    for (int g = 0; g < groups; ++g) group(g);
  }
}

template <class F>
[[gnu::always_inline]] inline float finish(const RowSum& sum) {
  const __m256 total = _mm256_add_ps(sum.even, sum.odd);
  if (F::kMin) return sum_lanes(_mm256_add_ps(total, sum.side));
  return sum_lanes(_mm256_fmadd_ps(sum.side, _mm256_set1_ps(-1.0f * F::kOffset), total));
}

// 4 KB ahead in the order of addresses; a prefetch past the end of the mapping does nothing.
constexpr int64_t kPrefetchBytes = 4096;

template <class F, int kRows>
void direct_rows(const WeightRows& w, const ActChunk* act, int64_t stride, float* out, int64_t ld_out) {
  constexpr int64_t kStep = kChunk / F::kBlock * F::kBytes;
  for (int64_t r = 0; r < w.rows; ++r) {
    const uint8_t* p = w.data + r * w.row_bytes;
    RowSum sums[kRows];
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m) sums[m] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int64_t c = 0; c < w.k / kChunk; ++c, p += kStep) {
#pragma GCC unroll 5
      for (int64_t line = 0; line < kStep; line += 64) __builtin_prefetch(p + kPrefetchBytes + line, 0, 3);
      direct_step<F, kRows>(p, kGroups, act + c * stride, sums);
    }
    if constexpr (F::kBlock == 32)
      if (const int groups = static_cast<int>(w.k % kChunk / 32))
        direct_step<F, kRows>(p, groups, act + w.k / kChunk * stride, sums);
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m) out[m * ld_out + r] = finish<F>(sums[m]);
  }
}

template <class F>
void direct(const WeightRows& w, const ActChunk* act, int64_t stride, int m, float* out, int64_t ld_out) {
  switch (m) {
    case 1:
      return direct_rows<F, 1>(w, act, stride, out, ld_out);
    case 2:
      return direct_rows<F, 2>(w, act, stride, out, ld_out);
    case 3:
      return direct_rows<F, 3>(w, act, stride, out, ld_out);
    default:
      return direct_rows<F, 4>(w, act, stride, out, ld_out);
  }
}

// ---- unpacking a panel ----

// v[i] lane j -> v[j] lane i, of 8 vectors of 8 dwords.
[[gnu::always_inline]] inline void transpose8(__m256i v[8]) {
  __m256i t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    v[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    v[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    v[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    v[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m256i low = v[i], high = v[4 + i];
    v[i] = _mm256_permute2x128_si256(low, high, 0x20);
    v[4 + i] = _mm256_permute2x128_si256(low, high, 0x31);
  }
}

[[gnu::always_inline]] inline void store_scales(__m256i v[8], int at, float (*to)[kPanelRows]) {
  transpose8(v);
#pragma GCC unroll 8
  for (int g = 0; g < 8; ++g) _mm256_store_ps(to[g] + at, _mm256_castsi256_ps(v[g]));
}

template <class F>
[[gnu::always_inline]] inline void unpack_scales(const uint8_t* const rows[8], int groups, int at,
                                                 Panel* panel) {
  constexpr int kVectors = F::kGroup == 32 ? 1 : 2;
  __m256i s[2][8], b[2][8];
  for (int i = 0; i < 8; ++i) {
    __m256 sv[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()}, bv[2] = {sv[0], sv[1]};
    if constexpr (F::kGroup == 32)
      F::scales(rows[i], groups, sv[0], bv[0]);
    else
      F::scales(rows[i], sv, bv);
    for (int v = 0; v < kVectors; ++v) {
      s[v][i] = _mm256_castps_si256(sv[v]);
      b[v][i] = _mm256_castps_si256(bv[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    store_scales(s[v], at, panel->scale + 8 * v);
    if (F::kMin) store_scales(b[v], at, panel->bias + 8 * v);
  }
}

template <class F, int kUnit>
[[gnu::always_inline]] inline void unpack_codes(const uint8_t* const rows[8], int at, Panel* panel) {
  __m256i v[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) v[i] = F::codes32(rows[i], kUnit);
  transpose8(v);
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i)
    _mm256_store_si256(reinterpret_cast<__m256i*>(panel->code[8 * kUnit + i][at]), v[i]);
}

template <class F>
void unpack(const uint8_t* data, int64_t row_bytes, int rows, int groups, Panel* panel) {
  for (int at = 0; at < kPanelRows; at += 8) {
    const uint8_t* row[8];
    for (int i = 0; i < 8; ++i) row[i] = data + (at + i < rows ? at + i : rows - 1) * row_bytes;
    unpack_scales<F>(row, groups, at, panel);
    unpack_codes<F, 0>(row, at, panel);
    if (groups > 1) unpack_codes<F, 1>(row, at, panel);
    if (groups > 2) unpack_codes<F, 2>(row, at, panel);
    if (groups > 3) unpack_codes<F, 3>(row, at, panel);
    if (groups > 4) unpack_codes<F, 4>(row, at, panel);
    if (groups > 5) unpack_codes<F, 5>(row, at, panel);
    if (groups > 6) unpack_codes<F, 6>(row, at, panel);
    if (groups > 7) unpack_codes<F, 7>(row, at, panel);
  }
}

// ---- a tile: kM activation rows x 16 weight rows, all that fits beside its operands ----

template <class F, int kM>
[[gnu::always_inline]] inline void tile_step(const Panel* panel, const ActChunk* act, int groups, int first,
                                             int at, const float (*from)[kPanelRows], float* to, int64_t ld) {
  constexpr int kSteps = F::kGroup / 4, kWords = kWordSteps<F> < kSteps ? kWordSteps<F> : kSteps;
  constexpr int kShift = F::kOffset ? __builtin_ctz(F::kOffset | 1 << 30) : 0;
  __m256 f[kM][2];
#pragma GCC unroll 2
  for (int m = 0; m < kM; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v)
      f[m][v] = from ? _mm256_load_ps(from[first + m] + at + 8 * v) : _mm256_setzero_ps();
  for (int g = 0; g < groups * (32 / F::kGroup); ++g) {
    __m256i sum[kM][2];
#pragma GCC unroll 2
    for (int m = 0; m < kM; ++m)
      sum[m][0] = sum[m][1] =
          F::kOffset ? _mm256_slli_epi32(
                           _mm256_set1_epi32(F::kGroup == 32 ? act[first + m].n32[g] : act[first + m].n16[g]),
                           kShift)
                     : _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int t = 0; t < kSteps; t += kWords) {
      __m256i words[kM][2];
#pragma GCC unroll 8
      for (int u = 0; u < kWords; ++u) {
        const int step = g * kSteps + t + u;
        const __m256i c0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel->code[step][at]));
        const __m256i c1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel->code[step][at + 8]));
#pragma GCC unroll 2
        for (int m = 0; m < kM; ++m) {
          int32_t four;
          __builtin_memcpy(&four, act[first + m].q + 4 * step, 4);
          const __m256i x = _mm256_set1_epi32(four);
          const __m256i p0 = pairs<F::kWide>(c0, x), p1 = pairs<F::kWide>(c1, x);
          words[m][0] = u ? _mm256_add_epi16(words[m][0], p0) : p0;
          words[m][1] = u ? _mm256_add_epi16(words[m][1], p1) : p1;
        }
      }
#pragma GCC unroll 2
      for (int m = 0; m < kM; ++m) {
        sum[m][0] = _mm256_add_epi32(sum[m][0], fours(words[m][0]));
        sum[m][1] = _mm256_add_epi32(sum[m][1], fours(words[m][1]));
      }
    }
#pragma GCC unroll 2
    for (int m = 0; m < kM; ++m) {
      const __m256 d = _mm256_broadcast_ss(act[first + m].d32 + (F::kGroup == 32 ? g : g / 2));
      const __m256 x = _mm256_broadcast_ss(F::kGroup == 32 ? act[first + m].x32 + g : act[first + m].x16 + g);
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        const __m256 s = _mm256_load_ps(panel->scale[g] + at + 8 * v);
        f[m][v] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[m][v]), _mm256_mul_ps(s, d), f[m][v]);
        if (F::kMin) f[m][v] = _mm256_fmadd_ps(_mm256_load_ps(panel->bias[g] + at + 8 * v), x, f[m][v]);
      }
    }
  }
#pragma GCC unroll 2
  for (int m = 0; m < kM; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) _mm256_storeu_ps(to + (first + m) * ld + at + 8 * v, f[m][v]);
}

template <class F>
void tile(const Panel* panel, const ActChunk* act, int groups, int m, const float (*from)[kPanelRows],
          float* to, int64_t ld) {
  for (int first = 0; first < m; first += 2)
    for (int at = 0; at < kPanelRows; at += 16) {
      if (m - first >= 2)
        tile_step<F, 2>(panel, act, groups, first, at, from, to, ld);
      else
        tile_step<F, 1>(panel, act, groups, first, at, from, to, ld);
    }
}

// ---- quantizing activations ----

[[gnu::always_inline]] inline int sum_words(__m256i v) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

void quantize_group(const float* x, int left, int g, ActChunk* out) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  const __m256i exponent = _mm256_set1_epi32(0x7f800000);
  __m256 v[4], most = _mm256_setzero_ps();
  __m256i odd = _mm256_setzero_si256();
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    v[i] = left > 8 * i ? load_floats(x + 8 * i, left - 8 * i) : _mm256_setzero_ps();
    most = _mm256_max_ps(most, _mm256_andnot_ps(sign, v[i]));
    // Integer test, so that a NaN anywhere is seen: max drops it.
    odd = _mm256_or_si256(
        odd, _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_castps_si256(v[i]), exponent), exponent));
  }
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  const float amax = _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
  const bool is_odd = _mm256_movemask_epi8(odd) != 0;
  // Below this the reciprocal overflows; such a group is zero beside any other.
  const bool tiny = !(amax > 1e-36f);
  const float d = is_odd ? __builtin_nanf("") : tiny ? 0.0f : amax * (1.0f / 127.0f);
  const __m256 inverse = _mm256_set1_ps(is_odd || tiny ? 0.0f : 127.0f / amax);
  __m256i q[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i)
    q[i] = is_odd ? _mm256_setzero_si256() : _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));
  const int sum0 = sum_words(_mm256_add_epi32(q[0], q[1])), sum1 = sum_words(_mm256_add_epi32(q[2], q[3]));
  const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_store_si256(reinterpret_cast<__m256i*>(out->q + 32 * g), _mm256_permutevar8x32_epi32(bytes, order));
  out->d32[g] = d;
  out->x32[g] = d * static_cast<float>(sum0 + sum1);
  out->d16[2 * g] = out->d16[2 * g + 1] = d;
  out->x16[2 * g] = d * static_cast<float>(sum0);
  out->x16[2 * g + 1] = d * static_cast<float>(sum1);
  out->n32[g] = -sum0 - sum1;
  out->n16[2 * g] = -sum0;
  out->n16[2 * g + 1] = -sum1;
}

void quantize(const float* x, int64_t k, ActChunk* out, int64_t stride) {
  for (int64_t at = 0; at < k; at += kChunk, out += stride)
    for (int g = 0; g < kGroups; ++g) {
      const int64_t left = k - at - 32 * g;
      quantize_group(left > 0 ? x + at + 32 * g : x,
                     left > 32  ? 32
                     : left < 0 ? 0
                                : static_cast<int>(left),
                     g, out);
    }
}

}  // namespace
}  // namespace uma::cpu
