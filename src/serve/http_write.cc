// Replies as they go out: whole, or as they are made.
#include "serve/http_impl.h"
#include "serve/http_text.h"

namespace uma::serve {

namespace {

constexpr size_t kMaxDrain = size_t{1} << 20;

void allow_origin(const Incoming& in, HttpReply& reply) {
  if (in.origin.empty()) return;
  reply.headers.emplace_back("Access-Control-Allow-Origin", in.origin);
  reply.headers.emplace_back("Vary", "Origin");
}

}  // namespace

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

}  // namespace uma::serve
