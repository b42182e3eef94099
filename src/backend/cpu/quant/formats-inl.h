#pragma once
// One struct a format: how 32 (AVX2) or 64 (AVX-512) weights become unsigned codes in their natural order,
// and the scales of a chunk of 256: weight = s * (code - kOffset) + b. A new format is one more struct.
//   kBlock, kBytes  weights and bytes of a block       kGroup  weights with one scale
//   kMin            it has a bias b, and no offset     kWide   codes use all 8 bits
//   kMax            the largest code in magnitude, which bounds sums of 16 bits
// Included by files that are compiled for one instruction set; everything has internal linkage.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "backend/cpu/quant/kernels.h"

namespace uma::cpu {
namespace {

// ---- small helpers ----

[[gnu::always_inline]] inline uint16_t load_u16(const uint8_t* p) {
  uint16_t v;
  __builtin_memcpy(&v, p, 2);
  return v;
}
[[gnu::always_inline]] inline uint32_t load_u32(const uint8_t* p) {
  uint32_t v;
  __builtin_memcpy(&v, p, 4);
  return v;
}
[[gnu::always_inline]] inline uint64_t load_u64(const uint8_t* p) {
  uint64_t v;
  __builtin_memcpy(&v, p, 8);
  return v;
}
[[gnu::always_inline]] inline __m128i load128(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
[[gnu::always_inline]] inline __m256i load256(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

// The f16 at p, p + stride, ... of `n` blocks; the others are zero.
template <int kStride>
[[gnu::always_inline]] inline __m256 halves8(const uint8_t* p, int n) {
  uint64_t low = 0, high = 0;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    if (i < n) low |= static_cast<uint64_t>(load_u16(p + i * kStride)) << (16 * i);
    if (i + 4 < n) high |= static_cast<uint64_t>(load_u16(p + (i + 4) * kStride)) << (16 * i);
  }
  return _mm256_cvtph_ps(_mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low)));
}

// (v0 + v2) + (v1 + v3) of each of four vectors.
[[gnu::always_inline]] inline __m128 sum_quarters(__m128 a, __m128 b, __m128 c, __m128 d) {
  const __m128 ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));  // a0+a2 a1+a3 b0+b2 b1+b3
  const __m128 cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
  return _mm_add_ps(_mm_shuffle_ps(ab, cd, 0x88), _mm_shuffle_ps(ab, cd, 0xdd));
}

[[gnu::always_inline]] inline __m128 two_halves(const uint8_t* p) {
  return _mm_cvtph_ps(_mm_cvtsi32_si128(static_cast<int>(load_u32(p))));
}
[[gnu::always_inline]] inline __m256 one_half(const uint8_t* p) {
  return _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(load_u16(p))));
}

[[gnu::always_inline]] inline __m256 floats_u8(uint64_t bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(bytes))));
}

// Low nibbles of 16 bytes, then their high nibbles.
[[gnu::always_inline]] inline __m256i nibbles32(const uint8_t* p) {
  // A broadcast costs a load and no shuffle.
  const __m256i both = _mm256_broadcastsi128_si256(load128(p));
  const __m256i shifted = _mm256_srlv_epi32(both, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
  return _mm256_and_si256(shifted, _mm256_set1_epi8(15));
}

// Bit i of `bits` as `bit` in byte i.
[[gnu::always_inline]] inline __m256i bits32(uint32_t bits, char bit) {
  const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i select = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201u));
  const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), spread);
  const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, select), select);
  return _mm256_and_si256(set, _mm256_set1_epi8(bit));
}

#ifdef __AVX512BW__
[[gnu::always_inline]] inline __m512i twice256(const uint8_t* p) {
  return _mm512_broadcast_i64x4(load256(p));
}

// 16 bytes of one block into each quarter of the lower half, of the next into the upper, the second of
// each shifted down: the nibbles of 64 weights in order.
[[gnu::always_inline]] inline __m512i nibbles64(const uint8_t* p0, const uint8_t* p1) {
  const __m512i first = _mm512_broadcast_i32x4(load128(p0));
  const __m512i raw = _mm512_mask_broadcast_i64x2(first, 0xf0, load128(p1));
  const __m512i shift = _mm512_set_epi64(0x0004000400040004, 0x0004000400040004, 0, 0, 0x0004000400040004,
                                         0x0004000400040004, 0, 0);
  return _mm512_and_si512(_mm512_srlv_epi16(raw, shift), _mm512_set1_epi8(15));
}

[[gnu::always_inline]] inline __m512i or_bits64(__m512i codes, uint32_t low, uint32_t high, char bit) {
  const __mmask64 mask = static_cast<uint64_t>(high) << 32 | low;
  return _mm512_mask_add_epi8(codes, mask, codes, _mm512_set1_epi8(bit));
}

// Words of the lower 32 bytes shifted right by `low`, of the upper by `high`.
[[gnu::always_inline]] inline __m512i shift_halves(__m512i v, int low, int high) {
  const __m512i by = _mm512_inserti64x4(_mm512_set1_epi16(static_cast<short>(low)),
                                        _mm256_set1_epi16(static_cast<short>(high)), 1);
  return _mm512_srlv_epi16(v, by);
}
[[gnu::always_inline]] inline __m512i shift_halves_left(__m512i v, int low, int high) {
  const __m512i by = _mm512_inserti64x4(_mm512_set1_epi16(static_cast<short>(low)),
                                        _mm256_set1_epi16(static_cast<short>(high)), 1);
  return _mm512_sllv_epi16(v, by);
}
// (v & mask) | base
[[gnu::always_inline]] inline __m512i and_or(__m512i v, int mask, __m512i base) {
  return _mm512_ternarylogic_epi64(v, _mm512_set1_epi8(static_cast<char>(mask)), base, 0xea);
}
#endif

// ---- blocks of 32 ----

// Scales of 8 blocks; b stays unset where the format has no minimum.
template <class F>
[[gnu::always_inline]] inline void legacy_scales(const uint8_t* p, int n, __m256& s, __m256& b) {
  s = halves8<F::kBytes>(p, n);
  if (F::kMin) b = halves8<F::kBytes>(p + 2, n);
}

struct Q8_0 {
  static constexpr int kBlock = 32, kBytes = 34, kGroup = 32;
  static constexpr bool kMin = false, kWide = true;
  static constexpr int kMax = 128;
#ifdef __AVX512VNNI__
  static constexpr int kOffset = 128;  // vpdpbusd wants unsigned codes: flip the sign bit
#else
  static constexpr int kOffset = 0;  // codes stay signed: the product takes their sign apart
#endif
  [[gnu::always_inline]] static __m256i codes32(const uint8_t* p, int g) {
    const __m256i raw = load256(p + g * kBytes + 2);
    return kOffset ? _mm256_xor_si256(raw, _mm256_set1_epi8(-128)) : raw;
  }
#ifdef __AVX512BW__
  [[gnu::always_inline]] static __m512i codes64(const uint8_t* p, int j) {
    const uint8_t* at = p + 2 * j * kBytes + 2;
    const __m512i raw = _mm512_inserti64x4(_mm512_castsi256_si512(load256(at)), load256(at + kBytes), 1);
    return kOffset ? _mm512_xor_si512(raw, _mm512_set1_epi8(-128)) : raw;
  }
#endif
  [[gnu::always_inline]] static void scales(const uint8_t* p, int n, __m256& s, __m256& b) {
    legacy_scales<Q8_0>(p, n, s, b);
  }
};

// Q4_0, Q4_1: nibbles at kBytes - 16.
template <bool kHasMin>
struct Q4 {
  static constexpr int kBlock = 32, kBytes = kHasMin ? 20 : 18, kGroup = 32, kOffset = kHasMin ? 0 : 8;
  static constexpr bool kMin = kHasMin, kWide = false;
  static constexpr int kMax = 15;
  [[gnu::always_inline]] static __m256i codes32(const uint8_t* p, int g) {
    return nibbles32(p + (g + 1) * kBytes - 16);
  }
#ifdef __AVX512BW__
  [[gnu::always_inline]] static __m512i codes64(const uint8_t* p, int j) {
    const uint8_t* at = p + (2 * j + 1) * kBytes - 16;
    return nibbles64(at, at + kBytes);
  }
#endif
  [[gnu::always_inline]] static void scales(const uint8_t* p, int n, __m256& s, __m256& b) {
    legacy_scales<Q4>(p, n, s, b);
  }
};
using Q4_0 = Q4<false>;
using Q4_1 = Q4<true>;

// Q5_0, Q5_1: as Q4 with 32 fifth bits before the nibbles.
template <bool kHasMin>
struct Q5 {
  static constexpr int kBlock = 32, kBytes = kHasMin ? 24 : 22, kGroup = 32, kOffset = kHasMin ? 0 : 16;
  static constexpr bool kMin = kHasMin, kWide = false;
  static constexpr int kMax = 31;
  [[gnu::always_inline]] static __m256i codes32(const uint8_t* p, int g) {
    const uint8_t* end = p + (g + 1) * kBytes;
    return _mm256_or_si256(nibbles32(end - 16), bits32(load_u32(end - 20), 16));
  }
#ifdef __AVX512BW__
  [[gnu::always_inline]] static __m512i codes64(const uint8_t* p, int j) {
    const uint8_t* at = p + (2 * j + 1) * kBytes - 16;
    return or_bits64(nibbles64(at, at + kBytes), load_u32(at - 4), load_u32(at + kBytes - 4), 16);
  }
#endif
  [[gnu::always_inline]] static void scales(const uint8_t* p, int n, __m256& s, __m256& b) {
    legacy_scales<Q5>(p, n, s, b);
  }
};
using Q5_0 = Q5<false>;
using Q5_1 = Q5<true>;

// ---- blocks of 256 ----

// Eight 6-bit scales and minima of Q4_K and Q5_K out of 12 bytes; p is the block (d, dmin, 12 bytes).
[[gnu::always_inline]] inline void scales_6bit(const uint8_t* p, __m256& s, __m256& b) {
  const uint32_t a = load_u32(p + 4), m = load_u32(p + 8), c = load_u32(p + 12);
  const uint64_t low = (a & 0x3f3f3f3fu) | static_cast<uint64_t>((c & 0x0f0f0f0fu) | ((a >> 2) & 0x30303030u))
                                               << 32;
  const uint64_t mins =
      (m & 0x3f3f3f3fu) | static_cast<uint64_t>(((c >> 4) & 0x0f0f0f0fu) | ((m >> 2) & 0x30303030u)) << 32;
  const __m128 d = two_halves(p);
  s = _mm256_mul_ps(floats_u8(low), _mm256_broadcastss_ps(d));
  const __m256 dmin = _mm256_broadcastss_ps(_mm_movehdup_ps(d));
  b = _mm256_mul_ps(floats_u8(mins), _mm256_xor_ps(dmin, _mm256_set1_ps(-0.0f)));
}

struct Q4_K {
  static constexpr int kBlock = 256, kBytes = 144, kGroup = 32, kOffset = 0;
  static constexpr bool kMin = true, kWide = false;
  static constexpr int kMax = 15;
  [[gnu::always_inline]] static __m256i codes32(const uint8_t* p, int g) {
    const __m256i raw = load256(p + 16 + g / 2 * 32);
    return _mm256_and_si256(g % 2 ? _mm256_srli_epi16(raw, 4) : raw, _mm256_set1_epi8(15));
  }
#ifdef __AVX512BW__
  [[gnu::always_inline]] static __m512i codes64(const uint8_t* p, int j) {
    return _mm512_and_si512(shift_halves(twice256(p + 16 + 32 * j), 0, 4), _mm512_set1_epi8(15));
  }
#endif
  [[gnu::always_inline]] static void scales(const uint8_t* p, int, __m256& s, __m256& b) {
    scales_6bit(p, s, b);
  }
};

struct Q5_K {
  static constexpr int kBlock = 256, kBytes = 176, kGroup = 32, kOffset = 0;
  static constexpr bool kMin = true, kWide = false;
  static constexpr int kMax = 31;
  [[gnu::always_inline]] static __m256i codes32(const uint8_t* p, int g) {
    const __m256i raw = load256(p + 48 + g / 2 * 32);
    const __m256i low = _mm256_and_si256(g % 2 ? _mm256_srli_epi16(raw, 4) : raw, _mm256_set1_epi8(15));
    const __m256i high = load256(p + 16);
    const __m256i moved = g < 4 ? _mm256_slli_epi16(high, 4 - (g & 3)) : _mm256_srli_epi16(high, g & 3);
    return _mm256_or_si256(low, _mm256_and_si256(moved, _mm256_set1_epi8(16)));
  }
#ifdef __AVX512BW__
  [[gnu::always_inline]] static __m512i codes64(const uint8_t* p, int j) {
    const __m512i low = _mm512_and_si512(shift_halves(twice256(p + 48 + 32 * j), 0, 4), _mm512_set1_epi8(15));
    const __m512i high = twice256(p + 16);
    // bits 2j and 2j + 1 move to bit 4
    const __m512i moved =
        j < 2 ? shift_halves_left(high, 4 - 2 * j, 3 - 2 * j) : shift_halves(high, 2 * j - 4, 2 * j - 3);
    return and_or(moved, 16, low);
  }
#endif
  [[gnu::always_inline]] static void scales(const uint8_t* p, int, __m256& s, __m256& b) {
    scales_6bit(p, s, b);
  }
};

struct Q6_K {
  static constexpr int kBlock = 256, kBytes = 210, kGroup = 16, kOffset = 32;
  static constexpr bool kMin = false, kWide = false;
  static constexpr int kMax = 63;
  [[gnu::always_inline]] static __m256i codes32(const uint8_t* p, int g) {
    const __m256i raw = load256(p + g / 4 * 64 + g % 2 * 32);
    const __m256i low = _mm256_and_si256(g & 2 ? _mm256_srli_epi16(raw, 4) : raw, _mm256_set1_epi8(15));
    const __m256i high = load256(p + 128 + g / 4 * 32);
    const __m256i moved = g % 4 == 0   ? _mm256_slli_epi16(high, 4)
                          : g % 4 == 1 ? _mm256_slli_epi16(high, 2)
                          : g % 4 == 2 ? high
                                       : _mm256_srli_epi16(high, 2);
    return _mm256_or_si256(low, _mm256_and_si256(moved, _mm256_set1_epi8(0x30)));
  }
#ifdef __AVX512BW__
  [[gnu::always_inline]] static __m512i codes64(const uint8_t* p, int j) {
    const __m512i raw = _mm512_loadu_si512(p + j / 2 * 64);
    const __m512i low = _mm512_and_si512(j & 1 ? _mm512_srli_epi16(raw, 4) : raw, _mm512_set1_epi8(15));
    const __m512i high = twice256(p + 128 + j / 2 * 32);
    const __m512i moved = j & 1 ? shift_halves(high, 0, 2) : shift_halves_left(high, 4, 2);
    return and_or(moved, 0x30, low);
  }
#endif
  [[gnu::always_inline]] static void scales(const uint8_t* p, __m256 s[2], __m256[2]) {
    const __m128i raw = load128(p + 192);
    const __m256 d = one_half(p + 208);
    s[0] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(raw)));
    s[1] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(raw, raw))));
  }
};

// 2-bit codes of Q2_K and Q3_K: 32 bytes hold 128 weights.
[[gnu::always_inline]] inline __m256i pairs32(const uint8_t* q, int g) {
  return _mm256_and_si256(_mm256_srli_epi16(load256(q + g / 4 * 32), g % 4 * 2), _mm256_set1_epi8(3));
}
#ifdef __AVX512BW__
[[gnu::always_inline]] inline __m512i pairs64(const uint8_t* q, int j) {
  const __m512i raw = twice256(q + j / 2 * 32);
  return _mm512_and_si512(j & 1 ? shift_halves(raw, 4, 6) : shift_halves(raw, 0, 2), _mm512_set1_epi8(3));
}
#endif

struct Q2_K {
  static constexpr int kBlock = 256, kBytes = 84, kGroup = 16, kOffset = 0;
  static constexpr bool kMin = true, kWide = false;
  static constexpr int kMax = 3;
  [[gnu::always_inline]] static __m256i codes32(const uint8_t* p, int g) { return pairs32(p + 16, g); }
#ifdef __AVX512BW__
  [[gnu::always_inline]] static __m512i codes64(const uint8_t* p, int j) {
    return pairs64(p + 16, j);
  }
#endif
  [[gnu::always_inline]] static void scales(const uint8_t* p, __m256 s[2], __m256 b[2]) {
    const __m128 both = two_halves(p + 80);
    const __m256 d = _mm256_broadcastss_ps(both);
    const __m256 dmin = _mm256_xor_ps(_mm256_broadcastss_ps(_mm_movehdup_ps(both)), _mm256_set1_ps(-0.0f));
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const uint64_t raw = load_u64(p + 8 * i);
      s[i] = _mm256_mul_ps(d, floats_u8(raw & 0x0f0f0f0f0f0f0f0fu));
      b[i] = _mm256_mul_ps(dmin, floats_u8(raw >> 4 & 0x0f0f0f0f0f0f0f0fu));
    }
  }
};

struct Q3_K {
  static constexpr int kBlock = 256, kBytes = 110, kGroup = 16, kOffset = 4;
  static constexpr bool kMin = false, kWide = false;
  static constexpr int kMax = 7;
  [[gnu::always_inline]] static __m256i codes32(const uint8_t* p, int g) {
    const __m256i high = load256(p);
    const __m256i moved = g < 2 ? _mm256_slli_epi16(high, 2 - (g & 1)) : _mm256_srli_epi16(high, g - 2);
    return _mm256_or_si256(pairs32(p + 32, g), _mm256_and_si256(moved, _mm256_set1_epi8(4)));
  }
#ifdef __AVX512BW__
  [[gnu::always_inline]] static __m512i codes64(const uint8_t* p, int j) {
    const __m512i high = twice256(p);
    const __m512i moved = j == 0 ? shift_halves_left(high, 2, 1) : shift_halves(high, 2 * j - 2, 2 * j - 1);
    return and_or(moved, 4, pairs64(p + 32, j));
  }
#endif
  [[gnu::always_inline]] static void scales(const uint8_t* p, __m256 s[2], __m256[2]) {
    const uint64_t low = load_u64(p + 96);
    const uint64_t top = load_u32(p + 104);
    const __m256 d = one_half(p + 108);
    const __m256i offset = _mm256_set1_epi32(32);
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const uint64_t pairs = (top >> (4 * i) & 0x03030303u) | (top >> (4 * i + 2) & 0x03030303u) << 32;
      const uint64_t bytes = (low >> (4 * i) & 0x0f0f0f0f0f0f0f0fu) | pairs << 4;
      const __m256i codes = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(bytes)));
      s[i] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_sub_epi32(codes, offset)));
    }
  }
};

// ---- what the kernels share ----

/// The sum of a chunk from P0 P2 P4 P6 and P1 P3 P5 P7 (kernels.h).
[[gnu::always_inline]] inline float sum_of_chunk(__m128 even, __m128 odd) {
  __m128 sum = _mm_add_ps(even, odd);
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

/// Bits by which a sum of activations is shifted to be what a code's offset takes away.
template <class F>
constexpr int kOffsetShift = F::kOffset ? __builtin_ctz(F::kOffset | 1 << 30) : 0;

// ---- sums of 16 bits ----

// Products of two codes and two activations (|x| <= 127) that may be added before 32767 is passed.
template <class F>
constexpr int kWordSteps = F::kMax > 64   ? 1
                           : F::kMax > 31 ? 2
                           : F::kMax > 15 ? 4
                                          : 8;

}  // namespace
}  // namespace uma::cpu
