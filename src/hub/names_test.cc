#include "hub/names.h"

#include "hub/testing.h"
#include "hub/url.h"

namespace uma::hub {
namespace {

using testing::EnvironmentScope;
using testing::error_of;

TEST(ModelNames, TakesNamesAndTagsOnly) {
  for (const char* good : {"a", "qwen2.5-coder:0.5b", "my_model", "x.y", "0", "a:b"})
    EXPECT_TRUE(is_model_name(good)) << good;
  for (const char* bad : {"", ":", "a:", ":b", "..", ".hidden", "-flag", "a/b", "a\\b", "a b", "A", "a:..",
                          "a:-x", "a:b:c", "caf\xc3\xa9", "a\n"})
    EXPECT_FALSE(is_model_name(bad)) << bad;
  EXPECT_FALSE(is_model_name(std::string_view("a\0b", 3)));
  EXPECT_TRUE(is_model_name(std::string(128, 'a')));
  EXPECT_FALSE(is_model_name(std::string(129, 'a')));
}

TEST(ModelNames, ErrorShowsNoControlBytes) {
  const Error e = error_of([] { check_model_name("a\x1b[31m\n"); });
  EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(std::string(e.what()).find('\x1b'), std::string::npos);
  EXPECT_NE(std::string(e.what()).find("a?[31m?"), std::string::npos);
}

TEST(ModelNames, GuessesWhatWasMeant) {
  const std::vector<std::string> known = {"qwen2.5-coder:0.5b", "gemma3:270m"};
  EXPECT_EQ(nearest("gemma", known), "gemma3:270m");
  EXPECT_EQ(nearest("gema3:270m", known), "gemma3:270m");
  EXPECT_EQ(nearest("Qwen2.5-Coder:0.5B", known), "qwen2.5-coder:0.5b");
  EXPECT_EQ(nearest("llama3", known), "");
  EXPECT_EQ(nearest("", known), "");
}

TEST(ModelNames, FromAddresses) {
  EXPECT_EQ(name_from_address("https://h/a/Model-Q4_K.gguf"), "model-q4_k");
  EXPECT_EQ(name_from_address("https://h/a/b.gguf?sig=..%2f..#x"), "b");
  EXPECT_EQ(name_from_address("https://h/..%2f..%2fetc.gguf"), "2f..-2fetc");
  EXPECT_EQ(name_from_address("https://h/"), "");
  EXPECT_EQ(name_from_address("https://h/..."), "");
  for (const char* odd : {"https://h/..%2f..%2fetc.gguf", "https://h/%00x.gguf", "https://h/--x y.gguf"})
    EXPECT_TRUE(is_model_name(name_from_address(odd))) << odd;
}

TEST(ModelNames, PrintableNeverCutsACharacter) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "\xc3\xa9";
  const std::string cut = printable(std::string("x") + text);
  EXPECT_TRUE(cut.ends_with("\xc3\xa9...")) << cut;
  EXPECT_EQ(printable("short"), "short");
}

TEST(ModelNames, HumanBytes) {
  EXPECT_EQ(human_bytes(0), "0 bytes");
  EXPECT_EQ(human_bytes(999), "999 bytes");
  EXPECT_EQ(human_bytes(1000), "1.0 kB");
  EXPECT_EQ(human_bytes(999999), "1.0 MB");
  EXPECT_EQ(human_bytes(491400064), "491.4 MB");
  EXPECT_EQ(human_bytes(INT64_MAX), "9.2 EB");
}

TEST(Url, Parses) {
  const Url url = parse_url("HTTPS://Example.org:8443/a/b.gguf?x=1#frag");
  EXPECT_TRUE(url.tls);
  EXPECT_EQ(url.host, "example.org");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.target, "/a/b.gguf?x=1");
  EXPECT_EQ(url.text(), "https://example.org:8443/a/b.gguf?x=1");
  EXPECT_EQ(url.text(false), "https://example.org:8443/a/b.gguf");
  EXPECT_EQ(parse_url("http://h").target, "/");
  EXPECT_EQ(parse_url("http://h?q").target, "/?q");
  EXPECT_EQ(parse_url("https://h:443/").authority(), "h");
  EXPECT_EQ(parse_url("http://[::1]:80/x").authority(), "[::1]");
  EXPECT_EQ(parse_url("http://[::1]:81/x").authority(), "[::1]:81");
}

TEST(Url, RefusesWhatIsNoAddress) {
  for (const char* bad :
       {"file:///etc/passwd", "ftp://h/x", "h/x", "https://", "https:///x", "https://u:p@h/x", "https://h:0/",
        "https://h:65536/", "https://h:/", "https://h:8a/", "https://h/a b", "https://h/\r\nX: y",
        "https://h\xc3\xa9/", "https://[::1/", "https://[h]/", "https://a:b:c/", "https://h\\x/"}) {
    const Error e = error_of([&] { parse_url(bad); });
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument) << bad;
  }
  EXPECT_EQ(error_of([] { parse_url("https://h/" + std::string(9000, 'a')); }).code(),
            ErrorCode::kInvalidArgument);
  const auto saying = [](const char* address) {
    return std::string(error_of([&] { parse_url(address); }).message());
  };
  EXPECT_EQ(saying("http:///a"), "'http:///a' is not an address that can be fetched: it names no host");
  EXPECT_EQ(
      saying("http://h:99999/a"),
      "'http://h:99999/a' is not an address that can be fetched: its port is no number from 1 to 65535");
  // A password must not be echoed.
  EXPECT_EQ(std::string(error_of([] { parse_url("https://me:secret@h/"); }).what()).find("secret"),
            std::string::npos);
}

TEST(Url, FollowsLocations) {
  const Url base = parse_url("https://h:444/a/b?x=1");
  EXPECT_EQ(redirected(base, "https://other/c").text(), "https://other/c");
  EXPECT_EQ(redirected(base, "/c?d").text(), "https://h:444/c?d");
  EXPECT_EQ(redirected(base, "c").text(), "https://h:444/a/c");
  EXPECT_EQ(redirected(base, "c?u=https://x/").text(), "https://h:444/a/c?u=https://x/");
  EXPECT_EQ(redirected(base, "//cdn/c").text(), "https://cdn/c");
  EXPECT_EQ(redirected(parse_url("http://h/"), "https://h/").text(), "https://h/");
  for (const char* bad : {"http://h/", "//u@h/", "file:///etc/passwd", "/a b"})
    EXPECT_EQ(error_of([&] { redirected(base, bad); }).code(), ErrorCode::kInvalidArgument) << bad;
}

TEST(Url, ProxiesFromTheEnvironment) {
  const EnvironmentScope lower("https_proxy", nullptr), lower_http("http_proxy", nullptr);
  const EnvironmentScope all("all_proxy", nullptr), all_upper("ALL_PROXY", nullptr);
  const EnvironmentScope no("no_proxy", nullptr), upper_http("HTTP_PROXY", nullptr);
  const Url url = parse_url("https://sub.example.org/x");
  {
    const EnvironmentScope proxy("HTTPS_PROXY", "http://user:p%40ss@proxy:3128/");
    const EnvironmentScope none("NO_PROXY", "localhost, other.org");
    const auto found = proxy_for(url);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->host, "proxy");
    EXPECT_EQ(found->port, 3128);
    EXPECT_EQ(found->authorization, "Basic dXNlcjpwQHNz");
    EXPECT_FALSE(proxy_for(parse_url("http://sub.example.org/")).has_value());
  }
  const EnvironmentScope proxy("HTTPS_PROXY", "proxy:3128");
  for (const char* list : {"*", "example.org", ".example.org", "a,sub.example.org"}) {
    const EnvironmentScope none("NO_PROXY", list);
    EXPECT_FALSE(proxy_for(url).has_value()) << list;
  }
  const EnvironmentScope none("NO_PROXY", "ample.org");
  EXPECT_TRUE(proxy_for(url).has_value());
  const EnvironmentScope odd("HTTPS_PROXY", "socks5://user:secret@h:1");
  const Error e = error_of([&] { proxy_for(url); });
  EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(std::string(e.what()).find("secret"), std::string::npos);
}

}  // namespace
}  // namespace uma::hub
