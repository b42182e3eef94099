#pragma once
// The routines of LAPACK that the kernels call, chosen by type. Matrices are column-major; a Fortran compiler
// expects the lengths of texts behind the other arguments.
#include <cstddef>
#include <type_traits>

#include "base/dtype.h"

namespace uma::cpu::lapack {

template <class T>
inline constexpr bool kComplex = std::is_same_v<T, complex64>;
template <class T>
using real_t = std::conditional_t<kComplex<T>, float, T>;

using Char = const char*;
using Int = const int*;
using Len = size_t;

template <class T>
using Potrf = void(Char uplo, Int n, T* a, Int lda, int* info, Len);
template <class T>
using Getrf = void(Int m, Int n, T* a, Int lda, int* pivots, int* info);
template <class T>
using Getrs = void(Char trans, Int n, Int nrhs, const T* a, Int lda, Int pivots, T* b, Int ldb, int* info,
                   Len);
template <class T>
using Trsm = void(Char side, Char uplo, Char trans, Char diag, Int m, Int n, const T* alpha, const T* a,
                  Int lda, T* b, Int ldb, Len, Len, Len, Len);
template <class T>
using Geqrf = void(Int m, Int n, T* a, Int lda, T* tau, T* work, Int lwork, int* info);
template <class T>
using Orgqr = void(Int m, Int n, Int k, T* a, Int lda, const T* tau, T* work, Int lwork, int* info);
template <class T>
using Gesdd = void(Char job, Int m, Int n, T* a, Int lda, T* s, T* u, Int ldu, T* vt, Int ldvt, T* work,
                   Int lwork, int* iwork, int* info, Len);
using ComplexGesdd = void(Char job, Int m, Int n, complex64* a, Int lda, float* s, complex64* u, Int ldu,
                          complex64* vt, Int ldvt, complex64* work, Int lwork, float* rwork, int* iwork,
                          int* info, Len);
template <class T>
using Syevd = void(Char job, Char uplo, Int n, T* a, Int lda, T* w, T* work, Int lwork, int* iwork,
                   Int liwork, int* info, Len, Len);
using Heevd = void(Char job, Char uplo, Int n, complex64* a, Int lda, float* w, complex64* work, Int lwork,
                   float* rwork, Int lrwork, int* iwork, Int liwork, int* info, Len, Len);
template <class T>
using Geev = void(Char left, Char right, Int n, T* a, Int lda, T* re, T* im, T* vl, Int ldvl, T* vr, Int ldvr,
                  T* work, Int lwork, int* info, Len, Len);
using ComplexGeev = void(Char left, Char right, Int n, complex64* a, Int lda, complex64* w, complex64* vl,
                         Int ldvl, complex64* vr, Int ldvr, complex64* work, Int lwork, float* rwork,
                         int* info, Len, Len);

extern "C" {
void openblas_set_num_threads(int n);
int openblas_get_parallel();  // 0: the serial variant
Potrf<float> spotrf_;
Potrf<double> dpotrf_;
Getrf<float> sgetrf_;
Getrf<double> dgetrf_;
Getrs<float> sgetrs_;
Getrs<double> dgetrs_;
Trsm<float> strsm_;
Trsm<double> dtrsm_;
Geqrf<float> sgeqrf_;
Geqrf<double> dgeqrf_;
Orgqr<float> sorgqr_;
Orgqr<double> dorgqr_;
Gesdd<float> sgesdd_;
Gesdd<double> dgesdd_;
ComplexGesdd cgesdd_;
Syevd<float> ssyevd_;
Syevd<double> dsyevd_;
Heevd cheevd_;
Geev<float> sgeev_;
Geev<double> dgeev_;
ComplexGeev cgeev_;
}

template <class T, class F, class D>
constexpr auto pick(F* f, D* d) {
  if constexpr (std::is_same_v<T, float>)
    return f;
  else
    return d;
}
template <class T>
inline constexpr auto potrf = pick<T>(spotrf_, dpotrf_);
template <class T>
inline constexpr auto getrf = pick<T>(sgetrf_, dgetrf_);
template <class T>
inline constexpr auto getrs = pick<T>(sgetrs_, dgetrs_);
template <class T>
inline constexpr auto trsm = pick<T>(strsm_, dtrsm_);
template <class T>
inline constexpr auto geqrf = pick<T>(sgeqrf_, dgeqrf_);
template <class T>
inline constexpr auto orgqr = pick<T>(sorgqr_, dorgqr_);
template <class T>
inline constexpr auto gesdd = pick<T>(sgesdd_, dgesdd_);
template <class T>
inline constexpr auto syevd = pick<T>(ssyevd_, dsyevd_);
template <class T>
inline constexpr auto geev = pick<T>(sgeev_, dgeev_);

}  // namespace uma::cpu::lapack
