#include "ops/matmul.h"
#include "ops/creation.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using namespace uma::testing;

// x (b, m, k) times y (b, k, n), plainly.
std::vector<double> loop(const array& x, const array& y) {
  const std::vector<double> a = values_of(x), b = values_of(y);
  const auto batch = x.shape(0), m = x.shape(1), k = x.shape(2), n = y.shape(2);
  std::vector<double> out;
  for (int64_t t = 0; t < batch; ++t)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double total = 0;
        for (int64_t l = 0; l < k; ++l)
          total += a[static_cast<size_t>((t * m + i) * k + l)] * b[static_cast<size_t>((t * k + l) * n + j)];
        out.push_back(total);
      }
  return out;
}

double tolerance(DType d) {
  return d == DType::float64 ? 1e-13 : d == DType::float32 ? 2e-6 : d == DType::float16 ? 1e-3 : 8e-3;
}

TEST(Matmul, DtypesAndSizes) {
  for (const DType d : {DType::float32, DType::float64, DType::float16, DType::bfloat16})
    for (const auto& [m, n, k] : {std::array<int64_t, 3>{1, 1, 1},
                                  {1, 17, 33},
                                  {17, 1, 5},
                                  {3, 5, 0},
                                  {0, 5, 3},
                                  {5, 0, 3},
                                  {33, 31, 16},
                                  {70, 65, 130},
                                  {16, 16, 1}}) {
      SCOPED_TRACE(std::string(name_of(d)) + " " + std::to_string(m) + " " + std::to_string(n) + " " +
                   std::to_string(k));
      const array x = random_array({2, m, k}, 1, -1, 1, d), y = random_array({2, k, n}, 2, -1, 1, d);
      const array z = matmul(x, y);
      EXPECT_EQ(z.dtype(), d);
      expect_near(values_of(z), loop(x, y), tolerance(d),
                  tolerance(d) * std::sqrt(static_cast<double>(k + 1)));
    }
}

TEST(Matmul, EveryLayout) {
  for (const DType d : {DType::float32, DType::float64, DType::float16}) {
    const array x = random_array({2, 5, 6}, 1, -1, 1, d), y = random_array({2, 6, 3}, 2, -1, 1, d);
    for (const array& a : layouts_of(x))
      for (const array& b : layouts_of(y))
        expect_near(values_of(matmul(a, b)), loop(x, y), tolerance(d), 4 * tolerance(d));
    const array thin = slice_axis(x, -1, 2, 3), flat = slice_axis(y, 1, 4, 5);  // one column, one row
    expect_near(values_of(matmul(thin, flat)), loop(contiguous(thin), contiguous(flat)), tolerance(d),
                tolerance(d));
    const array t = matmul(swapaxes(y, 1, 2), swapaxes(x, 1, 2));
    expect_near(values_of(swapaxes(t, 1, 2)), loop(x, y), tolerance(d), 4 * tolerance(d));
  }
}

TEST(Matmul, BroadcastsAndTakesVectors) {
  const array x = random_array({2, 1, 3, 4}, 1), y = random_array({5, 4, 2}, 2), v = random_array({4}, 3);
  EXPECT_EQ(matmul(x, y).shape(), (Shape{2, 5, 3, 2}));
  expect_near(squeeze(slice(matmul(x, y), {1, 3, 0, 0}, {2, 4, 3, 2}), {0, 1}),
              matmul(squeeze(slice_axis(x, 0, 1, 2)), squeeze(slice_axis(y, 0, 3, 4))), 1e-14);
  EXPECT_EQ(matmul(v, v).shape(), Shape{});
  expect_near(matmul(v, v), sum(v * v), 1e-14);
  expect_near(matmul(v, y), sum(expand_dims(v, {1}) * y, {1}), 1e-13);
  expect_near(matmul(x, v), sum(x * v, {-1}), 1e-13);
  EXPECT_EQ(matmul(astype(v, DType::float16), astype(v, DType::bfloat16)).dtype(), DType::float32);
}

TEST(Matmul, NanAndInfinityPassThrough) {
  const array x = f64({kInf, 1, kNan, 1}, {2, 2}), one = f64({1, 0, 1, 1}, {2, 2});
  for (const DType d : {DType::float32, DType::float64})
    expect_near(values_of(matmul(astype(x, d), astype(one, d))), {kInf, kNan, kNan, kNan});
}

TEST(Matmul, Refuses) {
  expect_error(ErrorCode::kShape, [] { matmul(array(1.f), array({1.f})); });
  expect_error(ErrorCode::kShape, [] { matmul(zeros({2, 3}), zeros({2, 3})); });
  expect_error(ErrorCode::kShape, [] { matmul(zeros({2, 2, 3}), zeros({3, 3, 3})); });
  expect_error(ErrorCode::kDType, [] { matmul(zeros({2}, DType::int32), zeros({2}, DType::int32)); });
}

TEST(Matmul, Rules) {
  const Fn f = [](const std::vector<array>& v) { return matmul(v[0], v[1]); };
  const array x = random_array({3, 4}, 1), y = random_array({4, 2}, 2), v = random_array({4}, 3);
  expect_derivatives(f, {x, y});
  expect_derivatives(f, {random_array({2, 1, 3, 4}, 4), random_array({2, 4, 2}, 5)});
  expect_derivatives(f, {v, y});
  expect_derivatives(f, {x, v});
  expect_derivatives(f, {v, v});
  expect_derivatives([](const std::vector<array>& a) { return matmul(a[0], transpose(a[0])); }, {x});
  const array xs = random_array({3, 5, 4}, 6), ys = random_array({4, 2, 5}, 7), vs = random_array({5, 4}, 8);
  expect_vmap(f, {xs, y}, {1, -1}, 1e-14);
  expect_vmap(f, {x, ys}, {-1, 2}, 1e-14);
  expect_vmap(f, {xs, ys}, {1, 2}, 1e-14);
  expect_vmap(f, {vs, vs}, {0, 0}, 1e-14);
  expect_vmap(f, {vs, y}, {0, -1}, 1e-14);
  expect_vmap(f, {xs, v}, {1, -1}, 1e-14);
}

}  // namespace
}  // namespace uma
