// The gated delta rule against a loop in f64, and its rules.
#include "fast/gated_delta.h"

#include "backend/cpu/isa/testing.h"
#include "ops/creation.h"
#include "ops/indexing.h"
#include "ops/shape.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using namespace testing;

struct Case {
  int64_t batch, tokens, keys, heads, dk, dv;
  bool columns = false, state = true, mask = false;
};

struct Inputs {
  array q, k, v, gamma, beta;
  std::optional<array> state, mask;
};

Inputs inputs_of(const Case& c, DType dtype) {
  auto make = [&, seed = uint32_t{1}](const Shape& shape, double lo, double hi, DType d) mutable {
    return random_array(shape, seed++, lo, hi, d);
  };
  Inputs x{make({c.batch, c.tokens, c.keys, c.dk}, -1, 1, dtype),
           make({c.batch, c.tokens, c.keys, c.dk}, -0.5, 0.5, dtype),
           make({c.batch, c.tokens, c.heads, c.dv}, -1, 1, dtype),
           make(c.columns ? Shape{c.batch, c.tokens, c.heads, c.dk} : Shape{c.batch, c.tokens, c.heads}, 0.5,
                1, dtype),
           make({c.batch, c.tokens, c.heads}, 0, 1, dtype),
           {},
           {}};
  if (c.state) x.state = make({c.batch, c.heads, c.dv, c.dk}, -1, 1, dtype);
  if (c.mask) x.mask = greater(make({c.batch, c.tokens}, 0, 1, DType::float32), array(0.4f));
  return x;
}

/// Outputs, then the state, one number after the other.
std::vector<double> by_loop(const Case& c, const Inputs& x) {
  const auto q = values_of(x.q), k = values_of(x.k), v = values_of(x.v), gamma = values_of(x.gamma),
             beta = values_of(x.beta), seen = x.mask ? values_of(*x.mask) : std::vector<double>();
  std::vector<double> s = x.state ? values_of(*x.state)
                                  : std::vector<double>(static_cast<size_t>(c.batch * c.heads * c.dv * c.dk));
  std::vector<double> out(v.size());
  const auto at = [](int64_t i) { return static_cast<size_t>(i); };
  for (int64_t b = 0; b < c.batch; ++b)
    for (int64_t t = 0; t < c.tokens; ++t) {
      if (x.mask && seen[at(b * c.tokens + t)] == 0) continue;
      for (int64_t h = 0; h < c.heads; ++h) {
        const int64_t head = (b * c.tokens + t) * c.heads + h;
        const int64_t key = ((b * c.tokens + t) * c.keys + h / (c.heads / c.keys)) * c.dk;
        for (int64_t r = 0; r < c.dv; ++r) {
          double* row = &s[at(((b * c.heads + h) * c.dv + r) * c.dk)];
          double found = 0, o = 0;
          for (int64_t i = 0; i < c.dk; ++i) {
            row[i] *= gamma[at(c.columns ? head * c.dk + i : head)];
            found += row[i] * k[at(key + i)];
          }
          for (int64_t i = 0; i < c.dk; ++i) {
            row[i] += beta[at(head)] * (v[at(head * c.dv + r)] - found) * k[at(key + i)];
            o += row[i] * q[at(key + i)];
          }
          out[at(head * c.dv + r)] = o;
        }
      }
    }
  out.insert(out.end(), s.begin(), s.end());
  return out;
}

std::vector<double> results(const Inputs& x) {
  const auto [o, state] = gated_delta_update(x.q, x.k, x.v, x.gamma, x.beta, x.state, x.mask);
  std::vector<double> all = values_of(o);
  const std::vector<double> rest = values_of(state);
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

constexpr Case kCases[] = {{1, 1, 1, 1, 1, 1},
                           {2, 5, 2, 4, 8, 6},
                           {1, 3, 1, 2, 33, 17, true},
                           {2, 4, 2, 2, 16, 20, true, false},
                           {2, 6, 1, 3, 7, 40, false, false, true},
                           {1, 9, 2, 4, 130, 3, true, true, true}};

TEST(GatedDelta, IsTheLoop) {
  for_each_isa([] {
    for (const Case& c : kCases)
      for (const auto& [dtype, tolerance] : {std::pair{DType::float32, 2e-6}, {DType::float64, 1e-13}}) {
        SCOPED_TRACE(fmt::format("{} {} {} {}", c.tokens, c.dk, c.dv, name_of(dtype)));
        const Inputs x = inputs_of(c, dtype);
        expect_close(results(x), by_loop(c, x), tolerance);
      }
  });
}

TEST(GatedDelta, HalvesAreSummedInF32) {
  const Case c{2, 5, 2, 4, 64, 16};
  const Inputs x = inputs_of(c, DType::bfloat16);
  const auto [o, state] = gated_delta_update(x.q, x.k, x.v, x.gamma, x.beta, x.state);
  EXPECT_EQ(o.dtype(), DType::bfloat16);
  EXPECT_EQ(state.dtype(), DType::float32);
  expect_close(results(x), by_loop(c, x), 4e-3);
  const std::vector<double> expected = by_loop(c, x);
  expect_close(values_of(state), {expected.begin() + o.size(), expected.end()}, 1e-5);
}

TEST(GatedDelta, WhatTheMaskHidesMayBeAnything) {
  const Case c{1, 4, 1, 1, 4, 4, false, true, true};
  Inputs x = inputs_of(c, DType::float32);
  const std::vector<double> expected = results(x);
  const array hidden = reshape(logical_not(*x.mask), {1, 4, 1, 1});
  const array bad(std::numeric_limits<float>::quiet_NaN());
  x.k = where(hidden, bad, x.k);
  x.v = where(hidden, bad, x.v);
  expect_close(results(x), expected, 0);
}

TEST(GatedDelta, OddLayoutsAndNoTokens) {
  const Case c{2, 3, 2, 2, 8, 8};
  Inputs x = inputs_of(c, DType::float32);
  const std::vector<double> expected = results(x);
  x.q = swapaxes(contiguous(swapaxes(x.q, 1, 3)), 1, 3);
  x.state = swapaxes(contiguous(swapaxes(*x.state, -1, -2)), -1, -2);
  expect_close(results(x), expected, 1e-6);
  const auto none = [](const array& a) { return slice_axis(a, 1, 0, 0); };
  const auto [o, state] =
      gated_delta_update(none(x.q), none(x.k), none(x.v), none(x.gamma), none(x.beta), x.state);
  EXPECT_EQ(o.shape(), (Shape{2, 0, 2, 8}));
  expect_close(values_of(state), values_of(*x.state), 0);
}

TEST(GatedDelta, Rules) {
  const auto flat = [](const std::vector<array>& v) {
    const auto [o, state] = gated_delta_update(v[0], v[1], v[2], v[3], v[4], v[5]);
    return concatenate({flatten(o), flatten(state)});
  };
  for (const bool columns : {false, true}) {
    const Inputs x = inputs_of({1, 3, 1, 2, 2, 3, columns}, DType::float64);
    expect_derivatives(flat, {x.q, x.k, x.v, x.gamma, x.beta, *x.state}, 1e-5);
    const Inputs y = inputs_of({2, 3, 1, 2, 2, 3, columns}, DType::float64);
    const auto stacked = [](const array& a) { return expand_dims(a, {1}); };
    expect_vmap(flat, {stacked(y.q), stacked(y.k), stacked(y.v), x.gamma, stacked(y.beta), *x.state},
                {0, 0, 0, -1, 0, -1}, 1e-12);
  }
}

TEST(GatedDelta, WhatDoesNotFit) {
  const Inputs x = inputs_of({2, 3, 2, 4, 8, 6}, DType::float32);
  const auto with = [&](auto change) {
    Inputs y = x;
    change(y);
    gated_delta_update(y.q, y.k, y.v, y.gamma, y.beta, y.state, y.mask);
  };
  const auto cut = [](const array& a, int axis) { return slice_axis(a, axis, 0, 1); };
  expect_error(ErrorCode::kShape, [&] { with([&](Inputs& y) { y.k = cut(y.k, 1); }); });
  expect_error(ErrorCode::kShape, [&] { with([&](Inputs& y) { y.v = cut(y.v, 2); }); });
  expect_error(ErrorCode::kShape, [&] { with([&](Inputs& y) { y.gamma = cut(y.gamma, 1); }); });
  expect_error(ErrorCode::kShape, [&] { with([&](Inputs& y) { y.beta = cut(y.beta, 2); }); });
  expect_error(ErrorCode::kShape, [&] { with([&](Inputs& y) { y.state = cut(*y.state, 3); }); });
  expect_error(ErrorCode::kShape, [&] { with([&](Inputs& y) { y.mask = zeros({3}, DType::bool_); }); });
  expect_error(ErrorCode::kDType, [&] { with([&](Inputs& y) { y.mask = zeros({2, 3}); }); });
  expect_error(ErrorCode::kDType,
               [&] { with([&](Inputs& y) { y.beta = astype(y.beta, DType::complex64); }); });
}

}  // namespace
}  // namespace uma
