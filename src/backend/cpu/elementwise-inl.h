#pragma once
// What the elementwise kernels share: rows of strided operands in parallel, halves widened in pieces, and the
// dtypes that a row's functor is compiled for. unary.cc and binary.cc are apart because each takes minutes
// under a sanitizer.
#include <algorithm>
#include <array>

#include "base/thread_pool.h"
#include "core/kernel.h"
#include "core/layout.h"
#include "ops/elementwise.h"

namespace uma::cpu {

// Below this many elements waking another thread costs more than it saves.
inline constexpr int64_t kGrain = 16384;
// Halves are widened in pieces of this many, which stay in L1.
inline constexpr int64_t kPiece = 512;
// where() has the most.
inline constexpr size_t kMaxOperands = 3;

template <class T>
inline constexpr bool is_half = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;
template <class T>
using compute_t = std::conditional_t<is_half<T>, float, T>;

// Elements [0, n) of a strided row as compute type: in place where they already are, else through `piece`.
template <class T>
const compute_t<T>* load(const T* x, int64_t step, int64_t n, compute_t<T>* piece) {
  if constexpr (!is_half<T>)
    if (step == 1) return x;
  for (int64_t i = 0; i < n; ++i) piece[i] = static_cast<compute_t<T>>(x[i * step]);
  return piece;
}

// Calls row(offsets..., out offset, n) over the rows of the collapsed layout, in parallel.
template <class Row>
void for_rows(const Shape& shape, std::span<const Strides> strides, Row row) {
  const Layout layout = collapse(shape, strides);
  const int64_t inner = layout.shape.back(), rows = outer_size(layout);
  if (inner == 0 || rows == 0) return;
  std::array<int64_t, kMaxOperands> steps{};
  for (size_t k = 0; k < layout.strides.size(); ++k) steps[k] = layout.strides[k].back();
  if (rows == 1) {
    parallel_ranges(inner, kGrain, [&](int64_t begin, int64_t end) {
      std::array<int64_t, kMaxOperands> offsets{};
      for (size_t k = 0; k < kMaxOperands; ++k) offsets[k] = begin * steps[k];
      row(offsets, steps, begin, end - begin);
    });
    return;
  }
  parallel_ranges(rows, std::max<int64_t>(1, kGrain / inner), [&](int64_t begin, int64_t end) {
    OuterWalk walk(layout, begin);
    std::array<int64_t, kMaxOperands> offsets{};
    for (int64_t i = begin; i < end; ++i, walk.next()) {
      for (size_t k = 0; k < layout.strides.size(); ++k) offsets[k] = walk.offset(k);
      row(offsets, steps, i * inner, inner);
    }
  });
}

// Dtypes that a row's functor is compiled for.
template <Domain kDomain, bool kComplex, class F>
void dispatch(DType dtype, const OpInfo& op, F&& f) {
  if constexpr (kComplex)
    if (dtype == DType::complex64) return f.template operator()<complex64>();
  if constexpr (kDomain == Domain::inexact) {
    dispatch_float(dtype, op.name, f);
  } else if constexpr (kDomain == Domain::integral) {
    if (dtype == DType::bool_)
      f.template operator()<bool>();
    else
      dispatch_integer(dtype, op.name, f);
  } else {
    if (dtype == DType::bool_)
      f.template operator()<bool>();
    else if (is_floating(dtype))
      dispatch_float(dtype, op.name, f);
    else
      dispatch_integer(dtype, op.name, f);
  }
}

template <class R>
inline constexpr bool on_complex = functor::takes_complex<typename R::Functor>;

// Parts of complex numbers are floats; whatever else is no test stays what it was.
template <class R, class T>
struct Result {
  using type = std::conditional_t<R::rule == DTypeRule::boolean, bool, T>;
};
template <class R>
struct Result<R, complex64> {
  using type = std::invoke_result_t<typename R::Functor, complex64>;
};

}  // namespace uma::cpu
