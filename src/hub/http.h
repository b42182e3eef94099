#pragma once
// One GET over HTTP/1.1, with TLS, redirects, ranges and time limits; nothing is kept open.
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/error.h"
#include "hub/url.h"

namespace uma::hub {

/// The network's or the server's fault.
class HttpError : public Error {
 public:
  HttpError(bool transient, std::string_view message)
      : Error(ErrorCode::kIo, "models", message), transient_(transient) {}
  /// The same request may well succeed at once: the connection broke or stalled.
  bool transient() const { return transient_; }

 private:
  bool transient_;
};

struct HttpOptions {
  int connect_timeout_ms = 5000;         // name, TCP, proxy and TLS, each
  int idle_timeout_ms = 30000;           // without a byte
  int64_t min_bytes_per_window = 65536;  // a source that brings less in a window counts as stalled
  int window_ms = 60000;
  int max_redirects = 5;
  const std::atomic<bool>* cancel = nullptr;
};

struct HttpRange {
  int64_t offset = 0;     // 0: from the start
  std::string validator;  // an ETag or date; the server sends all again if the file has changed since
};

struct HttpStart {
  int64_t offset = 0;           // of the first byte that follows; 0 where the server ignores the range
  int64_t total = 0;            // size of the whole file; 0: not said
  bool range_past_end = false;  // status 416: there is nothing at the offset, and nothing follows
  std::string validator;        // to ask for the rest with
  Url url;                      // where the redirects ended
};

/// on_start is called once, before the first on_data. Returns when the body is complete.
/// Throws HttpError, InvalidArgument (an address or proxy that cannot be used), Cancelled, and what the
/// callbacks throw.
void http_get(const Url& url, const HttpRange& range, const HttpOptions& options,
              const std::function<void(const HttpStart&)>& on_start,
              const std::function<void(std::span<const uint8_t>)>& on_data);

}  // namespace uma::hub
