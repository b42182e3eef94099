#include "text/utf8.h"

namespace uma {

size_t utf8_valid_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char c = byte(at);
  if (c < 0x80) return 1;
  const size_t n = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
  if (n == 0 || text.size() - at < n) return 0;
  for (size_t i = 1; i < n; ++i)
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  const unsigned char second = byte(at + 1);
  if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) || (c == 0xf0 && second < 0x90) ||
      (c == 0xf4 && second > 0x8f))
    return 0;
  return n;
}

std::string utf8_repaired(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t n = utf8_valid_length(text, i);
    n ? out.append(text.substr(i, n)) : out.append("\xef\xbf\xbd");
    i += n ? n : 1;
  }
  return out;
}

uint32_t utf8_next_as_read(std::string_view text, size_t* at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[*at + i]); };
  const unsigned char first = byte(0);
  const size_t n = first < 0x80 ? 1 : first < 0xc0 || first >= 0xf8 ? 0 : utf8_announced_length(first);
  bool whole = n > 0 && text.size() - *at >= n;
  for (size_t i = 1; whole && i < n; ++i) whole = (byte(i) & 0xc0) == 0x80;
  uint32_t c = n == 1 ? first : first & (0x7fu >> n);
  for (size_t i = 1; whole && i < n; ++i) c = c << 6 | (byte(i) & 0x3fu);
  if (!whole || c > 0x10ffff) {
    ++*at;
    return 0xfffd;
  }
  *at += n;
  return c;
}

std::string utf8_as_read(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    if (const size_t n = utf8_valid_length(text, i)) {
      out.append(text, i, n);
      i += n;
    } else {
      utf8_append_code_point(out, utf8_next_as_read(text, &i));
    }
  }
  return out;
}

void utf8_append_code_point(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

}  // namespace uma
