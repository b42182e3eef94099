// The chat page as it is served; tests/serve/test_page.py looks at it in a browser.
#include "serve/page.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "serve/testing.h"

namespace uma::serve {
namespace {

using testing::TestServer;

std::string element_text(const std::string& html, const std::string& open, const std::string& close) {
  const size_t begin = html.find(open) + open.size();
  return html.substr(begin, html.find(close, begin) - begin);
}

std::string sha256_base64(const std::string& text) {
  unsigned char digest[32], base64[45];
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  ::EVP_EncodeBlock(base64, digest, sizeof digest);
  return reinterpret_cast<char*>(base64);
}

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++n;
  return n;
}

TEST(ServePage, GoesToWhoAsksForHtml) {
  TestServer s;
  const auto page = s.ask("GET", "/", "", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n");
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(page.head.find("Content-Type: text/html; charset=utf-8\r\n"), std::string::npos);
  EXPECT_NE(page.head.find("X-Content-Type-Options: nosniff\r\n"), std::string::npos);
  EXPECT_NE(page.head.find("Referrer-Policy: no-referrer\r\n"), std::string::npos);
  EXPECT_TRUE(page.body.starts_with("<!doctype html>"));
  for (const char* accept : {"", "Accept: */*\r\n", "Accept: application/json\r\n"}) {
    const auto line = s.ask("GET", "/", "", accept);
    EXPECT_EQ(line.body, "uma is running\n") << accept;
    EXPECT_NE(line.head.find("Vary: Accept\r\n"), std::string::npos);
  }
  EXPECT_EQ(s.ask("HEAD", "/", "", "Accept: text/html\r\n").status, 200);
  EXPECT_EQ(s.ask("POST", "/", "{}", "Accept: text/html\r\n").status, 405);
}

TEST(ServePage, PolicyNamesItsOwnStyleAndScriptOnly) {
  const HttpReply page = chat_page();
  ASSERT_EQ(page.headers[0].first, "Content-Security-Policy");
  const std::string& policy = page.headers[0].second;
  const std::string script = element_text(page.body, "<script type=\"module\">", "</script>");
  const std::string style = element_text(page.body, "<style>", "</style>");
  EXPECT_GT(script.size(), 1000u);
  EXPECT_NE(policy.find("script-src 'sha256-" + sha256_base64(script) + "';"), std::string::npos) << policy;
  EXPECT_NE(policy.find("style-src 'sha256-" + sha256_base64(style) + "';"), std::string::npos) << policy;
  EXPECT_TRUE(policy.starts_with("default-src 'none';"));
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(count(page.body, "<script"), 1u);
  EXPECT_EQ(count(page.body, "<style"), 1u);
}

TEST(ServePage, LoadsNothingAndRunsNoText) {
  const std::string html = chat_page().body;
  for (size_t at = 0; (at = html.find("://", at)) != std::string::npos; ++at) {
    const std::string before = html.substr(0, at);
    const bool address = before.ends_with("http") || before.ends_with("https");
    EXPECT_TRUE(!address || html.substr(at).starts_with("://www.w3.org/")) << html.substr(at, 80);  // XML's
  }
  for (const char* word : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                           "new Function", "<link rel=\"stylesheet", "@import", "url(", " src="})
    EXPECT_EQ(html.find(word), std::string::npos) << word;
  for (const char* handler : {" onclick=", " onload=", " onerror=", " onsubmit=", " onkeydown="})
    EXPECT_EQ(kPageHtml.find(handler), std::string::npos) << handler;
}

}  // namespace
}  // namespace uma::serve
