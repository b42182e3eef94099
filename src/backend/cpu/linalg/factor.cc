// Kernels of qr and svd.
#include "backend/cpu/linalg/batch.h"
#include "ops/linalg.h"

namespace uma::cpu::lapack {
namespace {

// q (m, k) and r (k, n) of a column-major matrix, by Householder reflections.
template <class T>
struct Qr {
  int m, n, k, ld, lwork = -1;
  std::vector<T> a, tau, work;

  explicit Qr(const Extents& x)
      : m(x.m),
        n(x.n),
        k(x.k),
        ld(leading(x.m)),
        a(static_cast<size_t>(x.size())),
        tau(static_cast<size_t>(leading(x.k))) {
    T query[2] = {};
    int info = 0;
    geqrf<T>(&m, &n, a.data(), &ld, tau.data(), &query[0], &lwork, &info);
    check_arguments(info, "qr");
    orgqr<T>(&m, &k, &k, a.data(), &ld, tau.data(), &query[1], &lwork, &info);
    check_arguments(info, "qr");
    lwork = std::max(words(query[0], "qr"), words(query[1], "qr"));
    work.resize(static_cast<size_t>(lwork));
  }

  void operator()(const T* in, T* q, T* r) {
    int info = 0;
    transpose_copy(in, m, n, a.data());
    geqrf<T>(&m, &n, a.data(), &ld, tau.data(), work.data(), &lwork, &info);
    check_arguments(info, "qr");
    for (int i = 0; i < k; ++i)
      for (int j = 0; j < n; ++j)
        r[int64_t{i} * n + j] = j < i ? T{0} : a[static_cast<size_t>(int64_t{j} * m + i)];
    orgqr<T>(&m, &k, &k, a.data(), &ld, tau.data(), work.data(), &lwork, &info);
    check_arguments(info, "qr");
    transpose_copy(a.data(), k, m, q);
  }
};

void qr_kernel(KernelArgs& args) {
  const array a = row_contiguous(args.in(0));
  const Extents x(a);
  args.allocate(0);
  args.allocate(1);
  dispatch_real(a.dtype(), [&]<class T>() {
    const T* in = a.data<T>();
    T *q = args.out(0).mutable_data<T>(), *r = args.out(1).mutable_data<T>();
    const int64_t q_size = int64_t{x.m} * x.k, r_size = int64_t{x.k} * x.n;
    if (x.k == 0) return;  // both are empty
    for_matrices(x, [&](int64_t begin, int64_t end) {
      Qr<T> factor(x);
      for (int64_t i = begin; i < end; ++i) factor(in + i * x.size(), q + i * q_size, r + i * r_size);
    });
  });
}

// In columns the memory of a holds a^T = v s u^T, so that LAPACK's u and vt are, in rows, our vt and u.
template <class T>
struct SingularValues {
  const char* job;
  int m, n, k, ldv, ldu, lwork = -1;
  std::vector<T> a, work;
  std::vector<real_t<T>> rwork;
  std::vector<int> iwork;

  SingularValues(const Extents& x, linalg::SvdMode mode)
      : job(mode == linalg::SvdMode::values    ? "N"
            : mode == linalg::SvdMode::reduced ? "S"
                                               : "A"),
        m(x.m),
        n(x.n),
        k(x.k),
        ldv(n),
        ldu(mode == linalg::SvdMode::full ? m : k),
        a(static_cast<size_t>(x.size())),
        iwork(8 * static_cast<size_t>(x.k)) {
    const auto least = static_cast<size_t>(k), most = static_cast<size_t>(std::max(m, n));
    if constexpr (kComplex<T>)
      rwork.resize(std::max(5 * least * least + 7 * least, 2 * (most + least) * least + least));
    T query{};
    check_arguments(call(nullptr, nullptr, nullptr, &query), "svd");
    lwork = words(query, "svd");
    work.resize(static_cast<size_t>(lwork));
  }

  int call(real_t<T>* s, T* v, T* u, T* space) {
    int info = 0;
    if constexpr (kComplex<T>)
      cgesdd_(job, &n, &m, a.data(), &n, s, v, &ldv, u, &ldu, space, &lwork, rwork.data(), iwork.data(),
              &info, 1);
    else
      gesdd<T>(job, &n, &m, a.data(), &n, s, v, &ldv, u, &ldu, space, &lwork, iwork.data(), &info, 1);
    return info;
  }
};

template <class T>
void identities(T* out, int64_t count, int64_t n) {
  std::fill(out, out + count * n * n, T{0});
  for (int64_t i = 0; i < count * n; ++i) out[i * n + i % n] = T{1};
}

void svd_kernel(KernelArgs& args) {
  const auto mode = args.params<linalg::SvdParams>().mode;
  const bool vectors = mode != linalg::SvdMode::values, full = mode == linalg::SvdMode::full;
  const array a = row_contiguous(args.in(0));
  const Extents x(a);
  for (size_t i = 0; i < args.num_outputs(); ++i) args.allocate(i);
  dispatch_field(a.dtype(), [&]<class T>() {
    const T* in = a.data<T>();
    T* u = vectors ? args.out(0).mutable_data<T>() : nullptr;
    T* v = vectors ? args.out(2).mutable_data<T>() : nullptr;
    auto* s = args.out(vectors ? 1 : 0).mutable_data<real_t<T>>();
    if (x.k == 0) {  // nothing to see; full bases are those of all space
      if (full) identities(u, x.count, x.m), identities(v, x.count, x.n);
      return;
    }
    const int64_t u_size = int64_t{x.m} * (full ? x.m : x.k), v_size = int64_t{x.n} * (full ? x.n : x.k);
    for_matrices(x, [&](int64_t begin, int64_t end) {
      SingularValues<T> find(x, mode);
      for (int64_t i = begin; i < end; ++i) {
        check_finite(in + i * x.size(), x.size(), "svd");
        std::copy(in + i * x.size(), in + (i + 1) * x.size(), find.a.begin());
        const int info = find.call(s + i * x.k, vectors ? v + i * v_size : nullptr,
                                   vectors ? u + i * u_size : nullptr, find.work.data());
        check_converged(info, "svd");
      }
    });
  });
}

}  // namespace

const bool registered_factor = register_kernel(linalg::kQr, DeviceType::cpu, qr_kernel) &&
                               register_kernel(linalg::kSvd, DeviceType::cpu, svd_kernel);

}  // namespace uma::cpu::lapack
