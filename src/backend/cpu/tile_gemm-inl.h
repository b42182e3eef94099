// A product of small f32 matrices in L1 and L2, and a transpose. Included once a target.
#if defined(UMA_TILE_GEMM_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef UMA_TILE_GEMM_INL_H
#undef UMA_TILE_GEMM_INL_H
#else
#define UMA_TILE_GEMM_INL_H
#endif

#include "backend/cpu/fast_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {

/// c[i][lanes of VECS vectors] (+)= sum_k a(i, k) b[k][...] for ROWS rows; a(i, k) is a[k * lda + i] if ADD
/// (a is transposed and the product is added to c), else a[i * lda + k]. Rows of b and c are `ld` apart.
template <bool ADD, int ROWS, int VECS>
HWY_INLINE void gemm_block(int64_t depth, const float* a, int64_t lda, const float* b, float* c, int64_t ld) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  VF acc[ROWS][VECS];
#pragma GCC unroll 8
  for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < VECS; ++v) acc[i][v] = ADD ? hn::LoadU(d, c + i * ld + v * lanes) : hn::Zero(d);
  for (int64_t k = 0; k < depth; ++k) {
    VF x[VECS];
#pragma GCC unroll 4
    for (int v = 0; v < VECS; ++v) x[v] = hn::LoadU(d, b + k * ld + v * lanes);
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; ++i) {
      const VF w = hn::Set(d, ADD ? a[k * lda + i] : a[i * lda + k]);
#pragma GCC unroll 4
      for (int v = 0; v < VECS; ++v) acc[i][v] = hn::MulAdd(w, x[v], acc[i][v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < VECS; ++v) hn::StoreU(acc[i][v], d, c + i * ld + v * lanes);
}

/// All rows of one panel of VECS vectors. ROWS x VECS sums must hide the latency of the multiply-add (8 on
/// two units) and fit the registers.
template <bool ADD, int ROWS, int VECS>
HWY_NOINLINE void gemm_panel(int64_t rows, int64_t depth, const float* a, int64_t lda, const float* b,
                             float* c, int64_t ld) {
  const int64_t step = ADD ? 1 : lda;
  int64_t i = 0;
  for (; i + ROWS <= rows; i += ROWS)
    gemm_block<ADD, ROWS, VECS>(depth, a + i * step, lda, b, c + i * ld, ld);
  for (; i < rows; ++i) gemm_block<ADD, 1, VECS>(depth, a + i * step, lda, b, c + i * ld, ld);
}

/// c (rows, columns) = a b, a (rows, depth) with rows `lda` apart; or, if ADD, c += a^T b with a (depth,
/// rows). b (depth, columns) and c have rows `ld` apart. columns: whole vectors.
template <bool ADD>
HWY_INLINE void tile_gemm(int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t lda,
                          const float* b, float* c, int64_t ld) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(DF()));
  int64_t j = 0;
#if HWY_TARGET == HWY_AVX3
  for (; j + 4 * lanes <= columns; j += 4 * lanes)
    gemm_panel<ADD, 6, 4>(rows, depth, a, lda, b + j, c + j, ld);
#endif
  for (; j + 2 * lanes <= columns; j += 2 * lanes)
    gemm_panel<ADD, 6, 2>(rows, depth, a, lda, b + j, c + j, ld);
  if (j < columns) gemm_panel<ADD, 8, 1>(rows, depth, a, lda, b + j, c + j, ld);
}

/// Four rows of four, transposed.
HWY_INLINE void transpose_block(const float* in, int64_t ld_in, float* out, int64_t ld_out) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t j = 0; j < 4; ++j)
    for (int64_t i = 0; i < 4; ++i) out[j * ld_out + i] = in[i * ld_in + j];
#else
  const hn::FixedTag<float, 4> d;
  const hn::FixedTag<double, 2> dd;
  const auto pair = [&](int64_t i, bool upper) {
    const auto a = hn::LoadU(d, in + i * ld_in), b = hn::LoadU(d, in + (i + 1) * ld_in);
    return hn::BitCast(dd, upper ? hn::InterleaveUpper(d, a, b) : hn::InterleaveLower(d, a, b));
  };
  const auto left = pair(0, false), left2 = pair(2, false), right = pair(0, true), right2 = pair(2, true);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, left, left2)), d, out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, left, left2)), d, out + ld_out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, right, right2)), d, out + 2 * ld_out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, right, right2)), d, out + 3 * ld_out);
#endif
}

/// out[j][i] = in[i][j] for in (rows, columns); the columns rows .. padded - 1 of out become zero.
inline HWY_NOINLINE void transpose(const float* in, int64_t ld_in, int64_t rows, int64_t columns, float* out,
                                   int64_t ld_out, int64_t padded) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    int64_t j = 0;
    for (; j + 4 <= columns; j += 4) transpose_block(in + i * ld_in + j, ld_in, out + j * ld_out + i, ld_out);
    for (; j < columns; ++j)
      for (int64_t r = i; r < i + 4; ++r) out[j * ld_out + r] = in[r * ld_in + j];
  }
  for (; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) out[j * ld_out + i] = in[i * ld_in + j];
  for (int64_t j = 0; j < columns && rows < padded; ++j)
    std::fill(out + j * ld_out + rows, out + j * ld_out + padded, 0.0f);
}

}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#endif
