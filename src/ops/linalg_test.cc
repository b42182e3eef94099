#include "ops/linalg.h"

#include "ops/manipulate.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using testing::expect_error;
using testing::expect_near;
using testing::f64;
using testing::kInf;
using testing::kNan;
using testing::layouts_of;
using testing::random_array;

array transposed(const array& x) {
  return swapaxes(x, -1, -2);
}
// Regular, and positive definite.
array regular(const Shape& shape, uint32_t seed, DType dtype = DType::float64) {
  return astype(random_array(shape, seed) + eye(shape[shape.size() - 2], shape.back(), 0, DType::float64) * 4,
                dtype);
}
array definite(const Shape& shape, uint32_t seed, DType dtype = DType::float64) {
  const array x = random_array(shape, seed);
  return astype(matmul(x, transposed(x)) + eye(shape.back(), -1, 0, DType::float64), dtype);
}
array identity(int64_t n, const Shape& batch, DType dtype) {
  Shape shape = batch;
  shape.push_back(n), shape.push_back(n);
  return broadcast_to(eye(n, -1, 0, dtype), shape);
}
double tolerance(DType d) {
  return d == DType::float32 ? 2e-4 : 1e-10;
}

const Shape kBatches[] = {{}, {3}, {2, 3}};
const DType kReals[] = {DType::float32, DType::float64};

// Products of the factors are the matrix, for every layout of it.
template <class F>
void over_matrices(int64_t m, int64_t n, F f) {
  for (const DType d : kReals)
    for (const Shape& batch : kBatches) {
      Shape shape = batch;
      shape.push_back(m), shape.push_back(n);
      const array a = random_array(shape, static_cast<uint32_t>(7 * m + n), -2, 2, d);
      for (const array& x : layouts_of(a)) f(x, batch, tolerance(d));
    }
}

TEST(Linalg, FactorsMultiplyToTheMatrix) {
  for (const auto& [m, n] : {std::pair{1, 1}, {4, 4}, {6, 3}, {3, 6}, {17, 9}})
    over_matrices(m, n, [&](const array& a, const Shape& batch, double tol) {
      const int64_t k = std::min(a.shape(-1), a.shape(-2));
      const auto [q, r] = linalg::qr(a);
      expect_near(matmul(q, r), a, tol, tol);
      expect_near(matmul(transposed(q), q), identity(k, batch, a.dtype()), tol, tol);
      expect_near(tril(r, -1), zeros_like(r));
      const linalg::Lu f = linalg::lu(a);
      const array product = matmul(f.l, f.u);
      expect_near(take_along_axis(product, broadcast_to(expand_dims(f.rows, {-1}), product.shape()), -2), a,
                  tol, tol);
      EXPECT_EQ(f.rows.dtype(), DType::uint32);
      for (const bool full : {true, false}) {
        const auto [u, s, vt] = linalg::svd(a, full);
        expect_near(matmul(transposed(u), u), identity(u.shape(-1), batch, a.dtype()), tol, tol);
        expect_near(matmul(vt, transposed(vt)), identity(vt.shape(-2), batch, a.dtype()), tol, tol);
        const array uk = slice_axis(u, -1, 0, k), vk = slice_axis(vt, -2, 0, k);
        expect_near(matmul(uk * expand_dims(s, {-2}), vk), a, tol, tol);
        expect_near(linalg::singular_values(a), s, tol, tol);
      }
      const array b = linalg::pinv(a);
      expect_near(matmul(matmul(a, b), a), a, tol * 10, tol * 10);
      expect_near(matmul(matmul(b, a), b), b, tol * 10, tol * 10);
    });
}

TEST(Linalg, SystemsAreSolved) {
  for (const DType d : kReals) {
    const double tol = tolerance(d);
    const array a = regular({2, 1, 5, 5}, 3, d), b = random_array({3, 5, 2}, 4, -1, 1, d);
    for (const array& x : layouts_of(a)) {
      const array product = matmul(x, linalg::solve(x, b));
      expect_near(product, broadcast_to(b, product.shape()), tol, tol);
      expect_near(matmul(x, linalg::inv(x)), identity(5, {2, 1}, d), tol, tol);
      for (const bool upper : {false, true}) {
        const array t = upper ? triu(x) : tril(x), y = matmul(t, linalg::solve_triangular(x, b, upper));
        expect_near(y, broadcast_to(b, y.shape()), tol, tol);
        expect_near(matmul(t, linalg::tri_inv(x, upper)), identity(5, {2, 1}, d), tol, tol);
      }
    }
    const array s = definite({3, 4, 4}, 5, d), l = linalg::cholesky(s), u = linalg::cholesky(s, true);
    expect_near(matmul(l, transposed(l)), s, tol, tol);
    expect_near(u, transposed(l), tol, tol);
    expect_near(linalg::cholesky_inv(l), linalg::inv(s), tol, tol);
    expect_near(linalg::cholesky_inv(u, true), linalg::inv(s), tol, tol);
    expect_near(linalg::cholesky(tril(s)), l, tol, tol);
    const array vector = random_array({5}, 6, -1, 1, d);
    const array one = squeeze(slice_axis(a, 0, 0, 1), {0, 1});
    expect_near(matmul(one, linalg::solve(one, vector)), vector, tol, tol);
  }
}

TEST(Linalg, DeterminantsAndEigenvalues) {
  const array a = regular({4, 3, 3}, 8);
  const array x = reshape(a, {4, 9});
  const auto at = [&](int i) { return squeeze(slice_axis(x, 1, i, i + 1), {1}); };
  const array expected = at(0) * (at(4) * at(8) - at(5) * at(7)) - at(1) * (at(3) * at(8) - at(5) * at(6)) +
                         at(2) * (at(3) * at(7) - at(4) * at(6));
  expect_near(linalg::det(a), expected, 1e-10);
  const auto [sign, log_abs] = linalg::slogdet(negative(a));
  expect_near(sign * exp(log_abs), negative(expected), 1e-10);
  expect_near(linalg::cofactor(a), expand_dims(expected, {1, 2}) * transposed(linalg::inv(a)), 1e-8, 1e-8);
  const array s = definite({3, 5, 5}, 9);
  for (const bool upper : {false, true}) {
    const auto [w, v] = linalg::eigh(upper ? triu(s) : tril(s), upper);
    expect_near(matmul(v * expand_dims(w, {-2}), transposed(v)), s, 1e-10, 1e-10);
    expect_near(sum(w, {-1}), trace(s, 0, 1, 2), 1e-10);
    expect_near(linalg::eigvalsh(s, upper), w, 1e-10);
  }
  // A rotation has a pair of conjugate eigenvalues.
  const array turn = array({0.6, -0.8, 0.8, 0.6}, {2, 2});
  const auto [w, v] = linalg::eig(turn);
  const array left = matmul(astype(turn, DType::complex64), v), right = v * expand_dims(w, {-2});
  expect_near(real(left), real(right), 1e-6, 1e-6);
  expect_near(imag(left), imag(right), 1e-6, 1e-6);
  expect_near(abs(imag(linalg::eigvals(turn))), astype(array({0.8, 0.8}), DType::float32), 1e-6);
}

TEST(Linalg, EmptyMatricesAndBatches) {
  const array none = zeros({0, 0}), batch = zeros({0, 2, 2}), flat = zeros({3, 0}), wide = zeros({0, 3});
  EXPECT_EQ(linalg::inv(none).shape(), (Shape{0, 0}));
  EXPECT_EQ(linalg::inv(batch).to_vector<float>().size(), 0u);
  EXPECT_EQ(linalg::solve(none, wide).shape(), (Shape{0, 3}));
  EXPECT_EQ(linalg::cholesky(none).to_vector<float>().size(), 0u);
  EXPECT_EQ(linalg::det(none).item<float>(), 1);
  EXPECT_EQ(linalg::slogdet(none).second.item<float>(), 0);
  EXPECT_EQ(linalg::det(batch).to_vector<float>().size(), 0u);
  for (const array& x : {none, batch, flat, wide}) {
    eval(std::vector<array>{linalg::qr(x).first, linalg::qr(x).second, linalg::lu(x).l, linalg::lu(x).u,
                            linalg::singular_values(x), linalg::pinv(x)});
  }
  expect_near(linalg::svd(flat).u, eye(3));
  expect_near(linalg::svd(wide).vt, eye(3));
  EXPECT_EQ(linalg::lu(flat).rows.to_vector<uint32_t>(), (std::vector<uint32_t>{0, 1, 2}));
  for (const array& x : {none, batch}) {
    eval(std::vector<array>{linalg::eigh(x).second, linalg::eig(x).second, linalg::eigvalsh(x),
                            linalg::eigvals(x)});
  }
}

TEST(Linalg, WhatHasNoResultIsAnError) {
  const array singular = f64({1, 2, 2, 4}, {2, 2}), nan = f64({kNan, 1, 1, 2}, {2, 2});
  const array infinite = f64({kInf, 1, 1, 2}, {2, 2}), indefinite = f64({1, 2, 2, 1}, {2, 2});
  const auto unsupported = [](auto f) { expect_error(ErrorCode::kUnsupported, [&] { f().eval(); }); };
  unsupported([&] { return linalg::inv(singular); });
  unsupported([&] { return linalg::solve(singular, singular); });
  unsupported([&] { return linalg::tri_inv(zeros({2, 2})); });
  unsupported([&] { return linalg::cholesky(indefinite); });
  for (const array& x : {nan, infinite}) {
    unsupported([&] { return linalg::svd(x).s; });
    unsupported([&] { return linalg::eigh(x).first; });
    unsupported([&] { return linalg::eigvals(x); });
  }
  // One bad matrix of a batch.
  unsupported([&] { return linalg::inv(stack({eye(2, -1, 0, DType::float64), singular})); });
  // NaN goes through what only multiplies and divides.
  for (const array& x : {linalg::inv(nan), linalg::cholesky(nan), linalg::qr(nan).first, linalg::lu(nan).u,
                         reshape(linalg::det(nan), {1, 1})})
    EXPECT_TRUE(any(isnan(x)).item<bool>());
  // The other triangle is not read.
  expect_near(linalg::eigvalsh(f64({2, kNan, 0, 1}, {2, 2})), f64({1, 2}), 1e-12);
}

TEST(Linalg, SingularMatricesWithAResult) {
  const array singular = f64({1, 2, 2, 4}, {2, 2});
  EXPECT_EQ(linalg::det(singular).item<double>(), 0);
  EXPECT_EQ(linalg::slogdet(singular).first.item<double>(), 0);
  EXPECT_EQ(linalg::slogdet(singular).second.item<double>(), -kInf);
  expect_near(linalg::cofactor(singular), f64({4, -2, -2, 1}, {2, 2}), 1e-12, 1e-12);
  expect_near(linalg::cholesky(singular), f64({1, 0, 2, 0}, {2, 2}));
  expect_near(linalg::pinv(singular), singular * 0.04, 1e-12);
  expect_near(linalg::pinv(zeros({2, 3})), zeros({3, 2}));
  expect_near(linalg::lu(singular).u, f64({2, 4, 0, 0}, {2, 2}));
}

TEST(Linalg, OtherArgumentsAreRefused) {
  const array m = zeros({2, 3}), v = zeros({2}), s = eye(2);
  for (const auto& f : {linalg::inv, linalg::eigvals})
    for (const array& x : {m, v}) expect_error(ErrorCode::kShape, [&] { f(x); });
  expect_error(ErrorCode::kShape, [&] { linalg::cholesky(m); });
  expect_error(ErrorCode::kShape, [&] { linalg::det(m); });
  expect_error(ErrorCode::kShape, [&] { linalg::eigh(m); });
  expect_error(ErrorCode::kShape, [&] { linalg::tri_inv(m); });
  expect_error(ErrorCode::kShape, [&] { linalg::qr(v); });
  expect_error(ErrorCode::kShape, [&] { linalg::svd(v); });
  expect_error(ErrorCode::kShape, [&] { linalg::lu(v); });
  expect_error(ErrorCode::kShape, [&] { linalg::pinv(v); });
  expect_error(ErrorCode::kShape, [&] { linalg::solve(s, zeros({3})); });
  expect_error(ErrorCode::kShape, [&] { linalg::solve(s, array(1.0f)); });
  expect_error(ErrorCode::kShape, [&] { linalg::solve(v, v); });
  for (const DType d : {DType::int32, DType::float16, DType::bfloat16, DType::complex64}) {
    expect_error(ErrorCode::kDType, [&] { linalg::inv(astype(s, d)); });
    expect_error(ErrorCode::kDType, [&] { linalg::solve(astype(s, d), v); });
    expect_error(ErrorCode::kDType, [&] { linalg::qr(astype(s, d)); });
    if (d != DType::complex64) expect_error(ErrorCode::kDType, [&] { linalg::svd(astype(s, d)); });
  }
  expect_error(ErrorCode::kDType, [&] { linalg::det(astype(s, DType::complex64)); });
  // Nothing is computed or allocated of what LAPACK cannot count.
  const array huge = broadcast_to(array(1.0f), {int64_t{1} << 31, 2}),
              large = broadcast_to(array(1.0f), {40000, 40000});
  expect_error(ErrorCode::kLimit, [&] { linalg::qr(huge); });
  expect_error(ErrorCode::kLimit, [&] { linalg::svd(large); });
}

}  // namespace
}  // namespace uma
