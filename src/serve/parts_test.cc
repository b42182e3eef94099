// The parts that need no socket: JSON of strangers, durations, HTTP's text and rules.
#include <gtest/gtest.h>

#include "serve/api.h"
#include "serve/clock.h"
#include "serve/http_text.h"
#include "serve/json.h"
#include "serve/random_id.h"

namespace uma::serve {
namespace {

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const ApiError& e) {
    EXPECT_EQ(e.status(), 400);
    return std::string(e.message());
  }
  return "";
}

TEST(ServeJson, IsBoundedAndStrict) {
  EXPECT_EQ(parse_object("{\"a\":[1,{\"b\":null}]}").size(), 1u);
  EXPECT_EQ(error_of([] { parse_object(""); }), "missing request body");
  EXPECT_EQ(error_of([] { parse_object("[1]"); }), "the body must be a JSON object");
  EXPECT_NE(error_of([] { parse_object("{\"a\":"); }).find("not valid JSON in UTF-8, at byte"),
            std::string::npos);
  EXPECT_NE(error_of([] { parse_object("{\"a\":\"\xff\"}"); }), "");
  EXPECT_NE(error_of([] { parse_object("{\"a\":\"\\ud800\"}"); }), "");
  EXPECT_NE(error_of([] { parse_object("{\"a\":NaN}"); }), "");
  EXPECT_NE(error_of([] { parse_object("{\"a\":1e400}"); }).find("out of range"), std::string::npos);
  const std::string deep = "{\"a\":" + std::string(100000, '[');
  EXPECT_EQ(error_of([&] { parse_object(deep); }), "the JSON nests over 64 deep");
  std::string many = "{\"a\":[0";
  for (size_t i = 0; i < kMaxJsonValues; ++i) many += ",0";
  EXPECT_NE(error_of([&] { parse_object(many + "]}"); }).find("values"), std::string::npos);
}

TEST(ServeJson, FieldsHaveTypesAndBounds) {
  const Json json = Json::parse(
      R"({"t":"x","i":7,"f":7.5,"w":8.0,"big":18446744073709551615,"b":true,"n":null,"s":["a","b"],"m":["a",1],"o":{}})");
  const Fields f(json, "option ");
  EXPECT_EQ(f.text("t"), "x");
  EXPECT_EQ(f.integer("i"), 7);
  EXPECT_EQ(f.integer("w"), 8);
  EXPECT_EQ(f.number("f", 0, 8), 7.5);
  EXPECT_EQ(f.flag("b"), true);
  EXPECT_EQ(f.texts("s", 2), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(f.texts("t", 2), (std::vector<std::string>{"x"}));
  EXPECT_FALSE(f.text("n") || f.integer("n") || f.flag("missing"));
  EXPECT_EQ(error_of([&] { f.integer("f"); }), "option \"f\" must be of type integer");
  EXPECT_EQ(error_of([&] { f.integer("t"); }), "option \"t\" must be of type integer");
  EXPECT_NE(error_of([&] { f.integer("big"); }), "");
  EXPECT_EQ(error_of([&] { f.integer("i", 0, 5); }), "option \"i\" must be from 0 to 5");
  EXPECT_EQ(error_of([&] { f.number("f", 0, 5); }), "option \"f\" must be from 0 to 5, not 7.5");
  EXPECT_EQ(error_of([&] { f.flag("i"); }), "option \"i\" must be of type boolean");
  EXPECT_EQ(error_of([&] { f.text("i"); }), "option \"i\" must be of type string");
  EXPECT_NE(error_of([&] { f.texts("m", 5); }), "");
  EXPECT_NE(error_of([&] { f.texts("s", 1); }), "");
  EXPECT_EQ(error_of([&] { f.refuse_if_set("o", "no"); }), "");
  EXPECT_EQ(error_of([&] { f.refuse_if_set("i", "no"); }), "no");
}

TEST(ServeJson, EveryNumberThatIsNone) {
  for (const char* text : {"-9223372036854775809", "9223372036854775808", "1e300", "-1e300"}) {
    const Json json = Json::parse(std::string("{\"i\":") + text + "}");
    EXPECT_NE(error_of([&] { Fields(json).integer("i", -10, 10); }), "") << text;
    EXPECT_NE(error_of([&] { Fields(json).integer("i"); }), "") << text;
  }
}

TEST(ServeClock, DurationsAreGosAndTimesRfc3339) {
  EXPECT_EQ(parse_duration("5m"), 300);
  EXPECT_EQ(parse_duration("1h30m"), 5400);
  EXPECT_EQ(parse_duration("-1m"), -60);
  EXPECT_EQ(parse_duration("1.5s"), 1.5);
  EXPECT_EQ(parse_duration("250ms"), 0.25);
  EXPECT_EQ(parse_duration("0"), 0);
  for (const char* bad : {"", "5", "m", "5 m", "1h30", "--1m", "5x", "1..5s", "-"})
    EXPECT_FALSE(parse_duration(bad).has_value()) << bad;
  EXPECT_EQ(keep_alive_of(2.5), std::chrono::milliseconds(2500));
  for (const double forever : {-1.0, 1e300, std::numeric_limits<double>::infinity(), std::nan("")})
    EXPECT_LT(keep_alive_of(forever).count(), 0);
  EXPECT_EQ(rfc3339(86400), "1970-01-02T00:00:00.000000000Z");
  EXPECT_EQ(rfc3339_now().size(), rfc3339(0).size());
  EXPECT_NE(random_id("x-"), random_id("x-"));
}

TEST(ServeHttpText, HostsAndOrigins) {
  for (const char* ours : {"localhost", "LocalHost:11434", "a.localhost", "127.0.0.1:80", "[::1]:11434",
                           "10.0.0.7", "localhost.", "box:1"})
    EXPECT_TRUE(host_is_ours(ours, {"box"})) << ours;
  for (const char* others : {"evil.example", "evil.example:11434", "localhost.evil.example",
                             "127.0.0.1.evil.example", "", "[evil]", "[::1", "notlocalhost", "0x7f.1.evil"})
    EXPECT_FALSE(host_is_ours(others, {"box"})) << others;
  EXPECT_TRUE(origin_is_ours("http://localhost:11434", "localhost:11434"));
  EXPECT_FALSE(origin_is_ours("http://localhost:3000", "localhost:11434"));
  EXPECT_FALSE(origin_is_ours("https://evil.example", "localhost:11434"));
  EXPECT_FALSE(origin_is_ours("null", "localhost"));
  EXPECT_EQ(chunk_of("hello, chunked body"), "13\r\nhello, chunked body\r\n");
  const std::string head = reply_head({.status = 503, .headers = {{"Retry-After", "1"}}}, 5, false, true);
  EXPECT_TRUE(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_NE(head.find("\r\nContent-Length: 5\r\n"), std::string::npos);
  EXPECT_NE(head.find("\r\nRetry-After: 1\r\n"), std::string::npos);
}

TEST(ServeApi, FailuresTellNoSecrets) {
  const auto failure = [](const auto& e) { return failure_of(std::make_exception_ptr(e)); };
  EXPECT_EQ(failure(Error(ErrorCode::kIo, "gguf", "/home/x/model: gone")).message, "internal error");
  EXPECT_EQ(failure(Error(ErrorCode::kIo, "gguf", "/home/x/model: gone")).status, 500);
  EXPECT_EQ(failure(Error(ErrorCode::kIo, "gguf", "/home/x/model: gone")).detail,
            "[gguf] /home/x/model: gone");
  EXPECT_EQ(failure(std::runtime_error("secret")).message, "internal error");
  EXPECT_EQ(failure(std::bad_alloc()).status, 503);
  EXPECT_EQ(failure(Error(ErrorCode::kLimit, "generate", "too long")).code, "context_length_exceeded");
  EXPECT_EQ(failure(Error(ErrorCode::kLimit, "generate", "too long")).status, 400);
  EXPECT_EQ(failure(ApiError(404, "no")).status, 404);
}

}  // namespace
}  // namespace uma::serve
