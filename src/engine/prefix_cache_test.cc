#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace uma {
namespace {

class Fake final : public Cache {
 public:
  explicit Fake(int64_t tokens) : tokens_(tokens) {}
  int64_t size() const override { return tokens_; }
  void truncate(int64_t n) override {
    check(n <= tokens_, ErrorCode::kInvalidArgument, "test", "too many");
    tokens_ = n;
  }
  std::unique_ptr<Cache> clone() const override { return std::make_unique<Fake>(tokens_); }
  std::vector<array> arrays() const override { return {}; }
  int64_t nbytes() const override { return 10 * tokens_; }

 private:
  int64_t tokens_;
};

std::vector<int32_t> tokens(int32_t first, int32_t n) {
  std::vector<int32_t> all;
  for (int32_t i = 0; i < n; ++i) all.push_back(first + i);
  return all;
}

TEST(PrefixCache, HitsAreWholeBlocksOfTheSameTenant) {
  PrefixCache cache(4, 1000);
  cache.keep("a", tokens(0, 11), std::make_unique<Fake>(20));
  EXPECT_EQ(cache.bytes(), 80);
  const auto found = [&](const char* tenant, const std::vector<int32_t>& prompt) {
    const auto hit = cache.find(tenant, prompt);
    EXPECT_EQ(hit.cache ? hit.cache->size() : 0, hit.tokens);
    return hit.tokens;
  };
  EXPECT_EQ(found("a", tokens(0, 30)), 8);
  EXPECT_EQ(found("a", tokens(0, 9)), 8);
  EXPECT_EQ(found("a", tokens(0, 8)), 4);  // the last token is always run
  EXPECT_EQ(found("a", tokens(0, 4)), 0);
  EXPECT_EQ(found("a", tokens(1, 20)), 0);
  EXPECT_EQ(found("b", tokens(0, 30)), 0);
}

TEST(PrefixCache, LongerOnesTakeThePlaceOfTheirBeginnings) {
  PrefixCache cache(4, 1000);
  cache.keep("a", tokens(0, 8), std::make_unique<Fake>(8));
  cache.keep("a", tokens(0, 16), std::make_unique<Fake>(16));
  EXPECT_EQ(cache.entries(), 1);
  cache.keep("a", tokens(0, 12), std::make_unique<Fake>(12));
  EXPECT_EQ(cache.entries(), 1);
  EXPECT_EQ(cache.find("a", tokens(0, 30)).tokens, 16);
  cache.keep("b", tokens(0, 8), std::make_unique<Fake>(8));
  EXPECT_EQ(cache.entries(), 2);
}

TEST(PrefixCache, TheLeastRecentlyUsedGoes) {
  PrefixCache cache(4, 100);
  cache.keep("a", tokens(0, 4), std::make_unique<Fake>(4));
  cache.keep("a", tokens(100, 4), std::make_unique<Fake>(4));
  EXPECT_EQ(cache.find("a", tokens(0, 5)).tokens, 4);
  cache.keep("a", tokens(200, 4), std::make_unique<Fake>(4));
  EXPECT_EQ(cache.bytes(), 80);
  EXPECT_EQ(cache.find("a", tokens(0, 5)).tokens, 4);
  EXPECT_EQ(cache.find("a", tokens(100, 5)).tokens, 0);
  cache.keep("a", tokens(300, 40), std::make_unique<Fake>(40));  // more than all of it
  EXPECT_EQ(cache.bytes(), 0);
  PrefixCache none(4, 0);
  none.keep("a", tokens(0, 8), std::make_unique<Fake>(8));
  EXPECT_EQ(none.entries(), 0);
}

}  // namespace
}  // namespace uma
