// Masks: against the definition token by token, and by texts that a model without knowledge says under them.
#include "grammar/matcher.h"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <regex>

#include "grammar/testing.h"

namespace uma {
namespace {

using testing::draw_text;
using testing::error_of;
using testing::test_trie;
using Json = nlohmann::json;

/// An own reading of the specification, for what the random schemas below use.
bool valid(const Json& s, const Json& v, const Json& root) {
  if (s.is_boolean()) return s.get<bool>();
  const auto type_is = [&](const std::string& t) {
    if (t == "integer") return v.is_number_integer();
    if (t == "number") return v.is_number();
    if (t == "string") return v.is_string();
    if (t == "boolean") return v.is_boolean();
    if (t == "null") return v.is_null();
    return t == "object" ? v.is_object() : v.is_array();
  };
  if (s.contains("$ref") && !valid(root["$defs"]["r"], v, root)) return false;
  if (s.contains("type") && !type_is(s["type"])) return false;
  if (s.contains("const") && s["const"] != v) return false;
  if (s.contains("enum") && std::find(s["enum"].begin(), s["enum"].end(), v) == s["enum"].end()) return false;
  if (s.contains("anyOf") &&
      std::none_of(s["anyOf"].begin(), s["anyOf"].end(), [&](const Json& p) { return valid(p, v, root); }))
    return false;
  if (v.is_number()) {
    const double x = v.get<double>();
    if (s.contains("minimum") && x < s["minimum"].get<double>()) return false;
    if (s.contains("maximum") && x > s["maximum"].get<double>()) return false;
    if (s.contains("exclusiveMinimum") && x <= s["exclusiveMinimum"].get<double>()) return false;
  }
  if (v.is_string()) {
    const std::string t = v.get<std::string>();
    const auto length =
        static_cast<size_t>(std::count_if(t.begin(), t.end(), [](char c) { return (c & 0xc0) != 0x80; }));
    if (length < s.value("minLength", size_t{0}) || length > s.value("maxLength", SIZE_MAX)) return false;
    if (s.contains("pattern") && !std::regex_search(t, std::regex(s["pattern"].get<std::string>())))
      return false;
  }
  if (v.is_array()) {
    if (v.size() < s.value("minItems", size_t{0}) || v.size() > s.value("maxItems", SIZE_MAX)) return false;
    for (size_t i = 0; i < v.size(); ++i) {
      const bool prefix = s.contains("prefixItems") && i < s["prefixItems"].size();
      if (prefix && !valid(s["prefixItems"][i], v[i], root)) return false;
      if (!prefix && s.contains("items") && !valid(s["items"], v[i], root)) return false;
    }
  }
  if (v.is_object()) {
    if (s.contains("required"))
      for (const Json& name : s["required"])
        if (!v.contains(name.get<std::string>())) return false;
    for (const auto& [name, value] : v.items()) {
      const bool named = s.contains("properties") && s["properties"].contains(name);
      if (named && !valid(s["properties"][name], value, root)) return false;
      if (!named && s.contains("additionalProperties") && !valid(s["additionalProperties"], value, root))
        return false;
    }
  }
  return true;
}

class RandomSchemas {
 public:
  explicit RandomSchemas(uint64_t seed) : random_(seed) {}

  Json make() {
    Json s = schema(3);
    if (s.is_object()) s["$defs"]["r"] = {{"type", "object"}, {"properties", {{"a", schema(1)}}}};
    return s;
  }

 private:
  uint64_t below(uint64_t n) { return random_() % n; }
  Json schema(int depth) {
    switch (below(depth > 0 ? 13 : 8)) {
      case 0:
        return {{"type", "boolean"}};
      case 1: {
        const int low = static_cast<int>(below(300)) - 150;
        return {{"type", "integer"}, {"minimum", low}, {"maximum", low + static_cast<int>(below(400))}};
      }
      case 2:
        return {{"type", "number"},
                {below(2) ? "minimum" : "exclusiveMinimum", static_cast<double>(below(40)) / 4 - 5}};
      case 3: {
        const uint64_t min = below(4);
        return {{"type", "string"}, {"minLength", min}, {"maxLength", min + below(9)}};
      }
      case 4:
        return {{"type", "string"},
                {"pattern",
                 std::vector<const char*>{"^[a-c]+$", "^(ab|\\d{2})*$", "x\"?y", "^\\w{2,4}"}[below(4)]}};
      case 5:
        return {{"enum", {"a", "ab", 1, 12, nullptr, "é\"\n"}}};
      case 6:
        return {{"type", "null"}};
      case 7:
        return {{"type", "string"}};
      case 8:
        return {{"anyOf", {schema(depth - 1), schema(depth - 1), schema(depth - 1)}}};
      case 9: {
        const uint64_t min = below(3);
        return {
            {"type", "array"}, {"items", schema(depth - 1)}, {"minItems", min}, {"maxItems", min + below(4)}};
      }
      case 10:
        return {{"type", "array"},
                {"prefixItems", {schema(depth - 1), schema(depth - 1)}},
                {"items", schema(depth - 1)},
                {"maxItems", 1 + below(4)}};
      case 11:
        return {{"$ref", "#/$defs/r"}};
      default: {
        Json s{{"type", "object"}, {"properties", Json::object()}};
        for (const char* name : {"a", "ab", "b", "é\"", "name"})
          if (below(2)) s["properties"][name] = schema(depth - 1);
        for (const auto& [name, value] : s["properties"].items())
          if (below(2)) s["required"].push_back(name);
        if (below(3) == 0) s["additionalProperties"] = below(2) ? Json(false) : schema(0);
        return s;
      }
    }
  }
  std::mt19937_64 random_;
};

TEST(Matcher, WhatEndsByItselfIsValid) {
  const auto trie = test_trie();
  int ended = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const Json schema = RandomSchemas(seed).make();
    const std::string text = schema.dump();
    const auto grammar = Grammar::from_json_schema(text);
    for (uint64_t draw = 0; draw < 3; ++draw) {
      const auto said = draw_text(grammar, trie, seed * 10 + draw);
      if (!said.ended) continue;
      ++ended;
      const Json value = Json::parse(said.text, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << text << "\n" << said.text;
      ASSERT_TRUE(valid(schema, value, schema)) << text << "\n" << said.text;
      ASSERT_TRUE(grammar->matches(said.text));
    }
  }
  EXPECT_GT(ended, 1000);
}

void expect_masks_are_right(const std::shared_ptr<const Grammar>& grammar,
                            const std::shared_ptr<const TokenTrie>& trie, uint64_t seed) {
  std::mt19937_64 random(seed);
  GrammarMatcher matcher(grammar, trie);
  std::string said;
  for (int step = 0; step < 60 && !matcher.is_finished(); ++step) {
    const auto mask = matcher.mask();
    std::vector<int32_t> allowed;
    for (int32_t t = 0; t < trie->vocab_size(); ++t) {
      GrammarMatcher fork = matcher;
      const bool fits = error_of([&] { fork.accept(t); }).empty();
      ASSERT_EQ(mask->allows(t), fits) << said << " + " << trie->bytes_of(t);
      if (fits && !trie->is_end(t)) allowed.push_back(t);
    }
    ASSERT_FALSE(allowed.empty());
    const int32_t token = allowed[random() % allowed.size()];
    matcher.accept(token);
    said += trie->bytes_of(token);
  }
}

TEST(Matcher, AMaskIsWhatCanBeAccepted) {
  const auto trie = test_trie();
  for (uint64_t seed = 0; seed < 6; ++seed) {
    expect_masks_are_right(Grammar::from_json_schema(RandomSchemas(seed).make().dump()), trie, seed);
    expect_masks_are_right(Grammar::json(), trie, seed);
    expect_masks_are_right(
        Grammar::from_gbnf(
            "root ::= e\ne ::= t ([-+] t)*\nt ::= [0-9]+ | \"(\" e \")\" | n\nn ::= \"a\" n \"b\" | \"ab\""),
        trie, seed);
    expect_masks_are_right(Grammar::from_regex("(a|ab|abc)*|.{0,5}日+"), trie, seed);
  }
}

TEST(Matcher, AnswersThatAreCutCanBeFinished) {
  const auto trie = test_trie();
  const auto grammar = Grammar::from_json_schema(
      R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"},"maxItems":3}},"required":["a"]})");
  GrammarMatcher matcher(grammar, trie);
  for (const char c : std::string(R"({"a":[1)")) {
    EXPECT_FALSE(matcher.is_complete());
    matcher.accept(static_cast<unsigned char>(c) + 2);
  }
  GrammarMatcher fork = matcher;
  for (const char c : std::string("2,3]}")) fork.accept(static_cast<unsigned char>(c) + 2);
  EXPECT_TRUE(fork.is_finished());
  EXPECT_FALSE(matcher.is_complete());
  EXPECT_TRUE(matcher.mask()->allows(']' + 2));
}

TEST(Matcher, SaysWhatCannotBeSpelled) {
  const auto grammar = Grammar::from_regex("q+");
  GrammarMatcher matcher(grammar, test_trie(false));
  EXPECT_NE(error_of([&] { matcher.mask(); }).find("vocabulary"), std::string::npos);
  GrammarMatcher other(grammar, test_trie());
  EXPECT_NE(error_of([&] { other.accept(0); }).find("does not fit"), std::string::npos);
  EXPECT_NE(error_of([&] { other.accept(-1); }).find("does not fit"), std::string::npos);
  EXPECT_NE(error_of([&] { other.accept(1); }).find("does not fit"), std::string::npos);
  EXPECT_NE(error_of([] { GrammarMatcher(nullptr, nullptr); }).find("needs"), std::string::npos);
}

TEST(Matcher, DeepNestingAndManyAnswersStayBounded) {
  const auto trie = test_trie();
  const auto grammar = Grammar::json();
  GrammarMatcher matcher(grammar, trie);
  for (const char c : std::string("{\"a\":")) matcher.accept(static_cast<unsigned char>(c) + 2);
  for (int i = 0; i < 20'000; ++i) {
    matcher.accept('[' + 2);
    if (i % 1000 == 0) {
      ASSERT_TRUE(matcher.mask()->allows('[' + 2));
    }
  }
  for (int i = 0; i < 20'000; ++i) matcher.accept(']' + 2);
  matcher.accept('}' + 2);
  EXPECT_TRUE(matcher.is_finished());
}

TEST(Matcher, AmbiguityIsBounded) {
  const auto trie = test_trie();
  const auto grammar = Grammar::from_regex("(a|a|aa|a?a?){0,2000}");
  GrammarMatcher matcher(grammar, trie);
  const auto start = std::chrono::steady_clock::now();
  error_of([&] {
    for (int i = 0; i < 50; ++i) {
      matcher.mask();
      matcher.accept('a' + 2);
    }
  });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

}  // namespace
}  // namespace uma
