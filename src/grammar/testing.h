#pragma once
// For the tests of this folder: a vocabulary of bytes and common pieces, and a model that draws evenly from
// what it may say.
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "grammar/matcher.h"
#include "text/tokenizer.h"

namespace uma::testing {

/// Every byte, and pieces as vocabularies have them: of words, of JSON, of two at once.
inline std::shared_ptr<const TokenTrie> test_trie(bool with_bytes = true) {
  struct Held {
    std::vector<std::string> texts;
  };
  auto held = std::make_shared<Held>();
  VocabData data;
  const auto add = [&](std::string token, TokenType type) {
    held->texts.push_back(std::move(token));
    data.types.push_back(static_cast<int32_t>(type));
  };
  add("<s>", TokenType::control);
  add("</s>", TokenType::control);
  if (with_bytes) {
    const char* hex = "0123456789ABCDEF";
    for (int b = 0; b < 256; ++b) add(std::string("<0x") + hex[b / 16] + hex[b % 16] + ">", TokenType::byte);
  }
  for (const char* piece :
       {"{\"",  "\":",         "\": ",  "\",",         "\", \"", "\"}",   "}",    "{",      "[",    "]",
        "[]",   "{}",          "\"",    "\\",          "\\n",    "\\u00", "true", "false",  "null", "tru",
        "name", "na",          "me",    "a",           "b",      "ab",    "abc",  " ",      "  ",   "\n",
        "\n  ", "0",           "1",     "12",          "123",    "-",     ".",    "e",      "00",   "0.5",
        "é",    "日本",        "日",    "},",          "},{",    "]}",    "\"]",  "\"a\":", "1,",   ",2",
        "1}",   "\"x",         "x\"",   "x\",\"y",     "2024-",  "-01-",  "T",    "Z",      "@",    "the",
        "The ", "<tool_call>", "<tool", "</tool_call>"})
    add(piece, TokenType::normal);
  for (const std::string& t : held->texts) data.tokens.push_back(t);
  data.scores.assign(data.tokens.size(), 0);
  data.model = "llama";
  data.bos = 0;
  data.eos = 1;
  data.unk = 0;
  data.keep_alive = held;
  return std::make_shared<const TokenTrie>(*Tokenizer::make(std::move(data)));
}

struct Drawn {
  std::string text;
  bool ended = false;  // by itself
};

/// What a model says that knows nothing. Throws what the matcher throws.
inline Drawn draw_text(const std::shared_ptr<const Grammar>& grammar,
                       const std::shared_ptr<const TokenTrie>& trie, uint64_t seed, int max_tokens = 2000) {
  std::mt19937_64 random(seed);
  GrammarMatcher matcher(grammar, trie);
  Drawn out;
  for (int i = 0; i < max_tokens; ++i) {
    const auto mask = matcher.mask();
    if (matcher.is_complete() && (matcher.is_finished() || random() % 3 == 0)) {
      EXPECT_TRUE(mask->allows(trie->end_tokens()[0]));
      out.ended = true;
      return out;
    }
    EXPECT_EQ(mask->allows(trie->end_tokens()[0]), matcher.is_complete());
    std::vector<int32_t> allowed;
    for (int32_t t = 0; t < trie->vocab_size(); ++t)
      if (mask->allows(t) && !trie->is_end(t)) allowed.push_back(t);
    if (allowed.empty()) {
      ADD_FAILURE() << "nothing is allowed after " << out.text;
      return out;
    }
    // Half of the draws like to come to an end.
    int32_t token = allowed[random() % allowed.size()];
    if (random() % 2 == 0)
      for (const int32_t t : allowed)
        if (const auto bytes = trie->bytes_of(t); bytes == "\"" || bytes == "}" || bytes == "]") token = t;
    matcher.accept(token);
    out.text += trie->bytes_of(token);
  }
  return out;
}

/// The sentence of the error that f throws; "" for none.
template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace uma::testing
