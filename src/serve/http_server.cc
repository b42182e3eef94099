// The one file that sees Asio and Beast: they are slow to compile.
#if defined(__SANITIZE_THREAD__)
// Asio's fences, of which TSan sees nothing: one thread runs the sockets.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include "serve/http_server.h"

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

#include "base/ascii.h"
#include "serve/http_text.h"

namespace uma::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using Milliseconds = std::chrono::milliseconds;
template <class T>
using Awaitable = asio::awaitable<T>;

constexpr int kWorkers = 4;                // they parse, open models and read prompts
constexpr Milliseconds kLookForPeer{100};  // how soon an answer notices that nobody waits for it
constexpr Milliseconds kDrain{1000};       // for what a refused client still sends
constexpr size_t kMaxDrain = size_t{1} << 20;
constexpr Milliseconds kCloseAfter{2000};  // after the last word, for those who do not read it

auto or_error(error_code& error) {
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

void allow_origin(const Incoming& in, HttpReply& reply) {
  if (in.origin.empty()) return;
  reply.headers.emplace_back("Access-Control-Allow-Origin", in.origin);
  reply.headers.emplace_back("Vary", "Origin");
}

/// What a browser asks before a page of another origin may.
HttpReply preflight() {
  return {.headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE"},
                      {"Access-Control-Allow-Headers",
                       "Authorization, Content-Type, x-api-key, anthropic-version, anthropic-beta"},
                      {"Access-Control-Max-Age", "600"}}};
}

}  // namespace

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

void HttpServer::Impl::read_certificates() {
  if (options.tls_cert.empty()) return;
  using Context = asio::ssl::context;
  tls.emplace(Context::tls_server);
  ::SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
  tls->set_options(Context::no_compression | Context::single_dh_use);
  error_code error;
  const auto need = [&](const std::string& path, const char* what) {
    check(!error, ErrorCode::kInvalidArgument, "serve", "'{}' holds no {} that can be used: {}", path, what,
          error.message());
  };
  tls->use_certificate_chain_file(options.tls_cert, error);
  need(options.tls_cert, "certificate");
  tls->use_private_key_file(options.tls_key, Context::pem, error);
  need(options.tls_key, "key of that certificate");
  if (options.tls_client_ca.empty()) return;
  tls->load_verify_file(options.tls_client_ca, error);
  need(options.tls_client_ca, "certificates of authorities");
  tls->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
}

void HttpServer::Impl::listen() {
  error_code error;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(options.host, std::to_string(options.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, error);
  check(!error && !found.empty(), ErrorCode::kIo, "serve", "'{}' is no address of this machine",
        options.host);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  check(!options.loopback_only || endpoint.address().is_loopback(), ErrorCode::kInvalidArgument, "serve",
        "{} can be reached from other machines: that takes --keys and --tls-cert, or --insecure, which says "
        "that you "
        "want it without",
        options.host);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  check(!error, ErrorCode::kIo, "serve", "cannot listen on {}, port {}: {}", options.host, options.port,
        error.message());
  port = acceptor.local_endpoint().port();
}

Awaitable<void> HttpServer::Impl::accept() {
  while (!closing) {
    error_code error;
    tcp::socket socket(io);
    co_await acceptor.async_accept(socket, or_error(error));
    if (closing) break;
    if (error) {  // too many open files, perhaps: those who wait in the backlog wait on
      error_code ignored;
      pause.expires_after(kLookForPeer);
      co_await pause.async_wait(or_error(ignored));
      continue;
    }
    if (static_cast<int64_t>(connections.size()) >= options.max_connections) continue;  // closed at once
    socket.set_option(tcp::no_delay(true), error);
    if (options.send_buffer_bytes > 0)
      socket.set_option(asio::socket_base::send_buffer_size(options.send_buffer_bytes), error);
    asio::co_spawn(io, serve(std::make_shared<Connection>(std::move(socket), tls ? &*tls : nullptr)),
                   asio::detached);
  }
}

Awaitable<void> HttpServer::Impl::serve(ConnectionPtr c) {
  struct Entry {
    Impl& impl;
    const ConnectionPtr& c;
    Entry(Impl& i, const ConnectionPtr& p) : impl(i), c(p) {
      impl.connections.insert(c);
      ++impl.metrics.connections;
    }
    ~Entry() {
      impl.connections.erase(c);
      --impl.metrics.connections;
    }
  } entry(*this, c);
  bool more = true;
  if (c->channel.secure()) more = co_await shake_hands(*c);
  while (more && !closing) more = co_await exchange(c);
  if (c->channel.secure()) co_await say_goodbye(*c);
  error_code ignored;
  c->stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
}

Awaitable<bool> HttpServer::Impl::shake_hands(Connection& c) {
  error_code error;
  c.stream.expires_after(options.header_timeout);
  co_await c.channel.secure()->async_handshake(asio::ssl::stream_base::server, or_error(error));
  co_return !error;
}

Awaitable<void> HttpServer::Impl::say_goodbye(Connection& c) {
  error_code ignored;
  c.stream.expires_after(kDrain);
  co_await c.channel.secure()->async_shutdown(or_error(ignored));
}

/// One request and its reply. False: the connection ends.
Awaitable<bool> HttpServer::Impl::exchange(ConnectionPtr c) {
  Incoming in;
  BodyRoom room(body_bytes);
  const bool came = co_await read(*c, in, room);
  if (!came) co_return false;
  c->stream.expires_never();
  if (in.failure) {
    room.give_back();
    HttpReply refusal = callbacks.refuse(in.request.path, *in.failure);
    bool more = co_await send(*c, in, std::move(refusal));
    if (in.body_left) {
      co_await drain(*c);
      more = false;
    }
    co_return more;
  }
  if (in.reply) {
    const bool more = co_await send(*c, in, std::move(*in.reply));
    co_return more && !in.body_left;
  }
  Reply reply = co_await asio::co_spawn(workers.get_executor(), handle(in.request), asio::use_awaitable);
  in.request.body = std::string();  // it has been read: an answer may take minutes
  room.give_back();
  if (auto* whole = std::get_if<HttpReply>(&reply)) {
    const bool more = co_await send(*c, in, std::move(*whole));
    co_return more;
  }
  LiveReply& live = *std::get<std::unique_ptr<LiveReply>>(reply);
  c->live = &live;
  struct Leave {
    Connection& c;
    ~Leave() { c.live = nullptr; }
  } leave{*c};
  const bool more = co_await send_live(c, in, live);
  co_return more;
}

Awaitable<Reply> HttpServer::Impl::handle(HttpRequest& request) {
  co_return callbacks.handle(request);
}

/// False: the connection broke, or its time was over, before a request was whole.
Awaitable<bool> HttpServer::Impl::read(Connection& c, Incoming& in, BodyRoom& room) {
  error_code error;
  if (c.buffer.size() == 0) {
    c.idle = true;
    c.stream.expires_after(options.idle_timeout);
    const size_t n = co_await c.channel.async_read_some(c.buffer.prepare(1024), or_error(error));
    if (error) co_return false;
    c.buffer.commit(n);
  }
  c.idle = false;
  http::request_parser<http::string_body> parser;
  parser.header_limit(static_cast<uint32_t>(options.max_header_bytes));
  parser.body_limit(
      UINT64_MAX);  // it is known with the path; Boost 1.74 compares a length even with no limit
  c.stream.expires_after(options.header_timeout);
  co_await http::async_read_header(c.channel, c.buffer, parser, or_error(error));
  const auto refuse = [&in](int status, std::string message) {
    in.failure = Failure{.status = status, .message = std::move(message)};
    in.keep_alive = false;
    in.body_left = true;
    return true;
  };
  if (error == http::error::header_limit) co_return refuse(431, "the headers are too long");
  if (error == http::error::end_of_stream || error == http::error::partial_message) co_return false;
  if (error && error.category() == make_error_code(http::error::bad_method).category())
    co_return refuse(400, "this is no HTTP request");
  if (error) co_return false;

  judge(parser.get(), in);
  if (in.failure || in.reply) {
    in.body_left = !parser.is_done();
    co_return true;
  }
  const bool handed_on = callbacks.has_sink(in.request);
  const uint64_t most = handed_on ? options.max_upload_bytes : options.max_body_bytes;
  const std::string too_long = fmt::format("the body is over {} bytes", most);
  const auto length = parser.content_length();
  if (length && *length > most) co_return refuse(413, too_long);
  if (handed_on) {
    const bool received = co_await receive(c, in, parser);
    co_return received;
  }
  parser.body_limit(most);
  const size_t expected = length             ? static_cast<size_t>(*length)
                          : parser.chunked() ? options.max_body_bytes
                                             : 0;
  if (!room.take(expected, options.max_bodies_bytes))
    co_return refuse(503, "too many large requests at once");
  if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    const bool sent = co_await write(c, std::move(go_on));
    if (!sent) co_return false;
  }
  if (!parser.is_done()) {
    c.stream.expires_after(options.body_timeout);
    co_await http::async_read(c.channel, c.buffer, parser, or_error(error));
    if (error == http::error::body_limit) co_return refuse(413, too_long);
    if (error && error.category() == make_error_code(http::error::bad_method).category() &&
        error != http::error::partial_message)
      co_return refuse(400, "the body breaks the rules of HTTP");
    if (error) co_return false;
  }
  in.request.body = std::move(parser.get().body());
  co_return true;
}

/// Hands a body on as it comes. An error of the sink is its reply's matter.
Awaitable<bool> HttpServer::Impl::receive(Connection& c, Incoming& in,
                                          http::request_parser<http::string_body>& head) {
  constexpr size_t kPiece = size_t{256} << 10;
  if (beast::iequals(head.get()[http::field::expect], "100-continue")) {
    std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    const bool sent = co_await write(c, std::move(go_on));
    if (!sent) co_return false;
  }
  http::request_parser<http::buffer_body> parser(std::move(head));
  parser.body_limit(options.max_upload_bytes);
  std::unique_ptr<BodySink> sink =
      co_await asio::co_spawn(workers.get_executor(), open_sink(in.request), asio::use_awaitable);
  std::string piece(kPiece, '\0');
  while (!parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    error_code error;
    c.stream.expires_after(options.body_timeout);  // for each piece
    co_await http::async_read(c.channel, c.buffer, parser, or_error(error));
    if (error && error != http::error::need_buffer) co_return false;
    const std::string_view bytes(piece.data(), piece.size() - parser.get().body().size);
    co_await asio::co_spawn(workers.get_executor(), write_to(*sink, bytes), asio::use_awaitable);
  }
  in.reply = co_await asio::co_spawn(workers.get_executor(), finish(*sink), asio::use_awaitable);
  co_return true;
}

Awaitable<std::unique_ptr<BodySink>> HttpServer::Impl::open_sink(HttpRequest& request) {
  co_return callbacks.open_sink(request);
}
Awaitable<void> HttpServer::Impl::write_to(BodySink& sink, std::string_view bytes) {
  sink.write(bytes);
  co_return;
}
Awaitable<HttpReply> HttpServer::Impl::finish(BodySink& sink) {
  co_return sink.finish();
}

/// What a request's head says, and whether it may be asked.
void HttpServer::Impl::judge(const http::request<http::string_body>& message, Incoming& in) const {
  const auto refuse = [&in](int status, std::string sentence) {
    in.failure = Failure{.status = status, .message = std::move(sentence)};
  };
  const auto text = [](beast::string_view view) { return std::string(view.data(), view.size()); };
  const std::string target = text(message.target());
  in.request.method = text(message.method_string());
  in.request.path = target.substr(0, target.find('?'));
  for (const auto& field : message)
    in.request.headers.emplace_back(ascii_lower(text(field.name_string())), text(field.value()));
  in.head_only = in.request.method == "HEAD";
  in.chunks = message.version() >= 11;
  in.keep_alive = message.keep_alive();
  const std::string host = text(message[http::field::host]);
  const auto count = message.count(http::field::host);
  if (!target.starts_with('/')) return refuse(400, "the target must be a path");
  if (count > 1 || (count == 0 && message.version() >= 11)) return refuse(400, "one Host header is wanted");
  if (count == 1 && !host_is_ours(host, options.host_names))
    return refuse(403, "the Host header names another machine");
  const auto origin = message.find(http::field::origin);
  if (origin != message.end()) {
    const std::string name = text(origin->value());
    const auto& allowed = options.origins;
    if (std::find(allowed.begin(), allowed.end(), name) != allowed.end()) {
      in.origin = name;
    } else if (!origin_is_ours(name, host)) {
      return refuse(403, "pages of other origins may not ask");
    }
  }
  if (!in.origin.empty() && in.request.method == "OPTIONS") in.reply = preflight();
  const std::string encoding = text(message[http::field::content_encoding]);
  if (!encoding.empty() && encoding != "identity") return refuse(415, "compressed bodies are not taken");
}

Awaitable<bool> HttpServer::Impl::write(Connection& c, std::string bytes) {
  error_code error;
  c.stream.expires_after(options.write_timeout);
  co_await asio::async_write(c.channel, asio::buffer(bytes), or_error(error));
  co_return !error;
}

/// True: the connection may go on.
Awaitable<bool> HttpServer::Impl::send(Connection& c, const Incoming& in, HttpReply reply) {
  const bool keep = in.keep_alive && !closing;
  allow_origin(in, reply);
  std::string bytes = reply_head(reply, reply.body.size(), false, keep);
  if (!in.head_only) bytes += reply.body;
  const bool sent = co_await write(c, std::move(bytes));
  co_return sent&& keep;
}

/// Waits for an answer and sends it, or stops it where nobody is there to read it.
Awaitable<bool> HttpServer::Impl::send_live(ConnectionPtr c, const Incoming& in, LiveReply& live) {
  live.on_more([this, c] { asio::post(io, [c] { c->signal.cancel(); }); });
  bool begun = false, keep = in.keep_alive && in.chunks;
  for (;;) {
    if (!live.has_more()) {
      error_code ignored;
      c->signal.expires_after(kLookForPeer);
      co_await c->signal.async_wait(or_error(ignored));
      if (c->peer_is_gone()) co_return false;
      continue;
    }
    if (!begun) {
      if (std::optional<HttpReply> whole = live.whole()) {
        const bool more = co_await send(*c, in, std::move(*whole));
        co_return more;
      }
    }
    LiveReply::Output out = live.take();
    std::string bytes;
    if (!begun) {
      keep = keep && !closing;
      HttpReply head{.type = std::string(live.type())};
      allow_origin(in, head);
      bytes = reply_head(head, {}, in.chunks, keep);
    }
    begun = true;
    if (!out.bytes.empty()) bytes += in.chunks ? chunk_of(out.bytes) : out.bytes;
    if (out.done && in.chunks) bytes += kLastChunk;
    const bool sent = co_await write(*c, std::move(bytes));
    if (!sent) co_return false;
    if (out.done) co_return keep;
  }
}

/// Reads what a refused client still sends, or the reply would be lost with the connection.
Awaitable<void> HttpServer::Impl::drain(Connection& c) {
  error_code error;
  c.stream.socket().shutdown(tcp::socket::shutdown_send, error);
  c.stream.expires_after(kDrain);
  c.buffer.clear();
  for (size_t total = 0; total < kMaxDrain && !error;) {
    const size_t n = co_await c.channel.async_read_some(c.buffer.prepare(16384), or_error(error));
    total += n;
  }
}

Awaitable<void> HttpServer::Impl::tick() {
  while (!closing) {
    error_code ignored;
    second.expires_after(std::chrono::seconds(1));
    co_await second.async_wait(or_error(ignored));
    if (!closing && callbacks.tick) asio::post(workers, callbacks.tick);
  }
}

void HttpServer::Impl::begin_stop() {
  if (closing) return;
  closing = true;
  if (on_stop) on_stop();
  error_code ignored;
  acceptor.close(ignored);
  second.cancel();
  pause.cancel();
  for (const ConnectionPtr& c : connections)
    if (c->idle) c->close();
  asio::co_spawn(io, wind_up(), asio::detached);
}

Awaitable<void> HttpServer::Impl::wind_up() {
  const auto start = SteadyClock::now();
  bool ended = false;
  while (!connections.empty()) {
    const auto passed = SteadyClock::now() - start;
    if (passed >= options.grace && !ended) {
      ended = true;
      for (const ConnectionPtr& c : connections)
        if (c->live) c->live->end({.status = 503, .message = "the server is shutting down"});
    }
    if (passed >= options.grace + kCloseAfter)
      for (const ConnectionPtr& c : connections) c->close();
    error_code ignored;
    closing_timer.expires_after(Milliseconds(20));
    co_await closing_timer.async_wait(or_error(ignored));
  }
  error_code ignored;
  signals.cancel(ignored);
}

HttpServer::HttpServer(HttpOptions options, Callbacks callbacks, Metrics& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(callbacks), metrics)) {}
HttpServer::~HttpServer() = default;

uint16_t HttpServer::port() const {
  return impl_->port;
}

void HttpServer::run(bool signals) {
  Impl& impl = *impl_;
  impl.on_stop = on_stop;
  std::function<void(error_code, int)> on_signal = [&](error_code error, int) {
    if (error) return;
    if (impl.closing) {
      impl.io.stop();
      return;
    }
    impl.begin_stop();
    impl.signals.async_wait(on_signal);
  };
  if (signals) {
    impl.signals.add(SIGINT);
    impl.signals.add(SIGTERM);
    impl.signals.async_wait(on_signal);
  }
  asio::co_spawn(impl.io, impl.accept(), asio::detached);
  asio::co_spawn(impl.io, impl.tick(), asio::detached);
  impl.io.run();
  impl.workers.join();
}

void HttpServer::stop() {
  asio::post(impl_->io, [this] { impl_->begin_stop(); });
}

}  // namespace uma::serve
