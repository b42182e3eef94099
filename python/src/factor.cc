// The names of uma.core.linalg that factorize.
#include "bind.h"
#include "ops/linalg.h"

namespace uma::python {
namespace {

using Square = array (*)(const array&);
using Pair = std::pair<array, array> (*)(const array&);
using OfTriangle = array (*)(const array&, bool);

// MLX takes anything but "L" for "U"; a letter that is neither is a mistake.
bool is_upper(const std::string& uplo, std::string_view op) {
  check(uplo == "L" || uplo == "U" || uplo == "l" || uplo == "u", ErrorCode::kInvalidArgument, op,
        "UPLO is 'L' or 'U', not '{}'", uplo);
  return uplo == "U" || uplo == "u";
}

void bind_solvers(Module& m) {
  const auto kw = nb::kw_only();
  const auto none = nb::none();
  const auto of_triangle = [&](const char* name, OfTriangle f, const char* doc) {
    m.def(name, on_stream(f), "a"_a, "upper"_a = false, kw, "stream"_a = none, doc);
  };
  of_triangle("cholesky", &linalg::cholesky, "L with a = L L^T, or U with a = U^T U.");
  of_triangle("cholesky_inv", &linalg::cholesky_inv, "The inverse of L L^T, or of U^T U.");
  of_triangle("tri_inv", &linalg::tri_inv, "The inverse of a triangular matrix.");
  m.def("solve", on_stream(&linalg::solve), "a"_a, "b"_a, kw, "stream"_a = none, "x with a x = b.");
  m.def(
      "solve_triangular",
      [](const array& a, const array& b, bool upper, const StreamArg& s) {
        StreamScope scope(s);
        return linalg::solve_triangular(a, b, upper);
      },
      "a"_a, "b"_a, kw, "upper"_a = false, "stream"_a = none, "x with a x = b for a triangle of a.");
  m.def(
      "lu",
      [](const array& a, const StreamArg& s) {
        StreamScope scope(s);
        const linalg::Lu f = linalg::lu(a);
        return nb::make_tuple(f.rows, f.l, f.u);
      },
      "a"_a, kw, "stream"_a = none, "P, L and U with a = (L U)[P].");
}

void bind_spectra(Module& m) {
  const auto kw = nb::kw_only();
  const auto none = nb::none();
  m.def(
      "svd",
      [](const array& a, bool compute_uv, const StreamArg& s) -> nb::object {
        StreamScope scope(s);
        if (!compute_uv) return nb::cast(linalg::singular_values(a));
        const linalg::Svd f = linalg::svd(a);
        return nb::make_tuple(f.u, f.s, f.vt);
      },
      "a"_a, "compute_uv"_a = true, kw, "stream"_a = none, "U, S and Vt with a = U diag(S) Vt, or S alone.");
  m.def(
      "eigh",
      [](const array& a, const std::string& uplo, const StreamArg& s) {
        StreamScope scope(s);
        return linalg::eigh(a, is_upper(uplo, "eigh"));
      },
      "a"_a, "UPLO"_a = "L", kw, "stream"_a = none,
      "Eigenvalues, ascending, and eigenvectors of a symmetric or Hermitian matrix.");
  m.def(
      "eigvalsh",
      [](const array& a, const std::string& uplo, const StreamArg& s) {
        StreamScope scope(s);
        return linalg::eigvalsh(a, is_upper(uplo, "eigvalsh"));
      },
      "a"_a, "UPLO"_a = "L", kw, "stream"_a = none, "Eigenvalues of a symmetric or Hermitian matrix.");
}

}  // namespace

void bind_factors(Module& m) {
  const auto kw = nb::kw_only();
  const auto none = nb::none();
  const auto one = [&](const char* name, Square f, const char* doc) {
    m.def(name, on_stream(f), "a"_a, kw, "stream"_a = none, doc);
  };
  const auto two = [&](const char* name, Pair f, const char* doc) {
    m.def(name, on_stream(f), "a"_a, kw, "stream"_a = none, doc);
  };
  one("inv", &linalg::inv, "The inverse.");
  one("pinv", &linalg::pinv, "The Moore-Penrose pseudo-inverse.");
  one("det", &linalg::det, "The determinant.");
  one("eigvals", &linalg::eigvals, "Eigenvalues, complex64.");
  two("slogdet", &linalg::slogdet, "Sign and logarithm of the determinant.");
  two("lu_factor", &linalg::lu_factor, "L and U in one matrix, and pivots.");
  two("qr", &linalg::qr, "Q with orthonormal columns and R upper triangular with a = Q R.");
  two("eig", &linalg::eig, "Eigenvalues and eigenvectors, complex64.");
  bind_solvers(m);
  bind_spectra(m);
}

}  // namespace uma::python
