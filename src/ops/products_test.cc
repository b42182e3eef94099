#include "ops/products.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/einsum.h"
#include "ops/search.h"
#include "ops/shape.h"
#include "ops/sort.h"
#include "ops/testing.h"

namespace uma {
namespace {

using testing::code_of;
using testing::values_of;
using Values = std::vector<double>;

array random_array(Shape shape, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<double> draw(-1, 1);
  std::vector<double> values(static_cast<size_t>(num_elements(shape)));
  for (double& v : values) v = draw(generator);
  return array(std::span<const double>(values), shape);
}

void expect_near(const Values& a, const Values& b, double tolerance = 1e-12) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance) << i;
}

TEST(Einsum, ChainAgainstLoops) {
  const array a = random_array({2, 3}, 1), b = random_array({3, 4}, 2), c = random_array({4, 5}, 3);
  const Values x = values_of(a), y = values_of(b), z = values_of(c);
  Values expected(10);
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < 3; ++j)
      for (size_t k = 0; k < 4; ++k)
        for (size_t l = 0; l < 5; ++l) expected[l * 2 + i] += x[i * 3 + j] * y[j * 4 + k] * z[k * 5 + l];
  const array out = einsum("ij,jk,kl->li", {a, b, c});
  EXPECT_EQ(out.shape(), (Shape{5, 2}));
  expect_near(values_of(out), expected);
}

TEST(Einsum, DiagonalsBroadcastsAndOrders) {
  const array a = random_array({3, 3}, 4), v = random_array({3}, 5), t = random_array({2, 1, 3}, 6);
  const Values x = values_of(a), w = values_of(v), s = values_of(t);
  expect_near(values_of(einsum("ii", {a})), {x[0] + x[4] + x[8]});
  expect_near(values_of(einsum("ii,i->i", {a, v})), {x[0] * w[0], x[4] * w[1], x[8] * w[2]});
  EXPECT_EQ(einsum("...j,kj->...k", {t, a}).shape(), (Shape{2, 1, 3}));
  EXPECT_EQ(einsum("b...,c->c...b", {t, v}).shape(), (Shape{3, 1, 3, 2}));
  expect_near(values_of(einsum("abc->", {t})), {s[0] + s[1] + s[2] + s[3] + s[4] + s[5]});
}

TEST(Einsum, SaysWhatIsWrong) {
  const array a = random_array({2, 3}, 1);
  for (const char* bad : {"i1", "ijk", "ij,jk", "ij->ik", "ij->ii", "i..j", "ij->ij->"})
    EXPECT_EQ(code_of([&] { einsum(bad, {a}); }), ErrorCode::kInvalidArgument) << bad;
  EXPECT_EQ(code_of([&] { einsum("ij,jk", {a, a}); }), ErrorCode::kShape);
  EXPECT_EQ(code_of([&] { einsum("ii", {a}); }), ErrorCode::kShape);
}

TEST(EinsumPath, TakesTheCheapProductFirst) {
  const auto [path, text] = einsum_path("ij,jk,kl->il", {zeros({30, 4}), zeros({4, 50}), zeros({50, 6})});
  EXPECT_EQ(path, (std::vector<std::vector<int>>{{1, 2}, {0, 1}}));
  EXPECT_NE(text.find("Naive FLOP count:  108000"), std::string::npos) << text;
}

TEST(Products, KronTensordotInner) {
  EXPECT_EQ(values_of(kron(array{1.0f, 2.0f}, array{3.0f, 4.0f})), (Values{3, 4, 6, 8}));
  const array a = random_array({2, 3, 4}, 7), b = random_array({4, 3}, 8);
  expect_near(values_of(tensordot(a, b, {1, 2}, {1, 0})), values_of(einsum("ijk,kj->i", {a, b})));
  expect_near(values_of(inner(a, transpose(b))), values_of(einsum("ijk,lk->ijl", {a, transpose(b)})));
  expect_near(values_of(vecdot(a, a)), values_of(einsum("ijk,ijk->ij", {a, a})));
  EXPECT_EQ(code_of([&] { tensordot(a, b, 3); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { addmm(a, b, transpose(b)); }), ErrorCode::kShape);
}

TEST(Hadamard, IsOrthogonal) {
  for (const int64_t n : {1, 2, 64, 128, 12, 40, 56}) {
    const array h = hadamard_transform(eye(n, n, 0, DType::float64));
    expect_near(values_of(einsum("ij,kj->ik", {h, h})), values_of(eye(n)));
  }
  EXPECT_EQ(code_of([] { hadamard_transform(zeros({6})); }), ErrorCode::kInvalidArgument);
}

TEST(Search, MedianSearchsortedUnique) {
  const float nan = std::nanf("");
  EXPECT_EQ(values_of(median(array{4, 1, 3, 2})), Values{2.5});
  EXPECT_TRUE(std::isnan(values_of(median(array{1.0f, nan, 3.0f}))[0]));
  EXPECT_EQ(code_of([] { median(zeros({0})); }), ErrorCode::kInvalidArgument);
  const array keys{1.0f, 2.0f, 2.0f, nan};
  EXPECT_EQ(values_of(searchsorted(keys, array{0.0f, 2.0f, 3.0f, nan})), (Values{0, 1, 3, 3}));
  EXPECT_EQ(values_of(searchsorted(keys, array{0.0f, 2.0f, 3.0f, nan}, "right")), (Values{0, 3, 3, 4}));
  const array reals = random_array({3, 5}, 9), edges = sort(flatten(random_array({37}, 10)));
  for (const char* side : {"left", "right"}) {
    const array found = searchsorted(edges, reals, side);
    const auto plain = searchsorted_fallback(*found.node(), std::array{edges, reals});
    EXPECT_EQ(values_of(found), values_of(plain[0])) << side;
  }
  const Unique u = unique(array{2, 1, 2, 3, 1}, 4, array(9));
  EXPECT_EQ(values_of(u.values), (Values{1, 2, 3, 9}));
  EXPECT_EQ(values_of(u.index), (Values{1, 0, 3, 1}));
  EXPECT_EQ(values_of(u.inverse), (Values{1, 0, 1, 2, 0}));
  EXPECT_EQ(values_of(u.counts), (Values{2, 2, 1, 0}));
}

TEST(Search, CloseAndEqual) {
  const float inf = HUGE_VALF, nan = std::nanf("");
  const array a{1.0f, inf, inf, nan, 3.0f}, b{1.000001f, inf, 1.0f, nan, inf};
  EXPECT_EQ(values_of(isclose(a, b)), (Values{1, 1, 0, 0, 0}));
  EXPECT_EQ(values_of(isclose(a, b, 1e-5, 1e-8, true)), (Values{1, 1, 0, 1, 0}));
  EXPECT_EQ(values_of(isclose(array(uint8_t{3}), array(uint8_t{4}), 0, 1)), Values{1});
  EXPECT_FALSE(array_equal(zeros({2}), zeros({3})).item<bool>());
  EXPECT_TRUE(array_equal(zeros({2}), zeros({2}, DType::int8)).item<bool>());
}

TEST(Windows, AreSymmetric) {
  for (const int64_t n : {1, 2, 7, 32}) {
    for (array (*window)(int64_t) : {&hamming, &hanning, &blackman, &bartlett}) {
      const Values w = values_of(window(n));
      for (size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(w[i], w[w.size() - 1 - i], 1e-7);
    }
  }
  expect_near(values_of(hamming(3)), {0.08, 1, 0.08}, 1e-7);
  EXPECT_EQ(hanning(-1).size(), 0);
}

}  // namespace
}  // namespace uma
