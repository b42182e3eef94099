#pragma once
// f32 products: weights are decoded a stretch of a row at a time into L1 or L2 and multiplied lane by lane.
// The order of the sums of one output depends on k alone, so a row's result is the same in any batch.
// Needs the vector type Floats and its functions, of kernels512-inl.h or kernels256-inl.h.
#include "backend/cpu/quant/formats-inl.h"
#include "backend/cpu/quant/kernels.h"

namespace uma::cpu {
namespace {

struct F32 {
  static constexpr int kBlock = 1, kBytes = 4;
  [[gnu::always_inline]] static Floats load(const uint8_t* p, int n) { return load_floats(p, n); }
};
struct F16 {
  static constexpr int kBlock = 1, kBytes = 2;
  [[gnu::always_inline]] static Floats load(const uint8_t* p, int n) { return load_halves(p, n); }
};
struct BF16 {
  static constexpr int kBlock = 1, kBytes = 2;
  [[gnu::always_inline]] static Floats load(const uint8_t* p, int n) { return load_bfloats(p, n); }
};

// n weights from p, then zeros to a whole vector.
template <class F>
[[gnu::always_inline]] inline void decode_floats(const uint8_t* p, int n, float* out) {
  for (int i = 0; i < n; i += kLanes, p += kLanes * F::kBytes) store_floats(out + i, F::load(p, n - i));
}

// One chunk of up to 256 weights in groups of 32.
template <class F>
[[gnu::always_inline]] inline void decode_chunk(const uint8_t* p, int groups, float* out) {
  alignas(32) float s[16], b[16];
  __m256 sv[2], bv[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  if constexpr (F::kGroup == 32)
    F::scales(p, groups, sv[0], bv[0]);
  else
    F::scales(p, sv, bv);
  for (int i = 0; i < (F::kGroup == 32 ? 1 : 2); ++i) {
    _mm256_store_ps(s + 8 * i, sv[i]);
    // A product by a power of two is exact: the multiply-add then rounds once, as the definition does.
    _mm256_store_ps(b + 8 * i, F::kMin ? bv[i] : _mm256_mul_ps(sv[i], _mm256_set1_ps(-1.0f * F::kOffset)));
  }
  if (groups == kGroups) {
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) {
      const __m256i codes = F::codes32(p, g);
      const int a = F::kGroup == 32 ? g : 2 * g, c = F::kGroup == 32 ? g : 2 * g + 1;
      decode_16(F::kWide && F::kOffset == 0, _mm256_castsi256_si128(codes), s[a], b[a], out + 32 * g);
      decode_16(F::kWide && F::kOffset == 0, _mm256_extracti128_si256(codes, 1), s[c], b[c],
                out + 32 * g + 16);
    }
  } else {
    for (int g = 0; g < groups; ++g) {
      const __m256i codes = F::codes32(p, g);
      decode_16(F::kWide && F::kOffset == 0, _mm256_castsi256_si128(codes), s[g], b[g], out + 32 * g);
      decode_16(F::kWide && F::kOffset == 0, _mm256_extracti128_si256(codes, 1), s[g], b[g],
                out + 32 * g + 16);
    }
  }
}

template <class F>
[[gnu::always_inline]] inline void decode_depth(const uint8_t* row, int64_t k, int n, float* out) {
  const uint8_t* p = row + k / F::kBlock * F::kBytes;
  if constexpr (F::kBlock == 1) {
    decode_floats<F>(p, n, out);
  } else {
    for (int i = 0; i < n; i += kChunk) {
      decode_chunk<F>(p, n - i >= kChunk ? kGroups : (n - i) / 32, out + i);
      p += kChunk / F::kBlock * F::kBytes;
    }
  }
}

// out[m][r] (+)= w[r] . x[m] over n values, kW x kM sums at once.
template <int kW, int kM>
[[gnu::always_inline]] inline void exact_tile(const float* w, const float* x, int64_t ldx, int n, bool add,
                                              float* out, int64_t ld_out) {
  Floats sum[kW][kM];
#pragma GCC unroll 4
  for (int r = 0; r < kW; ++r)
#pragma GCC unroll 4
    for (int m = 0; m < kM; ++m) sum[r][m] = zero_floats();
  const auto step = [&](int i, int left) __attribute__((always_inline)) {
    Floats xv[kM];
#pragma GCC unroll 4
    for (int m = 0; m < kM; ++m) xv[m] = load_floats(x + m * ldx + i, left);
#pragma GCC unroll 4
    for (int r = 0; r < kW; ++r) {
      const Floats wv = load_floats(w + r * kExactStride + i, kLanes);
#pragma GCC unroll 4
      for (int m = 0; m < kM; ++m) sum[r][m] = multiply_add(wv, xv[m], sum[r][m]);
    }
  };
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) step(i, kLanes);
  if (i < n) step(i, n - i);
#pragma GCC unroll 4
  for (int r = 0; r < kW; ++r)
#pragma GCC unroll 4
    for (int m = 0; m < kM; ++m) {
      float& to = out[m * ld_out + r];
      to = (add ? to : 0.0f) + sum_lanes(sum[r][m]);
    }
}

template <int kW>
void exact_rows(const float* w, const float* x, int64_t ldx, int64_t m, int n, bool add, float* out,
                int64_t ld_out) {
  for (int64_t i = 0; i < m; i += 4) {
    const float* from = x + i * ldx;
    float* to = out + i * ld_out;
    switch (m - i) {
      case 1:
        exact_tile<kW, 1>(w, from, ldx, n, add, to, ld_out);
        break;
      case 2:
        exact_tile<kW, 2>(w, from, ldx, n, add, to, ld_out);
        break;
      case 3:
        exact_tile<kW, 3>(w, from, ldx, n, add, to, ld_out);
        break;
      default:
        exact_tile<kW, 4>(w, from, ldx, n, add, to, ld_out);
        break;
    }
  }
}

template <class F>
void exact(const WeightRows& w, const float* x, int64_t ldx, int64_t m, float* out, int64_t ld_out,
           float* scratch) {
  // Few rows: few weight rows at a time, enough for independent chains of sums, read nearly in order.
  const int64_t block = m <= 4 ? 4 : kPanelRows;
  for (int64_t r = 0; r < w.rows; r += block) {
    const int count = static_cast<int>(w.rows - r < block ? w.rows - r : block);
    for (int64_t k = 0; k < w.k; k += kExactDepth) {
      const int n = static_cast<int>(w.k - k < kExactDepth ? w.k - k : kExactDepth);
      for (int i = 0; i < count; ++i)
        decode_depth<F>(w.data + (r + i) * w.row_bytes, k, n, scratch + i * kExactStride);
      // A group of weight rows passes over all of x before the next: its 8 KB stay in L1.
      int i = 0;
      for (; i + kExactWeights <= count; i += kExactWeights)
        exact_rows<kExactWeights>(scratch + i * kExactStride, x + k, ldx, m, n, k > 0, out + r + i, ld_out);
      for (; i < count; ++i)
        exact_rows<1>(scratch + i * kExactStride, x + k, ldx, m, n, k > 0, out + r + i, ld_out);
    }
  }
}

}  // namespace
}  // namespace uma::cpu
