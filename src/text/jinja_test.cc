// The template language, rule by rule. The golden files come from Jinja2 itself
// (tools/make_template_goldens.py).
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/chat_template.h"

namespace uma {
namespace {

using nlohmann::ordered_json;

std::string render(std::string_view source, std::string_view variables = "{}") {
  return ChatTemplate::parse(source).render(variables, 1700000000);
}

/// The error that rendering ends with; "no error" fails every expectation.
std::string error_of(std::string_view source, std::string_view variables = "{}") {
  try {
    render(source, variables);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

void use_utc() {
  setenv("TZ", "UTC", 1);
  tzset();
}

TEST(Jinja, GoldenSnippets) {
  use_utc();
  std::ifstream file(UMA_SOURCE_DIR "/tests/golden/template/snippets.json");
  const auto golden = ordered_json::parse(file);
  const std::string variables = golden["variables"].dump();
  ASSERT_GT(golden["cases"].size(), 1000u);
  for (const auto& c : golden["cases"]) {
    const std::string source = c[0], kind = c[1], text = c[2];
    SCOPED_TRACE(source);
    if (kind == "ok") {
      try {
        EXPECT_EQ(render(source, variables), text);
      } catch (const Error& e) {
        ADD_FAILURE() << e.what();
      }
    } else {
      const std::string what = error_of(source, variables);
      EXPECT_TRUE(what.starts_with("[template] line ")) << what;
      if (kind == "raise") {
        EXPECT_TRUE(what.ends_with(": " + text)) << what;
      }
    }
  }
}

TEST(Jinja, WhiteSpaceControl) {
  EXPECT_EQ(render("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(render("a  {%- if true -%}  b  {%- endif -%}  c"), "abc");
  EXPECT_EQ(render("a\n  {%+ if true %}b{% endif +%}\nc"), "a\n  b\nc");
  EXPECT_EQ(render("  {# x #}\n  y"), "  y");
  EXPECT_EQ(render("{{ 1 }}  \n{{- 2 -}}  \n 3"), "123");
  EXPECT_EQ(render("\r\na\rb\r\n"), "\na\nb");
}

TEST(Jinja, ScopesOfLoopsMacrosAndBlocks) {
  EXPECT_EQ(render("{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }},{% endfor %}{{ x }}"),
            "2,3,1");
  EXPECT_EQ(render("{% set ns = namespace(n=0) %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% endfor %}"
                   "{{ ns.n }}"),
            "6");
  EXPECT_EQ(render("{% macro m(a, b=a) %}{{ a }}{{ b }}{{ late }}{% endmacro %}{% set late = 3 %}{{ m(1) }}"),
            "113");
  EXPECT_EQ(render("{% generation %}{% set g = 1 %}{{ g }}{% endgeneration %}{{ g }}."), "1.");
}

TEST(Jinja, LazyFiltersRunOnceAndLate) {
  EXPECT_EQ(render("{% set g = [1, 2]|map('string') %}{{ g|join }}{{ g|join }}"), "12");
  EXPECT_EQ(
      render(
          "{% set ns = namespace(n=0) %}{% for i in range(9) if ns.n < 2 %}{% set ns.n = ns.n + 1 %}{{ i }}"
          "{% endfor %}"),
      "01");
  EXPECT_EQ(render("{% set unused = [1]|map('nosuch') %}fine"), "fine");
}

TEST(Jinja, CharactersAreCodePoints) {
  EXPECT_EQ(render("{{ s|length }} {{ s[1] }} {{ s[::-1] }} {{ s[-2:] }} {{ s.find('🙂') }}",
                   R"({"s":"aé日🙂"})"),
            "4 é 🙂日éa 日🙂 3");
  EXPECT_EQ(render("{{ 'straße ŉ'.upper() }} {{ 'ΟΔΟΣ'.lower() }} {{ 'ǆ'.title() }}"), "STRASSE ʼN οδος ǅ");
}

TEST(Jinja, NumbersPrintAsPythons) {
  EXPECT_EQ(
      render("{{ 1e16 }} {{ 1e15 }} {{ 1e-5 }} {{ 0.1 + 0.2 }} {{ 1e308 * 10 }} {{ -7 // 2 }} {{ -7 % 3 }}"),
      "1e+16 1000000000000000.0 1e-05 0.30000000000000004 inf -4 2");
  EXPECT_EQ(render("{{ n }} {{ n|tojson }} {{ n == n }} {{ n is integer }} {{ n > 1 }} {{ -n }}",
                   R"({"n":123456789012345678901234567890})"),
            "123456789012345678901234567890 123456789012345678901234567890 True True True "
            "-123456789012345678901234567890");
  EXPECT_EQ(render("{{ n }}", R"({"n":18446744073709551615})"), "18446744073709551615");
}

TEST(Jinja, ToJsonIsTransformers) {
  constexpr std::string_view kVars = R"({"d":{"b":"<é&'>\u0001","a":[1,2.0,null,true,{}]}})";
  EXPECT_EQ(render("{{ d|tojson }}", kVars), R"({"b": "<é&'>\u0001", "a": [1, 2.0, null, true, {}]})");
  EXPECT_EQ(render("{{ d|tojson(indent=2, sort_keys=true, ensure_ascii=true) }}", kVars),
            "{\n  \"a\": [\n    1,\n    2.0,\n    null,\n    true,\n    {}\n  ],\n  \"b\": "
            "\"<\\u00e9&'>\\u0001\"\n}");
  EXPECT_EQ(render("{{ '🙂'|tojson(ensure_ascii=true) }}"), R"("\ud83d\ude42")");
}

TEST(Jinja, ErrorsNameTheLine) {
  EXPECT_EQ(error_of("a\n\n{{ foo.bar }}"), "[template] line 3: 'foo' is undefined");
  EXPECT_EQ(error_of("{{ d.x.y }}", R"({"d":{}})"), "[template] line 1: 'dict object' has no attribute 'x'");
  EXPECT_EQ(error_of("\n{% if x %}"),
            "[template] line 2: Unexpected end of template: looking for 'elif' or 'else' "
            "or 'endif' to close 'if'");
  EXPECT_EQ(error_of("{{ raise_exception('roles must\nalternate: ' ~ 1) }}"),
            "[template] line 1: roles must\nalternate: 1");
  EXPECT_EQ(error_of("{{ 1|nosuch }}"), "[template] line 1: No filter named 'nosuch'");
  EXPECT_EQ(error_of("{% include 'x' %}"),
            "[template] line 1: no loader for this environment specified, so 'include' cannot work");
}

TEST(Jinja, SandboxClosesWhatItClosesInPython) {
  EXPECT_EQ(error_of("{{ l.append(1) }}", R"({"l":[]})"),
            "[template] line 1: access to attribute 'append' of 'list' object is unsafe.");
  EXPECT_EQ(error_of("{{ d.update({}) }}", R"({"d":{}})"),
            "[template] line 1: access to attribute 'update' of 'dict' object is unsafe.");
  EXPECT_EQ(error_of("{{ ''.__class__.__mro__ }}"),
            "[template] line 1: access to attribute '__class__' of 'str' object is unsafe.");
  EXPECT_EQ(render("{{ ''.__class__ }}{{ '{0.__class__}'.format(1) }}."), ".");
}

TEST(Jinja, CyclesThroughNamespacesAndMacrosEnd) {
  EXPECT_EQ(
      render(
          "{% set ns = namespace() %}{% set ns.me = ns %}{% macro m() %}{% endmacro %}{% set ns.m = m %}ok"),
      "ok");
}

}  // namespace
}  // namespace uma
