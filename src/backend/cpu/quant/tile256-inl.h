#pragma once
// A tile of the product with 32-byte vectors: up to three activation rows x 16 weight rows, lanes are weight
// rows. First the sums of every group in whole numbers, six at a time, which with their operands are all that
// 16 registers hold; then scales. Sums of a group stay in 16 bits for as long as they are sure to fit.
#include "backend/cpu/quant/kernels256-inl.h"

namespace uma::cpu {
namespace {

constexpr int kTileM = 3;  // most rows

// In 16 bits a sum may wrap on its way if its end fits, so codes with an offset start from what the offset
// takes away: the end is that of a product of signed codes, |code - offset| <= kOffset, 16 of them and |x| <=
// 127.
template <class F>
constexpr bool kWraps = F::kOffset&& F::kOffset * 127 * (F::kGroup / 2) <= 32767;

// Two weight vectors times four activations at x, added to the 16-bit sums w0 and w1. One statement, or the
// compiler makes trees of running sums, copies and spills: a third slower.
[[gnu::always_inline]] inline void add_products(const int8_t* x, __m256i c0, __m256i c1, __m256i& w0,
                                                __m256i& w1) {
  using Four [[gnu::may_alias]] = int32_t;
  __m256i t, u;
  __asm__(
      "vpbroadcastd %[x], %[t]\n\t"
      "vpmaddubsw %[t], %[c0], %[u]\n\t"
      "vpmaddubsw %[t], %[c1], %[t]\n\t"
      "vpaddw %[u], %[w0], %[w0]\n\t"
      "vpaddw %[t], %[w1], %[w1]"
      : [w0] "+x"(w0), [w1] "+x"(w1), [t] "=&x"(t), [u] "=&x"(u)
      : [x] "m"(*reinterpret_cast<const Four*>(x)), [c0] "x"(c0), [c1] "x"(c1));
}

// The same for codes of all 8 bits, whose sums need 32 bits at once: a0 and a1 are their magnitudes, and
// their signs move to x.
[[gnu::always_inline]] inline void add_wide_products(const int8_t* x, __m256i c0, __m256i a0, __m256i c1,
                                                     __m256i a1, __m256i ones, __m256i& s0, __m256i& s1) {
  using Four [[gnu::may_alias]] = int32_t;
  __m256i t, u;
  __asm__(
      "vpbroadcastd %[x], %[t]\n\t"
      "vpsignb %[c0], %[t], %[u]\n\t"
      "vpsignb %[c1], %[t], %[t]\n\t"
      "vpmaddubsw %[u], %[a0], %[u]\n\t"
      "vpmaddubsw %[t], %[a1], %[t]\n\t"
      "vpmaddwd %[ones], %[u], %[u]\n\t"
      "vpmaddwd %[ones], %[t], %[t]\n\t"
      "vpaddd %[u], %[s0], %[s0]\n\t"
      "vpaddd %[t], %[s1], %[s1]"
      : [s0] "+x"(s0), [s1] "+x"(s1), [t] "=&x"(t), [u] "=&x"(u)
      : [x] "m"(*reinterpret_cast<const Four*>(x)), [c0] "x"(c0), [c1] "x"(c1), [a0] "x"(a0), [a1] "x"(a1),
        [ones] "x"(ones));
}

// What the 16-bit sums of a group start from.
template <class F>
[[gnu::always_inline]] inline __m256i start(const ActChunk& act, int g) {
  const auto& pairs = F::kGroup == 32 ? act.w32[lane32(g)] : act.w16[lane16(g)];
  int32_t two;
  __builtin_memcpy(&two, pairs, 4);
  return _mm256_slli_epi16(_mm256_set1_epi32(two), kOffsetShift<F>);
}

[[gnu::always_inline]] inline __m256i load_codes(const Panel* panel, int step, int at) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(panel->code[step][at]));
}

// Sums of group g for kM rows and 16 weight rows.
template <class F, int kM>
[[gnu::always_inline]] inline void group_sums(const Panel* panel, const ActChunk* act, int g, int at,
                                              __m256i (*sums)[2]) {
  constexpr int kSteps = F::kGroup / 4;
  const __m256i zero = _mm256_setzero_si256();
  if constexpr (F::kWide) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i s[kM][2];
#pragma GCC unroll 3
    for (int m = 0; m < kM; ++m) s[m][0] = s[m][1] = zero;
#pragma GCC unroll 8
    for (int t = 0; t < kSteps; ++t) {
      const int step = g * kSteps + t;
      const __m256i c0 = load_codes(panel, step, at), c1 = load_codes(panel, step, at + 8);
      const __m256i a0 = _mm256_abs_epi8(c0), a1 = _mm256_abs_epi8(c1);
#pragma GCC unroll 3
      for (int m = 0; m < kM; ++m)
        add_wide_products(act[m].q + 4 * step, c0, a0, c1, a1, ones, s[m][0], s[m][1]);
    }
#pragma GCC unroll 3
    for (int m = 0; m < kM; ++m) sums[m][0] = s[m][0], sums[m][1] = s[m][1];
  } else {
    constexpr int kWords = !kWraps<F> && kWordSteps<F> < kSteps ? kWordSteps<F> : kSteps;
#pragma GCC unroll 8
    for (int t = 0; t < kSteps; t += kWords) {
      __m256i w[kM][2];
#pragma GCC unroll 3
      for (int m = 0; m < kM; ++m) w[m][0] = w[m][1] = kWraps<F> ? start<F>(act[m], g) : zero;
#pragma GCC unroll 8
      for (int u = 0; u < kWords; ++u) {
        const int step = g * kSteps + t + u;
        const __m256i c0 = load_codes(panel, step, at), c1 = load_codes(panel, step, at + 8);
#pragma GCC unroll 3
        for (int m = 0; m < kM; ++m) add_products(act[m].q + 4 * step, c0, c1, w[m][0], w[m][1]);
      }
#pragma GCC unroll 3
      for (int m = 0; m < kM; ++m)
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v) {
          const __m256i sum = fours(w[m][v]);
          sums[m][v] = t ? _mm256_add_epi32(sums[m][v], sum) : sum;
        }
    }
  }
}

// Two vectors of 8 weight rows.
struct Twice {
  __m256 v[2];
};
[[gnu::always_inline]] inline Twice operator+(Twice a, Twice b) {
  return {_mm256_add_ps(a.v[0], b.v[0]), _mm256_add_ps(a.v[1], b.v[1])};
}

// p of kernels.h for group g of F::kGroup.
template <class F>
[[gnu::always_inline]] inline Twice product(const Panel* panel, const ActChunk& act, int g, int at,
                                            const __m256i sums[2]) {
  constexpr bool k32 = F::kGroup == 32;
  const int lane = k32 ? lane32(g) : lane16(g);
  const __m256 d = _mm256_broadcast_ss((k32 ? act.d32 : act.d16) + lane);
  Twice p;
#pragma GCC unroll 2
  for (int v = 0; v < 2; ++v) {
    __m256i sum = sums[v];
    if (F::kOffset && !kWraps<F>)
      sum = _mm256_add_epi32(
          sum, _mm256_slli_epi32(_mm256_set1_epi32((k32 ? act.n32 : act.n16)[lane]), kOffsetShift<F>));
    const float* scale = panel->scale[g] + at + 8 * v;
    p.v[v] = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_mul_ps(_mm256_load_ps(scale), d));
    if (F::kMin)
      p.v[v] = _mm256_fmadd_ps(_mm256_load_ps(panel->bias[g] + at + 8 * v),
                               _mm256_broadcast_ss((k32 ? act.x32 : act.x16) + lane), p.v[v]);
  }
  return p;
}

template <class F, int kM>
[[gnu::always_inline]] inline void tile_step(const Panel* panel, const ActChunk* act, int groups, int at,
                                             const float (*from)[kPanelRows], float* to, int64_t ld) {
  __m256i sums[kGroups * (32 / F::kGroup)][kTileM][2];
  for (int g = 0; g < groups * (32 / F::kGroup); ++g) group_sums<F, kM>(panel, act, g, at, sums[g]);
#pragma GCC unroll 3
  for (int m = 0; m < kM; ++m) {
    const auto whole = [&](int g) __attribute__((always_inline)) {  // P of kernels.h
      if (g >= groups) return Twice{{_mm256_setzero_ps(), _mm256_setzero_ps()}};
      if constexpr (F::kGroup == 32) return product<F>(panel, act[m], g, at, sums[g][m]);
      return product<F>(panel, act[m], 2 * g, at, sums[2 * g][m]) +
             product<F>(panel, act[m], 2 * g + 1, at, sums[2 * g + 1][m]);
    };
    const auto pair = [&](int g) __attribute__((always_inline)) {
      return whole(g) + whole(g + 1);
    };
    const Twice total = (pair(0) + pair(4)) + (pair(2) + pair(6));
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      const __m256 before = from ? _mm256_load_ps(from[m] + at + 8 * v) : _mm256_setzero_ps();
      _mm256_storeu_ps(to + m * ld + at + 8 * v, _mm256_add_ps(before, total.v[v]));
    }
  }
}

template <class F, int kM>
void tile_rows(const Panel* panel, const ActChunk* act, int groups, const float (*from)[kPanelRows],
               float* to, int64_t ld) {
  for (int at = 0; at < kPanelRows; at += 16) {
    if (groups == kGroups)
      tile_step<F, kM>(panel, act, kGroups, at, from, to, ld);
    else
      tile_step<F, kM>(panel, act, groups, at, from, to, ld);
  }
}

template <class F>
void tile(const Panel* panel, const ActChunk* act, int groups, int m, const float (*from)[kPanelRows],
          float* to, int64_t ld) {
  for (int first = 0; first < m;) {
    // Of four rows, two and two.
    const int rows = m - first == 4 ? 2 : m - first < kTileM ? m - first : kTileM;
    const float(*before)[kPanelRows] = from ? from + first : nullptr;
    switch (rows) {
      case 1:
        tile_rows<F, 1>(panel, act + first, groups, before, to + first * ld, ld);
        break;
      case 2:
        tile_rows<F, 2>(panel, act + first, groups, before, to + first * ld, ld);
        break;
      default:
        tile_rows<F, 3>(panel, act + first, groups, before, to + first * ld, ld);
    }
    first += rows;
  }
}

}  // namespace
}  // namespace uma::cpu
