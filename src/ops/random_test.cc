#include "ops/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/install.h"
#include "base/thread_pool.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma::random {
namespace {

class Random : public testing::Test {
 protected:
  void SetUp() override { install_backends(); }
  void TearDown() override { set_num_threads(0); }
};

// threefry-2x32 of 20 rounds as its authors write it, one block.
std::pair<uint32_t, uint32_t> block(const std::vector<uint32_t>& key, uint32_t x, uint32_t y) {
  const uint32_t keys[] = {key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA};
  const int turns[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  x += keys[0];
  y += keys[1];
  for (uint32_t round = 0; round < 5; ++round) {
    for (const int turn : turns[round % 2]) {
      x += y;
      y = (y << turn | y >> (32 - turn)) ^ x;
    }
    x += keys[(round + 1) % 3];
    y += keys[(round + 2) % 3] + round + 1;
  }
  return {x, y};
}

TEST_F(Random, BlockIsThatOfThePaper) {
  EXPECT_EQ(block({0, 0}, 0, 0), std::make_pair(0x6b200159u, 0x99ba4efeu));
  EXPECT_EQ(block({0x13198a2e, 0x03707344}, 0x243f6a88, 0x85a308d3),
            std::make_pair(0xc4923a9cu, 0x483df7a0u));
}

TEST_F(Random, BitsOfEveryLengthAndWidth) {
  const array k = key(0x123456789abcdef);
  const auto words_of = k.to_vector<uint32_t>();
  EXPECT_EQ(words_of, (std::vector<uint32_t>{0x1234567, 0x89abcdef}));
  for (const int64_t n : {1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 66, 67, 1001}) {
    const uint32_t half = static_cast<uint32_t>(n / 2), odd = n % 2;
    std::vector<uint32_t> want(static_cast<size_t>(n));
    for (uint32_t i = 0; i < half; ++i)
      std::tie(want[i], want[i + half + odd]) = block(words_of, i, i + half + odd);
    if (odd) want[half] = block(words_of, half, 0).first;
    EXPECT_EQ(bits({n}, 4, k).to_vector<uint32_t>(), want) << n;
    for (const int64_t missing : {0, 1, 2, 3}) {  // bytes of the same words
      const int64_t bytes = 4 * n - missing;
      const auto got = bits({bytes}, 1, k).to_vector<uint8_t>();
      EXPECT_EQ(0, std::memcmp(got.data(), want.data(), static_cast<size_t>(bytes))) << n;
    }
    const auto got = bits({2 * n - 1}, 2, k).to_vector<uint16_t>();
    EXPECT_EQ(0, std::memcmp(got.data(), want.data(), got.size() * 2)) << n;
  }
  EXPECT_EQ(bits({0, 3}, 4, k).size(), 0);
}

TEST_F(Random, NumbersDoNotDependOnThreads) {
  const array k = key(3);
  const auto draw = [&] {
    return std::make_tuple(bits({100003}, 4, k).to_vector<uint32_t>(),
                           uniform({100002}, DType::float32, k).to_vector<float>(),
                           normal({65537}, DType::float32, {}, {}, k).to_vector<float>());
  };
  set_num_threads(1);
  const auto one = draw();
  for (const int threads : {2, 3, 7}) {
    set_num_threads(threads);
    EXPECT_EQ(draw(), one) << threads;
  }
}

TEST_F(Random, KernelsAgreeWithTheirFallbacks) {
  const array k = key(5);
  const array u = uniform(-2.5, 7, {1001}, DType::float32, k);
  const auto drawn = u.node();  // evaluation lets go of it
  EXPECT_EQ(uniform_fallback(*drawn, drawn->inputs)[0].to_vector<float>(), u.to_vector<float>());
  const array z = normal({100001}, DType::float32, {}, {}, k);
  const auto want = normal_fallback(*z.node(), z.node()->inputs)[0].to_vector<float>();
  const auto got = z.to_vector<float>();
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 2.4e-7 * std::abs(want[i]));
}

TEST_F(Random, NormalIsTheInverseOfItsDistribution) {
  const array k = key(6);
  const array z = normal({200001}, DType::float32, {}, {}, k);
  const auto u = uniform(-0x1.fffffep-1, 1, {200001}, DType::float32, k).to_vector<float>();
  const auto got = z.to_vector<float>();
  for (size_t i = 0; i < u.size(); ++i) {
    // erf is known to f64; the slope turns an error of z into one of u.
    const double y = got[i] / std::sqrt(2.0), slope = 2 / std::sqrt(M_PI) * std::exp(-y * y);
    const double miss = u[i] > 0 ? (1 - static_cast<double>(u[i])) - std::erfc(y)
                                 : std::erfc(-y) - (1 + static_cast<double>(u[i]));
    EXPECT_LE(std::abs(miss), 1.6e-7 * std::abs(y) * slope) << u[i];
  }
}

TEST_F(Random, KeysAsABatch) {
  const array keys = split(key(9), 5);
  const array one = uniform({7}, DType::float32, key(1));
  const std::vector<array> batch{keys};
  const int axis = 0;
  const auto [outs, axes] = draw_vmap(*one.node(), batch, std::span<const int>(&axis, 1));
  ASSERT_EQ(outs[0].shape(), (Shape{5, 7}));
  const auto all = outs[0].to_vector<float>();
  const auto k = keys.to_vector<uint32_t>();
  for (size_t i = 0; i < 5; ++i) {
    const array own({k[2 * i], k[2 * i + 1]}, Shape{2});
    EXPECT_EQ(uniform({7}, DType::float32, own).to_vector<float>(),
              std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(7 * i),
                                 all.begin() + static_cast<std::ptrdiff_t>(7 * i + 7)));
  }
}

TEST_F(Random, StateIsSplit) {
  seed(5);
  const auto both = split(key(5)).to_vector<uint32_t>();
  const auto drawn = next_key().to_vector<uint32_t>();
  EXPECT_EQ(drawn, (std::vector<uint32_t>{both[2], both[3]}));
  EXPECT_EQ(state().to_vector<uint32_t>(), (std::vector<uint32_t>{both[0], both[1]}));
  set_state(key(5));
  EXPECT_EQ(next_key().to_vector<uint32_t>(), drawn);
}

TEST_F(Random, PermutationHoldsEachOnce) {
  auto p = permutation(1000, key(2)).to_vector<uint32_t>();
  std::sort(p.begin(), p.end());
  for (uint32_t i = 0; i < 1000; ++i) EXPECT_EQ(p[i], i);
}

TEST_F(Random, WrongCalls) {
  EXPECT_THROW(uniform({-1}), Error);
  EXPECT_THROW(uniform({2}, DType::int32), Error);
  EXPECT_THROW(uniform({2}, DType::float32, array({1.0f, 2.0f})), Error);
  EXPECT_THROW(bits({2}, 3), Error);
  EXPECT_THROW(randint(array(0), array(3), {2}, DType::float32), Error);
  EXPECT_THROW(bernoulli(array(1)), Error);
  EXPECT_THROW(set_state(array({1, 2, 3})), Error);
}

}  // namespace
}  // namespace uma::random
