#pragma once
// Derivatives against finite differences, forward mode against reverse mode, vmap against a loop.
#include "ops/creation.h"
#include "ops/reduce.h"
#include "ops/testing.h"
#include "transforms/transforms.h"

namespace uma::testing {

using Fn = std::function<array(const std::vector<array>&)>;

inline Function many(const Fn& f) {
  return [f](const std::vector<array>& x) { return std::vector<array>{f(x)}; };
}

/// Central differences of sum(weights * f(x)) in one argument, element by element, in f64.
inline std::vector<double> differences(const Fn& f, std::vector<array> x, size_t argument,
                                       const std::vector<double>& weights, double h = 1e-6) {
  std::vector<double> base = values_of(x[argument]), slopes(base.size());
  const Shape shape = x[argument].shape();
  for (size_t i = 0; i < base.size(); ++i) {
    const auto at = [&](double delta) {
      std::vector<double> moved = base;
      moved[i] += delta;
      x[argument] = f64(moved, shape);
      const std::vector<double> y = values_of(f(x));
      double total = 0;
      for (size_t k = 0; k < y.size(); ++k) total += weights[k] * y[k];
      return total;
    };
    slopes[i] = (at(h) - at(-h)) / (2 * h);
  }
  return slopes;
}

/// vjp against finite differences, and jvp against vjp, in the arguments that are f64.
inline void expect_derivatives(const Fn& f, const std::vector<array>& x, double tolerance = 1e-6) {
  const array y = f(x);
  const std::vector<double> weights = random_values(y.size(), 77, 0.5, 1.5);
  const array cotangent = astype(f64(weights, y.shape()), y.dtype());
  const std::vector<array> gradients = vjp(many(f), x, {cotangent}).second;
  std::vector<array> tangents;
  double backward = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    SCOPED_TRACE("argument " + std::to_string(i));
    EXPECT_EQ(gradients[i].shape(), x[i].shape());
    EXPECT_EQ(gradients[i].dtype(), x[i].dtype());
    tangents.push_back(random_array(x[i].shape(), 78 + static_cast<uint32_t>(i), -1, 1, x[i].dtype()));
    const std::vector<double> g = values_of(gradients[i]), t = values_of(tangents[i]);
    if (x[i].dtype() != DType::float64) {
      expect_near(g, std::vector<double>(g.size(), 0.0));
      continue;
    }
    expect_near(g, differences(f, x, i, weights), tolerance, tolerance);
    for (size_t k = 0; k < g.size(); ++k) backward += g[k] * t[k];
  }
  const auto [outputs, forward] = jvp(many(f), x, tangents);
  expect_near(outputs[0], y);
  EXPECT_EQ(forward[0].dtype(), y.dtype());
  const std::vector<double> dy = values_of(forward[0]);
  double along = 0;
  for (size_t k = 0; k < dy.size(); ++k) along += dy[k] * weights[k];
  EXPECT_NEAR(along, backward, 1e-9 * (1 + std::abs(backward)));
}

/// vmap of f over axis `axes[i]` of argument i (-1: not mapped) against a loop over the batch.
inline void expect_vmap(const Fn& f, const std::vector<array>& x, const std::vector<int>& axes,
                        double tolerance = 0) {
  int64_t batch = 0;
  for (size_t i = 0; i < x.size(); ++i)
    if (axes[i] >= 0) batch = x[i].shape(axes[i]);
  std::vector<array> each;
  for (int64_t b = 0; b < batch; ++b) {
    std::vector<array> one;
    for (size_t i = 0; i < x.size(); ++i)
      one.push_back(axes[i] < 0 ? x[i] : squeeze(slice_axis(x[i], axes[i], b, b + 1), {axes[i]}));
    each.push_back(f(one));
  }
  expect_near(vmap(many(f), axes)(x)[0], stack(each, 0), tolerance, tolerance);
  const int last = static_cast<int>(each[0].ndim());
  expect_near(vmap(many(f), axes, {last})(x)[0], stack(each, last), tolerance, tolerance);
}

}  // namespace uma::testing
