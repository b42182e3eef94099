#pragma once
// The dtypes that a row of the elementwise tables is compiled for. unary.cc and binary.cc are apart because
// each takes minutes under a sanitizer.
#include "backend/cpu/tiles.h"
#include "ops/elementwise.h"

namespace uma::cpu {

template <Domain kDomain, bool kComplex, class F>
auto dispatch(DType dtype, const OpInfo& op, F&& f) {
  if constexpr (kComplex)
    if (dtype == DType::complex64) return f.template operator()<complex64>();
  if constexpr (kDomain == Domain::inexact) {
    return dispatch_float(dtype, op.name, f);
  } else if constexpr (kDomain == Domain::integral) {
    return dtype == DType::bool_ ? f.template operator()<bool>() : dispatch_integer(dtype, op.name, f);
  } else {
    if (dtype == DType::bool_) return f.template operator()<bool>();
    return is_floating(dtype) ? dispatch_float(dtype, op.name, f) : dispatch_integer(dtype, op.name, f);
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

// Halves are widened in pieces of this many, which stay in L1.
inline constexpr int64_t kPiece = 256;

/// n <= kPiece elements as compute type: where they lie, or widened into `piece`.
template <class T>
const compute_t<T>* widen(const T* x, int64_t n, [[maybe_unused]] compute_t<T>* piece) {
  if constexpr (is_half<T>) {
    for (int64_t i = 0; i < n; ++i) piece[i] = static_cast<float>(x[i]);
    return piece;
  } else {
    return x;
  }
}

}  // namespace uma::cpu
