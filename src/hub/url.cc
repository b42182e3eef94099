#include "hub/url.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>

#include "base/ascii.h"
#include "base/error.h"
#include "hub/names.h"

namespace uma::hub {
namespace {

constexpr size_t kMaxAddress = 8192;

[[noreturn]] void refuse(std::string_view address, std::string_view why) {
  fail(ErrorCode::kInvalidArgument, "models", "'{}' is not an address that can be fetched: {}",
       printable(address), why);
}

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  const bool v6 = host.find(':') != std::string_view::npos;
  return std::all_of(host.begin(), host.end(), [v6](char c) {
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
    return v6 ? hex : (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
}

/// Splits "host", "host:80", "[::1]", "[::1]:80". Returns what is wrong with it, or "".
std::string_view split_authority(std::string_view authority, std::string& host, uint16_t& port) {
  constexpr std::string_view kNoHost = "it names no host", kNoPort = "its port is no number from 1 to 65535";
  std::string_view port_text;
  bool has_port = false;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return kNoHost;
    host = ascii_lower(authority.substr(1, end - 1));
    if (host.find(':') == std::string::npos) return kNoHost;
    port_text = authority.substr(end + 1);
    if (!port_text.empty() && port_text[0] != ':') return kNoHost;
    has_port = !port_text.empty();
    if (has_port) port_text.remove_prefix(1);
  } else {
    const size_t colon = authority.find(':');
    host = ascii_lower(authority.substr(0, colon));
    has_port = colon != std::string_view::npos;
    if (has_port) port_text = authority.substr(colon + 1);
  }
  if (has_port) {
    if (port_text.empty() || port_text.size() > 5 ||
        port_text.find_first_not_of("0123456789") != std::string_view::npos)
      return kNoPort;
    const int value = std::atoi(std::string(port_text).c_str());
    if (value < 1 || value > 65535) return kNoPort;
    port = static_cast<uint16_t>(value);
  }
  return is_host(host) ? "" : kNoHost;
}

std::string environment(const char* lower, const char* upper) {
  for (const char* name : {lower, upper}) {
    const char* value = std::getenv(name);
    if (value && *value) return value;
  }
  return "";
}

/// NO_PROXY: host names and domains separated by commas or spaces; '*' is all.
bool bypasses_proxy(const std::string& host, const std::string& list) {
  size_t at = 0;
  while (at < list.size()) {
    size_t end = list.find_first_of(", ", at);
    if (end == std::string::npos) end = list.size();
    std::string entry = ascii_lower(std::string_view(list).substr(at, end - at));
    at = end + 1;
    if (entry == "*") return true;
    entry.erase(0, entry.find_first_not_of('.'));
    if (entry.empty()) continue;
    if (host == entry || host.ends_with("." + entry)) return true;
  }
  return false;
}

std::string percent_decoded(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto hex = [&](size_t at) {
      const char c = ascii_lower(text.substr(at, 1))[0];
      return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    if (text[i] == '%' && i + 2 < text.size() && hex(i + 1) >= 0 && hex(i + 2) >= 0) {
      result += static_cast<char>(hex(i + 1) * 16 + hex(i + 2));
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string basic_authorization(std::string_view user_and_password) {
  const std::string plain = percent_decoded(user_and_password);
  std::string text(4 * ((plain.size() + 2) / 3) + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(plain.data()), static_cast<int>(plain.size()));
  text.resize(static_cast<size_t>(size));
  return "Basic " + text;
}

}  // namespace

std::string Url::authority() const {
  std::string result = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? 443 : 80)) result += ":" + std::to_string(port);
  return result;
}

std::string Url::text(bool with_query) const {
  const std::string path = with_query ? target : target.substr(0, target.find('?'));
  return (tls ? "https://" : "http://") + authority() + path;
}

Url parse_url(std::string_view text) {
  if (text.size() > kMaxAddress) refuse(text, "it is longer than 8192 bytes");
  if (std::any_of(text.begin(), text.end(), [](char c) { return c <= 0x20 || c >= 0x7f; }))
    refuse(text, "it holds a space or a byte that is not printable ASCII (write it as %20 and the like)");
  Url url;
  const std::string_view whole = text;
  const std::string start = ascii_lower(text.substr(0, 8));
  if (start.starts_with("https://")) {
    text.remove_prefix(8);
  } else if (start.starts_with("http://")) {
    text.remove_prefix(7);
    url.tls = false;
    url.port = 80;
  } else {
    refuse(text, "it starts with neither https:// nor http://");
  }
  text = text.substr(0, text.find('#'));
  const size_t end = std::min(text.find_first_of("/?"), text.size());
  const std::string_view authority = text.substr(0, end);
  if (authority.find('@') != std::string_view::npos)
    refuse(authority.substr(authority.find('@')), "it holds a user name");
  if (const auto wrong = split_authority(authority, url.host, url.port); !wrong.empty()) refuse(whole, wrong);
  url.target = std::string(text.substr(end));
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  return url;
}

Url redirected(const Url& base, std::string_view location) {
  std::string full(location);
  const std::string start = ascii_lower(location.substr(0, 8));
  if (start.starts_with("//")) {
    full = (base.tls ? "https:" : "http:") + full;
  } else if (start.starts_with("/")) {
    full = base.text().substr(0, base.text().size() - base.target.size()) + full;
  } else if (location.find("://") == std::string_view::npos ||
             location.find("://") > location.find_first_of("/?#")) {
    const std::string path = base.target.substr(0, base.target.find('?'));
    full = base.text().substr(0, base.text().size() - base.target.size()) +
           path.substr(0, path.rfind('/') + 1) + full;
  }
  const Url next = parse_url(full);
  if (base.tls && !next.tls) refuse(next.text(false), "the server leads from https to http");
  return next;
}

std::optional<Proxy> proxy_for(const Url& url) {
  std::string text =
      url.tls ? environment("https_proxy", "HTTPS_PROXY") : environment("http_proxy", "HTTP_PROXY");
  if (text.empty()) text = environment("all_proxy", "ALL_PROXY");
  if (text.empty() || bypasses_proxy(url.host, environment("no_proxy", "NO_PROXY"))) return std::nullopt;
  std::string_view rest = text;
  const size_t scheme = rest.find("://");
  if (scheme != std::string_view::npos) {
    check(ascii_lower(rest.substr(0, scheme)) == "http", ErrorCode::kInvalidArgument, "models",
          "the proxy in the environment is not an http:// one");
    rest = rest.substr(scheme + 3);
  }
  Proxy proxy;
  rest = rest.substr(0, rest.find('/'));
  const size_t at = rest.rfind('@');
  if (at != std::string_view::npos) {
    proxy.authorization = basic_authorization(rest.substr(0, at));
    rest = rest.substr(at + 1);
  }
  check(split_authority(rest, proxy.host, proxy.port).empty(), ErrorCode::kInvalidArgument, "models",
        "the proxy in the environment is not http://[user:password@]host[:port]");
  return proxy;
}

}  // namespace uma::hub
