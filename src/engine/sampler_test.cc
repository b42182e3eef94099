#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "base/error.h"
#include "grammar/matcher.h"

namespace uma {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

SamplingOptions greedy() {
  SamplingOptions o;
  o.temperature = 0;
  return o;
}
/// Draws from everything, so that a test can turn on one rule at a time.
SamplingOptions plain() {
  SamplingOptions o;
  o.temperature = 1;
  o.top_k = 0;
  o.top_p = 1;
  o.min_p = 0;
  return o;
}
std::map<int32_t, int> histogram(const SamplingOptions& options, const std::vector<float>& logits, int n) {
  Sampler sampler(options, static_cast<int64_t>(logits.size()));
  std::map<int32_t, int> counts;
  for (int i = 0; i < n; ++i) ++counts[sampler.sample(logits)];
  return counts;
}
std::string error_of(const SamplingOptions& options, const std::vector<float>& logits) {
  try {
    Sampler(options, static_cast<int64_t>(logits.size())).sample(logits);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Sampler, GreedyTakesTheLargestAndTheFirstOfEquals) {
  Sampler sampler(greedy(), 4);
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 3, 2, 3}), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{-kInf, -5, -4, -kInf}), 2);
}

TEST(Sampler, AMaskForbidsWhateverElseIsSaid) {
  TokenMask mask(70);
  mask.allow(3);
  mask.allow(69);
  std::vector<float> logits(72, 1);  // two more than the vocabulary has tokens
  logits[0] = 9;
  logits[3] = -2;
  logits[69] = -1;
  logits[71] = 8;
  Sampler likeliest(greedy(), 72);
  EXPECT_EQ(likeliest.sample(logits, &mask), 69);
  EXPECT_EQ(likeliest.sample(logits), 0);
  SamplingOptions hot = plain();
  hot.temperature = 50;
  hot.repeat_penalty = 0.5;
  hot.logit_bias = {{0, 90}};
  Sampler drawing(hot, 72);
  std::map<int32_t, int> counts;
  for (int i = 0; i < 400; ++i) {
    const int32_t token = drawing.sample(logits, &mask);
    drawing.accept(token);
    ++counts[token];
  }
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_GT(counts[3], 50);
  hot.logit_bias = {{3, -kInf}, {69, -kInf}};
  EXPECT_THROW(Sampler(hot, 72).sample(logits, &mask), Error);
}

TEST(Sampler, DrawsFollowTheProbabilities) {
  const std::vector<float> logits{std::log(0.5f), std::log(0.3f), std::log(0.2f), -kInf};
  auto counts = histogram(plain(), logits, 20000);
  EXPECT_NEAR(counts[0] / 20000.0, 0.5, 0.02);
  EXPECT_NEAR(counts[1] / 20000.0, 0.3, 0.02);
  EXPECT_NEAR(counts[2] / 20000.0, 0.2, 0.02);
  EXPECT_EQ(counts.count(3), 0u);
}

TEST(Sampler, TemperatureSharpens) {
  SamplingOptions o = plain();
  o.temperature = 0.5f;  // squares the odds: 4 to 1 becomes 16 to 1
  auto counts = histogram(o, {std::log(0.8f), std::log(0.2f)}, 20000);
  EXPECT_NEAR(counts[0] / 20000.0, 16.0 / 17, 0.01);
}

TEST(Sampler, TopKKeepsKWhateverTheirOrder) {
  SamplingOptions o = plain();
  o.top_k = 2;
  const auto counts = histogram(o, {1, 5, 1, 5.5f, 0, 2}, 500);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(1) && counts.contains(3));
  o.top_k = 100;  // more than there are
  EXPECT_GT(histogram(o, {1, 1, 1}, 500).size(), 2u);
}

TEST(Sampler, TopPKeepsTheFewestThatReachP) {
  SamplingOptions o = plain();
  const std::vector<float> logits{std::log(0.1f), std::log(0.45f), std::log(0.15f), std::log(0.3f)};
  o.top_p = 0.7f;
  const auto counts = histogram(o, logits, 500);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(1) && counts.contains(3));
  o.top_p = 0;  // always at least one
  EXPECT_EQ(histogram(o, logits, 100).size(), 1u);
}

TEST(Sampler, TopPOverALargeFlatVocabulary) {
  SamplingOptions o = plain();
  o.top_p = 0.5f;
  const std::vector<float> logits(3000, 0.f);
  for (const auto& [token, count] : histogram(o, logits, 2000)) EXPECT_LE(token, 1500);
}

TEST(Sampler, MinPIsRelativeToTheBest) {
  SamplingOptions o = plain();
  o.min_p = 0.25f;
  const auto counts = histogram(o, {std::log(0.6f), std::log(0.2f), std::log(0.1f), std::log(0.1f)}, 500);
  EXPECT_EQ(counts.size(), 2u);
}

TEST(Sampler, PenaltiesHitRecentTokensOnly) {
  SamplingOptions o = greedy();
  o.repeat_penalty = 2;
  o.repeat_last_n = 2;
  Sampler sampler(o, 3);
  const std::vector<float> logits{5, 4, -1};
  EXPECT_EQ(sampler.sample(logits), 0);
  sampler.accept(0);
  EXPECT_EQ(sampler.sample(logits), 1);  // 2.5, 4, -1
  sampler.accept(1);
  EXPECT_EQ(sampler.sample(logits), 0);  // 2.5, 2, -1
  sampler.accept(2);                     // 0 is forgotten
  EXPECT_EQ(sampler.sample(logits), 0);  // 5, 2, -2
  sampler.accept(2);
  sampler.accept(2);
  EXPECT_EQ(sampler.sample(std::vector<float>{-1.5f, -kInf, -1}), 0);  // a negative logit grows: -2
  sampler.reset();
  EXPECT_EQ(sampler.sample(std::vector<float>{-1.5f, -kInf, -1}), 2);
}

TEST(Sampler, PresenceCountsOnceFrequencyEachTime) {
  SamplingOptions o = greedy();
  o.presence_penalty = 1;
  Sampler presence(o, 2);
  presence.accept(0);
  presence.accept(0);
  EXPECT_EQ(presence.sample(std::vector<float>{1.5f, 0}), 0);
  o.presence_penalty = 0;
  o.frequency_penalty = 1;
  Sampler frequency(o, 2);
  frequency.accept(0);
  EXPECT_EQ(frequency.sample(std::vector<float>{1.5f, 0}), 0);
  frequency.accept(0);
  EXPECT_EQ(frequency.sample(std::vector<float>{1.5f, 0}), 1);
}

TEST(Sampler, RecentTokensMayBeAllOrNone) {
  SamplingOptions o = greedy();
  o.frequency_penalty = 1;
  o.repeat_last_n = -1;
  Sampler all(o, 2);
  for (int i = 0; i < 300; ++i) all.accept(0);
  EXPECT_EQ(all.sample(std::vector<float>{299, 0}), 1);
  o.repeat_last_n = 0;
  Sampler none(o, 2);
  none.accept(0);
  EXPECT_EQ(none.sample(std::vector<float>{0.5f, 0}), 0);
}

TEST(Sampler, LogitBiasAddsAndForbids) {
  SamplingOptions o = greedy();
  o.logit_bias = {{0, -kInf}, {2, 3}};
  Sampler sampler(o, 3);
  EXPECT_EQ(sampler.sample(std::vector<float>{9, 2, 0}), 2);
}

TEST(Sampler, OneSeedOneAnswer) {
  SamplingOptions o = plain();
  const std::vector<float> logits(50, 0.f);
  const auto draw = [&](uint64_t seed) {
    o.seed = seed;
    Sampler sampler(o, 50);
    std::vector<int32_t> tokens;
    for (int i = 0; i < 8; ++i) tokens.push_back(sampler.sample(logits));
    return tokens;
  };
  EXPECT_EQ(draw(7), draw(7));
  EXPECT_NE(draw(7), draw(8));
  EXPECT_EQ(draw(42), (std::vector<int32_t>{29, 8, 8, 2, 49, 11, 13, 7}));  // the same on every machine
  EXPECT_NE(random_seed(), random_seed());
}

TEST(Sampler, BrokenLogitsAreAnError) {
  const float nan = std::nanf("");
  EXPECT_EQ(
      error_of(greedy(), {1, nan, 2}),
      "[sampling] the logits hold a NaN (the first for token 1): the model's weights or its activations "
      "are broken");
  EXPECT_EQ(error_of(plain(), {1, kInf}),
            "[sampling] the likeliest token, 1, has the logit inf: there is nothing to choose from");
  EXPECT_NE(error_of(plain(), {-kInf, -kInf}), "");
  Sampler sampler(greedy(), 3);
  EXPECT_THROW(sampler.sample(std::vector<float>{1, 2}), Error);
  EXPECT_THROW(sampler.accept(3), Error);
  EXPECT_THROW(sampler.accept(-1), Error);
}

TEST(Sampler, OptionsOutsideTheirRules) {
  const auto refused = [](auto change) {
    SamplingOptions o;
    change(o);
    return error_of(o, {1, 2});
  };
  EXPECT_EQ(refused([](auto& o) { o.temperature = -1; }),
            "[sampling] temperature must be a number of 0 or more, not -1");
  EXPECT_NE(refused([](auto& o) { o.temperature = std::nanf(""); }), "");
  EXPECT_NE(refused([](auto& o) { o.top_k = -1; }), "");
  EXPECT_NE(refused([](auto& o) { o.top_p = 1.5f; }), "");
  EXPECT_NE(refused([](auto& o) { o.min_p = -0.1f; }), "");
  EXPECT_NE(refused([](auto& o) { o.repeat_penalty = 0; }), "");
  EXPECT_NE(refused([](auto& o) { o.presence_penalty = kInf; }), "");
  EXPECT_NE(refused([](auto& o) { o.frequency_penalty = std::nanf(""); }), "");
  EXPECT_NE(refused([](auto& o) { o.repeat_last_n = -2; }), "");
  EXPECT_EQ(refused([](auto& o) {
              o.logit_bias = {{2, 1}};
            }),
            "[sampling] logit_bias names token 2, the vocabulary has 0 to 1");
  EXPECT_NE(refused([](auto& o) { o.logit_bias = {{0, kInf}}; }), "");
  EXPECT_THROW(Sampler(SamplingOptions{}, 0), Error);
}

}  // namespace
}  // namespace uma
