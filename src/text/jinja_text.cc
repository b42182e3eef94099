// Searching and cutting text, for methods and filters alike.
#include <cstring>

#include "text/jinja_ops.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

using std::string_view;

size_t find_text(string_view hay, string_view needle, size_t from) {
  if (needle.empty()) return from <= hay.size() ? from : string_view::npos;
  if (from >= hay.size()) return string_view::npos;
  const void* at = memmem(hay.data() + from, hay.size() - from, needle.data(), needle.size());
  return at ? static_cast<size_t>(static_cast<const char*>(at) - hay.data()) : string_view::npos;
}

std::string replace_text(Runtime& rt, string_view s, string_view old, string_view with, int64_t most) {
  TextBuilder out(rt);
  rt.step_text(s.size());
  if (old.empty()) {  // between all characters, and at both ends
    size_t i = 0;
    for (; most != 0; --most) {
      out.add(with);
      if (i >= s.size()) return out.take();
      const size_t n = utf8_length(static_cast<unsigned char>(s[i]));
      out.add(s.substr(i, n));
      i += n;
    }
    out.add(s.substr(i));
    return out.take();
  }
  size_t begin = 0;
  for (; most != 0; --most) {
    const size_t at = find_text(s, old, begin);
    if (at == string_view::npos) break;
    out.add(s.substr(begin, at - begin));
    out.add(with);
    begin = at + old.size();
  }
  out.add(s.substr(begin));
  return out.take();
}

std::vector<string_view> lines_of(Runtime& rt, string_view s, bool keep_ends) {
  std::vector<string_view> lines;
  size_t begin = 0;
  rt.step_text(s.size());
  for (size_t i = 0; i < s.size();) {
    const size_t at = i;
    const char32_t c = utf8_next(s, &i);
    const bool ends =
        (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (!ends) continue;
    if (c == '\r' && i < s.size() && s[i] == '\n') ++i;
    rt.step();
    rt.check_room(lines.size() * 64);
    lines.push_back(s.substr(begin, (keep_ends ? i : at) - begin));
    begin = i;
  }
  if (begin < s.size()) lines.push_back(s.substr(begin));
  return lines;
}

}  // namespace uma::jinja
