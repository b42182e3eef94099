#pragma once
// What the driver of a matrix product (gemm.cc) has of each instruction set (gemm_kernels.cc).
#include <cstdint>

#include "backend/cpu/gemm.h"

namespace uma::cpu {

/// The tile that stays in registers, and how its operands are packed and multiplied. T: float or double.
template <class T>
struct GemmKernels {
  int64_t rows, cols;  // of a tile

  /// Rows [first, first + count) of x, terms [at, at + depth): out[depth][rows], with zeros for the rows from
  /// count on.
  void (*pack_rows)(const GemmMatrix& x, int64_t first, int64_t count, int64_t at, int64_t depth, T* out);
  /// The same of columns: out[depth][cols].
  void (*pack_cols)(const GemmMatrix& x, int64_t first, int64_t count, int64_t at, int64_t depth, T* out);
  /// c (rows, cols) = a b, or += if `add`; may be less than a tile. b is packed; a too, or lies as it does:
  /// its rows `row` elements apart, its terms `step`.
  void (*multiply)(const T* a, int64_t row, int64_t step, const T* b, int64_t depth, int64_t rows,
                   int64_t cols, T* c, int64_t ld, bool add);
  /// c[cols] = a[k] b (k, cols), b.col being 1: a row of a times a matrix that is read once, where it lies.
  void (*row_product)(const T* a, const GemmMatrix& b, int64_t k, int64_t cols, T* c);
};

const GemmKernels<float>& gemm_kernels_f32();
const GemmKernels<double>& gemm_kernels_f64();

}  // namespace uma::cpu
