// Kernels of eigh and eig.
#include "backend/cpu/linalg/batch.h"
#include "ops/linalg.h"

namespace uma::cpu::lapack {
namespace {

// In columns the memory of a Hermitian matrix holds its conjugate, and its lower triangle is the upper one.
template <class T>
struct Hermitian {
  const char *job, *uplo;
  int n, lwork = -1, lrwork = -1, liwork = -1;
  std::vector<T> a, work;
  std::vector<real_t<T>> rwork;
  std::vector<int> iwork;

  Hermitian(const Extents& x, const linalg::EigParams& p)
      : job(p.vectors ? "V" : "N"), uplo(p.upper ? "L" : "U"), n(x.n), a(static_cast<size_t>(x.size())) {
    T query{};
    real_t<T> rquery{};
    int iquery = 0;
    check_arguments(call(nullptr, &query, &rquery, &iquery), "eigh");
    lwork = words(query, "eigh");
    liwork = std::max(1, iquery);
    if constexpr (kComplex<T>) lrwork = words(rquery, "eigh");
    work.resize(static_cast<size_t>(lwork));
    rwork.resize(static_cast<size_t>(std::max(1, lrwork)));
    iwork.resize(static_cast<size_t>(liwork));
  }

  int call(real_t<T>* w, T* space, real_t<T>* rspace, int* ispace) {
    int info = 0;
    if constexpr (kComplex<T>)
      cheevd_(job, uplo, &n, a.data(), &n, w, space, &lwork, rspace, &lrwork, ispace, &liwork, &info, 1, 1);
    else
      syevd<T>(job, uplo, &n, a.data(), &n, w, space, &lwork, ispace, &liwork, &info, 1, 1);
    return info;
  }

  void operator()(const T* in, real_t<T>* w, T* vectors) {
    std::copy(in, in + int64_t{n} * n, a.begin());
    check_converged(call(w, work.data(), rwork.data(), iwork.data()), "eigh");
    if (!vectors) return;
    if constexpr (kComplex<T>)
      for (T& x : a) x = std::conj(x);
    transpose_copy(a.data(), n, n, vectors);
  }
};

// The triangle that counts; the other one may hold anything.
template <class T>
void check_triangle(const T* a, int n, bool upper) {
  for (int64_t i = 0; i < n; ++i) check_finite(a + i * n + (upper ? i : 0), upper ? n - i : i + 1, "eigh");
}

void eigh_kernel(KernelArgs& args) {
  const auto p = args.params<linalg::EigParams>();
  const array a = row_contiguous(args.in(0));
  const Extents x(a);
  for (size_t i = 0; i < args.num_outputs(); ++i) args.allocate(i);
  if (x.n == 0) return;
  dispatch_field(a.dtype(), [&]<class T>() {
    const T* in = a.data<T>();
    auto* w = args.out(0).mutable_data<real_t<T>>();
    T* v = p.vectors ? args.out(1).mutable_data<T>() : nullptr;
    for_matrices(x, [&](int64_t begin, int64_t end) {
      Hermitian<T> find(x, p);
      for (int64_t i = begin; i < end; ++i) {
        check_triangle(in + i * x.size(), x.n, p.upper);
        find(in + i * x.size(), w + i * x.n, v ? v + i * x.size() : nullptr);
      }
    });
  });
}

// In columns the memory of a holds its transpose, whose left eigenvectors are the conjugates of those of a.
template <class T>
struct General {
  const char* job;
  int n, lwork = -1;
  std::vector<T> a, re, im, vectors, work;
  std::vector<float> rwork;

  General(const Extents& x, bool with_vectors)
      : job(with_vectors ? "V" : "N"),
        n(x.n),
        a(static_cast<size_t>(x.size())),
        re(static_cast<size_t>(x.n)),
        im(static_cast<size_t>(x.n)),
        vectors(with_vectors ? a.size() : 1),
        rwork(kComplex<T> ? 2 * static_cast<size_t>(x.n) : 0) {
    T query{};
    check_arguments(call(&query), "eig");
    lwork = words(query, "eig");
    work.resize(static_cast<size_t>(lwork));
  }

  int call(T* space) {
    int info = 0;
    T* v = vectors.data();
    if constexpr (kComplex<T>)
      cgeev_(job, "N", &n, a.data(), &n, re.data(), v, &n, v, &n, space, &lwork, rwork.data(), &info, 1, 1);
    else
      geev<T>(job, "N", &n, a.data(), &n, re.data(), im.data(), v, &n, v, &n, space, &lwork, &info, 1, 1);
    return info;
  }

  complex64 value(int j) const {
    const auto at = static_cast<size_t>(j);
    if constexpr (kComplex<T>) return re[at];
    return {static_cast<float>(std::real(re[at])), static_cast<float>(std::real(im[at]))};
  }

  // A real matrix has pairs of conjugate vectors, which share two columns: real and imaginary part.
  complex64 element(int i, int j) const {
    const auto at = [&](int column) { return vectors[static_cast<size_t>(int64_t{column} * n + i)]; };
    if constexpr (kComplex<T>) {
      return std::conj(at(j));
    } else {
      const T part = im[static_cast<size_t>(j)];
      if (part == 0) return {static_cast<float>(at(j)), 0};
      const int first = part > 0 ? j : j - 1;
      const auto imaginary = static_cast<float>(at(first + 1));
      return {static_cast<float>(at(first)), part > 0 ? -imaginary : imaginary};
    }
  }
};

void eig_kernel(KernelArgs& args) {
  const bool with_vectors = args.params<linalg::EigParams>().vectors;
  const array a = row_contiguous(args.in(0));
  const Extents x(a);
  for (size_t i = 0; i < args.num_outputs(); ++i) args.allocate(i);
  if (x.n == 0) return;
  dispatch_field(a.dtype(), [&]<class T>() {
    const T* in = a.data<T>();
    auto* w = args.out(0).mutable_data<complex64>();
    auto* v = with_vectors ? args.out(1).mutable_data<complex64>() : nullptr;
    for_matrices(x, [&](int64_t begin, int64_t end) {
      General<T> find(x, with_vectors);
      for (int64_t b = begin; b < end; ++b) {
        check_finite(in + b * x.size(), x.size(), "eig");
        std::copy(in + b * x.size(), in + (b + 1) * x.size(), find.a.begin());
        check_converged(find.call(find.work.data()), "eig");
        for (int j = 0; j < x.n; ++j) w[b * x.n + j] = find.value(j);
        for (int i = 0; v && i < x.n; ++i)
          for (int j = 0; j < x.n; ++j) v[b * x.size() + int64_t{i} * x.n + j] = find.element(i, j);
      }
    });
  });
}

}  // namespace

const bool registered_eigen = register_kernel(linalg::kEigh, DeviceType::cpu, eigh_kernel) &&
                              register_kernel(linalg::kEig, DeviceType::cpu, eig_kernel);

}  // namespace uma::cpu::lapack
