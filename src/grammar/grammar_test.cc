// The three notations: what each construct means, and what is refused.
#include "grammar/grammar.h"

#include <gtest/gtest.h>

#include <random>

#include "grammar/testing.h"

namespace uma {
namespace {

using testing::error_of;

void expect_regex(const char* pattern, std::initializer_list<const char*> yes,
                  std::initializer_list<const char*> no) {
  const auto g = Grammar::from_regex(pattern);
  for (const char* t : yes) EXPECT_TRUE(g->matches(t)) << pattern << " should match " << t;
  for (const char* t : no) EXPECT_FALSE(g->matches(t)) << pattern << " should not match " << t;
}

TEST(Regex, MeansWhatItMeansElsewhere) {
  expect_regex("abc", {"abc"}, {"", "ab", "abcd"});
  expect_regex("a|bc|", {"a", "bc", ""}, {"b", "abc"});
  expect_regex("a*b+c?", {"b", "aab", "bbc"}, {"a", "abcc", ""});
  expect_regex("a{2}b{1,3}c{2,}", {"aabcc", "aabbbccc"}, {"abcc", "aabbbbcc", "aabc"});
  expect_regex("(ab){2}", {"abab"}, {"ab", "ababab"});
  expect_regex("[a-c-]x[^a-c]", {"axd", "-x-", "bx日"}, {"dxd", "axa", "ax"});
  expect_regex(R"(\d\D\w\W\s\S)", {"1a_- x"}, {"aa_- x"});
  expect_regex(R"([\d\-]+\.\x41\u00e9\u{1F600})", {"1-2.Aé😀"}, {"1-2xAé😀"});
  expect_regex(".+", {"x", "日本", "\t"}, {"", "a\nb", "\xff"});
  expect_regex("^a$|^b", {"a", "b"}, {"ab"});
  expect_regex("(?:a|(?<n>b)|(?P<m>c))*?", {"", "abc"}, {"d"});
  expect_regex("a{x}{", {"a{x}{"}, {"a"});
  expect_regex("[é-ë]", {"é", "ê", "ë"}, {"è", "e"});
  expect_regex("(a|b)*abb", {"abb", "ababb"}, {"ab", "abba"});
  expect_regex("((a*)*)*b", {"b", "aab"}, {"a"});
}

TEST(Regex, RefusesByName) {
  const auto refused = [](const std::string& pattern, const char* words) {
    const std::string error = error_of([&] { Grammar::from_regex(pattern); });
    EXPECT_NE(error.find(words), std::string::npos) << pattern << ": " << error;
  };
  refused("(?=a)b", "look-around");
  refused("(?<!a)b", "look-around");
  refused(R"((a)\1)", "back references");
  refused(R"(\bx)", "word boundaries");
  refused(R"(\p{L})", "Unicode properties");
  refused("(?i)a", "flags");
  refused("^+", "nothing before it");
  refused("{2}", "nothing before it");
  refused("a**", "quantifier of a quantifier");
  refused("a++", "possessive");
  refused("a{3,2}", "fewer");
  refused("a{0,1000000000}", "over 100000");
  refused("(a{1000}){10000}", "states");
  refused("(a", "'('");
  refused("a)", "')'");
  refused("[a", "'['");
  refused("[b-a]", "range");
  refused("a^b", "anchor");
  refused("a$b", "'$'");
  refused(R"(\ud800)", "no character");
  refused("a\\", "nothing after");
  refused("\xff", "UTF-8");
  refused("[^\\s\\S]", "no text matches");
  refused(std::string(60'000, '('), "nests over");
  refused(std::string(300'000, 'a'), "bytes");
}

TEST(Gbnf, MeansWhatLlamaCppMeans) {
  const auto g = Grammar::from_gbnf(R"g(
# arithmetic
root ::= expr ("\n" | "\x21")   # ends
expr ::= term (
    [-+*/] term   # several
  )*
term ::= num
       | "(" expr ")" | [\u00e9]
num ::= [0-9]{1,3} .?
)g");
  for (const char* t : {"1\n", "1+2*3!", "(1+(22-3))/4!", "é!", "1x\n"}) EXPECT_TRUE(g->matches(t)) << t;
  for (const char* t : {"1", "+!", "(1!", "12345\n", "e!"}) EXPECT_FALSE(g->matches(t)) << t;
  EXPECT_TRUE(Grammar::from_gbnf("root ::= \"a\"{2} \"b\"{,2} \"c\"{1,}")->matches("aac"));
  EXPECT_TRUE(Grammar::from_gbnf("root::=a\na::=[^\"\\\\]+")->matches("xyz"));
  EXPECT_TRUE(Grammar::from_gbnf("root ::= \"a\" root | \"\"")->matches(std::string(1000, 'a')));
  EXPECT_TRUE(Grammar::from_gbnf("root ::= \"(\" root \")\" | \"x\"")->matches("((((x))))"));
}

TEST(Gbnf, RefusesWithTheLine) {
  const auto refused = [](const std::string& text, const char* words) {
    const std::string error = error_of([&] { Grammar::from_gbnf(text); });
    EXPECT_NE(error.find(words), std::string::npos) << text << ": " << error;
  };
  refused("", "'root' is not defined");
  refused("x ::= \"a\"", "'root' is not defined");
  refused("root ::= y", "'y' is not defined");
  refused("root ::= \"a\"\nroot ::= \"b\"", "line 2");
  refused("root ::= root \"a\" | \"b\"", "'root' begins with itself");
  refused("root ::= a\na ::= [x]? b\nb ::= a", "begins with itself");
  refused("root ::= \"a", "without its end");
  refused("root ::= [a", "without its ']'");
  refused("root ::= (\"a\"", "without its ')'");
  refused("root = \"a\"", "'::='");
  refused("root ::= *", "nothing before it");
  refused("root ::= \"a\"{1,0}", "fewer");
  refused("root ::= \"a\"{0,1000000000}", "over 100000");
  refused("root ::= \"a\" )", "should end");
  refused("root ::= <tool>", "tokens");
  refused("root ::= \"a\" root", "no text matches");
  refused("root ::= \"\\q\"", "unknown escape");
  refused("root ::= " + std::string(60'000, '('), "nests over");
  refused("root ::= \"a\"" + std::string(60'000, '*'), "repetitions of repetitions");
}

std::string schema_error(const std::string& schema) {
  return error_of([&] { Grammar::from_json_schema(schema); });
}
void expect_schema(const char* schema, std::initializer_list<const char*> yes,
                   std::initializer_list<const char*> no) {
  const auto g = Grammar::from_json_schema(schema);
  for (const char* t : yes) EXPECT_TRUE(g->matches(t)) << schema << " should allow " << t;
  for (const char* t : no) EXPECT_FALSE(g->matches(t)) << schema << " should not allow " << t;
}

TEST(JsonSchema, Values) {
  expect_schema("true", {"1", "[{\"a\":[null]}]", "\"x\"", "-1.5e3"},
                {"", "{", "[1,]", "01", "\"\n\"", "1e999"});
  expect_schema(R"({"type":"string"})", {R"("")", R"("a\"\u00e9\ud83d\ude00")"},
                {"1", R"("\ud83d")", R"("\x")", "\"\xff\""});
  expect_schema(R"({"type":["integer","null"]})", {"0", "-12", "null"}, {"1.5", "true", "00"});
  expect_schema(R"({"enum":["a",1,null,{"x":[1]}]})", {R"("a")", "1", "null", R"({"x":[1]})"},
                {R"("b")", "2"});
  expect_schema(R"({"type":"string","enum":["a",1,"b"],"minLength":1})", {R"("a")", R"("b")"}, {"1"});
  expect_schema(R"({"const":"é\n"})", {"\"é\\n\""}, {"\"e\""});
  expect_schema(R"({"type":"string","minLength":2,"maxLength":3})",
                {R"("ab")", R"("日本語")", R"("\u0041\n")"}, {R"("a")", R"("abcd")"});
  expect_schema(R"({"type":"string","pattern":"^[a-z\"]+$"})", {R"("ab")", R"("a\"b")"},
                {R"("A")", R"("a"b")"});
  expect_schema(R"({"type":"string","pattern":"b"})", {R"("abc")", R"("b")"}, {R"("ac")"});
  expect_schema(R"({"type":"string","format":"date"})", {R"("2024-02-28")"},
                {R"("2024-02-30")", R"("2024-13-01")"});
  expect_schema(R"({"type":"string","format":"date-time"})", {R"("2024-01-31T23:59:59.5Z")"},
                {R"("2024-01-31")"});
  expect_schema(R"({"type":"string","format":"uuid"})", {R"("123e4567-e89b-12d3-a456-426614174000")"},
                {R"("123")"});
  expect_schema(R"({"type":"string","format":"email"})", {R"("a.b@c.org")"}, {R"("a@b")", R"(".@c.d")"});
}

TEST(JsonSchema, Numbers) {
  for (const auto& [low, high] : std::vector<std::pair<int, int>>{
           {0, 0}, {1, 12}, {-5, 5}, {-120, -7}, {99, 1001}, {10, 19}, {-1, 0}, {7, 130}}) {
    const auto g = Grammar::from_json_schema(
        fmt::format(R"({{"type":"integer","minimum":{},"maximum":{}}})", low, high));
    const auto n = Grammar::from_json_schema(
        fmt::format(R"({{"type":"number","exclusiveMinimum":{},"maximum":{}.25}})", low, high));
    for (int i = -1100; i <= 1100; ++i) {
      EXPECT_EQ(g->matches(std::to_string(i)), i >= low && i <= high) << i << " in " << low << ".." << high;
      for (const char* f : {"", ".0", ".1", ".25", ".250", ".26", ".3", ".2"}) {
        const std::string t = std::to_string(i) + f;
        const double x = std::stod(t);
        EXPECT_EQ(n->matches(t), x > low && x <= std::stod(std::to_string(high) + ".25"))
            << t << " in " << low << ".." << high;
      }
    }
  }
  expect_schema(R"({"type":"integer","minimum":5})", {"5", "123456789012345"}, {"4", "-5"});
  expect_schema(R"({"type":"integer","exclusiveMaximum":0})", {"-1", "-99"}, {"0", "1"});
  expect_schema(R"({"type":"number","minimum":0,"maximum":1})", {"0", "0.5", "1", "1.0", "0.999"},
                {"1.01", "-0.5", "2"});
  expect_schema(R"({"type":"number","minimum":0.25,"exclusiveMaximum":0.75})", {"0.25", "0.3", "0.7499"},
                {"0", "0.2", "0.75", "0.750", "0.8", "1"});
  expect_schema(R"({"type":"number","exclusiveMinimum":0})", {"0.055", "1", "100.5"}, {"0", "0.0", "-1"});
}

TEST(JsonSchema, Objects) {
  expect_schema(
      R"({"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"string"}},"required":["b"]})",
      {R"({"b":1})", R"({"b": 1, "a": "x"})", "{\n  \"b\":1,\n  \"a\":\"x\"\n}"},
      {"{}", R"({"a":"x"})", R"({"a":"x","b":1})", R"({"b":1,"c":2})", R"({"b":1,})"});
  expect_schema(
      R"({"properties":{"a":{},"b":{},"c":{}}})",
      {"{}", R"({"a":1})", R"({"b":1})", R"({"c":1})", R"({"a":1,"c":2})", R"({"a":1,"b":1,"c":2})"},
      {R"({"c":1,"a":2})", R"({,"a":1})", R"({"a":1,,"c":1})"});
  expect_schema(
      R"({"type":"object","properties":{"ab":{"type":"integer"}},"additionalProperties":{"type":"boolean"}})",
      {"{}", R"({"ab":1})", R"({"ab":1,"a":true,"abc":false})", R"({"x":true})", R"({"":true})",
       R"({"x\n":true})"},
      {R"({"ab":true})", R"({"x":1})", R"({"\u0061b":true})", R"({"x":true,"ab":true})"});
  expect_schema(R"({"type":"object"})", {"{}", R"({"a":{"b":[1,2]}})"}, {"[]"});
  expect_schema(R"({"type":"object","additionalProperties":false})", {"{}"}, {R"({"a":1})"});
  expect_schema(
      R"({"type":"object","additionalProperties":{"type":"integer"},"maxProperties":1,"minProperties":1})",
      {R"({"a":1})"}, {"{}", R"({"a":1,"b":2})"});
  expect_schema(R"({"type":"object","required":["x"]})", {R"({"x":[1]})"}, {"{}"});
}

TEST(JsonSchema, Arrays) {
  expect_schema(R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})",
                {"[1]", "[1, 2,3]"}, {"[]", "[1,2,3,4]", "[\"a\"]"});
  expect_schema(R"({"prefixItems":[{"type":"integer"},{"type":"string"}],"items":false})",
                {"[]", "[1]", R"([1,"a"])"}, {R"([1,"a",2])", R"(["a"])"});
  expect_schema(
      R"({"prefixItems":[{"type":"integer"},{"type":"string"}],"minItems":2,"items":{"type":"null"}})",
      {R"([1,"a"])", R"([1,"a",null,null])"}, {"[1]", R"([1,"a",1])"});
  expect_schema(R"({"type":"array","items":[{"const":1}],"additionalItems":{"const":2},"minItems":1})",
                {"[1]", "[1,2,2]"}, {"[]", "[2]"});
}

TEST(JsonSchema, Combinations) {
  expect_schema(R"({"anyOf":[{"type":"integer"},{"type":"string"}]})", {"1", R"("a")"}, {"null"});
  expect_schema(
      R"({"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"x":{"type":"integer"}},"required":["k","x"]},
                              {"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}]})",
      {R"({"k":"a","x":1})", R"({"k":"b"})"}, {R"({"k":"a"})", R"({"k":"c"})"});
  expect_schema(
      R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer","minimum":1}},"required":["a"]},
                              {"properties":{"a":{"maximum":3},"b":{"type":"null"}}}]})",
      {R"({"a":2})", R"({"a":3,"b":null})"}, {R"({"a":4})", "{}"});
  expect_schema(
      R"({"type":"object","properties":{"x":{"type":"integer"}},"anyOf":[{"required":["x"]},{"properties":{"y":{"const":1}},"required":["y"]}]})",
      {R"({"x":1})", R"({"y":1})"}, {"{}"});
  expect_schema(
      R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},
                   "next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"]}}})",
      {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":null}})"}, {R"({"v":1})"});
}

TEST(JsonSchema, RefusesByNameAndPlace) {
  const auto refused = [](const std::string& schema, const char* words) {
    const std::string error = schema_error(schema);
    EXPECT_NE(error.find(words), std::string::npos) << schema.substr(0, 200) << ": " << error;
  };
  refused("", "not valid JSON");
  refused("{", "not valid JSON");
  refused("3", "must be an object");
  refused("false", "allows no value");
  refused(R"({"properties":{"a":{"not":{}}}})", "at #/properties/a: the keyword \"not\"");
  for (const char* key : {"if", "patternProperties", "propertyNames", "contains", "dependentRequired",
                          "unevaluatedProperties", "dependentSchemas", "made-up"})
    refused(std::string("{\"") + key + "\":{}}", key);
  refused(R"({"type":"array","uniqueItems":true})", "uniqueItems");
  refused(R"({"type":"integer","multipleOf":5})", "multipleOf");
  refused(R"({"type":"strin"})", "\"strin\" is unknown");
  refused(R"({"type":7})", "\"type\"");
  refused(R"({"enum":[]})", "enum");
  refused(R"({"type":"integer","enum":["a"]})", "none of its constants");
  refused(R"({"type":"string","format":"regex"})", "format \"regex\"");
  refused(R"j({"type":"string","pattern":"(?=a)"})j", "look-around");
  refused(R"({"type":"string","pattern":"a*","maxLength":3})", "lengths beside");
  refused(R"({"type":"string","minLength":3,"maxLength":2})", "minLength is over maxLength");
  refused(R"({"type":"string","maxLength":1e9})", "over");
  refused(R"({"type":"string","maxLength":-1})", "maxLength");
  refused(R"({"type":"integer","minimum":3,"maximum":2})", "between");
  refused(R"({"type":"number","minimum":3,"maximum":2})", "between");
  refused(R"({"$ref":"#"})", "begins with itself");
  refused(R"({"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}})",
          "begins with itself");
  refused(R"({"allOf":[{"$ref":"#"}]})", "nest over");
  refused(R"({"$ref":"http://x/y"})", "does not lead into");
  refused(R"({"$ref":"#/nowhere"})", "leads nowhere");
  refused(R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", "may be both");
  refused(R"({"allOf":[{"type":"string"},{"type":"integer"}]})", "no type");
  refused(R"({"type":"object","required":["a"],"additionalProperties":false})", "forbidden");
  refused(R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})", "no text matches");
  std::string deep;
  for (int i = 0; i < 25'000; ++i) deep += "{\"items\":";
  refused(deep, "nests over");
  std::string chain = R"({"$ref":"#/$defs/0","$defs":{)";
  for (int i = 0; i < 5000; ++i) chain += fmt::format(R"("{}":{{"$ref":"#/$defs/{}"}},)", i, i + 1);
  refused(chain + R"("5000":true}})", "nest over");
}

TEST(Grammar, RandomTextsNeverDoMoreThanThrow) {
  std::mt19937_64 random(7);
  const std::vector<std::string> words{"root",       "::=",
                                       "\"",         "a",
                                       "[",          "]",
                                       "(",          ")",
                                       "|",          "*",
                                       "{",          "}",
                                       "1",          ",",
                                       "\\",         "\n",
                                       "^",          "$",
                                       "?",          "<",
                                       "#",          "\"type\":",
                                       "\"object\"", "\"properties\":",
                                       "\"items\":", "\"$ref\":\"#\"",
                                       "\"anyOf\":", "\"enum\":",
                                       "true",       ":",
                                       "\xff"};
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (uint64_t n = random() % 24; n > 0; --n) text += words[random() % words.size()];
    for (const auto compile : {&Grammar::from_gbnf, &Grammar::from_regex, &Grammar::from_json_schema})
      error_of([&] { compile(text); });
  }
}

}  // namespace
}  // namespace uma
