// Kernels of ops/linalg.h that solve systems: cholesky, lu, solve, solve_triangular. A row-major matrix is
// the column-major transpose of itself, which saves copies where there are two ways round.
#include <numeric>

#include "backend/cpu/linalg/batch.h"
#include "ops/linalg.h"

namespace uma::cpu::lapack {
namespace {

template <class T>
void cholesky_one(T* a, int n) {
  int info = 0;
  const int ld = leading(n);
  potrf<T>("U", &n, a, &ld, &info, 1);
  check_arguments(info, "cholesky");
  // A matrix of rank n - 1 has a factor too, with this zero.
  const bool last = info == n && info > 0 && a[int64_t{n} * n - 1] == 0;
  const auto nan = [&] { return !std::isfinite(a[(int64_t{info} - 1) * (n + 1)]); };
  check(info == 0 || last || nan(), ErrorCode::kUnsupported, "cholesky",
        "takes positive definite matrices: the leading minor of order {} of {} is not", info, n);
  if (info > 0 && !last) std::fill(a, a + int64_t{n} * n, std::numeric_limits<T>::quiet_NaN());
  for (int i = 0; i < n; ++i) std::fill(a + int64_t{i} * n + i + 1, a + int64_t{i + 1} * n, T{0});
}

void cholesky_kernel(KernelArgs& args) {
  const array a = row_contiguous(args.in(0));
  const Extents x(a);
  args.allocate();
  dispatch_real(a.dtype(), [&]<class T>() {
    const T* in = a.data<T>();
    T* out = args.out().mutable_data<T>();
    for_matrices(x, [&](int64_t begin, int64_t end) {
      std::copy(in + begin * x.size(), in + end * x.size(), out + begin * x.size());
      for (int64_t i = begin; i < end; ++i) cholesky_one(out + i * x.size(), x.n);
    });
  });
}

/// Factors a column-major matrix; returns 0, or the number of the first zero on u's diagonal. A NaN, which
/// the search for pivots may pass over, makes all of it NaN.
template <class T>
int factor(T* a, int m, int n, int* pivots, std::string_view op) {
  int info = 0;
  const int ld = leading(m);
  const int64_t size = int64_t{m} * n;
  if (std::any_of(a, a + size, [](T x) { return std::isnan(x); })) {
    std::fill(a, a + size, std::numeric_limits<T>::quiet_NaN());
    std::iota(pivots, pivots + std::min(m, n), 1);
    return 0;
  }
  getrf<T>(&m, &n, a, &ld, pivots, &info);
  check_arguments(info, op);
  return info;
}

void lu_kernel(KernelArgs& args) {
  const array a = row_contiguous(args.in(0));
  const Extents x(a);
  for (size_t i = 0; i < 3; ++i) args.allocate(i);
  auto* pivots = args.out(1).mutable_data<uint32_t>();
  auto* rows = args.out(2).mutable_data<uint32_t>();
  dispatch_real(a.dtype(), [&]<class T>() {
    const T* in = a.data<T>();
    T* out = args.out(0).mutable_data<T>();
    for_matrices(x, [&](int64_t begin, int64_t end) {
      std::vector<T> work(static_cast<size_t>(x.size()));
      std::vector<int> swaps(static_cast<size_t>(x.k));
      std::vector<uint32_t> order(static_cast<size_t>(x.m));
      for (int64_t i = begin; i < end; ++i) {
        transpose_copy(in + i * x.size(), x.m, x.n, work.data());
        factor(work.data(), x.m, x.n, swaps.data(), "lu");
        transpose_copy(work.data(), x.n, x.m, out + i * x.size());
        std::iota(order.begin(), order.end(), 0u);
        for (size_t j = 0; j < swaps.size(); ++j) {
          pivots[i * x.k + static_cast<int64_t>(j)] = static_cast<uint32_t>(swaps[j] - 1);
          std::swap(order[j], order[static_cast<size_t>(swaps[j] - 1)]);
        }
        // order: which row of a each row of l u is; its inverse is asked for
        for (size_t j = 0; j < order.size(); ++j) rows[i * x.m + order[j]] = static_cast<uint32_t>(j);
      }
    });
  });
}

void solve_kernel(KernelArgs& args) {
  const auto& p = args.params<linalg::SolveParams>();
  const array a = row_contiguous(args.in(0)), b = row_contiguous(args.in(1));
  const Extents x(a), y(b);
  args.allocate();
  if (b.size() == 0) return;
  dispatch_real(a.dtype(), [&]<class T>() {
    const T *left = a.data<T>(), *right = b.data<T>();
    T* out = args.out().mutable_data<T>();
    for_matrices(x, [&](int64_t begin, int64_t end) {
      std::vector<T> work(static_cast<size_t>(x.size())), columns(static_cast<size_t>(y.size()));
      std::vector<int> swaps(static_cast<size_t>(x.n));
      for (int64_t i = begin; i < end; ++i) {
        transpose_copy(left + i * x.size(), x.n, x.n, work.data());
        int info = factor(work.data(), x.n, x.n, swaps.data(), p.caller);
        check(info == 0 || p.nan_if_singular, ErrorCode::kUnsupported, p.caller,
              "the matrix is singular: pivot {} of {} is zero", info, x.n);
        if (info > 0) {
          std::fill(out + i * y.size(), out + (i + 1) * y.size(), std::numeric_limits<T>::quiet_NaN());
          continue;
        }
        transpose_copy(right + i * y.size(), y.m, y.n, columns.data());
        getrs<T>("N", &x.n, &y.n, work.data(), &x.n, swaps.data(), columns.data(), &x.n, &info, 1);
        check_arguments(info, p.caller);
        transpose_copy(columns.data(), y.n, y.m, out + i * y.size());
      }
    });
  });
}

// X^T A^T = B^T in columns is A X = B in rows.
void triangular_kernel(KernelArgs& args) {
  const auto& p = args.params<linalg::TriangularParams>();
  const array a = row_contiguous(args.in(0)), b = row_contiguous(args.in(1));
  const Extents x(a), y(b);
  args.allocate();
  if (b.size() == 0) return;
  dispatch_real(a.dtype(), [&]<class T>() {
    const T *left = a.data<T>(), *right = b.data<T>(), one = 1;
    T* out = args.out().mutable_data<T>();
    for_matrices(x, [&](int64_t begin, int64_t end) {
      std::copy(right + begin * y.size(), right + end * y.size(), out + begin * y.size());
      for (int64_t i = begin; i < end; ++i) {
        const T* matrix = left + i * x.size();
        for (int64_t j = 0; j < x.n; ++j)
          check(matrix[j * (x.n + 1)] != 0, ErrorCode::kUnsupported, p.caller,
                "the matrix is singular: element {} of its diagonal is zero", j);
        trsm<T>("R", p.upper ? "L" : "U", "N", "N", &y.n, &x.n, &one, matrix, &x.n, out + i * y.size(), &y.n,
                1, 1, 1, 1);
      }
    });
  });
}

}  // namespace

const bool registered_solve = register_kernel(linalg::kCholesky, DeviceType::cpu, cholesky_kernel) &&
                              register_kernel(linalg::kLu, DeviceType::cpu, lu_kernel) &&
                              register_kernel(linalg::kSolve, DeviceType::cpu, solve_kernel) &&
                              register_kernel(linalg::kSolveTriangular, DeviceType::cpu, triangular_kernel);

}  // namespace uma::cpu::lapack
