#pragma once
#include "ops/cast.h"

namespace uma {

/// Integers as the kernels of indices take them: int32 as it is, all others as int64.
inline array as_index(const array& indices) {
  return indices.dtype() == DType::int32 ? indices : astype(indices, DType::int64);
}

}  // namespace uma
