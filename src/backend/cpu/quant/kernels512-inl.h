#pragma once
// The kernels with 64-byte vectors, for AVX-512 with or without VNNI.
#include "backend/cpu/quant/formats-inl.h"
#include "backend/cpu/quant/kernels.h"

namespace uma::cpu {
namespace {

// ---- what exact-inl.h needs ----

using Floats = __m512;
constexpr int kLanes = 16;
constexpr int kExactWeights = 4;  // weight rows beside four activation rows: 16 sums, 8 operands

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

// Which scale belongs to each lane of the j-th 64 weights: lanes hold four weights.
template <int kGroup>
[[gnu::always_inline]] inline __m512i lane_scales(int j) {
  const __m512i first = kGroup == 32 ? _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)
                                     : _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
  return _mm512_add_epi32(first, _mm512_set1_epi32(j * (kGroup == 32 ? 2 : 4)));
}

// ---- one pass over a weight row, kRows activation rows ----

// Partial sums of one activation row. Two chains hide the latency of the multiply-add.
struct RowSum {
  __m512 even, odd;
  __m512 side;  // what the biases add; or, before the factor -offset, what the offsets take away
};

// kUnits x 64 weights at p. The order of every sum is the same for any kRows.
template <class F, int kRows, int kUnits>
[[gnu::always_inline]] inline void direct_step(const uint8_t* p, const ActChunk* act, RowSum* sums) {
  __m512 scale[kRows];
  if constexpr (F::kGroup == 32) {
    // Lanes 0-7: scales; 8-15: biases, or the scales again for the offset. One product with (d32, x32).
    __m256 s, b = _mm256_setzero_ps();
    F::scales(p, 2 * kUnits, s, b);
    const __m512 both = join(s, F::kMin ? b : s);
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m) {
      scale[m] = _mm512_mul_ps(both, _mm512_load_ps(act[m].d32));
      if (F::kMin || F::kOffset) sums[m].side = _mm512_add_ps(sums[m].side, scale[m]);
    }
  } else {
    __m256 s[2], b[2];
    F::scales(p, s, b);
    const __m512 whole = join(s[0], s[1]);
    const __m512 side = F::kMin ? join(b[0], b[1]) : whole;
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m) {
      scale[m] = _mm512_mul_ps(whole, _mm512_load_ps(act[m].d16));
      if (F::kMin || F::kOffset)
        sums[m].side = _mm512_fmadd_ps(side, _mm512_load_ps(act[m].x16), sums[m].side);
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < kUnits; ++j) {
    const __m512i codes = F::codes64(p, j);
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m) {
      const __m512i dot = dot4<F::kWide>(codes, _mm512_load_si512(act[m].q + 64 * j));
      const __m512 lanes = _mm512_permutexvar_ps(lane_scales<F::kGroup>(j), scale[m]);
      __m512& sum = j % 2 ? sums[m].odd : sums[m].even;
      sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), lanes, sum);
    }
  }
}

// The last, short chunk of a row of 32-weight blocks.
template <class F, int kRows>
[[gnu::always_inline]] inline void direct_tail(const uint8_t* p, int groups, const ActChunk* act,
                                               RowSum* sums) {
  uint8_t padded[2 * F::kBytes];
  switch (groups / 2) {
    case 3:
      direct_step<F, kRows, 3>(p, act, sums);
      break;
    case 2:
      direct_step<F, kRows, 2>(p, act, sums);
      break;
    case 1:
      direct_step<F, kRows, 1>(p, act, sums);
      break;
    default:
      break;
  }
  if (groups % 2 == 0) return;
  // A single block, beside one of zeros: its activations are moved to the front of a chunk.
  __builtin_memset(padded, 0, sizeof padded);
  __builtin_memcpy(padded, p + (groups - 1) * F::kBytes, F::kBytes);
  ActChunk last[kRows];
#pragma GCC unroll 4
  for (int m = 0; m < kRows; ++m) {
    const ActChunk& from = act[m];
    __builtin_memset(&last[m], 0, sizeof last[m]);
    __builtin_memcpy(last[m].q, from.q + (groups - 1) * 32, 32);
    last[m].d32[0] = from.d32[groups - 1];
    last[m].x32[0] = from.x32[groups - 1];
  }
  direct_step<F, kRows, 1>(padded, last, sums);
}

template <class F>
[[gnu::always_inline]] inline float finish(const RowSum& sum) {
  __m512 total = _mm512_add_ps(sum.even, sum.odd);
  if (F::kMin || F::kOffset) {
    const __m512 factor = _mm512_set1_ps(F::kMin ? 1.0f : static_cast<float>(-F::kOffset));
    const __mmask16 lanes = F::kGroup == 32 ? 0xff00 : 0xffff;
    total = _mm512_mask3_fmadd_ps(sum.side, factor, total, lanes);
  }
  return sum_lanes(total);
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
    RowSum sums[kRows];
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m) sums[m] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
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
  constexpr int kShift = F::kOffset ? __builtin_ctz(F::kOffset | 1 << 30) : 0;
#pragma GCC unroll 6
  for (int m = 0; m < kM; ++m) {
    const __m512i start = _mm512_set1_epi32(F::kGroup == 32 ? act[m].n32[g] : act[m].n16[g]);
    i[m][0] = i[m][1] = F::kOffset ? _mm512_slli_epi32(start, kShift) : _mm512_setzero_si512();
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

template <class F, int kM>
void tile_rows(const Panel* panel, const ActChunk* act, int groups, const float (*from)[kPanelRows],
               float* to, int64_t ld) {
  __m512 f[kM][2];
#pragma GCC unroll 6
  for (int m = 0; m < kM; ++m) {
    f[m][0] = from ? _mm512_load_ps(from[m]) : _mm512_setzero_ps();
    f[m][1] = from ? _mm512_load_ps(from[m] + 16) : _mm512_setzero_ps();
  }
  for (int g = 0; g < groups * (32 / F::kGroup); ++g) {
    __m512i i[kM][2];
    group_sums<F, kM>(panel, act, g, i);
    const __m512 s0 = _mm512_load_ps(panel->scale[g]), s1 = _mm512_load_ps(panel->scale[g] + 16);
#pragma GCC unroll 6
    for (int m = 0; m < kM; ++m) {
      const __m512 dm = _mm512_set1_ps(act[m].d32[F::kGroup == 32 ? g : g / 2]);
      f[m][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(i[m][0]), _mm512_mul_ps(s0, dm), f[m][0]);
      f[m][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(i[m][1]), _mm512_mul_ps(s1, dm), f[m][1]);
    }
    if (F::kMin) {
      const __m512 b0 = _mm512_load_ps(panel->bias[g]), b1 = _mm512_load_ps(panel->bias[g] + 16);
#pragma GCC unroll 6
      for (int m = 0; m < kM; ++m) {
        const __m512 xm = _mm512_set1_ps(F::kGroup == 32 ? act[m].x32[g] : act[m].x16[g]);
        f[m][0] = _mm512_fmadd_ps(b0, xm, f[m][0]);
        f[m][1] = _mm512_fmadd_ps(b1, xm, f[m][1]);
      }
    }
  }
#pragma GCC unroll 6
  for (int m = 0; m < kM; ++m) {
    _mm512_storeu_ps(to + m * ld, f[m][0]);
    _mm512_storeu_ps(to + m * ld + 16, f[m][1]);
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
      out->d32[g] = d;
      out->x32[g] = d * static_cast<float>(sum0 + sum1);
      out->d16[2 * g] = out->d16[2 * g + 1] = d;
      out->x16[2 * g] = d * static_cast<float>(sum0);
      out->x16[2 * g + 1] = d * static_cast<float>(sum1);
      out->n32[g] = -sum0 - sum1;
      out->n16[2 * g] = -sum0;
      out->n16[2 * g + 1] = -sum1;
    }
  }
}

}  // namespace
}  // namespace uma::cpu
