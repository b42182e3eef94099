#include <gtest/gtest.h>

#include <algorithm>

#include "core/eval.h"
#include "fast/kv8.h"
#include "fast/testing.h"
#include "infer/kv_cache.h"
#include "infer/linear.h"
#include "infer/norm.h"
#include "ops/creation.h"
#include "ops/indexing.h"
#include "ops/matmul.h"
#include "ops/shape.h"

namespace uma::infer {
namespace {

using testing::as_doubles;
using testing::expect_close;
using testing::expect_error;
using testing::random_array;

QuantizedMatrix matrix(int64_t rows, int64_t cols, uint32_t seed) {
  const auto values = random_array({rows, cols}, seed).to_vector<float>();
  const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
  return {array(std::span<const uint8_t>(bytes, values.size() * 4), {rows, cols * 4}), QuantFormat::F32, rows,
          cols};
}

array full(const QuantizedMatrix& w) {
  return swapaxes(dequantize(w), 0, 1);
}

TEST(Linear, IsAProductAndABias) {
  const Linear layer{.weight = matrix(5, 12, 1), .bias = random_array({5}, 2)};
  const array x = random_array({2, 3, 12}, 3);
  const array expected = add(matmul(x, full(layer.weight)), *layer.bias);
  EXPECT_EQ(layer(x).shape(), (Shape{2, 3, 5}));
  expect_close(as_doubles(layer(x)), as_doubles(expected), 1e-5);
  const Linear bare{.weight = layer.weight};
  expect_close(as_doubles(bare(x)), as_doubles(matmul(x, full(layer.weight))), 1e-5);

  const Linear other{.weight = matrix(7, 12, 4)};
  const Linear* both[] = {&layer, &other};
  const auto together = apply_together(x, both);
  ASSERT_EQ(together.size(), 2u);
  EXPECT_EQ(together[0].to_vector<float>(), layer(x).to_vector<float>());
  EXPECT_EQ(together[1].to_vector<float>(), other(x).to_vector<float>());

  const Linear wrong{.weight = layer.weight, .bias = random_array({4}, 2)};
  expect_error(ErrorCode::kShape, [&] { wrong(x); });
  expect_error(ErrorCode::kInvalidArgument, [&] { apply_together(x, {}); });
}

TEST(Embedding, IsATableAndItsOwnHead) {
  const Embedding table{.weight = matrix(9, 8, 1)};
  const array rows = table(array({3, 0}, Shape{1, 2}));
  EXPECT_EQ(rows.shape(), (Shape{1, 2, 8}));
  expect_close(as_doubles(rows), as_doubles(take(dequantize(table.weight), array({3, 0}, Shape{1, 2}), 0)),
               0);
  EXPECT_EQ(table.as_linear(rows).shape(), (Shape{1, 2, 9}));
  expect_close(as_doubles(table.as_linear(rows)), as_doubles(matmul(rows, full(table.weight))), 1e-5);
}

TEST(Norm, LayersAreTheirOps) {
  const array x = random_array({2, 30}, 1), w = random_array({30}, 2), b = random_array({30}, 3);
  const auto rms = as_doubles(RMSNorm{w, 1e-6f}(x)), layer = as_doubles(LayerNorm{w, b, 1e-6f}(x));
  const auto v = as_doubles(x), weight = as_doubles(w), bias = as_doubles(b);
  for (size_t r = 0; r < 60; r += 30) {
    double mean = 0, squares = 0;
    for (size_t i = 0; i < 30; ++i) mean += v[r + i] / 30, squares += v[r + i] * v[r + i] / 30;
    for (size_t i = 0; i < 30; ++i) {
      EXPECT_NEAR(rms[r + i], v[r + i] / std::sqrt(squares + 1e-6) * weight[i], 1e-6);
      EXPECT_NEAR(layer[r + i],
                  (v[r + i] - mean) / std::sqrt(squares - mean * mean + 1e-6) * weight[i] + bias[i], 2e-6);
    }
  }
}

TEST(KVCache, ReturnsEverythingSoFar) {
  for (const DType dtype : {DType::float16, DType::bfloat16, DType::float32}) {
    KVCache cache(dtype);
    std::vector<array> ks, vs;
    for (const int64_t t : {5, 1, 1, 250, 1, 300, 1, 0, 700}) {
      const uint32_t seed = static_cast<uint32_t>(ks.size());
      ks.push_back(random_array({1, 2, t, 8}, seed));
      vs.push_back(random_array({1, 2, t, 4}, 100 + seed));
      const auto [k, v] = cache.update_and_fetch(ks.back(), vs.back());
      eval(std::vector<array>{k, v});
      EXPECT_EQ(k.dtype(), dtype);
      EXPECT_EQ(k.shape(), (Shape{1, 2, cache.offset(), 8}));
      EXPECT_EQ(v.shape(), (Shape{1, 2, cache.offset(), 4}));
      EXPECT_EQ(as_doubles(k), as_doubles(astype(concatenate(ks, 2), dtype)));
      EXPECT_EQ(as_doubles(v), as_doubles(astype(concatenate(vs, 2), dtype)));
    }
    EXPECT_EQ(cache.offset(), 1259);
    EXPECT_GE(cache.capacity(), 1259);
    EXPECT_EQ(cache.nbytes(), cache.capacity() * 2 * 12 * size_of(dtype));
  }
}

TEST(KVCache, EightBits) {
  KVCache cache(DType::uint8);
  const array k = random_array({1, 2, 5, 64}, 1), more = random_array({1, 2, 300, 64}, 2);
  cache.update_and_fetch(k, k);
  const auto [keys, values] = cache.update_and_fetch(more, more);
  EXPECT_EQ(keys.shape(), (Shape{1, 2, 305, kv8_bytes(64)}));
  EXPECT_EQ(as_doubles(values), as_doubles(quantize_kv(concatenate({k, more}, 2))));
  EXPECT_EQ(cache.nbytes(), cache.capacity() * 2 * 2 * kv8_bytes(64));
  expect_error(ErrorCode::kShape, [&] { cache.update_and_fetch(random_array({1, 2, 1, 30}, 1), k); });
}

TEST(KVCache, WritesInPlaceAndTakesNoMoreMemory) {
  KVCache cache;
  cache.reserve(600);
  const array k = random_array({1, 2, 1, 64}, 1), v = random_array({1, 2, 1, 64}, 2);
  const void *keys = nullptr, *values = nullptr;
  size_t peak = 0;
  for (int i = 0; i < 600; ++i) {
    reset_peak_memory();
    const auto [ks, vs] = cache.update_and_fetch(k, v);
    eval(std::vector<array>{ks, vs});
    if (i == 1) {
      keys = ks.bytes();
      values = vs.bytes();
      peak = get_peak_memory();
    } else if (i > 1) {
      ASSERT_EQ(ks.bytes(), keys) << i;
      ASSERT_EQ(vs.bytes(), values) << i;
      ASSERT_LE(get_peak_memory(), peak) << i;
    }
  }
  EXPECT_EQ(cache.capacity(), 768);
}

TEST(KVCache, MemoryThatAnotherLeftIsZeroed) {
  const auto zeros_in = [](const array& x) { return std::count(x.bytes(), x.bytes() + x.nbytes(), 0); };
  for (const DType dtype : {DType::float16, DType::float32, DType::uint8}) {
    int64_t bytes = 0;
    {
      KVCache secret(dtype);
      const array k = uma::full({1, 2, 300, 64}, 7.0);
      const auto [ks, vs] = secret.update_and_fetch(k, k);
      eval(std::vector<array>{ks, vs});
      bytes = secret.keys()->nbytes();
      EXPECT_LT(zeros_in(*secret.keys()), bytes);
    }
    KVCache cache(dtype);
    cache.reserve(300);
    const array one = zeros({1, 2, 1, 64});
    const auto [ks, vs] = cache.update_and_fetch(one, one);
    eval(std::vector<array>{ks, vs});
    for (const array& held : {*cache.keys(), *cache.values()}) {
      ASSERT_EQ(held.nbytes(), bytes);
      EXPECT_EQ(zeros_in(held), bytes) << name_of(dtype);
    }
  }
}

TEST(KVCache, EarlierViewsKeepTheirValues) {
  // Someone still holds the last views: the next update must not write into them.
  KVCache cache(DType::float32);
  const array one = random_array({1, 1, 3, 4}, 1);
  const auto [k, v] = cache.update_and_fetch(one, one);
  k.eval();
  const auto before = k.to_vector<float>();
  cache.trim(3);
  const array two = random_array({1, 1, 3, 4}, 2);
  const auto [k2, v2] = cache.update_and_fetch(two, two);
  EXPECT_EQ(k2.to_vector<float>(), two.to_vector<float>());
  EXPECT_EQ(k.to_vector<float>(), before);
}

TEST(KVCache, UnevaluatedStepsAddUp) {
  KVCache cache(DType::float32);
  std::vector<array> all, fetched;
  for (uint32_t i = 0; i < 5; ++i) {
    all.push_back(random_array({1, 2, 2, 4}, i));
    fetched.push_back(cache.update_and_fetch(all.back(), all.back()).first);
  }
  eval(fetched);
  for (size_t i = 0; i < 5; ++i) {
    const std::vector<array> so_far(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    EXPECT_EQ(fetched[i].to_vector<float>(), concatenate(so_far, 2).to_vector<float>());
  }
}

TEST(KVCache, Trims) {
  KVCache cache(DType::float32);
  const array a = random_array({1, 1, 6, 4}, 1), b = random_array({1, 1, 2, 4}, 2);
  cache.update_and_fetch(a, a);
  EXPECT_EQ(cache.trim(2), 2);
  EXPECT_EQ(cache.offset(), 4);
  const auto [k, v] = cache.update_and_fetch(b, b);
  EXPECT_EQ(k.to_vector<float>(),
            concatenate({slice(a, {0, 0, 0, 0}, {1, 1, 4, 4}), b}, 2).to_vector<float>());
  EXPECT_EQ(cache.trim(100), 6);
  EXPECT_EQ(cache.offset(), 0);
  EXPECT_EQ(cache.trim(1), 0);
}

TEST(KVCache, RefusesWhatDoesNotFit) {
  const array k = random_array({1, 2, 3, 4}, 1);
  expect_error(ErrorCode::kDType, [] { KVCache cache(DType::int8); });
  KVCache cache;
  expect_error(ErrorCode::kShape, [&] { cache.update_and_fetch(random_array({2, 3, 4}, 1), k); });
  expect_error(ErrorCode::kShape, [&] {
    cache.update_and_fetch(random_array({2, 2, 3, 4}, 1), random_array({2, 2, 3, 4}, 1));
  });
  expect_error(ErrorCode::kShape, [&] { cache.update_and_fetch(k, random_array({1, 2, 2, 4}, 1)); });
  expect_error(ErrorCode::kShape, [&] { cache.update_and_fetch(k, random_array({1, 1, 3, 4}, 1)); });
  expect_error(ErrorCode::kDType, [&] {
    cache.update_and_fetch(k, random_array({1, 2, 3, 4}, 1, DType::int32));
  });
  cache.update_and_fetch(k, k);
  expect_error(ErrorCode::kShape, [&] {
    cache.update_and_fetch(random_array({1, 3, 3, 4}, 1), random_array({1, 3, 3, 4}, 1));
  });
  expect_error(ErrorCode::kShape, [&] { cache.update_and_fetch(k, random_array({1, 2, 3, 5}, 1)); });
  expect_error(ErrorCode::kInvalidArgument, [&] { cache.reserve(-1); });
  expect_error(ErrorCode::kInvalidArgument, [&] { cache.trim(-1); });
  EXPECT_EQ(cache.offset(), 3);  // and it goes on
  cache.update_and_fetch(k, k);
  EXPECT_EQ(cache.offset(), 6);
}

}  // namespace
}  // namespace uma::infer
