#pragma once
// Matrix products of floats, of any size and layout: packed into panels that stay in the caches, as BLIS
// does.
#include <cstdint>
#include <vector>

#include "base/dtype.h"

namespace uma::cpu {

/// A box of elements in memory, taken in row-major order. Strides are in elements, and may be 0 or negative.
class GemmBox {
 public:
  /// Axes of one element are left out, and those that continue each other are put together.
  void add_axis(int64_t extent, int64_t stride);
  /// Where element i lies.
  int64_t offset(int64_t i) const;
  /// How many elements, i among them, lie one beside the other from there on.
  int64_t run(int64_t i) const;

 private:
  struct Axis {
    int64_t extent, stride;
  };
  std::vector<Axis> axes_;
};

/// A matrix whose rows, and whose terms along a row, each lie as the elements of a box do: patches of an
/// image that nobody has made.
struct GemmWindows {
  GemmBox rows, terms;
};

/// A matrix that lies in any way: element (i, j) is data[i * row + j * col]. Strides may be 0 or negative.
struct GemmMatrix {
  const void* data = nullptr;
  DType dtype = DType::float32;
  int64_t row = 0, col = 0;
  const GemmWindows* windows = nullptr;  // instead of the strides, for a

  GemmMatrix transposed() const { return {data, dtype, col, row, nullptr}; }
};

/// c = a b. a (m, k) and b (k, n) are float32, float16 or bfloat16, each its own, and sums are f32; or both
/// are float64, and c too. c (m, n) has its rows `ld` elements apart and overlaps neither.
/// order   Each sum runs along k, 256 terms in a register and then on to c. The result does not depend on the
///         number of threads.
void gemm(const GemmMatrix& a, const GemmMatrix& b, int64_t m, int64_t n, int64_t k, float* c, int64_t ld);
void gemm(const GemmMatrix& a, const GemmMatrix& b, int64_t m, int64_t n, int64_t k, double* c, int64_t ld);

}  // namespace uma::cpu
