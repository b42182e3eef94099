// Packing and the tile of a matrix product, once an instruction set.
#include "backend/cpu/gemm_kernels.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/gemm_kernels.cc"
#include "backend/cpu/simd_targets.h"

#include <hwy/foreach_target.h>

#include "backend/cpu/simd_dispatch.h"
#include "backend/cpu/tile_gemm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {
namespace {

// Rows of a tile, beside two vectors of columns: sums, two vectors of b and one of a fill the registers.
#if HWY_TARGET == HWY_AVX3
constexpr int kTileHeight = 12;
#elif HWY_TARGET == HWY_AVX2
constexpr int kTileHeight = 6;
#else
constexpr int kTileHeight = 4;
#endif

template <class T>
constexpr int64_t kTileWidth = 2 * static_cast<int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));

HWY_INLINE auto load_as(hn::ScalableTag<double> d, const double* p) {
  return hn::LoadU(d, p);
}
template <class E>
HWY_INLINE auto load_as(hn::ScalableTag<float> d, const E* p) {
  return load_f32(d, p);
}

// ---- packing: `width` lines of x side by side, term by term. line: from one to the next, step: along one
// ----

// The lines are whole: vectors of a line change places with vectors of terms.
template <class E, class T>
void pack_whole(const E* x, int64_t line, int64_t count, int64_t depth, int64_t width, T* out) {
  if constexpr (std::is_same_v<E, T> && std::is_same_v<T, float>) {
    transpose(x, line, count, depth, out, width, width);
  } else if constexpr (std::is_same_v<T, float>) {
    const DF d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    constexpr int64_t kPart = 64;  // terms, converted into L1 first
    float part[kTileWidth<float> > 16 ? kTileWidth<float> : 16][kPart];
    for (int64_t at = 0; at < depth; at += kPart) {
      const int64_t n = std::min(kPart, depth - at);
      for (int64_t i = 0; i < count; ++i) {
        int64_t t = 0;
        for (; t + lanes <= n; t += lanes) hn::StoreU(load_f32(d, x + i * line + at + t), d, part[i] + t);
        for (; t < n; ++t) part[i][t] = static_cast<float>(x[i * line + at + t]);
      }
      transpose(part[0], kPart, count, n, out + at * width, width, width);
    }
  } else {
    for (int64_t t = 0; t < depth; ++t)
      for (int64_t i = 0; i < width; ++i) out[t * width + i] = i < count ? x[i * line + t] : T{0};
  }
}

template <class E, class T>
void pack_lines(const E* x, int64_t line, int64_t step, int64_t count, int64_t depth, int64_t width, T* out) {
  if (step == 1 && depth > 1) return pack_whole(x, line, count, depth, width, out);
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  if (line == 1 && count == width && width % lanes == 0) {
    for (int64_t t = 0; t < depth; ++t)
      for (int64_t i = 0; i < width; i += lanes)
        hn::StoreU(load_as(d, x + t * step + i), d, out + t * width + i);
    return;
  }
  for (int64_t t = 0; t < depth; ++t)
    for (int64_t i = 0; i < width; ++i)
      out[t * width + i] = i < count ? static_cast<T>(x[i * line + t * step]) : T{0};
}

template <class T, class Body>
void with_elements(const GemmMatrix& x, const Body& body) {
  if constexpr (std::is_same_v<T, double>) return body(static_cast<const double*>(x.data));
  if constexpr (std::is_same_v<T, float>) {
    if (x.dtype == DType::float16) return body(static_cast<const float16*>(x.data));
    if (x.dtype == DType::bfloat16) return body(static_cast<const bfloat16*>(x.data));
    return body(static_cast<const float*>(x.data));
  }
}

template <class T>
void pack_rows(const GemmMatrix& x, int64_t first, int64_t count, int64_t at, int64_t depth, T* out) {
  with_elements<T>(x, [&](const auto* data) {
    pack_lines(data + first * x.row + at * x.col, x.row, x.col, count, depth, kTileHeight, out);
  });
}

template <class T>
void pack_cols(const GemmMatrix& x, int64_t first, int64_t count, int64_t at, int64_t depth, T* out) {
  with_elements<T>(x, [&](const auto* data) {
    pack_lines(data + first * x.col + at * x.row, x.col, x.row, count, depth, kTileWidth<T>, out);
  });
}

// ---- the tile ----

template <class T, int ROWS>
HWY_INLINE void multiply_rows(const T* HWY_RESTRICT a, int64_t row, int64_t step, const T* HWY_RESTRICT b,
                              int64_t depth, int64_t cols, T* HWY_RESTRICT c, int64_t ld, bool add) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int64_t kWidth = kTileWidth<T>, kLanes = kWidth / 2;
  V sum[ROWS][2];
#pragma GCC unroll 12
  for (int i = 0; i < ROWS; ++i) {
    sum[i][0] = sum[i][1] = hn::Zero(d);
    __builtin_prefetch(c + i * ld, 1);
    __builtin_prefetch(c + i * ld + cols - 1, 1);
  }
  for (int64_t t = 0; t < depth; ++t, a += step, b += kWidth) {
    const V left = hn::Load(d, b), right = hn::Load(d, b + kLanes);
#pragma GCC unroll 12
    for (int i = 0; i < ROWS; ++i) {
      const V x = hn::Set(d, a[i * row]);
      sum[i][0] = hn::MulAdd(x, left, sum[i][0]);
      sum[i][1] = hn::MulAdd(x, right, sum[i][1]);
    }
  }
  if (cols == kWidth) {
#pragma GCC unroll 12
    for (int i = 0; i < ROWS; ++i, c += ld) {
      hn::StoreU(add ? hn::Add(hn::LoadU(d, c), sum[i][0]) : sum[i][0], d, c);
      hn::StoreU(add ? hn::Add(hn::LoadU(d, c + kLanes), sum[i][1]) : sum[i][1], d, c + kLanes);
    }
    return;
  }
  HWY_ALIGN T part[kWidth];
#pragma GCC unroll 12
  for (int i = 0; i < ROWS; ++i, c += ld) {
    hn::Store(sum[i][0], d, part);
    hn::Store(sum[i][1], d, part + kLanes);
    for (int64_t j = 0; j < cols; ++j) c[j] = add ? c[j] + part[j] : part[j];
  }
}

template <class T, int ROWS = kTileHeight>
void multiply(const T* a, int64_t row, int64_t step, const T* b, int64_t depth, int64_t rows, int64_t cols,
              T* c, int64_t ld, bool add) {
  if constexpr (ROWS > 1)
    if (rows < ROWS) return multiply<T, ROWS - 1>(a, row, step, b, depth, rows, cols, c, ld, add);
  if (row == 1 && step == kTileHeight)  // packed: the compiler knows every offset
    return multiply_rows<T, ROWS>(a, 1, kTileHeight, b, depth, cols, c, ld, add);
  multiply_rows<T, ROWS>(a, row, step, b, depth, cols, c, ld, add);
}

// ---- one row ----

// Eight rows of b are added to c in one pass over it.
template <class T>
void row_product(const T* a, const GemmMatrix& b, int64_t k, int64_t cols, T* c) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int64_t kLanes = kTileWidth<T> / 2;
  constexpr int kTerms = 8;
  std::fill_n(c, cols, T{0});
  with_elements<T>(b, [&](const auto* data) {
    for (int64_t t = 0; t < k; t += kTerms) {
      const int terms = static_cast<int>(std::min<int64_t>(kTerms, k - t));
      const auto* rows = data + t * b.row;
      int64_t j = 0;
      if (terms == kTerms)
        for (; j + kLanes <= cols; j += kLanes) {
          V sum = hn::LoadU(d, c + j);
#pragma GCC unroll 8
          for (int i = 0; i < kTerms; ++i)
            sum = hn::MulAdd(hn::Set(d, a[t + i]), load_as(d, rows + i * b.row + j), sum);
          hn::StoreU(sum, d, c + j);
        }
      for (; j < cols; ++j)
        for (int i = 0; i < terms; ++i) c[j] += a[t + i] * static_cast<T>(rows[i * b.row + j]);
    }
  });
}

template <class T>
GemmKernels<T> table_of() {
  return {kTileHeight, kTileWidth<T>, pack_rows<T>, pack_cols<T>, multiply<T>, row_product<T>};
}

}  // namespace

const GemmKernels<float>& table_f32() {
  static const GemmKernels<float> table = table_of<float>();
  return table;
}
const GemmKernels<double>& table_f64() {
  static const GemmKernels<double> table = table_of<double>();
  return table;
}
}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uma::cpu {
HWY_EXPORT(table_f32);
HWY_EXPORT(table_f64);

const GemmKernels<float>& gemm_kernels_f32() {
  return simd_choose(HWY_DISPATCH_TABLE(table_f32))();
}
const GemmKernels<double>& gemm_kernels_f64() {
  return simd_choose(HWY_DISPATCH_TABLE(table_f64))();
}
}  // namespace uma::cpu
#endif
