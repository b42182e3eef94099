#pragma once
// Addresses of files: http and https only, no credentials, checked before anything is sent.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace uma::hub {

struct Url {
  bool tls = true;
  std::string host;  // without the brackets of an IPv6 address
  uint16_t port = 443;
  std::string target = "/";  // path and query

  /// "host" or "host:port" as the Host header has it.
  std::string authority() const;
  /// The address in full; without the query (which may hold a signature) if asked.
  std::string text(bool with_query = true) const;
};

/// Throws InvalidArgument: another scheme, a user name or password, a host or port that is none, spaces or
/// bytes outside printable ASCII, more than 8192 bytes.
Url parse_url(std::string_view text);

/// Where a Location header leads from `base`. Throws InvalidArgument as parse_url; also for https to http.
Url redirected(const Url& base, std::string_view location);

struct Proxy {
  std::string host;
  uint16_t port = 80;
  std::string authorization;  // value of Proxy-Authorization, or empty
};

/// What HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY (also in lower case, which wins) say about this
/// address. Throws InvalidArgument for a proxy that is not http://[user:password@]host[:port].
std::optional<Proxy> proxy_for(const Url& url);

}  // namespace uma::hub
