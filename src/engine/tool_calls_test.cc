#include "engine/tool_calls.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "grammar/token_trie.h"

namespace uma {
namespace {

std::vector<CallGrammar::Function> functions() {
  return {{"get_weather", R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"]})"},
          {"now", ""}};
}

/// All that comes out, by pieces of n bytes.
ToolCallReader::Parts read(ToolStyle style, const std::string& text, size_t n, bool apart = false) {
  ToolCallReader reader(style, apart);
  ToolCallReader::Parts all;
  for (size_t at = 0; at < text.size(); at += n) {
    ToolCallReader::Parts parts = reader.put(std::string_view(text).substr(at, n));
    all.text += parts.text;
    for (ToolCall& call : parts.calls) all.calls.push_back(std::move(call));
  }
  all.text += reader.flush();
  return all;
}

TEST(ToolCalls, FamiliesAreKnownByTheirTemplates) {
  EXPECT_EQ(tool_style_of("{% for m in messages %}{{ m.content }}{% endfor %}"), std::nullopt);
  const char* data = std::getenv("UMA_TEST_DATA");
  if (!data) GTEST_SKIP() << "UMA_TEST_DATA is not set";
  const auto style = [&](const std::string& name) {
    std::ifstream in(std::string(data) + "/templates/" + name + ".jinja");
    EXPECT_TRUE(in.good()) << name;
    return tool_style_of(std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>()));
  };
  for (const char* name : {"Qwen-Qwen2.5-7B-Instruct", "Qwen-Qwen3-0.6B", "Qwen-QwQ-32B",
                           "NousResearch-Hermes-3-Llama-3.1-8B-tool_use"})
    EXPECT_EQ(style(name), ToolStyle::tagged) << name;
  for (const char* name : {"meta-llama-Llama-3.1-8B-Instruct", "meta-llama-Llama-3.2-3B-Instruct"})
    EXPECT_EQ(style(name), ToolStyle::bare) << name;
  EXPECT_EQ(style("mistralai-Mistral-Nemo-Instruct-2407"), ToolStyle::listed);
  for (const char* name : {"google-gemma-2-2b-it", "Qwen3-Coder", "GLM-4.6", "MiniMax-M2",
                           "openai-gpt-oss-120b", "deepseek-ai-DeepSeek-V3.1",
                           "Mistral-Small-3.2-24B-Instruct-2506", "microsoft-Phi-3.5-mini-instruct"})
    EXPECT_EQ(style(name), std::nullopt) << name;
}

TEST(ToolCalls, ApartFromText) {
  const std::string call = R"({"name": "f", "arguments": {}})", bare = R"({"name": "f", "parameters": {}})";
  for (size_t n : {1u, 2u, 5u, 1000u}) {
    const auto one = [&](ToolStyle style, const std::string& text) { return read(style, text, n, true); };
    // What a text of the format holds is text, whatever it looks like further on.
    for (const std::string& text : {std::string(R"({"x":"<tool_call>{}</tool_call>"})"), call,
                                    std::string("<tool"), std::string("[TOOL_CALLS"), std::string()})
      for (const ToolStyle style : {ToolStyle::tagged, ToolStyle::listed}) {
        if (style == ToolStyle::listed && text == "<tool") continue;
        const auto parts = one(style, text);
        EXPECT_EQ(parts.text, text) << n;
        EXPECT_TRUE(parts.calls.empty());
      }
    EXPECT_EQ(one(ToolStyle::tagged, "<tool_call>" + call + "</tool_call>").calls.size(), 1u);
    const auto two =
        one(ToolStyle::tagged, "<tool_call>" + call + "</tool_call>\n<tool_call>" + call + "</tool_call>\n");
    EXPECT_EQ(two.calls.size(), 2u);
    EXPECT_EQ(two.text, "");
    EXPECT_EQ(one(ToolStyle::listed, "[TOOL_CALLS][" + call + "]").calls.size(), 1u);
    EXPECT_EQ(one(ToolStyle::bare, bare).calls.size(), 1u);
    for (const std::string& text :
         {std::string(R"({"name": "f", "age": 3})"), std::string(R"({"na)"), std::string(R"({"name": 7})"),
          std::string(R"({"name": "f", "parameters": [1]})"),
          std::string(R"({"name": "f", "parameters": {}, "z": 1})"), std::string("[1]")}) {
      const auto parts = one(ToolStyle::bare, text);
      EXPECT_EQ(parts.text, text) << n;
      EXPECT_TRUE(parts.calls.empty()) << text;
    }
  }
}

TEST(ToolCalls, ComeOutOfTheTextHoweverItIsCut) {
  for (size_t n : {1u, 2u, 3u, 7u, 1000u}) {
    const auto tagged = read(ToolStyle::tagged,
                             "Let me see <b>.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": "
                             "\"}</tool_call>\\\"\"}}\n</tool_call>\n"
                             "<tool_call>{\"name\":\"g\",\"arguments\":{}}</tool_call> done <tool",
                             n);
    ASSERT_EQ(tagged.calls.size(), 2u);
    EXPECT_EQ(tagged.calls[0].name, "f");
    EXPECT_EQ(tagged.calls[0].arguments, R"({"a":"}</tool_call>\""})");
    EXPECT_EQ(tagged.calls[1].arguments, "{}");
    EXPECT_EQ(tagged.text, "Let me see <b>. done <tool");
    const auto bare = read(ToolStyle::bare, R"({"name": "f", "parameters": {"a": [1, {"b": 2}]}})", n);
    ASSERT_EQ(bare.calls.size(), 1u);
    EXPECT_EQ(bare.calls[0].arguments, R"({"a":[1,{"b":2}]})");
    EXPECT_EQ(bare.text, "");
    EXPECT_EQ(read(ToolStyle::bare, "Hi {you}", n).text, "Hi {you}");
    const auto listed =
        read(ToolStyle::listed,
             R"(Now[TOOL_CALLS] [{"name":"f","arguments":{"a":1}}, {"name":"g","arguments":{}}])", n);
    ASSERT_EQ(listed.calls.size(), 2u);
    EXPECT_EQ(listed.text, "Now");
    // Cut in the middle: no call, and no half of one as text.
    const auto cut = read(ToolStyle::tagged, "a <tool_call>{\"name\": \"f\", \"argu", n);
    EXPECT_TRUE(cut.calls.empty());
    EXPECT_EQ(cut.text, "a");
  }
}

TEST(ToolCalls, GrammarsHoldTheCallsAndLeaveTheText) {
  const std::string call = R"({"name": "get_weather", "arguments": {"city": "Rome"}})";
  const auto both = tool_grammar(ToolStyle::tagged, functions(), false, true);
  for (const std::string& t :
       {std::string(""), std::string("Hello <tool <tool_c <<tool_call"),
        "x<tool_call>\n" + call + "\n</tool_call>",
        "<tool_call>" + call +
            "</tool_call>\n<tool_call>{\"name\":\"now\",\"arguments\":{}}</tool_call> and text 日"})
    EXPECT_TRUE(both->matches(t)) << t;
  for (const std::string& t :
       {std::string("<tool_call>"), std::string("<tool_call>x"), "<tool_call>" + call,
        std::string(R"(<tool_call>{"name":"other","arguments":{}}</tool_call>)"),
        std::string(R"(<tool_call>{"name":"get_weather","arguments":{"city":1}}</tool_call>)")})
    EXPECT_FALSE(both->matches(t)) << t;
  const auto required = tool_grammar(ToolStyle::tagged, functions(), true, false);
  EXPECT_TRUE(required->matches("<tool_call>" + call + "</tool_call>"));
  EXPECT_FALSE(required->matches("Hello"));
  EXPECT_FALSE(required->matches("<tool_call>" + call + "</tool_call><tool_call>" + call + "</tool_call>"));
  const auto bare = tool_grammar(ToolStyle::bare, functions(), false, true);
  EXPECT_TRUE(bare->matches("Hello {x"));
  EXPECT_TRUE(bare->matches(R"({"name": "now", "parameters": {}})"));
  EXPECT_FALSE(bare->matches(R"({"name": "then", "parameters": {}})"));
  const auto listed = tool_grammar(ToolStyle::listed, functions(), false, true);
  EXPECT_TRUE(listed->matches("Now[TOOL_CALLS][" + call + "," + call + "]"));
  EXPECT_TRUE(listed->matches(std::string("Now") + TokenTrie::kControl + "[TOOL_CALLS][" + call + "]"));
  EXPECT_FALSE(listed->matches("[TOOL_CALLS]" + call));
}

TEST(ToolCalls, NamesTheFunctionThatCannotBeCompiled) {
  try {
    tool_grammar(ToolStyle::tagged, {{"odd", R"({"type":"object","properties":{"a":{"not":{}}}})"}}, false,
                 true);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(),
                 "[tools] the parameters of the function 'odd': at #/properties/a: the keyword \"not\" "
                 "cannot be enforced");
  }
  EXPECT_THROW(tool_grammar(ToolStyle::bare, {}, true, true), Error);
}

}  // namespace
}  // namespace uma
