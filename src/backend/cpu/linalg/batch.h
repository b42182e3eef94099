#pragma once
// Batches of matrices for LAPACK: one thread a matrix, its workspace, and copies between row- and
// column-major.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <string_view>
#include <vector>

#include "backend/cpu/linalg/lapack.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "core/kernel.h"

namespace uma::cpu::lapack {

/// The last two extents, which ops/linalg.h has checked to be ints, and the number of matrices.
struct Extents {
  int m, n, k;
  int64_t count;
  explicit Extents(const array& a)
      : m(static_cast<int>(a.shape(-2))), n(static_cast<int>(a.shape(-1))), k(std::min(m, n)), count(1) {
    for (size_t i = 0; i + 2 < a.ndim(); ++i) count *= a.shape()[i];
  }
  int64_t size() const { return int64_t{m} * n; }
};

/// Whether several threads may call the library. Debian's serial OpenBLAS has scratch memory without a lock,
/// and gives wrong numbers when two do.
inline bool takes_threads() {
  static const bool takes = (openblas_set_num_threads(1), openblas_get_parallel() != 0);
  return takes;
}
inline std::mutex& serial_calls() {
  static std::mutex mutex;
  return mutex;
}

/// Runs body(begin, end) over ranges of matrices; each allocates its workspace once. Work that is not worth a
/// thread stays together, and the library itself never starts one.
template <class Body>
void for_matrices(const Extents& x, Body body) {
  if (!takes_threads()) {
    const std::lock_guard lock(serial_calls());
    return body(0, x.count);
  }
  constexpr double kGrain = 1 << 16;
  const double work = static_cast<double>(x.m) * x.n * x.k;
  parallel_ranges(x.count, std::max<int64_t>(1, static_cast<int64_t>(kGrain / std::max(1.0, work))),
                  [&](int64_t begin, int64_t end) {
                    omp_set_num_threads(1);  // a setting of this thread, which OpenBLAS looks at
                    body(begin, end);
                  });
}

/// A leading dimension is never 0.
inline int leading(int extent) {
  return std::max(1, extent);
}

/// Columns of a row-major (m, n) matrix, one after the other; its inverse is the same with m and n exchanged.
template <class T, class U>
void transpose_copy(const T* in, int m, int n, U* out) {
  constexpr int kBlock = 16;  // rows whose lines stay in the first cache
  for (int i0 = 0; i0 < m; i0 += kBlock)
    for (int j = 0; j < n; ++j)
      for (int i = i0; i < std::min(m, i0 + kBlock); ++i)
        out[int64_t{j} * m + i] = static_cast<U>(in[int64_t{i} * n + j]);
}

template <class T>
bool all_finite(const T* x, int64_t n) {
  const auto* reals = reinterpret_cast<const real_t<T>*>(x);
  for (int64_t i = 0; i < n * (kComplex<T> ? 2 : 1); ++i)
    if (!std::isfinite(reals[i])) return false;
  return true;
}
template <class T>
void check_finite(const T* x, int64_t n, std::string_view op) {
  check(all_finite(x, n), ErrorCode::kUnsupported, op,
        "takes finite numbers, and there is a NaN or an infinity");
}

/// What a routine asks for, which it says as a float: the next one, as the number may have been rounded down.
template <class T>
int words(T answer, std::string_view op) {
  const auto real =
      static_cast<double>(std::nextafter(std::real(answer), std::numeric_limits<real_t<T>>::max()));
  check(real < 0x1p31 - 1, ErrorCode::kLimit, op, "the workspace is beyond what LAPACK counts");
  return std::max(1, static_cast<int>(std::ceil(real)));
}

/// info < 0: an argument was wrong, which only we can cause.
inline void check_arguments(int info, std::string_view op) {
  check(info >= 0, ErrorCode::kInternal, op, "LAPACK refuses its argument {}", -info);
}
inline void check_converged(int info, std::string_view op) {
  check_arguments(info, op);
  check(info == 0, ErrorCode::kUnsupported, op, "has not converged: LAPACK says {}", info);
}

/// Calls f<T>() with float or double.
template <class F>
void dispatch_real(DType d, F f) {
  if (d == DType::float32) return f.template operator()<float>();
  f.template operator()<double>();
}
template <class F>
void dispatch_field(DType d, F f) {
  if (d == DType::complex64) return f.template operator()<complex64>();
  dispatch_real(d, f);
}

}  // namespace uma::cpu::lapack
