#pragma once
// Factorizations of matrices, and what is made of them. Matrices are the last two axes; the axes before them
// are a batch. dtype   float32 or float64 (and complex64 for svd, eig, eigh), which the result keeps. throws
// Shape below 2 dimensions and for matrices that are not square where they must be; DType; Unsupported,
//         when evaluated, where there is no result: a singular matrix, no convergence, NaN in svd, eig, eigh.
#include <string_view>
#include <utility>
#include <vector>

#include "core/array.h"
#include "core/op.h"

namespace uma::linalg {

/// The lower triangular L with a = L L^T, or the upper U with a = U^T U. Reads that triangle of a only, and
/// its derivative is symmetric. A last pivot that is exactly zero counts as positive.
array cholesky(const array& a, bool upper = false);
/// The inverse of L L^T, or of U^T U.
array cholesky_inv(const array& factor, bool upper = false);

array inv(const array& a);
/// The inverse of a triangle of a.
array tri_inv(const array& a, bool upper = false);
/// x with a x = b. shapes  a (..., n, n), b (..., n, k) or (n); batches broadcast
array solve(const array& a, const array& b);
/// The same with one triangle of a.
array solve_triangular(const array& a, const array& b, bool upper = false);

struct Lu {
  array rows, l, u;  // a = (l u)[rows], rows uint32
};
/// With partial pivoting. A singular matrix has zeros on u's diagonal.
Lu lu(const array& a);
/// u and, below its diagonal, l; uint32 pivots: row i was swapped with row pivots[i].
std::pair<array, array> lu_factor(const array& a);

/// dtype  halves stay, computed in float32; integers become float32; no complex
array det(const array& a);
/// Sign and log |det a|; 0 and -inf of a singular matrix.
std::pair<array, array> slogdet(const array& a);
/// The derivative of det: det(a) a^-T where there is an inverse, and right where there is none.
array cofactor(const array& a);

/// q (m, k) with orthonormal columns, r (k, n) upper triangular; k = min(m, n).
std::pair<array, array> qr(const array& a);

struct Svd {
  array u, s, vt;  // a = u diag(s) vt, s descending
};
/// u (m, m) and vt (n, n), or with k = min(m, n) columns of u and rows of vt. Derivatives need distinct
/// singular values where they are no function of u diag(f(s)) vt.
Svd svd(const array& a, bool full = true);
array singular_values(const array& a);
/// The pseudo-inverse; singular values below max(m, n) eps times the largest count as zero.
array pinv(const array& a);

/// Eigenvalues, ascending, and eigenvectors, as columns, of a symmetric or Hermitian matrix given by one
/// triangle.
std::pair<array, array> eigh(const array& a, bool upper = false);
array eigvalsh(const array& a, bool upper = false);
/// Eigenvalues and eigenvectors of length 1, as columns, complex64 always; they have no derivative.
std::pair<array, array> eig(const array& a);
array eigvals(const array& a);

struct SolveParams {
  std::string_view caller;  // the function that errors name
  bool nan_if_singular;     // instead of an error
};
struct TriangularParams {
  std::string_view caller;
  bool upper;
};
enum class SvdMode : uint8_t { values, reduced, full };
struct SvdParams {
  SvdMode mode;
};
struct EigParams {  // of eig and eigh
  bool vectors, upper;
};

using Arrays = std::vector<array>;
using Mapped = std::pair<std::vector<array>, std::vector<int>>;
using In = std::span<const array>;
using Argnums = std::span<const int>;

Arrays cholesky_vjp(const Node&, In, In, Argnums);
Arrays cholesky_jvp(const Node&, In, In, Argnums);
Arrays solve_vjp(const Node&, In, In, Argnums);
Arrays solve_jvp(const Node&, In, In, Argnums);
Arrays lu_vjp(const Node&, In, In, Argnums);
Arrays lu_jvp(const Node&, In, In, Argnums);
Arrays det_vjp(const Node&, In, In, Argnums);
Arrays det_jvp(const Node&, In, In, Argnums);
Arrays det_fallback(const Node&, In);
Arrays slogdet_vjp(const Node&, In, In, Argnums);
Arrays slogdet_jvp(const Node&, In, In, Argnums);
Arrays slogdet_fallback(const Node&, In);
Arrays cofactor_vjp(const Node&, In, In, Argnums);
Arrays cofactor_jvp(const Node&, In, In, Argnums);
Arrays cofactor_fallback(const Node&, In);
Arrays qr_vjp(const Node&, In, In, Argnums);
Arrays qr_jvp(const Node&, In, In, Argnums);
Arrays svd_vjp(const Node&, In, In, Argnums);
Arrays svd_jvp(const Node&, In, In, Argnums);
Arrays pinv_vjp(const Node&, In, In, Argnums);
Arrays pinv_jvp(const Node&, In, In, Argnums);
Arrays pinv_fallback(const Node&, In);
Arrays eigh_vjp(const Node&, In, In, Argnums);
Arrays eigh_jvp(const Node&, In, In, Argnums);
Mapped factor_vmap(const Node&, In, Argnums);
Mapped solve_vmap(const Node&, In, Argnums);

inline constexpr OpInfo kCholesky{.name = "cholesky",
                                  .args = "a",
                                  .doc = "The lower triangular factor of a positive definite matrix.",
                                  .vjp = cholesky_vjp,
                                  .jvp = cholesky_jvp,
                                  .vmap = factor_vmap};
// Inputs of one dtype and batch, both matrices.
inline constexpr OpInfo kSolve{.name = "solve",
                               .args = "a, b",
                               .doc = "x with a x = b.",
                               .vjp = solve_vjp,
                               .jvp = solve_jvp,
                               .vmap = solve_vmap};
inline constexpr OpInfo kSolveTriangular{.name = "solve_triangular",
                                         .args = "a, b",
                                         .doc = "x with a x = b for a triangle of a.",
                                         .vjp = solve_vjp,
                                         .jvp = solve_jvp,
                                         .vmap = solve_vmap};
// l and u in one matrix, pivots, rows.
inline constexpr OpInfo kLu{.name = "lu_factor",
                            .args = "a",
                            .doc = "The product of a lower and an upper triangular matrix, rows permuted.",
                            .dtype = DTypeRule::custom,
                            .vjp = lu_vjp,
                            .jvp = lu_jvp,
                            .vmap = factor_vmap};
inline constexpr OpInfo kDet{.name = "det",
                             .args = "a",
                             .doc = "The determinant.",
                             .vjp = det_vjp,
                             .jvp = det_jvp,
                             .fallback = det_fallback};
inline constexpr OpInfo kSlogdet{.name = "slogdet",
                                 .args = "a",
                                 .doc = "Sign and logarithm of the determinant.",
                                 .vjp = slogdet_vjp,
                                 .jvp = slogdet_jvp,
                                 .fallback = slogdet_fallback};
inline constexpr OpInfo kCofactor{.name = "cofactor",
                                  .args = "a",
                                  .doc = "The derivative of the determinant.",
                                  .vjp = cofactor_vjp,
                                  .jvp = cofactor_jvp,
                                  .fallback = cofactor_fallback};
inline constexpr OpInfo kQr{.name = "qr",
                            .args = "a",
                            .doc = "The product of orthonormal columns and an upper triangular matrix.",
                            .vjp = qr_vjp,
                            .jvp = qr_jvp,
                            .vmap = factor_vmap};
inline constexpr OpInfo kSvd{.name = "svd",
                             .args = "a",
                             .doc = "Singular values and vectors.",
                             .dtype = DTypeRule::custom,
                             .vjp = svd_vjp,
                             .jvp = svd_jvp,
                             .vmap = factor_vmap};
inline constexpr OpInfo kPinv{.name = "pinv",
                              .args = "a",
                              .doc = "The pseudo-inverse.",
                              .vjp = pinv_vjp,
                              .jvp = pinv_jvp,
                              .fallback = pinv_fallback};
inline constexpr OpInfo kEigh{.name = "eigh",
                              .args = "a",
                              .doc = "Eigenvalues and eigenvectors of a symmetric matrix.",
                              .dtype = DTypeRule::custom,
                              .vjp = eigh_vjp,
                              .jvp = eigh_jvp,
                              .vmap = factor_vmap};
inline constexpr OpInfo kEig{.name = "eig",
                             .args = "a",
                             .doc = "Eigenvalues and eigenvectors.",
                             .dtype = DTypeRule::custom,
                             .vmap = factor_vmap};

}  // namespace uma::linalg
