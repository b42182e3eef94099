#include "serve/page.h"

#include <openssl/sha.h>

#include "base/ascii.h"
#include "serve/base64.h"

namespace uma::serve {
namespace {

/// A source expression of the policy: the hash of an element's text.
std::string hash_source(std::string_view text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return fmt::format("'sha256-{}'", base64({reinterpret_cast<const char*>(digest), sizeof(digest)}));
}

/// Puts text into the element that begins with `tag`.
void fill(std::string& html, std::string_view tag, std::string_view text) {
  html.insert(html.find(tag) + tag.size(), text);
}

HttpReply make_page() {
  HttpReply page{.body = std::string(kPageHtml), .type = "text/html; charset=utf-8"};
  fill(page.body, "<script type=\"module\">", kPageScript);
  fill(page.body, "<style>", kPageStyle);
  page.headers = {
      {"Content-Security-Policy",
       fmt::format("default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; "
                   "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                   "require-trusted-types-for 'script'; trusted-types 'none'",
                   hash_source(kPageScript), hash_source(kPageStyle))},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Vary", "Accept"}};
  return page;
}

}  // namespace

bool wants_page(std::string_view accept) {
  return ascii_lower(accept).find("text/html") != std::string::npos;
}

HttpReply chat_page() {
  static const HttpReply page = make_page();
  return page;
}

}  // namespace uma::serve
