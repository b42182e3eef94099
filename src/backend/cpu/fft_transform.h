#pragma once
#include "backend/cpu/fft_plan.h"

namespace uma::cpu {

struct FftShape {
  int64_t outer, inner;  // the transformed axis of n elements lies between them, row-major
  bool inverse = false;
  float scale = 1;
};
/// Complex transforms along an axis, on all threads. `in` and `out` may be the same.
void fft_transform(const FftPlan& plan, const std::complex<float>* in, std::complex<float>* out,
                   const FftShape& shape);

}  // namespace uma::cpu
