#pragma once
// The AVX-512 intrinsics that kernels512-inl.h and its formats use, in plain vectors, so that those kernels
// can be tested on a machine that has only AVX2. Slow, and complete for these files only. Include before
// them.
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#define __AVX512BW__ 1
#ifdef UMA_EMULATE_VNNI
#define __AVX512VNNI__ 1
#endif

namespace uma::cpu::emulated {

template <class T>
struct Lanes {
  T at[64 / sizeof(T)];
};
template <class T, class V>
Lanes<T> lanes(const V& v) {
  static_assert(sizeof(V) <= 64);
  Lanes<T> out{};
  std::memcpy(&out, &v, sizeof v);
  return out;
}
template <class V, class T>
V vector(const Lanes<T>& from) {
  V v;
  std::memcpy(&v, &from, sizeof v);
  return v;
}

// out[i] = f(a[i], b[i], ...) over lanes of T.
template <class V, class T, class F, class... A>
V each(F f, const A&... a) {
  Lanes<T> out{};
  for (size_t i = 0; i < sizeof(V) / sizeof(T); ++i) out.at[i] = static_cast<T>(f(lanes<T>(a).at[i]...));
  return vector<V>(out);
}
template <class V, class T>
V all(T value) {
  return each<V, T>([&](T) { return value; }, V{});
}
template <class V>
V load(const void* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class V>
void store(void* p, V v) {
  std::memcpy(p, &v, sizeof v);
}
// The lanes of T whose numbers, counted over both, are in `from`: the first 16 / sizeof(T) lanes of each
// quarter.
template <class T>
__m512i interleave(__m512i a, __m512i b, int first) {
  constexpr int kQuarter = 16 / sizeof(T);
  Lanes<T> out{}, x = lanes<T>(a), y = lanes<T>(b);
  for (int q = 0; q < 4; ++q)
    for (int i = 0; i < kQuarter; ++i)
      out.at[q * kQuarter + i] = (i % 2 ? y : x).at[q * kQuarter + first + i / 2];
  return vector<__m512i>(out);
}
template <class V, class H>
V insert_high(V v, H half) {
  std::memcpy(reinterpret_cast<char*>(&v) + 32, &half, 32);
  return v;
}
template <class H, class V>
H low_or_high(const V& v, int high) {
  H half;
  std::memcpy(&half, reinterpret_cast<const char*>(&v) + 32 * high, 32);
  return half;
}
template <class To, class From>
__m512i widen(From v) {
  Lanes<int32_t> out{};
  for (int i = 0; i < 16; ++i) out.at[i] = lanes<To>(v).at[i];
  return vector<__m512i>(out);
}

inline __m512i dpbusd(__m512i sum, __m512i a, __m512i b) {
  const auto u = lanes<uint8_t>(a);
  const auto s = lanes<int8_t>(b);
  auto out = lanes<int32_t>(sum);
  for (int i = 0; i < 64; ++i) out.at[i / 4] += u.at[i] * s.at[i];
  return vector<__m512i>(out);
}
inline __m512i maddubs(__m512i a, __m512i b) {
  const auto u = lanes<uint8_t>(a);
  const auto s = lanes<int8_t>(b);
  Lanes<int16_t> out{};
  for (int i = 0; i < 32; ++i) {
    const int sum = u.at[2 * i] * s.at[2 * i] + u.at[2 * i + 1] * s.at[2 * i + 1];
    out.at[i] = static_cast<int16_t>(sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum);
  }
  return vector<__m512i>(out);
}
inline __m512i madd(__m512i a, __m512i b) {
  const auto x = lanes<int16_t>(a), y = lanes<int16_t>(b);
  Lanes<int32_t> out{};
  for (int i = 0; i < 16; ++i) out.at[i] = x.at[2 * i] * y.at[2 * i] + x.at[2 * i + 1] * y.at[2 * i + 1];
  return vector<__m512i>(out);
}
inline __m512i shuffle_quarters(__m512i a, __m512i b, int which) {
  const auto x = lanes<int32_t>(a), y = lanes<int32_t>(b);
  Lanes<int32_t> out{};
  for (int q = 0; q < 4; ++q)
    for (int i = 0; i < 4; ++i) out.at[4 * q + i] = (q < 2 ? x : y).at[4 * (which >> (2 * q) & 3) + i];
  return vector<__m512i>(out);
}
inline __m512i broadcast_quarter(__m128i v) {
  Lanes<int32_t> out{};
  for (int i = 0; i < 16; ++i) out.at[i] = lanes<int32_t>(v).at[i % 4];
  return vector<__m512i>(out);
}
template <class M, class T, class F>
M mask_of(F f, __m512i v) {
  M mask = 0;
  for (size_t i = 0; i < 64 / sizeof(T); ++i) mask |= static_cast<M>(M{f(lanes<T>(v).at[i])} << i);
  return mask;
}
template <class T>
__m512i choose(uint64_t mask, __m512i yes, __m512i no) {
  Lanes<T> out{};
  for (size_t i = 0; i < 64 / sizeof(T); ++i)
    out.at[i] = (mask >> i & 1 ? lanes<T>(yes) : lanes<T>(no)).at[i];
  return vector<__m512i>(out);
}
template <class V, class T>
V load_some(uint64_t mask, const void* p) {
  Lanes<T> out{};
  for (size_t i = 0; i < sizeof(V) / sizeof(T); ++i)
    if (mask >> i & 1) std::memcpy(&out.at[i], static_cast<const char*>(p) + i * sizeof(T), sizeof(T));
  return vector<V>(out);
}
inline __m512 half_floats(__m256i v) {
  const __m256 low = _mm256_cvtph_ps(_mm256_castsi256_si128(v)),
               high = _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1));
  __m512 out{};
  std::memcpy(&out, &low, 32);
  return insert_high(out, high);
}
template <class... T>
__m512i of_dwords(T... v) {
  const int32_t values[16] = {v...};
  return load<__m512i>(values);
}
inline __m512i of_qwords_from_last(int64_t h, int64_t g, int64_t f, int64_t e, int64_t d, int64_t c,
                                   int64_t b, int64_t a) {
  const int64_t values[8] = {a, b, c, d, e, f, g, h};
  return load<__m512i>(values);
}

template <class T>
constexpr auto add = [](T a, T b) { return static_cast<T>(static_cast<T>(a) + static_cast<T>(b)); };

}  // namespace uma::cpu::emulated

#define UMA_E uma::cpu::emulated
#define UMA_I __m512i
#define UMA_F __m512
// clang-format off
#define _mm512_setzero_si512() UMA_I{}
#define _mm512_setzero_ps() UMA_F{}
#define _mm512_set1_epi8(v) UMA_E::all<UMA_I, int8_t>(static_cast<int8_t>(v))
#define _mm512_set1_epi16(v) UMA_E::all<UMA_I, int16_t>(v)
#define _mm512_set1_epi32(v) UMA_E::all<UMA_I, int32_t>(v)
#define _mm512_set1_ps(v) UMA_E::all<UMA_F, float>(v)
#undef _mm512_setr_epi32
#define _mm512_setr_epi32(...) UMA_E::of_dwords(__VA_ARGS__)
#define _mm512_set_epi64(...) UMA_E::of_qwords_from_last(__VA_ARGS__)
#define _mm512_load_si512(p) UMA_E::load<UMA_I>(p)
#define _mm512_loadu_si512(p) UMA_E::load<UMA_I>(p)
#define _mm512_load_ps(p) UMA_E::load<UMA_F>(p)
#define _mm512_loadu_ps(p) UMA_E::load<UMA_F>(p)
#define _mm512_store_si512(p, v) UMA_E::store(p, v)
#define _mm512_store_ps(p, v) UMA_E::store(p, v)
#define _mm512_storeu_ps(p, v) UMA_E::store(p, v)
#define _mm512_maskz_loadu_ps(m, p) UMA_E::load_some<UMA_F, float>(m, p)
#define _mm256_maskz_loadu_epi16(m, p) UMA_E::load_some<__m256i, int16_t>(m, p)
#define _mm512_castps_si512(v) UMA_E::load<UMA_I>(&static_cast<const UMA_F&>(v))
#define _mm512_castsi512_ps(v) UMA_E::load<UMA_F>(&static_cast<const UMA_I&>(v))
#define _mm512_castps512_ps256(v) UMA_E::low_or_high<__m256>(v, 0)
#define _mm512_castsi512_si256(v) UMA_E::low_or_high<__m256i>(v, 0)
#define _mm512_castps256_ps512(v) UMA_E::vector<UMA_F>(UMA_E::lanes<float>(v))
#define _mm512_castsi256_si512(v) UMA_E::vector<UMA_I>(UMA_E::lanes<int32_t>(v))
#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps(v, i) UMA_E::low_or_high<__m256>(v, i)
#undef _mm512_extracti64x4_epi64
#define _mm512_extracti64x4_epi64(v, i) UMA_E::low_or_high<__m256i>(v, i)
#undef _mm512_insertf32x8
#define _mm512_insertf32x8(v, h, i) UMA_E::insert_high(v, h)
#undef _mm512_inserti64x4
#define _mm512_inserti64x4(v, h, i) UMA_E::insert_high(v, h)
#define _mm512_broadcast_i64x4(v) UMA_E::insert_high(_mm512_castsi256_si512(v), v)
#define _mm512_broadcast_i32x4(v) UMA_E::broadcast_quarter(v)
#define _mm512_mask_broadcast_i64x2(no, m, v) UMA_E::choose<int64_t>(m, UMA_E::broadcast_quarter(v), no)
#define _mm512_and_si512(a, b) UMA_E::each<UMA_I, int64_t>([](auto x, auto y) { return x & y; }, a, b)
#define _mm512_xor_si512(a, b) UMA_E::each<UMA_I, int64_t>([](auto x, auto y) { return x ^ y; }, a, b)
#define _mm512_andnot_ps(a, b) \
  UMA_E::each<UMA_F, int32_t>([](auto x, auto y) { return ~x & y; }, a, b)
#undef _mm512_ternarylogic_epi64
#define _mm512_ternarylogic_epi64(a, b, c, table) \
  UMA_E::each<UMA_I, int64_t>([](auto x, auto y, auto z) { static_assert((table) == 0xea); return (x & y) | z; }, a, b, c)
#define _mm512_add_epi16(a, b) UMA_E::each<UMA_I, int16_t>(UMA_E::add<int16_t>, a, b)
#define _mm512_add_epi32(a, b) UMA_E::each<UMA_I, int32_t>(UMA_E::add<int32_t>, a, b)
#define _mm512_mask_add_epi8(no, m, a, b) \
  UMA_E::choose<int8_t>(m, UMA_E::each<UMA_I, int8_t>(UMA_E::add<int8_t>, a, b), no)
#define _mm512_mask_sub_epi8(no, m, a, b) \
  UMA_E::choose<int8_t>(m, UMA_E::each<UMA_I, int8_t>([](int8_t x, int8_t y) { return x - y; }, a, b), no)
#define _mm512_abs_epi8(a) UMA_E::each<UMA_I, int8_t>([](int8_t x) { return x < 0 ? -x : x; }, a)
#define _mm512_movepi8_mask(a) UMA_E::mask_of<uint64_t, int8_t>([](int8_t x) { return x < 0; }, a)
#undef _mm512_slli_epi32
#define _mm512_slli_epi32(a, n) UMA_E::each<UMA_I, uint32_t>([&](uint32_t x) { return x << (n); }, a)
#undef _mm512_srli_epi16
#define _mm512_srli_epi16(a, n) UMA_E::each<UMA_I, uint16_t>([&](uint16_t x) { return x >> (n); }, a)
#define _mm512_srlv_epi16(a, n) UMA_E::each<UMA_I, uint16_t>([](uint16_t x, uint16_t y) { return x >> y; }, a, n)
#define _mm512_sllv_epi16(a, n) UMA_E::each<UMA_I, uint16_t>([](uint16_t x, uint16_t y) { return x << y; }, a, n)
#define _mm512_dpbusd_epi32(s, a, b) UMA_E::dpbusd(s, a, b)
#define _mm512_maddubs_epi16(a, b) UMA_E::maddubs(a, b)
#define _mm512_madd_epi16(a, b) UMA_E::madd(a, b)
#define _mm512_unpacklo_epi32(a, b) UMA_E::interleave<int32_t>(a, b, 0)
#define _mm512_unpackhi_epi32(a, b) UMA_E::interleave<int32_t>(a, b, 2)
#define _mm512_unpacklo_epi64(a, b) UMA_E::interleave<int64_t>(a, b, 0)
#define _mm512_unpackhi_epi64(a, b) UMA_E::interleave<int64_t>(a, b, 1)
#undef _mm512_shuffle_i32x4
#define _mm512_shuffle_i32x4(a, b, which) UMA_E::shuffle_quarters(a, b, which)
#define _mm512_permutexvar_ps(index, a) \
  UMA_E::each<UMA_F, int32_t>([&](int32_t i) { return UMA_E::lanes<int32_t>(a).at[i]; }, index)
#define _mm512_cvtepi32_ps(a) \
  UMA_E::each<UMA_F, int32_t>([](int32_t x) { return static_cast<int32_t>(__builtin_bit_cast(int32_t, static_cast<float>(x))); }, a)
#undef _mm512_cvtps_epi32
#define _mm512_cvtps_epi32(a) \
  UMA_E::each<UMA_I, int32_t>([](int32_t x) { return static_cast<int32_t>(std::nearbyint(__builtin_bit_cast(float, x))); }, a)
#define _mm512_cvtepi32_epi8(a) \
  UMA_E::load<__m128i>([](UMA_I v) { UMA_E::Lanes<int8_t> out{}; for (int i = 0; i < 16; ++i) out.at[i] = static_cast<int8_t>(UMA_E::lanes<int32_t>(v).at[i]); return out; }(a).at)
#define _mm512_cvtepu8_epi32(a) UMA_E::widen<uint8_t>(a)
#define _mm512_cvtepi8_epi32(a) UMA_E::widen<int8_t>(a)
#define _mm512_cvtepu16_epi32(a) UMA_E::widen<uint16_t>(a)
#define _mm512_cvtph_ps(a) UMA_E::half_floats(a)
#define _mm512_cmpeq_epi32_mask(a, b) \
  UMA_E::mask_of<uint32_t, int32_t>([](int32_t x) { return x != 0; }, UMA_E::each<UMA_I, int32_t>([](int32_t x, int32_t y) { return x == y; }, a, b))
#define _mm512_add_ps(a, b) UMA_E::each<UMA_F, float>(UMA_E::add<float>, a, b)
#define _mm512_mul_ps(a, b) UMA_E::each<UMA_F, float>([](float x, float y) { return x * y; }, a, b)
#define _mm512_fmadd_ps(a, b, c) \
  UMA_E::each<UMA_F, float>([](float x, float y, float z) { return std::fma(x, y, z); }, a, b, c)
#define _mm512_max_ps(a, b) UMA_E::each<UMA_F, float>([](float x, float y) { return x > y ? x : y; }, a, b)
#define _mm512_reduce_max_ps(a) \
  [](UMA_F v) { float most = UMA_E::lanes<float>(v).at[0]; for (float x : UMA_E::lanes<float>(v).at) most = x > most ? x : most; return most; }(a)
#define _mm512_reduce_add_epi32(a) \
  [](UMA_I v) { int32_t sum = 0; for (int32_t x : UMA_E::lanes<int32_t>(v).at) sum += x; return sum; }(a)
// clang-format on
