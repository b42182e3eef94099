#include "serve/http_text.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/ascii.h"

namespace uma::serve {
namespace {

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    default:
      return status < 500 ? "Error" : "Internal Server Error";
  }
}

bool is_address(const std::string& host) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

std::string reply_head(const HttpReply& reply, std::optional<size_t> length, bool chunked, bool keep_alive) {
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\n", reply.status, reason(reply.status), reply.type);
  if (length) {
    head += fmt::format("Content-Length: {}\r\n", *length);
  } else if (chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  }
  for (const auto& [name, value] : reply.headers) head += fmt::format("{}: {}\r\n", name, value);
  head += "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
  head += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return head;
}

std::string chunk_of(std::string_view bytes) {
  return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

bool host_is_ours(std::string_view host, const std::vector<std::string>& names) {
  std::string name = ascii_lower(host);
  if (name.starts_with('[')) {
    const size_t end = name.find(']');
    if (end == std::string::npos) return false;
    return is_address(name.substr(1, end - 1));
  }
  name.resize(std::min(name.size(), name.find(':')));
  if (name.ends_with('.')) name.pop_back();
  if (name == "localhost" || name.ends_with(".localhost") || is_address(name)) return true;
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool origin_is_ours(std::string_view origin, std::string_view host) {
  const size_t at = origin.find("://");
  return at != std::string_view::npos && ascii_lower(origin.substr(at + 3)) == ascii_lower(host);
}

std::string with_colons(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 3) == "%3A" || text.substr(i, 3) == "%3a") {
      out += ':';
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace uma::serve
