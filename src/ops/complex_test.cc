// Derivatives with complex64, by the rules of the rows themselves: jvp against finite differences, and vjp as
// its transpose, Re<conj(g), J t> = Re<conj(vjp g), t>.
#include <gtest/gtest.h>

#include <cmath>

#include "backend/install.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/fft.h"
#include "ops/reduce.h"

namespace uma {
namespace {

using Values = std::vector<std::complex<double>>;

class Complex : public testing::Test {
 protected:
  void SetUp() override { install_backends(); }
};

array of(const Values& v, DType dtype = DType::complex64) {
  std::vector<complex64> f(v.begin(), v.end());
  return astype(array(std::span<const complex64>(f), {static_cast<int64_t>(f.size())}), dtype);
}
Values values(const array& a) {
  const auto v = astype(a, DType::complex64).to_vector<complex64>();
  return Values(v.begin(), v.end());
}
double inner(const Values& a, const Values& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::real(std::conj(a[i]) * b[i]);
  return sum;
}
Values direction(size_t n, double phase, bool real) {
  Values t;
  for (size_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(i) + phase;
    t.emplace_back(std::cos(1.7 * x), real ? 0 : std::sin(2.3 * x));
  }
  return t;
}

// f is one op of the inputs x, each complex64 or float32.
template <class F>
void check_derivatives(std::string_view name, F f, const std::vector<array>& x, double tolerance = 3e-3) {
  const array y = f(x);
  const auto node = y.node();
  ASSERT_TRUE(node && node->op->vjp && node->op->jvp) << name;
  const bool real_out = y.dtype() != DType::complex64;
  const Values g = direction(static_cast<size_t>(y.size()), 0.4, real_out);
  for (int argnum = 0; argnum < static_cast<int>(x.size()); ++argnum) {
    const auto i = static_cast<size_t>(argnum);
    const bool real_in = x[i].dtype() != DType::complex64;
    const Values t = direction(static_cast<size_t>(x[i].size()), 1.1, real_in);
    const std::span<const int> args(&argnum, 1);
    const std::vector<array> outs{y}, tangents{of(t, x[i].dtype())}, cotangents{of(g, y.dtype())};
    const array moved = node->op->jvp(*node, outs, tangents, args)[0];
    const array back = node->op->vjp(*node, outs, cotangents, args)[0];
    EXPECT_EQ(moved.dtype(), y.dtype()) << name;
    EXPECT_EQ(astype(back, x[i].dtype()).shape(), x[i].shape()) << name;
    constexpr double kStep = 4e-3;
    const auto at = [&](double h) {
      Values v = values(x[i]);
      for (size_t k = 0; k < v.size(); ++k) v[k] += h * t[k];
      auto inputs = x;
      inputs[i] = of(v, x[i].dtype());
      return values(f(inputs));
    };
    const Values up = at(kStep), down = at(-kStep), slope = values(moved);
    for (size_t k = 0; k < slope.size(); ++k)
      EXPECT_LT(std::abs(slope[k] - (up[k] - down[k]) / (2 * kStep)), tolerance * (1 + std::abs(slope[k])))
          << name;
    // A real input takes the real part of what comes back.
    const double a = inner(g, slope), b = inner(values(astype(back, x[i].dtype())), t);
    EXPECT_NEAR(a, b, 1e-4 * (1 + std::abs(a))) << name << " argument " << argnum;
  }
}

const Values kX = {{0.3, 0.4}, {-1.2, 0.7}, {0.5, -0.9}, {1.4, 0.2}},
             kY = {{1.1, -0.4}, {0.2, 0.6}, {-0.8, 0.5}, {0.7, 0.9}};

TEST_F(Complex, DerivativesOfUnaryOps) {
  std::apply(
      [](const auto&... row) {
        const auto one = [](const auto& r) {
          using F = typename std::decay_t<decltype(r)>::Functor;
          if (!functor::takes_complex<F> || r.op->dtype == DTypeRule::boolean || r.op == &kRound) return;
          check_derivatives(
              r.op->name, [&](const std::vector<array>& x) { return unary_function(*r.op)(x[0]); }, {of(kX)});
        };
        (one(row), ...);
      },
      kUnaryOps);
}

TEST_F(Complex, DerivativesOfBinaryOps) {
  std::apply(
      [](const auto&... row) {
        const auto one = [](const auto& r) {
          using F = typename std::decay_t<decltype(r)>::Functor;
          if (!functor::takes_complex<F> || r.op->dtype == DTypeRule::boolean) return;
          check_derivatives(r.op->name,
                            [&](const std::vector<array>& x) { return binary_function(*r.op)(x[0], x[1]); },
                            {of(kX), of(kY)});
        };
        (one(row), ...);
      },
      kBinaryOps);
}

TEST_F(Complex, DerivativesOfParts) {
  check_derivatives("make_complex", [](const std::vector<array>& x) { return make_complex(x[0], x[1]); },
                    {of(kX, DType::float32), of(kY, DType::float32)});
  check_derivatives("sum", [](const std::vector<array>& x) { return sum(x[0], {0}, true); }, {of(kX)});
  check_derivatives("prod", [](const std::vector<array>& x) { return prod(x[0], {0}, true); }, {of(kX)});
}

TEST_F(Complex, DirectionAtZeroIsFlat) {
  const array x = of({{0, 0}}), y = abs(x);
  const std::vector<array> outs{y}, g{array({1.0f})};
  const int argnum = 0;
  EXPECT_EQ(kAbs.vjp(*y.node(), outs, g, std::span<const int>(&argnum, 1))[0].to_vector<complex64>()[0],
            complex64(0));
}

TEST_F(Complex, DerivativesOfTransforms) {
  for (const int64_t n : {1, 2, 5, 6, 8}) {
    const Values x = direction(static_cast<size_t>(n), 0.2, false),
                 h = direction(static_cast<size_t>(n / 2 + 1), 0.7, false);
    for (const auto norm : {fft::Norm::backward, fft::Norm::ortho, fft::Norm::forward}) {
      check_derivatives("fft", [&](const std::vector<array>& v) { return fft::fft(v[0], {}, -1, norm); },
                        {of(x)});
      check_derivatives("ifft", [&](const std::vector<array>& v) { return fft::ifft(v[0], {}, -1, norm); },
                        {of(x)});
      check_derivatives("rfft", [&](const std::vector<array>& v) { return fft::rfft(v[0], {}, -1, norm); },
                        {of(x, DType::float32)});
      check_derivatives("irfft", [&](const std::vector<array>& v) { return fft::irfft(v[0], n, -1, norm); },
                        {of(h)});
    }
  }
}

}  // namespace
}  // namespace uma
