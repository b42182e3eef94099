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

// How a tile reads weights that were decoded into scratch. F32, F16 and BF16 are read like that where they
// lie.
struct Decoded {
  static constexpr int kBytes = 4;
  [[gnu::always_inline]] static Floats load(const uint8_t* p, int) { return load_floats(p, kLanes); }
};

// The weights of a tile: n of each row. next: of the rows to come, as many bytes as the tile has, or null.
struct ExactWeights {
  const uint8_t* data;
  int64_t row_bytes;
  int n;
  const uint8_t* next = nullptr;
};

// out[m][r] (+)= w[r] . x[m], kW x kM sums at once.
template <class W, int kW, int kM>
[[gnu::always_inline]] inline void exact_tile(const ExactWeights& w, const float* x, int64_t ldx, bool add,
                                              float* out, int64_t ld_out) {
  Floats sum[kW][kM];
#pragma GCC unroll 4
  for (int r = 0; r < kW; ++r)
#pragma GCC unroll 8
    for (int m = 0; m < kM; ++m) sum[r][m] = zero_floats();
  const auto step = [&](int i, int left) __attribute__((always_inline)) {
    Floats xv[kM];
#pragma GCC unroll 8
    for (int m = 0; m < kM; ++m) xv[m] = load_floats(x + m * ldx + i, left);
#pragma GCC unroll 4
    for (int r = 0; r < kW; ++r) {
      const Floats wv = W::load(w.data + r * w.row_bytes + i * W::kBytes, left);
#pragma GCC unroll 8
      for (int m = 0; m < kM; ++m) sum[r][m] = multiply_add(wv, xv[m], sum[r][m]);
    }
  };
  const auto steps = [&](auto ask) __attribute__((always_inline)) {
    int i = 0;
    for (; i + kLanes <= w.n; i += kLanes) {
      ask(i);
      step(i, kLanes);
    }
    if (i < w.n) step(i, w.n - i);
  };
  if (w.next == nullptr) {
    steps([](int) {});
  } else {
    constexpr int kBytes = kW * W::kBytes;  // a step asks for as much as it reads
    steps([&](int i) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int line = 0; line < kBytes * kLanes; line += 64)
        __builtin_prefetch(w.next + i * kBytes + line, 0, 2);
    });
  }
#pragma GCC unroll 8
  for (int m = 0; m < kM; ++m) {
    float* to = out + m * ld_out;
    if constexpr (kW == 4) {
      const __m128 four = sum_lanes(sum[0][m], sum[1][m], sum[2][m], sum[3][m]);
      _mm_storeu_ps(to, add ? _mm_add_ps(_mm_loadu_ps(to), four) : four);
    } else {
      to[0] = (add ? to[0] : 0.0f) + sum_lanes(sum[0][m]);
    }
  }
}

// The tile of `height` rows, at most kM.
template <class W, int kW, int kM>
[[gnu::always_inline]] inline void exact_tile_of(int64_t height, const ExactWeights& w, const float* x,
                                                 int64_t ldx, bool add, float* out, int64_t ld_out) {
  if (height == kM)
    exact_tile<W, kW, kM>(w, x, ldx, add, out, ld_out);
  else if constexpr (kM > 1)
    exact_tile_of<W, kW, kM - 1>(height, w, x, ldx, add, out, ld_out);
}

// kW (4, or 1) weight rows times m rows of x, in tiles of about equal height.
template <class W, int kW>
void exact_rows(ExactWeights w, const float* x, int64_t ldx, int64_t m, bool add, float* out,
                int64_t ld_out) {
  const int64_t tiles = (m + kExactRows - 1) / kExactRows;
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t at = m * t / tiles;
    exact_tile_of<W, kW, kExactRows>(m * (t + 1) / tiles - at, w, x + at * ldx, ldx, add, out + at * ld_out,
                                     ld_out);
    w.next = nullptr;
  }
}

// kW weight rows from r on, where they lie, times m rows of x; the next kW are asked for.
template <class F, int kW>
[[gnu::always_inline]] inline void exact_in_place(const WeightRows& w, int64_t r, const float* x, int64_t ldx,
                                                  int64_t m, float* out, int64_t ld_out) {
  for (int64_t k = 0; k < w.k; k += kExactDepth) {
    const int n = static_cast<int>(w.k - k < kExactDepth ? w.k - k : kExactDepth);
    const uint8_t* data = w.data + r * w.row_bytes;
    // Single rows are the last few: nothing comes after them.
    const uint8_t* next = kW > 1 ? data + kW * (w.row_bytes + k * F::kBytes) : nullptr;
    exact_rows<F, kW>({data + k * F::kBytes, w.row_bytes, n, next}, x + k, ldx, m, k > 0, out + r, ld_out);
  }
}

// Float weights and few rows of x: the weights come once from memory, and are converted in registers.
template <class F>
void exact_few(const WeightRows& w, const float* x, int64_t ldx, int64_t m, float* out, int64_t ld_out) {
  int64_t r = 0;
  for (; r + 4 <= w.rows; r += 4) exact_in_place<F, 4>(w, r, x, ldx, m, out, ld_out);
  for (; r < w.rows; ++r) exact_in_place<F, 1>(w, r, x, ldx, m, out, ld_out);
}

template <class F>
void exact(const WeightRows& w, const float* x, int64_t ldx, int64_t m, float* out, int64_t ld_out,
           float* scratch) {
  if constexpr (F::kBlock == 1)
    if (m <= kExactFew) return exact_few<F>(w, x, ldx, m, out, ld_out);
  // Few rows: few weight rows at a time, read nearly in order.
  const int64_t block = m <= kDirectRows ? 4 : kPanelRows;
  constexpr int64_t kBytes = kExactStride * sizeof(float);
  const uint8_t* decoded = reinterpret_cast<const uint8_t*>(scratch);
  for (int64_t r = 0; r < w.rows; r += block) {
    const int count = static_cast<int>(w.rows - r < block ? w.rows - r : block);
    for (int64_t k = 0; k < w.k; k += kExactDepth) {
      const int n = static_cast<int>(w.k - k < kExactDepth ? w.k - k : kExactDepth);
      for (int i = 0; i < count; ++i)
        decode_depth<F>(w.data + (r + i) * w.row_bytes, k, n, scratch + i * kExactStride);
      // Blocks of x that stay in the second level beside the decoded rows; four of those stay in the first.
      for (int64_t at = 0; at < m; at += kExactBlock) {
        const int64_t rows = m - at < kExactBlock ? m - at : kExactBlock;
        const float* from = x + at * ldx + k;
        float* to = out + at * ld_out + r;
        int i = 0;
        for (; i + 4 <= count; i += 4)
          exact_rows<Decoded, 4>({decoded + i * kBytes, kBytes, n}, from, ldx, rows, k > 0, to + i, ld_out);
        for (; i < count; ++i)
          exact_rows<Decoded, 1>({decoded + i * kBytes, kBytes, n}, from, ldx, rows, k > 0, to + i, ld_out);
      }
    }
  }
}

}  // namespace
}  // namespace uma::cpu
