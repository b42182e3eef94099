// The vectors of floor_divide and remainder give the bits of the scalar functors.
#include <bit>
#include <cmath>
#include <cstring>

#include "ops/elementwise.h"
#include "ops/functors.h"
#include "ops/testing.h"

namespace uma {
namespace {

using namespace uma::testing;

void expect_bits(const std::vector<float>& got, const std::vector<float>& x, const std::vector<float>& y,
                 auto f) {
  for (size_t i = 0; i < got.size(); ++i) {
    const float expected = f(x[i], y[i]);
    if (std::isnan(expected) && std::isnan(got[i])) continue;
    ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(expected))
        << x[i] << " and " << y[i] << ": " << got[i] << ", expected " << expected;
  }
}

TEST(Division, VectorsAgreeWithTheFunctorsBitForBit) {
  constexpr float kBig = std::numeric_limits<float>::max(), kSmall = std::numeric_limits<float>::denorm_min();
  const auto inf = static_cast<float>(kInf), nan = static_cast<float>(kNan);
  const std::vector<float> special{0,    -0.0f, 1,       -1,      3,    -3,    0.1f,  -0.1f,
                                   0.3f, 7,     2097151, 2097152, 1e7f, 1e10f, -1e9f, 1e-30f,
                                   kBig, -kBig, kSmall,  -kSmall, inf,  -inf,  nan,   0x1.fffffep-1f};
  std::vector<float> x, y;
  for (const float a : special)
    for (const float b : special) x.push_back(a), y.push_back(b);
  // Quotients of every size, many of them whole or a rounding away from it.
  uint32_t seed = 1;
  const auto next = [&] { return static_cast<float>((seed = seed * 1664525u + 1013904223u) >> 8); };
  for (int i = 0; i < 40000; ++i) {
    const float b = std::ldexp(next() + 1, -20 + static_cast<int>(next()) % 12);
    const float whole = std::fmod(next(), 5000.0f);
    x.push_back(i % 3 ? std::nextafter(b * whole, i % 3 == 1 ? inf : -inf) : b * whole);
    y.push_back(i % 2 ? b : -b);
  }
  const auto n = static_cast<int64_t>(x.size());
  const array left(std::span<const float>(x), {n}), right(std::span<const float>(y), {n});
  expect_bits(floor_divide(left, right).to_vector<float>(), x, y, functor::FloorDivide{});
  expect_bits(remainder(left, right).to_vector<float>(), x, y, functor::Remainder{});
}

}  // namespace
}  // namespace uma
