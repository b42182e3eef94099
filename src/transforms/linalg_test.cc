// Derivatives and vmap of ops/linalg.h.
#include "ops/linalg.h"

#include "ops/manipulate.h"
#include "ops/matmul.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using testing::expect_derivatives;
using testing::expect_vmap;
using testing::f64;
using testing::Fn;
using testing::random_array;

using X = std::vector<array>;

array transposed(const array& x) {
  return swapaxes(x, -1, -2);
}
array regular(const Shape& shape, uint32_t seed) {
  return random_array(shape, seed, -1, 1) + eye(shape[shape.size() - 2], shape.back(), 0, DType::float64) * 3;
}
// x as what makes a symmetric matrix with distinct eigenvalues, or a definite one.
array symmetric(const array& x) {
  return x + transposed(x);
}
array definite(const array& x) {
  return matmul(x, transposed(x)) + eye(x.shape(-2), -1, 0, DType::float64);
}

/// f, and its gradient as a function, where that is asked for.
void expect_smooth(const Fn& f, const X& x, bool twice = true, double tolerance = 1e-6) {
  expect_derivatives(f, x, tolerance);
  if (!twice) return;
  const Fn slope = [&](const X& at) {
    const array y = f(at);
    const array weights = random_array(y.shape(), 5, 0.5, 1.5);
    return vjp(testing::many(f), at, {weights}).second[0];
  };
  expect_derivatives(slope, x, 20 * tolerance);
}

TEST(LinalgDerivatives, Systems) {
  const array a = regular({2, 3, 3}, 1), b = random_array({2, 3, 2}, 2);
  expect_smooth([](const X& x) { return linalg::inv(x[0]); }, {a});
  expect_smooth([](const X& x) { return linalg::solve(x[0], x[1]); }, {a, b});
  expect_smooth([](const X& x) { return linalg::solve(x[0], x[1]); },
                {regular({3, 3}, 3), random_array({3}, 4)});
  for (const bool upper : {false, true}) {
    expect_smooth([=](const X& x) { return linalg::solve_triangular(x[0], x[1], upper); }, {a, b});
    expect_smooth([=](const X& x) { return linalg::tri_inv(x[0], upper); }, {a});
    expect_smooth([=](const X& x) { return linalg::cholesky(definite(x[0]), upper); }, {a});
    expect_smooth([=](const X& x) { return linalg::cholesky_inv(x[0], upper); }, {a});
  }
}

TEST(LinalgDerivatives, LuAndDeterminants) {
  for (const Shape& shape : {Shape{2, 3, 3}, {4, 2}, {2, 4}, {1, 1}}) {
    const array a = regular(shape, 6);
    expect_smooth([](const X& x) { return linalg::lu_factor(x[0]).first; }, {a});
    expect_smooth([](const X& x) { return linalg::lu(x[0]).l; }, {a});
    expect_smooth([](const X& x) { return linalg::lu(x[0]).u; }, {a});
  }
  // Rows out of order.
  const array moved =
      concatenate({slice_axis(regular({3, 3}, 7), 0, 1, 3), slice_axis(regular({3, 3}, 7), 0, 0, 1)});
  expect_smooth([](const X& x) { return linalg::lu_factor(x[0]).first; }, {moved});
  for (const array& a : {regular({2, 3, 3}, 8), moved, regular({1, 1}, 9)}) {
    expect_smooth([](const X& x) { return linalg::det(x[0]); }, {a});
    expect_smooth([](const X& x) { return linalg::slogdet(x[0]).second; }, {a});
    expect_smooth([](const X& x) { return linalg::cofactor(x[0]); }, {a});
  }
  // Of rank 1 and 2: no inverse, and a derivative all the same.
  expect_derivatives([](const X& x) { return linalg::det(x[0]); }, {f64({1, 2, 2, 4}, {2, 2})});
  expect_derivatives([](const X& x) { return linalg::det(x[0]); },
                     {f64({1, 2, 3, 2, 4, 6, 1, 1, 5}, {3, 3})});
  expect_derivatives([](const X& x) { return linalg::det(x[0]); }, {zeros({3, 3}, DType::float64)});
}

TEST(LinalgDerivatives, Qr) {
  for (const Shape& shape : {Shape{2, 3, 3}, {5, 3}, {2, 4}, {1, 3}}) {
    const array a = regular(shape, 10);
    expect_smooth([](const X& x) { return linalg::qr(x[0]).first; }, {a});
    expect_smooth([](const X& x) { return linalg::qr(x[0]).second; }, {a});
  }
}

// Full bases have columns that may turn: functions that do not depend on it are compared.
TEST(LinalgDerivatives, Svd) {
  for (const Shape& shape : {Shape{2, 3, 3}, {5, 3}, {2, 4}, {1, 3}}) {
    const array a = random_array(shape, 11);
    expect_smooth([](const X& x) { return linalg::singular_values(x[0]); }, {a});
    expect_smooth([](const X& x) { return linalg::svd(x[0], false).u; }, {a}, true, 1e-5);
    expect_smooth([](const X& x) { return linalg::svd(x[0], false).vt; }, {a}, true, 1e-5);
    expect_smooth(
        [](const X& x) {
          const auto [u, s, vt] = linalg::svd(x[0], false);
          return matmul(u * expand_dims(s * s * s, {-2}), vt);
        },
        {a}, true, 1e-5);
    const int64_t k = std::min(a.shape(-1), a.shape(-2));
    expect_derivatives(
        [=](const X& x) {
          const linalg::Svd f = linalg::svd(x[0]);
          const array rest = slice_axis(f.u, -1, k, f.u.shape(-1)),
                      other = slice_axis(f.vt, -2, k, f.vt.shape(-2));
          return concatenate({flatten(matmul(rest, transposed(rest))),
                              flatten(matmul(transposed(other), other)), flatten(slice_axis(f.u, -1, 0, k)),
                              flatten(f.s)});
        },
        {a}, 1e-5);
    expect_smooth([](const X& x) { return linalg::pinv(x[0]); }, {a}, true, 1e-5);
  }
  // Equal singular values, and a function of the matrix that does not mind.
  expect_derivatives(
      [](const X& x) {
        const auto [u, s, vt] = linalg::svd(x[0], false);
        return matmul(u, vt);
      },
      {eye(3, -1, 0, DType::float64) * 2}, 1e-5);
}

TEST(LinalgDerivatives, Eigh) {
  const array a = random_array({2, 3, 3}, 12);
  for (const bool upper : {false, true}) {
    expect_smooth([=](const X& x) { return linalg::eigvalsh(symmetric(x[0]), upper); }, {a}, true, 1e-5);
    expect_smooth([=](const X& x) { return linalg::eigh(symmetric(x[0]), upper).first; }, {a}, true, 1e-5);
    expect_smooth([=](const X& x) { return linalg::eigh(symmetric(x[0]), upper).second; }, {a}, true, 1e-5);
  }
}

TEST(LinalgDerivatives, ComplexOnesAreRefused) {
  const array a = astype(regular({2, 2}, 13), DType::complex64);
  const auto value = [](const X& x) { return X{linalg::singular_values(x[0])}; };
  testing::expect_error(ErrorCode::kUnsupported, [&] { vjp(value, {a}, {ones({2})}); });
  const auto other = [](const X& x) { return X{linalg::eigvalsh(x[0])}; };
  testing::expect_error(ErrorCode::kUnsupported, [&] { vjp(other, {a}, {ones({2})}); });
}

TEST(LinalgVmap, IsALoop) {
  const array a = regular({4, 3, 2, 3}, 14), b = random_array({4, 2, 3, 2}, 15);
  const array square = moveaxis(a, 1, 2);  // (4, 2, 3, 3)
  const double tol = 1e-12;
  const auto one = [&](const Fn& f) {
    expect_vmap(f, {square}, {1}, tol);
    expect_vmap(f, {a}, {2}, tol);
  };
  one([](const X& x) { return linalg::inv(x[0]); });
  one([](const X& x) { return linalg::tri_inv(x[0], true); });
  one([](const X& x) { return linalg::cholesky(definite(x[0])); });
  one([](const X& x) { return linalg::lu_factor(x[0]).first; });
  one([](const X& x) { return linalg::lu(x[0]).rows; });
  one([](const X& x) { return linalg::det(x[0]); });
  one([](const X& x) { return linalg::slogdet(x[0]).second; });
  one([](const X& x) { return linalg::qr(x[0]).first; });
  one([](const X& x) { return linalg::svd(x[0]).u; });
  one([](const X& x) { return linalg::svd(x[0], false).vt; });
  one([](const X& x) { return linalg::singular_values(x[0]); });
  one([](const X& x) { return linalg::pinv(x[0]); });
  one([](const X& x) { return linalg::eigh(x[0], true).second; });
  one([](const X& x) { return linalg::eigvalsh(x[0]); });
  one([](const X& x) { return real(linalg::eigvals(x[0])); });
  const Fn system = [](const X& x) { return linalg::solve(x[0], x[1]); };
  const Fn triangle = [](const X& x) { return linalg::solve_triangular(x[0], x[1], true); };
  const array plain = regular({3, 3}, 16);
  for (const Fn& f : {system, triangle}) {
    expect_vmap(f, {square, b}, {1, 1}, tol);
    expect_vmap(f, {plain, b}, {-1, 1}, tol);
    expect_vmap(f, {square, random_array({3, 2}, 17)}, {1, -1}, tol);
  }
}

TEST(LinalgVmap, OfAGradient) {
  const array a = regular({4, 3, 3}, 18);
  const Fn slope = [](const X& x) {
    return grad([](const X& y) { return linalg::slogdet(y[0]).second; }, 0)(x)[0];
  };
  expect_vmap(slope, {a}, {0}, 1e-12);
}

}  // namespace
}  // namespace uma
