#pragma once
// One request with a body over HTTP/1.1, and its whole reply: what talks to another server's API.
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "hub/http.h"

namespace uma::hub {

struct HttpCall {
  std::string method;  // "HEAD", "POST"
  std::string bearer;  // a key, or ""
  std::string type;    // of the body
  int64_t body_bytes = 0;
  /// Fills the span from the body's next bytes; called until body_bytes have come. What it throws goes on.
  std::function<void(std::span<uint8_t>)> read;
};

struct HttpAnswer {
  unsigned status = 0;
  std::string body;  // cut after 1 MiB
};

/// Redirects are not followed: a key and a model's bytes are for the server that was named. A server that
/// answers before the body is whole has its answer returned. Throws HttpError, InvalidArgument (an address or
/// proxy that cannot be used), Cancelled, and what `read` throws.
HttpAnswer http_call(const Url& url, const HttpCall& call, const HttpOptions& options);

}  // namespace uma::hub
