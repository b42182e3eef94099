#pragma once
// A connection as http.cc and http_call.cc use it. The one header that sees Asio, Beast and TLS: they are
// slow to compile.
#if defined(__SANITIZE_THREAD__)
// Asio's fences, of which TSan sees nothing: one thread runs all here.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "hub/files.h"
#include "hub/http.h"
#include "hub/lookup.h"
#include "hub/names.h"

namespace uma::hub {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

inline constexpr Milliseconds kPoll{100};          // how soon a cancelled job notices
inline constexpr uint32_t kMaxHeader = 64 * 1024;  // far above what servers send
inline constexpr size_t kChunk = 64 * 1024;

[[noreturn]] inline void fail_http(bool transient, const std::string& message) {
  throw HttpError(transient, message);
}

inline std::vector<tcp::endpoint> endpoints_of(const std::string& host, uint16_t port,
                                               const HttpOptions& options) {
  std::vector<tcp::endpoint> endpoints;
  for (const SocketAddress& address : look_up(host, options.connect_timeout_ms, options.cancel)) {
    tcp::endpoint endpoint;
    if (address.size() > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), address.data(), address.size());
    endpoint.resize(address.size());
    endpoint.port(port);
    endpoints.push_back(endpoint);
  }
  return endpoints;
}

/// A connection, maybe with TLS on it, whose every step has a time limit and can be cancelled.
class Connection {
 public:
  Connection(const Url& url, const HttpOptions& options) : url_(url), options_(options) {}

  void open() {
    const std::optional<Proxy> proxy = proxy_for(url_);
    const std::string host = proxy ? proxy->host : url_.host;
    const auto endpoints = endpoints_of(host, proxy ? proxy->port : url_.port, options_);
    const error_code error = connect(endpoints);
    if (error) fail_http(false, fmt::format("cannot connect to {}: {}", host, words(error)));
    if (proxy && url_.tls) open_tunnel(*proxy);
    if (url_.tls) start_tls();
    if (proxy && !url_.tls) through_ = proxy;
  }

  /// The request, or where it has a body of its own making, its head.
  void send(http::request<http::empty_body>& request) {
    if (through_) {
      request.target(url_.text());
      if (!through_->authorization.empty())
        request.set(http::field::proxy_authorization, through_->authorization);
    }
    const error_code error =
        with_stream([&](auto& stream, auto done) { http::async_write(stream, request, done); });
    if (error) fail_http(true, fmt::format("{} broke the connection: {}", url_.host, words(error)));
  }

  /// A piece of a body.
  error_code write(std::span<const uint8_t> bytes) {
    return with_stream([&](auto& stream, auto done) {
      asio::async_write(stream, asio::buffer(bytes.data(), bytes.size()), done);
    });
  }

  template <class Parser>
  void read_header(Parser& parser) {
    const error_code error =
        with_stream([&](auto& stream, auto done) { http::async_read_header(stream, buffer_, parser, done); });
    if (error) fail_http(is_break(error), fmt::format("{} gave no answer: {}", url_.host, words(error)));
  }

  template <class Parser>
  error_code read_some(Parser& parser) {
    return with_stream(
        [&](auto& stream, auto done) { http::async_read_some(stream, buffer_, parser, done); });
  }

  /// The connection ended or stalled, as against an answer that breaks HTTP's rules.
  static bool is_break(const error_code& e) {
    return e == http::error::end_of_stream || e == http::error::partial_message ||
           e == asio::error::timed_out || e.category() == boost::system::system_category() ||
           e.category() == asio::error::get_misc_category() || e == asio::ssl::error::stream_truncated;
  }

  std::string words(const error_code& e) const {
    if (e == asio::error::timed_out) return "it took too long";
    if (e == http::error::end_of_stream || e == http::error::partial_message ||
        e == asio::ssl::error::stream_truncated || e == asio::error::eof)
      return "the connection was closed";
    return printable(e.message());
  }

 private:
  /// Starts one operation and runs it to its end, its time limit or the user's Ctrl-C.
  template <class Start>
  error_code await(int timeout_ms, Start start) {
    std::optional<error_code> result;
    start([&result](error_code e, size_t) { result = e; });
    const auto deadline = Clock::now() + Milliseconds(timeout_ms);
    bool stopped = false, late = false;
    while (!result) {
      context_.restart();
      context_.run_for(stopped ? Milliseconds(1) : kPoll);
      if (result || stopped) continue;
      late = Clock::now() >= deadline;
      const bool cancelled = options_.cancel && options_.cancel->load(std::memory_order_relaxed);
      if (late || cancelled) {
        error_code ignored;
        socket().close(ignored);  // the operation's handler still has to run
        stopped = true;
      }
    }
    check_cancel(options_.cancel);
    return late ? error_code(asio::error::timed_out) : *result;
  }

  /// Tries the addresses in turn. No one of them may use up the time: a host may have an IPv6 address that
  /// this network does not carry.
  error_code connect(const std::vector<tcp::endpoint>& endpoints) {
    error_code error = asio::error::timed_out;
    const auto deadline = Clock::now() + Milliseconds(options_.connect_timeout_ms);
    for (const tcp::endpoint& endpoint : endpoints) {
      const auto left = std::chrono::duration_cast<Milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) break;
      const bool last = &endpoint == &endpoints.back();
      socket_ = tcp::socket(context_);
      error = await(static_cast<int>(last ? left : (left + 1) / 2), [&](auto done) {
        socket_.async_connect(endpoint, [done](error_code e) mutable { done(e, 0); });
      });
      if (!error) break;
    }
    return error;
  }

  template <class Start>
  error_code with_stream(Start start) {
    return await(options_.idle_timeout_ms, [&](auto done) {
      if (tls_) {
        start(*tls_, done);
      } else {
        start(socket_, done);
      }
    });
  }

  tcp::socket& socket() { return tls_ ? tls_->next_layer() : socket_; }

  void open_tunnel(const Proxy& proxy) {
    http::request<http::empty_body> request(http::verb::connect, "", 11);
    const std::string host = url_.host.find(':') == std::string::npos ? url_.host : "[" + url_.host + "]";
    request.target(host + ":" + std::to_string(url_.port));
    request.set(http::field::host, request.target());
    if (!proxy.authorization.empty()) request.set(http::field::proxy_authorization, proxy.authorization);
    error_code error =
        await(options_.connect_timeout_ms, [&](auto done) { http::async_write(socket_, request, done); });
    http::response_parser<http::empty_body> parser;
    parser.skip(true);
    parser.header_limit(kMaxHeader);
    if (!error)
      error = await(options_.connect_timeout_ms,
                    [&](auto done) { http::async_read_header(socket_, buffer_, parser, done); });
    if (error) fail_http(false, fmt::format("the proxy {} gave no answer: {}", proxy.host, words(error)));
    const unsigned status = parser.get().result_int();
    if (status != 200)
      fail_http(false, fmt::format("the proxy {} refused {}: status {}", proxy.host, url_.host, status));
    buffer_.clear();
  }

  void start_tls() {
    error_code error;
    tls_context_.set_default_verify_paths(error);
    tls_.emplace(std::move(socket_), tls_context_);
    tls_->set_verify_mode(asio::ssl::verify_peer);
    tls_->set_verify_callback(asio::ssl::host_name_verification(url_.host));
    const bool is_name = url_.host.find(':') == std::string::npos &&
                         url_.host.find_first_not_of("0123456789.") != std::string::npos;
    if (is_name) SSL_set_tlsext_host_name(tls_->native_handle(), url_.host.c_str());
    error = await(options_.connect_timeout_ms, [&](auto done) {
      tls_->async_handshake(asio::ssl::stream_base::client, [done](error_code e) mutable { done(e, 0); });
    });
    if (!error) return;
    const long verdict = SSL_get_verify_result(tls_->native_handle());
    if (verdict != X509_V_OK)
      fail_http(false, fmt::format("the certificate of {} is not trusted: {}", url_.host,
                                   X509_verify_cert_error_string(verdict)));
    fail_http(false, fmt::format("no TLS connection to {}: {}", url_.host, words(error)));
  }

  Url url_;
  HttpOptions options_;
  asio::io_context context_{1};
  asio::ssl::context tls_context_{asio::ssl::context::tls_client};
  tcp::socket socket_{context_};
  std::optional<asio::ssl::stream<tcp::socket>> tls_;
  boost::beast::flat_buffer buffer_;
  std::optional<Proxy> through_;
};

}  // namespace uma::hub
