#pragma once
// The kernels with 32-byte vectors and 16 registers, for AVX2.
#include "backend/cpu/quant/formats-inl.h"
#include "backend/cpu/quant/kernels.h"

namespace uma::cpu {
namespace {

// ---- what exact-inl.h needs ----

using Floats = __m256;
constexpr int kLanes = 8;
constexpr int kExactRows = 3;  // rows of x beside four weight rows: 12 sums, 3 of x, a weight

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
// sum_lanes of four vectors, to the bit.
[[gnu::always_inline]] inline __m128 sum_lanes(Floats a, Floats b, Floats c, Floats d) {
  const auto half = [](Floats v) __attribute__((always_inline)) {
    return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  };
  return sum_quarters(half(a), half(b), half(c), half(d));
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

// The scales and biases of a chunk in the order of an ActChunk's lanes.
template <class F>
[[gnu::always_inline]] inline void scales_in_lanes(const uint8_t* p, int groups, __m256 s[2], __m256 b[2]) {
  if constexpr (F::kGroup == 32) {
    const __m256i order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
    F::scales(p, groups, s[0], b[0]);
    s[0] = _mm256_permutevar8x32_ps(s[0], order);
    if (F::kMin) b[0] = _mm256_permutevar8x32_ps(b[0], order);
  } else {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const auto transpose = [&](__m256 v[2]) __attribute__((always_inline)) {
      const __m256 low = _mm256_unpacklo_ps(v[0], v[1]), high = _mm256_unpackhi_ps(v[0], v[1]);
      v[0] = _mm256_permutevar8x32_ps(low, order);
      v[1] = _mm256_permutevar8x32_ps(high, order);
    };
    F::scales(p, s, b);
    transpose(s);
    if (F::kMin) transpose(b);
  }
}

// Sums in whole numbers, plus what the codes' offset takes away, become floats: p of kernels.h.
template <class F>
[[gnu::always_inline]] inline __m256 products(__m256i dots, const int32_t* n, __m256 s, __m256 b,
                                              const float* d, const float* x) {
  if (F::kOffset) {
    const __m256i sums = _mm256_load_si256(reinterpret_cast<const __m256i*>(n));
    dots = _mm256_add_epi32(dots, _mm256_slli_epi32(sums, kOffsetShift<F>));
  }
  const __m256 p = _mm256_mul_ps(_mm256_cvtepi32_ps(dots), _mm256_mul_ps(s, _mm256_load_ps(d)));
  return F::kMin ? _mm256_fmadd_ps(b, _mm256_load_ps(x), p) : p;
}
[[gnu::always_inline]] inline __m128 low_half(__m256 v) {
  return _mm256_castps256_ps128(v);
}
[[gnu::always_inline]] inline __m128 high_half(__m256 v) {
  return _mm256_extractf128_ps(v, 1);
}

// Sums of neighbouring dwords of a and then of b, within each 16 bytes. The dwords are sums of at most kMost
// * 127 in magnitude; where that fits into 16 bits, a pack and a multiplication by one are faster than
// vphaddd.
template <int kMost>
[[gnu::always_inline]] inline __m256i add_neighbours(__m256i a, __m256i b) {
  if (kMost * 127 > 32767) return _mm256_hadd_epi32(a, b);
  return fours(_mm256_packs_epi32(a, b));
}

// A chunk, or its first `groups` groups, at p.
template <class F, int kRows, bool kWhole>
[[gnu::always_inline]] inline void direct_step(const uint8_t* p, int groups, const ActChunk* act,
                                               float* sums) {
  __m256 s[2], b[2];
  scales_in_lanes<F>(p, kWhole ? kGroups : groups, s, b);
  // dots[m][0]: the sums of the groups 0 2 4 6 over their first 16 weights, then over the others;
  // dots[m][1]: of 1 3 5 7.
  __m256i dots[kRows][2];
#pragma GCC unroll 2
  for (int odd = 0; odd < 2; ++odd)
#pragma GCC unroll 2
    for (int k = 0; k < 2; ++k) {
      const int g0 = odd + 4 * k, g1 = g0 + 2;
      const __m256i none = _mm256_setzero_si256();
      const __m256i c0 = kWhole || g0 < groups ? F::codes32(p, g0) : none;
      const __m256i c1 = kWhole || g1 < groups ? F::codes32(p, g1) : none;
#pragma GCC unroll 4
      for (int m = 0; m < kRows; ++m) {
        const auto dot = [&](__m256i codes, int g) __attribute__((always_inline)) {
          const __m256i x = _mm256_load_si256(reinterpret_cast<const __m256i*>(act[m].q + 32 * g));
          return pairs<F::kWide>(codes, x);
        };
        const __m256i sum = add_neighbours<4 * F::kMax>(fours(dot(c0, g0)), fours(dot(c1, g1)));
        dots[m][odd] = k ? add_neighbours<8 * F::kMax>(dots[m][odd], sum) : sum;
      }
    }
#pragma GCC unroll 4
  for (int m = 0; m < kRows; ++m) {
    const ActChunk& a = act[m];
    if constexpr (F::kGroup == 32) {
      const __m256i first = _mm256_permute2x128_si256(dots[m][0], dots[m][1], 0x20);
      const __m256i second = _mm256_permute2x128_si256(dots[m][0], dots[m][1], 0x31);
      const __m256 v = products<F>(_mm256_add_epi32(first, second), a.n32, s[0], b[0], a.d32, a.x32);
      sums[m] += sum_of_chunk(low_half(v), high_half(v));
    } else {
      const __m256 even = products<F>(dots[m][0], a.n16, s[0], b[0], a.d16, a.x16);
      const __m256 odd = products<F>(dots[m][1], a.n16 + 8, s[1], b[1], a.d16 + 8, a.x16 + 8);
      sums[m] += sum_of_chunk(_mm_add_ps(low_half(even), high_half(even)),
                              _mm_add_ps(low_half(odd), high_half(odd)));
    }
  }
}

// 4 KB ahead in the order of addresses; a prefetch past the end of the mapping does nothing.
constexpr int64_t kPrefetchBytes = 4096;

template <class F, int kRows>
void direct_rows(const WeightRows& w, const ActChunk* act, int64_t stride, float* out, int64_t ld_out) {
  constexpr int64_t kStep = kChunk / F::kBlock * F::kBytes;
  for (int64_t r = 0; r < w.rows; ++r) {
    const uint8_t* p = w.data + r * w.row_bytes;
    float sums[kRows] = {};
    for (int64_t c = 0; c < w.k / kChunk; ++c, p += kStep) {
#pragma GCC unroll 5
      for (int64_t line = 0; line < kStep; line += 64) __builtin_prefetch(p + kPrefetchBytes + line, 0, 3);
      direct_step<F, kRows, true>(p, kGroups, act + c * stride, sums);
    }
    if constexpr (F::kBlock == 32)
      if (const int groups = static_cast<int>(w.k % kChunk / 32))
        direct_step<F, kRows, false>(p, groups, act + w.k / kChunk * stride, sums);
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m) out[m * ld_out + r] = sums[m];
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

// ---- quantizing activations ----

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
  const auto fold = [](__m256i a, __m256i b) __attribute__((always_inline)) {
    const __m256i sum = _mm256_add_epi32(a, b);
    return _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  };
  // Of the first 16: what lies at 0 or 1 of a four, and the rest; then of the others.
  const __m128i halves = _mm_hadd_epi32(fold(q[0], q[1]), fold(q[2], q[3]));
  const __m128i sums = _mm_hadd_epi32(halves, halves);
  const __m128i words = _mm_packs_epi32(_mm_sub_epi32(_mm_setzero_si128(), halves), _mm_setzero_si128());
  __builtin_memcpy(out->w16[lane16(2 * g)], &words, 4);
  const uint64_t both = static_cast<uint64_t>(_mm_cvtsi128_si64(words));
  __builtin_memcpy(out->w16[lane16(2 * g + 1)], reinterpret_cast<const char*>(&both) + 4, 4);
  const int whole = _mm_cvtsi128_si32(_mm_add_epi16(words, _mm_srli_epi64(words, 32)));
  __builtin_memcpy(out->w32[lane32(g)], &whole, 4);
  const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_store_si256(reinterpret_cast<__m256i*>(out->q + 32 * g), _mm256_permutevar8x32_epi32(bytes, order));
  store_group(out, g, d, _mm_cvtsi128_si32(sums), _mm_extract_epi32(sums, 1));
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
