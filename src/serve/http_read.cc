// Requests as they come in: heads that are judged, bodies that are held or handed on.
#include "base/ascii.h"
#include "serve/http_impl.h"
#include "serve/http_text.h"

namespace uma::serve {

namespace {

/// What a browser asks before a page of another origin may.
HttpReply preflight() {
  return {.headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE"},
                      {"Access-Control-Allow-Headers",
                       "Authorization, Content-Type, x-api-key, anthropic-version, anthropic-beta"},
                      {"Access-Control-Max-Age", "600"}}};
}

}  // namespace

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
  const bool invited = co_await invite(c, parser.get()[http::field::expect]);
  if (!invited) co_return false;
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

/// Tells a client that waits for it to send the body. False: the connection broke.
Awaitable<bool> HttpServer::Impl::invite(Connection& c, beast::string_view expect) {
  if (!beast::iequals(expect, "100-continue")) co_return true;
  std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  const bool sent = co_await write(c, std::move(go_on));
  co_return sent;
}

/// Hands a body on as it comes. An error of the sink is its reply's matter.
Awaitable<bool> HttpServer::Impl::receive(Connection& c, Incoming& in,
                                          http::request_parser<http::string_body>& head) {
  constexpr size_t kPiece = size_t{256} << 10;
  const bool invited = co_await invite(c, head.get()[http::field::expect]);
  if (!invited) co_return false;
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

}  // namespace uma::serve
