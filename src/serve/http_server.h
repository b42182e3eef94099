#pragma once
// HTTP/1.1 over TCP: connections, limits and time; nothing of what is asked or answered. One thread does all
// input and output, by coroutines; handlers run on a few others.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serve/answering.h"

namespace uma::serve {

struct HttpOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;                    // 0: one that is free
  bool loopback_only = true;            // any other address is refused
  std::vector<std::string> host_names;  // in Host headers, besides localhost and addresses; lower case
  std::vector<std::string> origins;     // whose pages may ask (CORS), such as "https://app.example"
  std::string tls_cert, tls_key;  // PEM files: the certificate and those above it, and its key; "": no TLS
  std::string tls_client_ca;      // PEM file: clients need a certificate signed by one of these; "": none
  size_t max_header_bytes = size_t{16} << 10;
  size_t max_body_bytes = size_t{16} << 20;
  uint64_t max_upload_bytes = uint64_t{1} << 40;  // of a body that is handed on as it comes
  size_t max_bodies_bytes = size_t{256} << 20;    // of all requests that are being read or handled
  int64_t max_connections = 8192;
  std::chrono::milliseconds idle_timeout{120'000};  // between two requests
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::milliseconds write_timeout{30'000};  // for what is written at once, at most about 64 KiB
  std::chrono::milliseconds grace{5'000};           // that answers under way have at the end
  int send_buffer_bytes = 0;                        // of each socket; 0: the system's choice
};

class HttpServer {
 public:
  struct Callbacks {
    std::function<Reply(HttpRequest&)> handle;  // on a worker; never throws
    /// Bodies that are handed on as they come. open_sink and what it gives never throw, and run on a worker.
    std::function<bool(const HttpRequest&)> has_sink;
    std::function<std::unique_ptr<BodySink>(HttpRequest&)> open_sink;
    std::function<HttpReply(std::string_view path, const Failure&)> refuse;
    std::function<void()> tick;  // once a second, on a worker
    std::function<void(std::string_view)> log;
  };
  /// Listens. Throws InvalidArgument for an address that is no loopback where only such are allowed, and for
  /// TLS files that do not do; Io where the address cannot be had.
  HttpServer(HttpOptions options, Callbacks callbacks, Metrics& metrics);
  ~HttpServer();

  uint16_t port() const;
  /// Serves until stop(), or, with signals, SIGINT or SIGTERM; a second one does not wait for answers.
  void run(bool signals);
  /// Takes no more requests; answers under way have `grace` to end, then they are ended. Any thread.
  void stop();
  /// Nobody is served any more from here on.
  std::function<void()> on_stop;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace uma::serve
