#pragma once
// Matrix products of floats, of any size and layout: packed into panels that stay in the caches, as BLIS
// does.
#include <cstdint>

#include "base/dtype.h"

namespace uma::cpu {

/// A matrix that lies in any way: element (i, j) is data[i * row + j * col]. Strides may be 0 or negative.
struct GemmMatrix {
  const void* data = nullptr;
  DType dtype = DType::float32;
  int64_t row = 0, col = 0;

  GemmMatrix transposed() const { return {data, dtype, col, row}; }
};

/// c = a b. a (m, k) and b (k, n) are float32, float16 or bfloat16, each its own, and sums are f32; or both
/// are float64, and c too. c (m, n) has its rows `ld` elements apart and overlaps neither.
/// order   Each sum runs along k, 256 terms in a register and then on to c. The result does not depend on the
///         number of threads.
void gemm(const GemmMatrix& a, const GemmMatrix& b, int64_t m, int64_t n, int64_t k, float* c, int64_t ld);
void gemm(const GemmMatrix& a, const GemmMatrix& b, int64_t m, int64_t n, int64_t k, double* c, int64_t ld);

}  // namespace uma::cpu
