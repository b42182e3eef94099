// A server's life: connections, one request after the other, and the end.
#include "serve/http_server.h"

#include "serve/http_impl.h"

namespace uma::serve {

namespace {

constexpr Milliseconds kCloseAfter{2000};  // after the last word, for those who do not read it

}  // namespace

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
