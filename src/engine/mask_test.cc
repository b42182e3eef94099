// Masks over a vocabulary as models have them.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "engine/clock.h"
#include "grammar/matcher.h"
#include "models/vocab.h"
#include "text/tokenizer.h"

namespace uma {
namespace {

struct Costs {
  double first_ms = 0, again_ms = 0, worst_ms = 0;  // of a mask; the first two are means
  size_t tokens = 0;
};

/// Follows a text token by token, twice.
Costs costs_of(const std::shared_ptr<const Grammar>& grammar, const std::shared_ptr<const TokenTrie>& trie,
               const std::vector<int32_t>& tokens) {
  Costs costs{.tokens = tokens.size()};
  for (double* total : {&costs.first_ms, &costs.again_ms}) {
    GrammarMatcher matcher(grammar, trie);
    for (const int32_t token : tokens) {
      const auto start = Clock::now();
      const auto mask = matcher.mask();
      const double ms = seconds_since(start) * 1e3;
      *total += ms / static_cast<double>(tokens.size());
      costs.worst_ms = std::max(costs.worst_ms, ms);
      EXPECT_TRUE(mask->allows(token)) << trie->bytes_of(token);
      matcher.accept(token);
    }
    EXPECT_TRUE(matcher.is_complete());
  }
  return costs;
}

TEST(Masks, OfALargeVocabularyAreCheap) {
  const char* data = std::getenv("UMA_TEST_DATA");
  if (!data || !*data) GTEST_SKIP() << "UMA_TEST_DATA is not set: it names the folder with vocab/*.gguf";
  const auto vocabulary = load_vocabulary(std::string(data) + "/vocab/qwen2.gguf");
  auto start = Clock::now();
  const auto trie = TokenTrie::of(vocabulary->tokenizer);
  EXPECT_EQ(TokenTrie::of(vocabulary->tokenizer), trie);
  std::printf("tree of %zu nodes in %.0f ms\n", trie->nodes().size(), seconds_since(start) * 1e3);
  const char* schema =
      R"({"type":"object","properties":{"name":{"type":"string"},"bio":{"type":"string","maxLength":300},
    "tags":{"type":"array","items":{"type":"string","maxLength":20},"maxItems":50},"age":{"type":"integer","minimum":0,"maximum":150},
    "address":{"type":"object","properties":{"street":{"type":"string"},"zip":{"type":"string","pattern":"^[0-9]{5}$"}},"required":["street","zip"]}},
    "required":["name","bio","tags","age","address"]})";
  const std::string text =
      R"({"name": "Ada Lovelace", "bio": "She wrote the first program for a machine that was never built, and she knew what it would mean. Größe, 日本語, \"quotes\" and\nlines.", "tags": ["mathematics", "poetry", "engines", "London", "notes"], "age": 36, "address": {"street": "St. James's Square 12", "zip": "12345"}})";
  const auto tokens = vocabulary->tokenizer->encode(text);
  const std::pair<const char*, std::shared_ptr<const Grammar>> grammars[] = {
      {"schema", Grammar::from_json_schema(schema)}, {"json", Grammar::json()}};
  for (const auto& [name, grammar] : grammars) {
    const Costs costs = costs_of(grammar, trie, tokens);
    std::printf("%s: %zu tokens, a mask costs %.3f ms the first time, %.4f ms again, %.2f ms at worst\n",
                name, costs.tokens, costs.first_ms, costs.again_ms, costs.worst_ms);
    EXPECT_LT(costs.again_ms, 1);
    EXPECT_LT(costs.first_ms, 20);
  }
}

}  // namespace
}  // namespace uma
