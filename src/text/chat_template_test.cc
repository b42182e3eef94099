#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "base/error.h"

namespace uma {
namespace {

using nlohmann::ordered_json;

ordered_json golden(const std::string& name) {
  std::ifstream file(UMA_SOURCE_DIR "/tests/golden/template/" + name);
  return ordered_json::parse(file);
}

std::string fnv1a(std::string_view data) {
  uint64_t h = 0xcbf29ce484222325u;
  for (char c : data) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return fmt::format("{:016x}", h);
}

ErrorCode caught(const auto& action, std::string* what = nullptr) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_EQ(e.op(), "template");
    if (what) *what = e.what();
    return e.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kInternal;
}

ErrorCode code_of(std::string_view source, std::string_view variables = "{}",
                  const TemplateLimits& limits = {}) {
  return caught([&] { ChatTemplate::parse(source, limits).render(variables); });
}

TEST(ChatTemplate, GoldenRenderingsOfRealTemplates) {
  const char* data = std::getenv("UMA_TEST_DATA");
  if (!data) GTEST_SKIP() << "UMA_TEST_DATA is not set: it names the folder with templates/*.jinja";
  const auto conversations = golden("conversations.json"), renderings = golden("renderings.json");
  ASSERT_EQ(renderings.size(), 23u);
  for (const auto& [name, answers] : renderings.items()) {
    std::ifstream file(std::string(data) + "/templates/" + name + ".jinja", std::ios::binary);
    std::ostringstream source;
    source << file.rdbuf();
    const auto tmpl = ChatTemplate::parse(source.str());
    for (const auto& [conversation, answer] : answers.items()) {
      SCOPED_TRACE(name + ", " + conversation);
      std::string text, error;
      try {
        text = tmpl.render(conversations[conversation].dump(), 1700000000);
      } catch (const Error& e) {
        error = e.what();
      }
      if (answer.is_array()) {
        EXPECT_EQ(error, "");
        EXPECT_EQ(text.size(), answer[0].get<size_t>());
        EXPECT_EQ(fnv1a(text), answer[1].get<std::string>()) << text;
      } else {
        EXPECT_TRUE(error.starts_with("[template] line ")) << error << text;
        if (answer.is_string()) {
          EXPECT_TRUE(error.ends_with(": " + answer.get<std::string>())) << error;
        }
      }
    }
  }
}

TEST(ChatTemplate, GoldenTextsInFull) {
  const char* data = std::getenv("UMA_TEST_DATA");
  if (!data) GTEST_SKIP() << "UMA_TEST_DATA is not set: it names the folder with templates/*.jinja";
  const auto conversations = golden("conversations.json"), texts = golden("texts.json");
  ASSERT_EQ(texts.size(), 4u);
  for (const auto& [name, answers] : texts.items()) {
    std::ifstream file(std::string(data) + "/templates/" + name + ".jinja", std::ios::binary);
    std::ostringstream source;
    source << file.rdbuf();
    for (const auto& [conversation, text] : answers.items())
      EXPECT_EQ(ChatTemplate::parse(source.str()).render(conversations[conversation].dump(), 1700000000),
                text.get<std::string>());
  }
}

TEST(ChatTemplate, RendersMessagesWithoutJson) {
  const auto t = ChatTemplate::parse(
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m['content'] }}{{ eos_token }}{% endfor %}"
      "{% if add_generation_prompt %}>{{ mood }}{% endif %}");
  const ChatMessage messages[] = {{"system", "Be \"brief\".\n"}, {"user", "日本?"}};
  EXPECT_EQ(t.render(messages, {.bos_token = "<s>", .eos_token = "</s>", .extra_json = R"({"mood":"glad"})"}),
            "<s>[system] Be \"brief\".\n</s>[user] 日本?</s>>glad");
  EXPECT_EQ(t.render(std::span(messages, 1), {.add_generation_prompt = false}), "[system] Be \"brief\".\n");
}

TEST(ChatTemplate, ChatmlIsTheFallback) {
  const ChatMessage messages[] = {{"user", "Hi"}};
  EXPECT_EQ(ChatTemplate::parse(chatml_template()).render(messages),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatTemplate, VariablesThatAreNoObject) {
  for (const char* json : {"", "[", "[]", "1", "{\"a\":}", "{\"a\":1", "{} {}", "\"\xff\"",
                           "{\"a\":\"\\ud800\"}", "nul", "{\"a\":1e999}"})
    EXPECT_EQ(code_of("x", json), ErrorCode::kFormat) << json;
  EXPECT_EQ(code_of("x", std::string(100000, '[')), ErrorCode::kLimit);
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100000; ++i) deep += "{\"a\":";
  EXPECT_EQ(code_of("x", deep), ErrorCode::kLimit);
}

TEST(ChatTemplate, TextThatIsNotUtf8) {
  EXPECT_EQ(code_of("\xff"), ErrorCode::kFormat);
  const ChatMessage messages[] = {{"user", "\xc3"}};
  std::string what;
  EXPECT_EQ(caught([&] { ChatTemplate::parse("x").render(messages); }, &what), ErrorCode::kInvalidArgument);
  EXPECT_EQ(what, "[template] byte 0 of a message's content is not UTF-8");
}

TEST(ChatTemplate, SourceIsBounded) {
  std::string what;
  EXPECT_EQ(caught([] { ChatTemplate::parse(std::string(10 << 20, 'x')); }, &what), ErrorCode::kLimit);
  EXPECT_EQ(what, "[template] the template has 10485760 bytes, more than the 1048576 that are read");
  for (const char* piece : {"(", "[", "{1:", "not ", "-", "x[", "x(", "x|f(", "1 if ", "(1,", "x if x else "})
    for (const char* tag : {"{{ ", "{% if ", "{% set x = "}) {
      std::string source = tag;
      while (source.size() < 200000) source += piece;
      const ErrorCode code = code_of(source);
      EXPECT_TRUE(code == ErrorCode::kLimit || code == ErrorCode::kFormat) << tag << piece;
    }
  for (const char* piece : {"{% if x %}", "{% for x in y %}", "{% filter upper %}", "{% macro m() %}",
                            "{% set x %}", "{% call f() %}", "{% with %}", "{% generation %}"}) {
    std::string source;
    while (source.size() < 200000) source += piece;
    EXPECT_EQ(code_of(source), ErrorCode::kLimit) << piece;
  }
  for (const char* piece : {"+1", ".a", "[0]", "()", "|upper", " and 1", " if 1 else 1"}) {
    std::string source = "{{ x";
    while (source.size() < 200000) source += piece;
    EXPECT_EQ(code_of(source + " }}"), ErrorCode::kLimit) << piece;
  }
  std::string flat = "{{ 1";  // these are one node, however long
  while (flat.size() < 200000) flat += "~1";
  EXPECT_EQ(ChatTemplate::parse(flat + " }}").render("{}").size(), 99999u);
}

TEST(ChatTemplate, RenderingIsBounded) {
  const std::pair<const char*, const char*> kBombs[] = {
      {"endless recursion", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"},
      {"recursion by caller",
       "{% macro m() %}{{ caller() }}{% endmacro %}"
       "{% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro %}{{ n() }}"},
      {"recursive loop", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"},
      {"huge range", "{{ range(10 ** 12)|length }}"},
      {"nested loops",
       "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"
       "{% endfor %}{% endfor %}{% endfor %}"},
      {"long text", "{{ 'x' * 10 ** 9 }}"},
      {"longer text", "{{ 'xxxxxxxx' * (2 ** 62) }}"},
      {"long list", "{{ ([1] * 10 ** 9)|length }}"},
      {"doubled text",
       "{% set n = namespace(s='x') %}{% for i in range(90) %}{% set n.s = n.s + n.s %}{% endfor %}"},
      {"doubled list",
       "{% set n = namespace(s=[1]) %}{% for i in range(90) %}{% set n.s = n.s + n.s %}{% endfor %}"},
      {"shared nest printed",
       "{% set n = namespace(s=[1]) %}{% for i in range(90) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s "
       "}}"},
      {"shared nest as JSON",
       "{% set n = namespace(s=[1]) %}{% for i in range(90) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ "
       "n.s|tojson }}"},
      {"shared nests compared",
       "{% set n = namespace(s=[1], t=[1]) %}{% for i in range(90) %}{% set n.s = [n.s, n.s] %}"
       "{% set n.t = [n.t, n.t] %}{% endfor %}{{ n.s == n.t }}"},
      {"shared tuples as keys",
       "{% set n = namespace(s=(1,)) %}{% for i in range(90) %}{% set n.s = (n.s, n.s) %}{% endfor %}{{ "
       "{n.s: 1} }}"},
      {"deep nest printed",
       "{% set n = namespace(s=[1]) %}{% for i in range(9000) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s }}"},
      {"namespace that holds itself", "{% set n = namespace() %}{% set n.s = n %}{{ n }}"},
      {"chained generators",
       "{% set n = namespace(s=[1]) %}{% for i in range(9000) %}{% set n.s = n.s|map('string') %}{% endfor %}"
       "{{ n.s|list }}"},
      {"wide field", "{{ '%1000000000d' % 1 }}"},
      {"wider field", "{{ '{:>1000000000}'.format('x') }}"},
      {"precision", "{{ '%.1000000000f' % 1.5 }}"},
      {"centre", "{{ 'x'.center(10 ** 15) }}"},
      {"indent", "{{ 'x'|indent(10 ** 15) }}"},
      {"JSON indent", "{{ [1]|tojson(indent=10 ** 15) }}"},
      {"tabs", "{{ 'a\\tb'.expandtabs(10 ** 12) }}"},
      {"batch fill", "{{ [1]|batch(10 ** 12, 1)|list }}"},
      {"slices", "{% for x in [1]|slice(10 ** 12) %}{% endfor %}"},
      {"replace growth",
       "{% set n = namespace(s='aa') %}{% for i in range(90) %}{% set n.s = n.s|replace('a', 'aa') %}"
       "{% endfor %}"},
      {"power", "{{ 7 ** 10 ** 9 }}"},
      {"product", "{{ 2 ** 62 * 4 }}"},
      {"output", "{% set s = 'x' * 1000000 %}{% for i in range(1000) %}{{ s }}{% endfor %}"},
      {"captured output",
       "{% set s = 'x' * 1000000 %}{% set t %}{% for i in range(1000) %}{{ s }}{% endfor %}{% endset %}"},
      {"big integers", "{{ 123456789012345678901234567890 + 1 }}"},
  };
  // The default bounds hold as well, but take a second each; under sanitizers, twenty.
  const TemplateLimits kSmall = {
      .max_steps = 3'000'000, .max_output_bytes = size_t{8} << 20, .max_memory_bytes = size_t{32} << 20};
  for (const auto& [name, source] : kBombs) {
    SCOPED_TRACE(name);
    EXPECT_EQ(code_of(source, "{}", kSmall), ErrorCode::kLimit);
  }
}

TEST(ChatTemplate, DeepValuesAreTakenApartWithoutRecursion) {
  const auto t = ChatTemplate::parse(
      "{% set n = namespace(s=[1], d=1) %}{% for i in range(99999) %}{% set n.s = [n.s] %}{% set n.d = {1: "
      "n.d} %}"
      "{% endfor %}done");
  EXPECT_EQ(t.render("{}"), "done");
}

TEST(ChatTemplate, LimitsCanBeSet) {
  EXPECT_EQ(code_of("{{ 'x' * 200 }}", "{}", {.max_output_bytes = 100}), ErrorCode::kLimit);
  EXPECT_EQ(code_of("{% for i in range(1000) %}{% endfor %}", "{}", {.max_steps = 500}), ErrorCode::kLimit);
  EXPECT_EQ(code_of("{{ ('x' * 5000)|length }}", "{}", {.max_memory_bytes = 4000}), ErrorCode::kLimit);
  EXPECT_EQ(code_of("x", R"({"a":[[[1]]]})", {.max_depth = 3}), ErrorCode::kLimit);
  EXPECT_EQ(code_of("xx", "{}", {.max_source_bytes = 1}), ErrorCode::kLimit);
}

TEST(ChatTemplate, WhatIsOutsideIsSaid) {
  for (const char* source :
       {"{{ 'a'.encode() }}", "{{ lipsum() }}", "{{ x|wordwrap(3) }}", "{{ (-8) ** 0.5 }}",
        "{% autoescape true %}x{% endautoescape %}", "{{ '\\N{DASH}' }}"})
    EXPECT_EQ(code_of(source), ErrorCode::kUnsupported) << source;
}

TEST(ChatTemplate, OneTemplateOnManyThreads) {
  const auto t = ChatTemplate::parse("{% for i in range(50) %}{{ loop.index ~ s|upper }}{% endfor %}");
  const std::string expected = t.render(R"({"s":"aé"})");
  std::vector<std::thread> threads;
  std::vector<int> same(4);
  for (size_t k = 0; k < same.size(); ++k)
    threads.emplace_back([&, k] {
      for (int i = 0; i < 20; ++i) same[k] += t.render(R"({"s":"aé"})") == expected;
    });
  for (auto& thread : threads) thread.join();
  for (int n : same) EXPECT_EQ(n, 20);
}

}  // namespace
}  // namespace uma
