#pragma once
// Between f32, which kernels compute in, and the float dtypes that arrays have.
#include "base/thread_pool.h"
#include "core/array.h"
#include "core/kernel.h"
#include "core/layout.h"

namespace uma::cpu {

// Elements that a thread must get before it is worth waking.
inline constexpr int64_t kWidenGrain = 16384;

/// Row-major f32 with the values of x, which may be x itself.
inline array as_f32(const array& x, std::string_view op) {
  const array rows = row_contiguous(x);
  if (rows.dtype() == DType::float32) return rows;
  auto buffer = Buffer::allocate(static_cast<size_t>(rows.size()) * sizeof(float), Device{});
  float* to = reinterpret_cast<float*>(buffer->data());
  dispatch_float(rows.dtype(), op, [&]<class T>() {
    const T* from = rows.data<T>();
    parallel_ranges(rows.size(), kWidenGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = static_cast<float>(from[i]);
    });
  });
  return array::from_buffer(std::move(buffer), 0, rows.shape(), DType::float32);
}

/// Calls fill(sums) with row-major f32 of out's shape: out's own memory, or room from which it is rounded.
template <class Fill>
void fill_from_f32(array& out, std::string_view op, const Fill& fill) {
  if (out.dtype() == DType::float32) return fill(out.mutable_data<float>());
  const auto room = Buffer::allocate(static_cast<size_t>(out.size()) * sizeof(float), Device{});
  float* sums = reinterpret_cast<float*>(room->data());
  fill(sums);
  dispatch_float(out.dtype(), op, [&]<class T>() {
    T* rounded = out.mutable_data<T>();
    parallel_ranges(out.size(), kWidenGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) rounded[i] = static_cast<T>(sums[i]);
    });
  });
}

}  // namespace uma::cpu
