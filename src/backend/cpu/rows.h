#pragma once
// Reductions over one contiguous row of f32, f16 or bf16, in vectors; rows.cc.
#include <cstdint>

#include "base/dtype.h"

namespace uma::cpu {

/// True for the dtypes that these take.
constexpr bool has_row_kernels(DType dtype) {
  return dtype == DType::float32 || dtype == DType::float16 || dtype == DType::bfloat16;
}

/// The error grows with the logarithm of n.
float sum_of_row(DType dtype, const void* x, int64_t n);
/// n >= 1; NaN wins.
float max_of_row(DType dtype, const void* x, int64_t n);
float min_of_row(DType dtype, const void* x, int64_t n);
/// y = exp(x - max(x)) / sum; `piece` has room for n floats.
void softmax_of_row(DType dtype, const void* x, void* y, int64_t n, float* piece);

}  // namespace uma::cpu
