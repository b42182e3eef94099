#pragma once
// The kernels with 64-byte vectors, for AVX-512 with or without VNNI.
#include "backend/cpu/quant/formats-inl.h"
#include "backend/cpu/quant/kernels.h"

namespace uma::cpu {
namespace {

// ---- what exact-inl.h needs ----

using Floats = __m512;
constexpr int kLanes = 16;
constexpr int kExactRows = 6;  // rows of x beside four weight rows: 24 sums, 6 of x, a weight

[[gnu::always_inline]] inline __mmask16 first_lanes(int n) {
  return n >= 16 ? 0xffff : static_cast<__mmask16>((1u << n) - 1);
}
[[gnu::always_inline]] inline Floats zero_floats() {
  return _mm512_setzero_ps();
}
[[gnu::always_inline]] inline void store_floats(float* p, Floats v) {
  _mm512_store_ps(p, v);
}
[[gnu::always_inline]] inline Floats multiply_add(Floats a, Floats b, Floats c) {
  return _mm512_fmadd_ps(a, b, c);
}
// The first n of a vector, then zeros; nothing beyond is read.
[[gnu::always_inline]] inline Floats load_floats(const void* p, int n) {
  return _mm512_maskz_loadu_ps(first_lanes(n), p);
}
[[gnu::always_inline]] inline Floats load_halves(const void* p, int n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}
[[gnu::always_inline]] inline Floats load_bfloats(const void* p, int n) {
  const __m256i words = _mm256_maskz_loadu_epi16(first_lanes(n), p);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(words), 16));
}
// out = s * code + b for 16 codes.
[[gnu::always_inline]] inline void decode_16(bool is_signed, __m128i bytes, float s, float b, float* out) {
  const __m512i codes = is_signed ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
  _mm512_store_ps(out, _mm512_fmadd_ps(_mm512_cvtepi32_ps(codes), _mm512_set1_ps(s), _mm512_set1_ps(b)));
}
[[gnu::always_inline]] inline float sum_lanes(Floats v) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
// sum_lanes of four vectors, to the bit.
[[gnu::always_inline]] inline __m128 sum_lanes(Floats a, Floats b, Floats c, Floats d) {
  const auto quarter = [](Floats v) __attribute__((always_inline)) {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  };
  return sum_quarters(quarter(a), quarter(b), quarter(c), quarter(d));
}

// ---- products of bytes ----

// Sums of two products in 16 bits. They cannot saturate: codes are at most 63, or 128 in magnitude with
// their sign moved to x.
template <bool kWide>
[[gnu::always_inline]] inline __m512i pairs(__m512i codes, __m512i x) {
  if (!kWide) return _mm512_maddubs_epi16(codes, x);
  const __m512i moved = _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(codes), _mm512_setzero_si512(), x);
  return _mm512_maddubs_epi16(_mm512_abs_epi8(codes), moved);
}

// The products of each four codes with four activations, added.
template <bool kWide>
[[gnu::always_inline]] inline __m512i dot4(__m512i codes, __m512i x) {
#ifdef __AVX512VNNI__
  return _mm512_dpbusd_epi32(_mm512_setzero_si512(), codes, x);
#else
  return _mm512_madd_epi16(pairs<kWide>(codes, x), _mm512_set1_epi16(1));
#endif
}

[[gnu::always_inline]] inline __m512 join(__m256 low, __m256 high) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}

// ---- one pass over a weight row, kRows activation rows ----

// Two vectors with the sums of each two dwords of a and b in turn, within each 16 bytes.
[[gnu::always_inline]] inline __m512i add_neighbours32(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}
[[gnu::always_inline]] inline __m512i add_neighbours64(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}
[[gnu::always_inline]] inline __m256i high_half(__m512i v) {
  return _mm512_extracti64x4_epi64(v, 1);
}
[[gnu::always_inline]] inline __m256 high_half(__m512 v) {
  return _mm512_extractf32x8_ps(v, 1);
}

// Sums in whole numbers become floats: p of kernels.h, in the order of an ActChunk's lanes, where lane 4 i +
// j of `dots` is the sum of the i-th 16 weights of the j-th 64. Returns P, even ones first.
template <class F>
[[gnu::always_inline]] inline __m256 products(__m512i dots, __m512 s, __m512 b, const ActChunk& a) {
  if constexpr (F::kGroup == 16) {
    if (F::kOffset)
      dots = _mm512_add_epi32(dots, _mm512_slli_epi32(_mm512_load_si512(a.n16), kOffsetShift<F>));
    __m512 p = _mm512_mul_ps(_mm512_cvtepi32_ps(dots), _mm512_mul_ps(s, _mm512_loadu_ps(a.d16)));
    if (F::kMin) p = _mm512_fmadd_ps(b, _mm512_loadu_ps(a.x16), p);
    const __m256 low = _mm512_castps512_ps256(p), high = high_half(p);
    return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
  } else {
    const __m256i low = _mm512_castsi512_si256(dots), high = high_half(dots);
    __m256i whole = _mm256_add_epi32(_mm256_permute2x128_si256(low, high, 0x20),
                                     _mm256_permute2x128_si256(low, high, 0x31));
    if (F::kOffset) {
      const __m256i sums = _mm256_load_si256(reinterpret_cast<const __m256i*>(a.n32));
      whole = _mm256_add_epi32(whole, _mm256_slli_epi32(sums, kOffsetShift<F>));
    }
    const __m256 scale = _mm256_mul_ps(_mm512_castps512_ps256(s), _mm256_load_ps(a.d32));
    const __m256 p = _mm256_mul_ps(_mm256_cvtepi32_ps(whole), scale);
    return F::kMin ? _mm256_fmadd_ps(_mm512_castps512_ps256(b), _mm256_load_ps(a.x32), p) : p;
  }
}

// The scales and biases of a chunk in the order of an ActChunk's lanes.
template <class F>
[[gnu::always_inline]] inline void scales_in_lanes(const uint8_t* p, int groups, __m512* s, __m512* b) {
  if constexpr (F::kGroup == 32) {
    const __m256i order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
    __m256 scale, bias = _mm256_setzero_ps();
    F::scales(p, groups, scale, bias);
    *s = _mm512_castps256_ps512(_mm256_permutevar8x32_ps(scale, order));
    *b = _mm512_castps256_ps512(_mm256_permutevar8x32_ps(bias, order));
  } else {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m256 scale[2], bias[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    F::scales(p, scale, bias);
    *s = _mm512_permutexvar_ps(order, join(scale[0], scale[1]));
    *b = _mm512_permutexvar_ps(order, join(bias[0], bias[1]));
  }
}

// kUnits x 64 weights at p.
template <class F, int kRows, int kUnits>
[[gnu::always_inline]] inline void direct_step(const uint8_t* p, const ActChunk* act, float* sums) {
  __m512 s, b;
  scales_in_lanes<F>(p, 2 * kUnits, &s, &b);
  __m512i dots[kRows];
#pragma GCC unroll 2
  for (int j = 0; j < 4; j += 2) {
    const __m512i none = _mm512_setzero_si512();
    const __m512i c0 = j < kUnits ? F::codes64(p, j) : none,
                  c1 = j + 1 < kUnits ? F::codes64(p, j + 1) : none;
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m) {
      const __m512i d0 = j < kUnits ? dot4<F::kWide>(c0, _mm512_load_si512(act[m].q + 64 * j)) : none;
      const __m512i d1 =
          j + 1 < kUnits ? dot4<F::kWide>(c1, _mm512_load_si512(act[m].q + 64 * j + 64)) : none;
      const __m512i sum = add_neighbours32(d0, d1);
      dots[m] = j ? add_neighbours64(dots[m], sum) : sum;
    }
  }
#pragma GCC unroll 4
  for (int m = 0; m < kRows; ++m) {
    const __m256 v = products<F>(dots[m], s, b, act[m]);
    sums[m] += sum_of_chunk(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  }
}

// The last, short chunk of a row of 32-weight blocks. Two are read at a time: an odd last one stands beside
// one of zeros.
template <class F, int kRows>
[[gnu::always_inline]] inline void direct_tail(const uint8_t* p, int groups, const ActChunk* act,
                                               float* sums) {
  uint8_t padded[8 * F::kBytes];
  if (groups % 2) {
    __builtin_memset(padded, 0, sizeof padded);
    __builtin_memcpy(padded, p, static_cast<size_t>(groups) * F::kBytes);
    p = padded;
  }
  switch ((groups + 1) / 2) {
    case 4:
      return direct_step<F, kRows, 4>(p, act, sums);
    case 3:
      return direct_step<F, kRows, 3>(p, act, sums);
    case 2:
      return direct_step<F, kRows, 2>(p, act, sums);
    default:
      return direct_step<F, kRows, 1>(p, act, sums);
  }
}

// 4 KB ahead in the order of addresses; a prefetch past the end of the mapping does nothing.
constexpr int64_t kPrefetchBytes = 4096;

template <class F, int kRows>
void direct_rows(const WeightRows& w, const ActChunk* act, int64_t stride, float* out, int64_t ld_out) {
  constexpr int64_t kStep = F::kBlock == 256 ? F::kBytes : 8 * F::kBytes;
  const int64_t whole = w.k / kChunk;
  const int tail = static_cast<int>(w.k % kChunk / 32);
  for (int64_t r = 0; r < w.rows; ++r) {
    const uint8_t* p = w.data + r * w.row_bytes;
    float sums[kRows] = {};
    for (int64_t c = 0; c < whole; ++c, p += kStep) {
#pragma GCC unroll 5
      for (int64_t line = 0; line < kStep; line += 64) __builtin_prefetch(p + kPrefetchBytes + line, 0, 3);
      direct_step<F, kRows, 4>(p, act + c * stride, sums);
    }
    if (F::kBlock == 32 && tail) {
      for (int line = 0; line < tail * F::kBytes; line += 64)
        __builtin_prefetch(p + kPrefetchBytes + line, 0, 3);
      if constexpr (F::kBlock == 32) direct_tail<F, kRows>(p, tail, act + whole * stride, sums);
    }
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

// v[i] lane j -> v[j] lane i, of 16 vectors of 16 dwords.
[[gnu::always_inline]] inline void transpose16(__m512i v[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    v[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    v[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    v[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    v[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(v[i], v[4 + i], 0x88);
    t[4 + i] = _mm512_shuffle_i32x4(v[i], v[4 + i], 0xdd);
    t[8 + i] = _mm512_shuffle_i32x4(v[8 + i], v[12 + i], 0x88);
    t[12 + i] = _mm512_shuffle_i32x4(v[8 + i], v[12 + i], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
    v[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
    v[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
    v[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xdd);
  }
}

// Scales of 16 rows at column `at` of the panel. Lane g of v[row] is the scale of group g.
template <class F>
[[gnu::always_inline]] inline void unpack_scales(const uint8_t* const rows[16], int groups, int at,
                                                 Panel* panel) {
  __m512i v[16];
  if constexpr (F::kGroup == 32) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      __m256 s, b = _mm256_setzero_ps();
      F::scales(rows[i], groups, s, b);
      v[i] = _mm512_castps_si512(join(s, b));
    }
    transpose16(v);
#pragma GCC unroll 8
    for (int g = 0; g < 8; ++g) {
      _mm512_store_ps(panel->scale[g] + at, _mm512_castsi512_ps(v[g]));
      if (F::kMin) _mm512_store_ps(panel->bias[g] + at, _mm512_castsi512_ps(v[8 + g]));
    }
  } else {
    __m512i w[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      __m256 s[2], b[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
      F::scales(rows[i], s, b);
      v[i] = _mm512_castps_si512(join(s[0], s[1]));
      w[i] = _mm512_castps_si512(join(b[0], b[1]));
    }
    transpose16(v);
    if (F::kMin) transpose16(w);
#pragma GCC unroll 16
    for (int g = 0; g < 16; ++g) {
      _mm512_store_ps(panel->scale[g] + at, _mm512_castsi512_ps(v[g]));
      if (F::kMin) _mm512_store_ps(panel->bias[g] + at, _mm512_castsi512_ps(w[g]));
    }
  }
}

template <class F, int kUnit>
[[gnu::always_inline]] inline void unpack_codes(const uint8_t* const rows[16], int at, Panel* panel) {
  __m512i v[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) v[i] = F::codes64(rows[i], kUnit);
  transpose16(v);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) _mm512_store_si512(panel->code[16 * kUnit + i][at], v[i]);
}

template <class F>
void unpack16(const uint8_t* const rows[16], int groups, int at, Panel* panel) {
  unpack_scales<F>(rows, groups, at, panel);
  unpack_codes<F, 0>(rows, at, panel);
  if (groups > 2) unpack_codes<F, 1>(rows, at, panel);
  if (groups > 4) unpack_codes<F, 2>(rows, at, panel);
  if (groups > 6) unpack_codes<F, 3>(rows, at, panel);
}

template <class F>
void unpack(const uint8_t* data, int64_t row_bytes, int rows, int groups, Panel* panel) {
  // An odd last block is unpacked beside one of zeros, since two are read at a time.
  uint8_t padded[F::kBlock == 32 ? 16 : 1][8 * F::kBytes];
  for (int at = 0; at < kPanelRows; at += 16) {
    const uint8_t* row[16];
    for (int i = 0; i < 16; ++i) {
      const int r = at + i < rows ? at + i : rows - 1;  // repeats stand in for missing rows
      row[i] = data + r * row_bytes;
      if (F::kBlock == 32 && groups % 2) {
        __builtin_memset(padded[i], 0, sizeof padded[i]);
        __builtin_memcpy(padded[i], row[i], static_cast<size_t>(groups) * F::kBytes);
        row[i] = padded[i];
      }
    }
    unpack16<F>(row, groups, at, panel);
  }
}

// ---- a tile: kM activation rows x 32 weight rows ----

[[gnu::always_inline]] inline __m512i broadcast4(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}

// The sums of group g, in whole numbers.
template <class F, int kM>
[[gnu::always_inline]] inline void group_sums(const Panel* panel, const ActChunk* act, int g,
                                              __m512i (*i)[2]) {
  constexpr int kSteps = F::kGroup / 4, kWords = kWordSteps<F> < kSteps ? kWordSteps<F> : kSteps;
#pragma GCC unroll 6
  for (int m = 0; m < kM; ++m) {
    const __m512i start = _mm512_set1_epi32(F::kGroup == 32 ? act[m].n32[lane32(g)] : act[m].n16[lane16(g)]);
    i[m][0] = i[m][1] = F::kOffset ? _mm512_slli_epi32(start, kOffsetShift<F>) : _mm512_setzero_si512();
  }
#ifdef __AVX512VNNI__
  (void)kWords;
#pragma GCC unroll 8
  for (int t = g * kSteps; t < (g + 1) * kSteps; ++t) {
    const __m512i c0 = _mm512_load_si512(panel->code[t][0]), c1 = _mm512_load_si512(panel->code[t][16]);
#pragma GCC unroll 6
    for (int m = 0; m < kM; ++m) {
      const __m512i x = broadcast4(act[m].q + 4 * t);
      i[m][0] = _mm512_dpbusd_epi32(i[m][0], c0, x);
      i[m][1] = _mm512_dpbusd_epi32(i[m][1], c1, x);
    }
  }
#else
  // As many steps in 16 bits as the codes allow, then one widening for all of them.
#pragma GCC unroll 8
  for (int t = g * kSteps; t < (g + 1) * kSteps; t += kWords)
#pragma GCC unroll 6
    for (int m = 0; m < kM; ++m) {
      __m512i w0 = _mm512_setzero_si512(), w1 = w0;
#pragma GCC unroll 8
      for (int u = 0; u < kWords; ++u) {
        const __m512i x = broadcast4(act[m].q + 4 * (t + u));
        w0 = _mm512_add_epi16(w0, pairs<F::kWide>(_mm512_load_si512(panel->code[t + u][0]), x));
        w1 = _mm512_add_epi16(w1, pairs<F::kWide>(_mm512_load_si512(panel->code[t + u][16]), x));
      }
      i[m][0] = _mm512_add_epi32(i[m][0], _mm512_madd_epi16(w0, _mm512_set1_epi16(1)));
      i[m][1] = _mm512_add_epi32(i[m][1], _mm512_madd_epi16(w1, _mm512_set1_epi16(1)));
    }
#endif
}

// p[m][v] of kernels.h for group g (of F::kGroup), of rows m and vectors v of 16 weight rows, added to `sum`.
template <class F, int kM>
[[gnu::always_inline]] inline void add_products(const Panel* panel, const ActChunk* act, int g,
                                                __m512 (*sum)[2]) {
  __m512i i[kM][2];
  group_sums<F, kM>(panel, act, g, i);
  const int lane = F::kGroup == 32 ? lane32(g) : lane16(g);
#pragma GCC unroll 6
  for (int m = 0; m < kM; ++m) {
    const __m512 d = _mm512_set1_ps((F::kGroup == 32 ? act[m].d32 : act[m].d16)[lane]);
    const __m512 x = _mm512_set1_ps((F::kGroup == 32 ? act[m].x32 : act[m].x16)[lane]);
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      const __m512 s = _mm512_load_ps(panel->scale[g] + 16 * v);
      __m512 p = _mm512_mul_ps(_mm512_cvtepi32_ps(i[m][v]), _mm512_mul_ps(s, d));
      if (F::kMin) p = _mm512_fmadd_ps(_mm512_load_ps(panel->bias[g] + 16 * v), x, p);
      sum[m][v] = _mm512_add_ps(sum[m][v], p);
    }
  }
}

template <int kM>
[[gnu::always_inline]] inline void add_to(__m512 (*sum)[2], const __m512 (*p)[2]) {
#pragma GCC unroll 6
  for (int m = 0; m < kM; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) sum[m][v] = _mm512_add_ps(sum[m][v], p[m][v]);
}

template <class F, int kM>
void tile_rows(const Panel* panel, const ActChunk* act, int groups, const float (*from)[kPanelRows],
               float* to, int64_t ld) {
  // P0 + P1 and P4 + P5; P2 + P3 and P6 + P7.
  __m512 total[2][kM][2] = {};
  for (int h = 0; h < groups; h += 2) {
    __m512 pair[kM][2] = {};
    const int end = h + 2 < groups ? h + 2 : groups;
    for (int g = h; g < end; ++g) {
      if constexpr (F::kGroup == 32) {
        add_products<F, kM>(panel, act, g, pair);
      } else {
        __m512 both[kM][2] = {};
        add_products<F, kM>(panel, act, 2 * g, both);
        add_products<F, kM>(panel, act, 2 * g + 1, both);
        add_to<kM>(pair, both);
      }
    }
    add_to<kM>(total[h / 2 % 2], pair);
  }
  add_to<kM>(total[0], total[1]);
#pragma GCC unroll 6
  for (int m = 0; m < kM; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      const __m512 before = from ? _mm512_load_ps(from[m] + 16 * v) : _mm512_setzero_ps();
      _mm512_storeu_ps(to + m * ld + 16 * v, _mm512_add_ps(before, total[0][m][v]));
    }
}

template <class F>
void tile(const Panel* panel, const ActChunk* act, int groups, int m, const float (*from)[kPanelRows],
          float* to, int64_t ld) {
  switch (m) {
    case 1:
      return tile_rows<F, 1>(panel, act, groups, from, to, ld);
    case 2:
      return tile_rows<F, 2>(panel, act, groups, from, to, ld);
    case 3:
      return tile_rows<F, 3>(panel, act, groups, from, to, ld);
    case 4:
      return tile_rows<F, 4>(panel, act, groups, from, to, ld);
    case 5:
      return tile_rows<F, 5>(panel, act, groups, from, to, ld);
    default:
      return tile_rows<F, 6>(panel, act, groups, from, to, ld);
  }
}

// ---- quantizing activations ----

void quantize(const float* x, int64_t k, ActChunk* out, int64_t stride) {
  const __m512 sign = _mm512_set1_ps(-0.0f);
  for (int64_t at = 0; at < k; at += kChunk, out += stride) {
    for (int g = 0; g < kGroups; ++g) {
      const int64_t left = k - at - 32 * g;
      const __mmask16 low = left >= 16 ? 0xffff : left <= 0 ? 0 : (1u << left) - 1;
      const __mmask16 high = left >= 32 ? 0xffff : left <= 16 ? 0 : (1u << (left - 16)) - 1;
      const float* p = x + at + 32 * g;
      const __m512 v0 = _mm512_maskz_loadu_ps(low, p),
                   v1 = _mm512_maskz_loadu_ps(high, left > 16 ? p + 16 : p);
      const float amax =
          _mm512_reduce_max_ps(_mm512_max_ps(_mm512_andnot_ps(sign, v0), _mm512_andnot_ps(sign, v1)));
      // Integer test, so that a NaN anywhere is seen: max drops it.
      const __m512i exponent = _mm512_set1_epi32(0x7f800000);
      const bool odd =
          _mm512_cmpeq_epi32_mask(_mm512_and_si512(_mm512_castps_si512(v0), exponent), exponent) |
          _mm512_cmpeq_epi32_mask(_mm512_and_si512(_mm512_castps_si512(v1), exponent), exponent);
      // Below this the reciprocal overflows; such a group is zero beside any other.
      const bool tiny = !(amax > 1e-36f);
      const __m512 inverse = _mm512_set1_ps(odd || tiny ? 0.0f : 127.0f / amax);
      const float d = odd ? __builtin_nanf("") : tiny ? 0.0f : amax * (1.0f / 127.0f);
      const __m512i q0 = _mm512_cvtps_epi32(_mm512_mul_ps(odd ? _mm512_setzero_ps() : v0, inverse));
      const __m512i q1 = _mm512_cvtps_epi32(_mm512_mul_ps(odd ? _mm512_setzero_ps() : v1, inverse));
      _mm_store_si128(reinterpret_cast<__m128i*>(out->q + 32 * g), _mm512_cvtepi32_epi8(q0));
      _mm_store_si128(reinterpret_cast<__m128i*>(out->q + 32 * g + 16), _mm512_cvtepi32_epi8(q1));
      const int sum0 = _mm512_reduce_add_epi32(q0), sum1 = _mm512_reduce_add_epi32(q1);
      store_group(out, g, d, sum0, sum1);
    }
  }
}

}  // namespace
}  // namespace uma::cpu
