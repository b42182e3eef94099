// Profile (core/profile.h), with the ops that it is for.
#include "core/profile.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "fast/attention.h"
#include "fast/flops.h"
#include "fast/packed.h"
#include "fast/quantized.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/testing.h"

namespace uma {
namespace {

using testing::random_array;

array f32(const Shape& shape, uint32_t seed) {
  return random_array(shape, seed, -1, 1, DType::float32);
}

const Profile::Row* find(const std::vector<Profile::Row>& rows, std::string_view name) {
  for (const Profile::Row& row : rows)
    if (row.op->name == name) return &row;
  return nullptr;
}

/// What a profile says of computing f().
template <class F>
std::vector<Profile::Row> profiled(F f) {
  Profile profile(flops_of);
  profile.start();
  eval(f());
  profile.stop();
  return profile.rows();
}

TEST(Profile, CountsOpsBytesAndFlops) {
  const array x = f32({64, 32}, 1), y = f32({32, 16}, 2);
  eval(std::vector{x, y});
  const auto rows = profiled([&] { return sum(matmul(x, y) + matmul(x, y)); });
  const Profile::Row* product = find(rows, "matmul");
  ASSERT_TRUE(product);
  EXPECT_EQ(product->count, 2);
  EXPECT_EQ(product->total.flops, 2.0 * 2 * 64 * 32 * 16);
  EXPECT_EQ(product->total.bytes_read, 2 * 4 * (64 * 32 + 32 * 16));
  EXPECT_EQ(product->total.bytes_written, 2 * 4 * 64 * 16);
  EXPECT_GT(product->total.nanoseconds, 0);
  const Profile::Row* plus = find(rows, "add");
  ASSERT_TRUE(plus);
  EXPECT_EQ(plus->total.bytes_read, 2 * 4 * 64 * 16);
  EXPECT_EQ(plus->total.flops, 0);
  for (size_t i = 1; i < rows.size(); ++i)
    EXPECT_GE(rows[i - 1].total.nanoseconds, rows[i].total.nanoseconds);
}

TEST(Profile, ViewsMoveNothingAndRepeatedElementsAreReadOnce) {
  const array x = f32({100}, 1);
  eval(x);
  const auto rows = profiled([&] { return exp(broadcast_to(reshape(x, {100, 1}), {100, 50})); });
  const Profile::Row *view = find(rows, "broadcast_to"), *e = find(rows, "exp");
  ASSERT_TRUE(view && e);
  EXPECT_EQ(view->total.bytes_read + view->total.bytes_written, 0);
  EXPECT_EQ(e->total.bytes_read, 400);
  EXPECT_EQ(e->total.bytes_written, 400 * 50);
}

double flops_of_op(std::string_view name, const array& out) {
  const auto rows = profiled([&] { return out; });
  const Profile::Row* row = find(rows, name);
  return row ? row->total.flops : -1;
}

TEST(Profile, FlopsOfTheProducts) {
  EXPECT_EQ(flops_of_op("matmul", matmul(f32({3, 2, 4}, 1), f32({4, 5}, 2))), 2 * 3 * 2 * 4 * 5);
  const array q = f32({1, 4, 3, 8}, 1), k = f32({1, 2, 5, 8}, 2);
  constexpr std::string_view kAttention = "scaled_dot_product_attention";
  EXPECT_EQ(flops_of_op(kAttention, scaled_dot_product_attention(q, k, k, {.scale = 1})),
            2.0 * 4 * 3 * 5 * 16);
  // Queries see 3, 4 and 5 keys; of them the last two.
  EXPECT_EQ(flops_of_op(kAttention, scaled_dot_product_attention(q, k, k, {.scale = 1, .causal = true})),
            2.0 * 4 * 12 * 16);
  EXPECT_EQ(flops_of_op(kAttention,
                        scaled_dot_product_attention(q, k, k, {.scale = 1, .causal = true, .window = 2})),
            2.0 * 4 * 6 * 16);
  const PackedFormat format = PackedFormat::make("affine", 32, 4);
  const std::vector<array> packed = quantize(f32({6, 64}, 3), format);
  EXPECT_EQ(flops_of_op(kPackedMatmul.name,
                        quantized_matmul(f32({5, 64}, 4), packed[0], packed[1], packed[2], true, format)),
            2.0 * 5 * 64 * 6);
  const array blocks = array(std::span<const uint8_t>(std::vector<uint8_t>(3 * 34, 1)), {3, 34});
  const QuantizedMatrix w{blocks, QuantFormat::Q8_0, 3, 32};
  EXPECT_EQ(flops_of_op("quantized_matmul", quantized_matmul(f32({7, 32}, 5), w)), 2.0 * 7 * 32 * 3);
}

std::vector<array> composed(const Node&, std::span<const array> inputs) {
  return {exp(inputs[0]) * inputs[0]};
}
constexpr OpInfo kComposed{.name = "composed", .args = "x", .fallback = composed};

TEST(Profile, AnOpInsideAnotherCountsForItself) {
  const array x = f32({200, 200}, 1);
  eval(x);
  Profile profile;
  profile.start();
  eval(array::make(x.shape(), x.dtype(), kComposed, {x}));
  profile.stop();
  const auto rows = profile.rows();
  ASSERT_TRUE(find(rows, "composed") && find(rows, "exp") && find(rows, "multiply"));
  int64_t own = 0, whole = 0;
  for (const Profile::Row& row : rows) own += row.total.nanoseconds;
  for (const Profile::Event& e : profile.events())
    if (e.op == &kComposed) whole = e.end - e.begin;
  EXPECT_EQ(own, whole);
}

TEST(Profile, SeesWhatRunsWhileItRuns) {
  const auto one = [] { eval(exp(f32({3}, 1))); };
  Profile first, second;
  one();
  first.start();
  one();
  second.start();
  std::thread(one).join();
  async_eval(std::vector{exp(f32({3}, 2))});
  synchronize();
  first.stop();
  first.stop();
  one();
  second.stop();
  one();
  first.start();
  one();
  first.stop();
  EXPECT_EQ(find(first.rows(), "exp")->count, 4);
  EXPECT_EQ(find(second.rows(), "exp")->count, 3);
  EXPECT_FALSE(Profile::any());
}

TEST(Profile, AnErrorLeavesNothingBehind) {
  constexpr static OpInfo kNone{.name = "none", .args = "x"};
  Profile profile;
  profile.start();
  EXPECT_THROW(eval(array::make({1}, DType::float32, kNone, {f32({1}, 1)})), Error);
  eval(exp(f32({3}, 1)));
  profile.stop();
  EXPECT_FALSE(find(profile.rows(), "none"));
  EXPECT_TRUE(find(profile.rows(), "exp"));
}

TEST(Profile, InWords) {
  Profile profile(flops_of);
  profile.start();
  const array x = f32({16, 16}, 1);
  eval(matmul(x, exp(x)));
  profile.stop();
  const auto json = nlohmann::json::parse(profile.to_json());
  EXPECT_GT(json["wall_seconds"], 0);
  int64_t count = 0;
  for (const auto& op : json["ops"]) {
    count += op["count"].get<int64_t>();
    EXPECT_EQ(op["flops"], op["name"] == "matmul" ? 2 * 16 * 16 * 16 : 0);
  }
  const auto trace = nlohmann::json::parse(profile.to_chrome_trace());
  EXPECT_EQ(trace["traceEvents"].size(), static_cast<size_t>(count));
  for (const auto& e : trace["traceEvents"]) {
    EXPECT_EQ(e["ph"], "X");
    EXPECT_GE(e["ts"], 0);
    EXPECT_GE(e["dur"], 0);
  }
  const std::string text = profile.to_text();
  EXPECT_NE(text.find("matmul"), text.npos);
  EXPECT_NE(text.find("GFLOP/s"), text.npos);
  Profile none;
  EXPECT_EQ(nlohmann::json::parse(none.to_json())["ops"].size(), 0u);
  EXPECT_EQ(nlohmann::json::parse(none.to_chrome_trace())["traceEvents"].size(), 0u);
  EXPECT_NE(none.to_text().find("total"), text.npos);
}

}  // namespace
}  // namespace uma
