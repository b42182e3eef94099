#include "base/utf8.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace uma {

bool is_utf8(std::string_view text) {
  const auto* s = reinterpret_cast<const uint8_t*>(text.data());
  const size_t n = text.size();
  for (size_t i = 0; i < n;) {
    const uint8_t c = s[i];
    if (c < 0x80) {
      ++i;
      continue;
    }
    const int tail = c >= 0xc2 && c <= 0xdf ? 1 : c >= 0xe0 && c <= 0xef ? 2 : c >= 0xf0 && c <= 0xf4 ? 3 : 0;
    if (tail == 0 || n - i <= static_cast<size_t>(tail)) return false;
    // The second byte's range rules out overlong forms, surrogates and what is above U+10FFFF.
    const uint8_t lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    const uint8_t hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (s[i + 1] < lo || s[i + 1] > hi) return false;
    for (int k = 2; k <= tail; ++k)
      if (s[i + static_cast<size_t>(k)] < 0x80 || s[i + static_cast<size_t>(k)] > 0xbf) return false;
    i += static_cast<size_t>(tail) + 1;
  }
  return true;
}

std::string shown(std::string_view text) {
  constexpr size_t kMost = 80;
  size_t n = std::min(text.size(), kMost);
  // A character that the cut goes through is left out.
  while (n > 0 && n < text.size() && (static_cast<uint8_t>(text[n]) & 0xc0) == 0x80) --n;
  std::string clean(text.substr(0, n));
  const bool whole = is_utf8(clean);
  for (char& c : clean) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !whole)) c = '?';
  }
  for (size_t at = 0; (at = clean.find('\xc2', at)) != std::string::npos; ++at)  // U+0080 to U+009F
    if (static_cast<uint8_t>(clean[at + 1]) < 0xa0) clean[at] = clean[at + 1] = '?';
  return clean;
}

}  // namespace uma
