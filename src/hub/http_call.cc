#include "hub/http_call.h"

#include "hub/connection.h"

namespace uma::hub {
namespace {

constexpr size_t kMaxAnswer = size_t{1} << 20;

http::request<http::empty_body> head_of(const Url& url, const HttpCall& call) {
  http::request<http::empty_body> head(http::string_to_verb(call.method), url.target, 11);
  head.set(http::field::host, url.authority());
  head.set(http::field::user_agent, "uma/0.1");
  head.set(http::field::connection, "close");
  if (!call.bearer.empty()) head.set(http::field::authorization, "Bearer " + call.bearer);
  if (!call.type.empty()) head.set(http::field::content_type, call.type);
  if (call.method != "HEAD") head.set(http::field::content_length, std::to_string(call.body_bytes));
  return head;
}

/// What broke the connection, if anything did: the server may have answered all the same.
error_code send_body(Connection& connection, const HttpCall& call) {
  std::vector<uint8_t> chunk(kChunk);
  for (int64_t left = call.body_bytes; left > 0;) {
    const std::span<uint8_t> piece(chunk.data(), std::min<size_t>(chunk.size(), static_cast<size_t>(left)));
    call.read(piece);
    if (const error_code error = connection.write(piece)) return error;
    left -= static_cast<int64_t>(piece.size());
  }
  return {};
}

}  // namespace

HttpAnswer http_call(const Url& url, const HttpCall& call, const HttpOptions& options) {
  Connection connection(url, options);
  connection.open();
  auto head = head_of(url, call);
  connection.send(head);
  const error_code broken = send_body(connection, call);
  http::response_parser<http::buffer_body> parser;
  parser.header_limit(kMaxHeader);
  parser.body_limit(UINT64_MAX);  // not boost::none: see http.cc
  parser.skip(call.method == "HEAD");
  try {
    connection.read_header(parser);
  } catch (const HttpError&) {
    if (!broken) throw;
    fail_http(true, fmt::format("{} broke the connection: {}", url.host, connection.words(broken)));
  }
  HttpAnswer answer{.status = parser.get().result_int()};
  std::vector<char> chunk(kChunk);
  while (!parser.is_done() && answer.body.size() < kMaxAnswer) {
    auto& body = parser.get().body();
    body.data = chunk.data();
    body.size = chunk.size();
    const error_code error = connection.read_some(parser);
    answer.body.append(chunk.data(), chunk.size() - body.size);
    if (error && error != http::error::need_buffer)
      fail_http(true,
                fmt::format("{} stopped in the middle of its answer: {}", url.host, connection.words(error)));
  }
  return answer;
}

}  // namespace uma::hub
