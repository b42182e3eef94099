// The one file that sees Asio, Beast and TLS: they are slow to compile.
#if defined(__SANITIZE_THREAD__)
// Asio's fences, of which TSan sees nothing: one thread runs all here.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include "hub/http.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <cstring>
#include <optional>
#include <vector>

#include "hub/files.h"
#include "hub/lookup.h"
#include "hub/names.h"

namespace uma::hub {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kPoll{100};          // how soon a cancelled job notices
constexpr uint32_t kMaxHeader = 64 * 1024;  // far above what servers send
constexpr size_t kChunk = 64 * 1024;

[[noreturn]] void fail_http(bool transient, const std::string& message) {
  throw HttpError(transient, message);
}

std::vector<tcp::endpoint> endpoints_of(const std::string& host, uint16_t port, const HttpOptions& options) {
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

using Parser = http::response_parser<http::buffer_body>;

/// A count of bytes in a header. Returns -1 if it is none.
int64_t to_count(std::string_view text) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string_view::npos)
    return -1;
  return std::stoll(std::string(text));
}

std::string field(const Parser& parser, http::field name) {
  const auto value = parser.get()[name];
  return std::string(value.data(), value.size());
}

/// "bytes 100-199/1000" or "bytes */1000". Returns false if it is neither.
bool parse_content_range(std::string_view text, int64_t& first, int64_t& total) {
  if (!text.starts_with("bytes ")) return false;
  text.remove_prefix(6);
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  total = to_count(text.substr(slash + 1));
  const std::string_view span = text.substr(0, slash);
  first = span == "*" ? 0 : to_count(span.substr(0, span.find('-')));
  return first >= 0 && total >= 0;
}

/// A strong ETag, else the date: what If-Range may hold.
std::string validator_of(const Parser& parser) {
  const std::string etag = field(parser, http::field::etag);
  return etag.starts_with('"') ? etag : field(parser, http::field::last_modified);
}

HttpStart understand(const Parser& parser, const Url& url, const HttpRange& range) {
  HttpStart start;
  start.url = url;
  start.validator = validator_of(parser);
  const unsigned status = parser.get().result_int();
  const std::string encoding = field(parser, http::field::content_encoding);
  if (!encoding.empty() && encoding != "identity")
    fail_http(false, fmt::format("{} sends the file in the encoding '{}'", url.host, printable(encoding)));
  const std::string content_range = field(parser, http::field::content_range);
  if (status == 206) {
    if (!parse_content_range(content_range, start.offset, start.total) || start.offset != range.offset)
      fail_http(false, fmt::format("{} was asked for the bytes from {} and answers with '{}'", url.host,
                                   range.offset, printable(content_range)));
    return start;
  }
  if (status == 416 && range.offset > 0) {
    int64_t first = 0;
    start.range_past_end = true;
    start.offset = range.offset;
    if (!parse_content_range(content_range, first, start.total)) start.total = 0;
    return start;
  }
  if (status != 200) {
    const char* meaning = status == 404 || status == 410   ? " (there is no such file)"
                          : status == 401 || status == 403 ? " (it is not open to all)"
                          : status == 429                  ? " (too many requests)"
                                                           : "";
    fail_http(false, fmt::format("{} answers with status {}{}", url.host, status, meaning));
  }
  if (const auto length = parser.content_length()) {
    if (*length > static_cast<uint64_t>(INT64_MAX)) fail_http(false, url.host + " states an absurd length");
    start.total = static_cast<int64_t>(*length);
  }
  if (start.total == 0 && !parser.chunked())
    fail_http(false, parser.content_length() ? fmt::format("{} sends an empty file", url.host)
                                             : fmt::format("{} does not say how long the file is", url.host));
  return start;
}

/// Notices a source that trickles, never silent long enough to count as gone.
class SpeedFloor {
 public:
  explicit SpeedFloor(const HttpOptions& options) : options_(options) {}
  bool too_slow(int64_t more) {
    bytes_ += more;
    if (Clock::now() - start_ < Milliseconds(options_.window_ms)) return false;
    const bool slow = bytes_ < options_.min_bytes_per_window;
    start_ = Clock::now();
    bytes_ = 0;
    return slow;
  }

 private:
  const HttpOptions& options_;
  int64_t bytes_ = 0;
  Clock::time_point start_ = Clock::now();
};

void read_body(Connection& connection, Parser& parser, const Url& url, const HttpOptions& options,
               const std::function<void(std::span<const uint8_t>)>& on_data) {
  std::vector<uint8_t> chunk(kChunk);
  SpeedFloor floor(options);
  while (!parser.is_done()) {
    auto& body = parser.get().body();
    body.data = chunk.data();
    body.size = chunk.size();
    error_code error = connection.read_some(parser);
    if (error == http::error::need_buffer) error = {};
    const size_t got = chunk.size() - body.size;
    if (got > 0) on_data({chunk.data(), got});  // also what came before the connection broke
    if (error)
      fail_http(Connection::is_break(error),
                fmt::format("{} stopped in the middle of the file: {}", url.host, connection.words(error)));
    if (floor.too_slow(static_cast<int64_t>(got)))
      fail_http(true, fmt::format("{} is too slow: less than {} in {} ms", url.host,
                                  human_bytes(options.min_bytes_per_window), options.window_ms));
  }
}

http::request<http::empty_body> make_request(const Url& url, const HttpRange& range) {
  http::request<http::empty_body> request(http::verb::get, url.target, 11);
  request.set(http::field::host, url.authority());
  request.set(http::field::user_agent, "uma/0.1");
  request.set(http::field::accept, "*/*");
  request.set(http::field::accept_encoding, "identity");
  request.set(http::field::connection, "close");
  if (range.offset > 0) {
    request.set(http::field::range, fmt::format("bytes={}-", range.offset));
    if (!range.validator.empty()) request.set(http::field::if_range, range.validator);
  }
  return request;
}

bool is_redirect(unsigned status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

void http_get(const Url& first, const HttpRange& range, const HttpOptions& options,
              const std::function<void(const HttpStart&)>& on_start,
              const std::function<void(std::span<const uint8_t>)>& on_data) {
  Url url = first;
  for (int hops = 0;; ++hops) {
    Connection connection(url, options);
    connection.open();
    auto request = make_request(url, range);
    connection.send(request);
    Parser parser;
    parser.header_limit(kMaxHeader);
    // Sizes are checked against what is expected, by the caller. Not boost::none: Boost 1.74, which is Debian
    // 12's, takes that for a limit of nothing.
    parser.body_limit(UINT64_MAX);
    connection.read_header(parser);
    if (is_redirect(parser.get().result_int())) {
      if (hops == options.max_redirects)
        fail_http(false, fmt::format("{} leads in more than {} steps to other addresses", first.host,
                                     options.max_redirects));
      const std::string location = field(parser, http::field::location);
      if (location.empty()) fail_http(false, url.host + " answers with a redirect without an address");
      url = redirected(url, location);
      continue;
    }
    const HttpStart start = understand(parser, url, range);
    on_start(start);
    if (!start.range_past_end) read_body(connection, parser, url, options, on_data);
    return;
  }
}

}  // namespace uma::hub
