#include "hub/http.h"

#include "hub/connection.h"

namespace uma::hub {
namespace {

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
