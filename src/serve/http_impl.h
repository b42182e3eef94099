#pragma once
// What http_server.cc (a server's life), http_listen.cc (who may connect), http_read.cc (requests) and
// http_write.cc (replies) share. The one header that sees Asio and Beast: they are slow to compile.
#if defined(__SANITIZE_THREAD__)
// Asio's fences, of which TSan sees nothing: one thread runs the sockets.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include "serve/http_server.h"  // first: Boost 1.74's Asio misses <utility>

#include <poll.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <set>

namespace uma::serve {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using Milliseconds = std::chrono::milliseconds;
template <class T>
using Awaitable = asio::awaitable<T>;

inline constexpr int kWorkers = 4;                // they parse, open models and read prompts
inline constexpr Milliseconds kLookForPeer{100};  // how soon an answer notices that nobody waits for it
inline constexpr Milliseconds kDrain{1000};       // for what a refused client still sends

inline auto or_error(error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

/// Room for a body among those of all requests.
class BodyRoom {
 public:
  explicit BodyRoom(size_t& held) : held_(held) {}
  ~BodyRoom() { give_back(); }
  BodyRoom(const BodyRoom&) = delete;
  BodyRoom& operator=(const BodyRoom&) = delete;
  bool take(size_t bytes, size_t most) {
    if (bytes > most - std::min(most, held_)) return false;
    held_ += bytes;
    mine_ += bytes;
    return true;
  }
  void give_back() { held_ -= std::exchange(mine_, 0); }

 private:
  size_t& held_;
  size_t mine_ = 0;
};

/// A connection as reading and writing see it: with TLS or without.
class Channel {
 public:
  using executor_type = beast::tcp_stream::executor_type;
  using Secure = asio::ssl::stream<beast::tcp_stream&>;
  Channel(beast::tcp_stream& plain, asio::ssl::context* tls) : plain_(plain) {
    if (tls) secure_.emplace(plain, *tls);
  }
  executor_type get_executor() { return plain_.get_executor(); }
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return secure_ ? secure_->async_read_some(buffers, std::forward<Token>(token))
                   : plain_.async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return secure_ ? secure_->async_write_some(buffers, std::forward<Token>(token))
                   : plain_.async_write_some(buffers, std::forward<Token>(token));
  }
  Secure* secure() { return secure_ ? &*secure_ : nullptr; }

 private:
  beast::tcp_stream& plain_;
  std::optional<Secure> secure_;
};

struct Connection {
  Connection(tcp::socket socket, asio::ssl::context* tls)
      : stream(std::move(socket)), channel(stream, tls), signal(stream.get_executor()) {}

  bool peer_is_gone() {
    struct pollfd state {
      stream.socket().native_handle(), POLLRDHUP, 0
    };
    return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
  }
  void close() {
    error_code ignored;
    stream.socket().close(ignored);
  }

  beast::tcp_stream stream;
  Channel channel;
  beast::flat_buffer buffer;
  asio::steady_timer signal;
  bool idle = true;  // no request has begun
  LiveReply* live = nullptr;
};
using ConnectionPtr = std::shared_ptr<Connection>;

/// A request, or what was wrong with it.
struct Incoming {
  HttpRequest request;
  std::optional<Failure> failure;
  std::optional<HttpReply> reply;  // a sink's, or what a browser is told before it asks
  std::string origin;              // of a page that may ask
  bool head_only = false, chunks = true, keep_alive = false;
  bool body_left = false;  // the client may still be sending
};

struct HttpServer::Impl {
  Impl(HttpOptions o, Callbacks c, Metrics& m) : options(std::move(o)), callbacks(std::move(c)), metrics(m) {
    read_certificates();
    listen();
  }

  void read_certificates();
  void listen();
  Awaitable<void> accept();
  Awaitable<void> serve(ConnectionPtr c);
  static Awaitable<void> say_goodbye(Connection& c);
  Awaitable<bool> shake_hands(Connection& c);
  Awaitable<bool> exchange(ConnectionPtr c);
  Awaitable<bool> read(Connection& c, Incoming& in, BodyRoom& room);
  Awaitable<bool> receive(Connection& c, Incoming& in, http::request_parser<http::string_body>& head);
  Awaitable<bool> invite(Connection& c, beast::string_view expect);
  Awaitable<Reply> handle(HttpRequest& request);
  Awaitable<std::unique_ptr<BodySink>> open_sink(HttpRequest& request);
  static Awaitable<void> write_to(BodySink& sink, std::string_view bytes);
  static Awaitable<HttpReply> finish(BodySink& sink);
  Awaitable<bool> send(Connection& c, const Incoming& in, HttpReply reply);
  Awaitable<bool> send_live(ConnectionPtr c, const Incoming& in, LiveReply& live);
  Awaitable<bool> write(Connection& c, std::string bytes);
  Awaitable<void> drain(Connection& c);
  Awaitable<void> tick();
  Awaitable<void> wind_up();
  void judge(const http::request<http::string_body>& message, Incoming& in) const;
  void begin_stop();

  HttpOptions options;
  Callbacks callbacks;
  Metrics& metrics;
  // What coroutines use outlives the context that they end with.
  std::set<ConnectionPtr> connections;
  size_t body_bytes = 0;
  bool closing = false;
  uint16_t port = 0;
  std::function<void()> on_stop;
  asio::io_context io{1};
  asio::thread_pool workers{kWorkers};
  std::optional<asio::ssl::context> tls;
  tcp::acceptor acceptor{io};
  asio::steady_timer second{io}, pause{io}, closing_timer{io};
  asio::signal_set signals{io};
};

}  // namespace uma::serve
