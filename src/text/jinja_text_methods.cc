// Methods of str.
#include <algorithm>

#include "text/jinja_filters.h"
#include "text/jinja_interp.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

namespace {

using std::string_view;

/// Text made from `self`, which is Markup if that is.
Value like(Interp& in, const Value& self, std::string text) {
  return self.as<StringObj>().markup ? in.markup(std::move(text)) : in.str(std::move(text));
}
Value like(Interp& in, const Value& self, string_view text) {
  return like(in, self, std::string(text));
}

/// Changes text at a cost of its length.
template <std::string (*Change)(string_view)>
Value changed(Interp& in, const Value& self, Args&) {
  in.step_text(self.text().size());
  in.check_room(3 * self.text().size());
  return like(in, self, Change(self.text()));
}

template <bool Left, bool Right>
Value stripped(Interp& in, const Value& self, Args& a) {
  in.step_text(self.text().size());
  if (a[0].is_missing() || a[0].is_none()) return like(in, self, strip(self.text(), Left, Right));
  const std::string& chars = need_text(in, a[0], "strip arg");
  in.step_text(chars.size() * 8);
  return like(in, self, strip(self.text(), chars, Left, Right));
}

/// The part of the text between two optional code point indices, as find, count and startswith take them.
string_view window(Interp& in, const Value& self, const Value& start, const Value& stop, int64_t* first) {
  const string_view s = self.text();
  const int64_t n = length(in, self);
  const auto bound = [&](const Value& v, int64_t fallback) {
    if (v.is_missing() || v.is_none()) return fallback;
    const int64_t i = need_int(in, v, "an index");
    return i < 0 ? std::max<int64_t>(i + n, 0) : i;
  };
  const int64_t a = bound(start, 0), b = std::min(bound(stop, n), n);
  *first = a;
  if (a > b) {
    *first = -1;  // not even the empty text is found there
    return {};
  }
  in.step_text(s.size());
  const size_t from = utf8_offset(s, a);
  return s.substr(from, utf8_offset(s.substr(from), b - a));
}

size_t rfind_in(Interp& in, string_view hay, string_view needle) {
  // The search from the right compares at every place: its cost has no better bound.
  in.step_text(hay.size() + (hay.size() / 64) * std::min<size_t>(needle.size(), hay.size()));
  return hay.rfind(needle);
}

template <bool Right, bool Must>
Value found(Interp& in, const Value& self, Args& a) {
  const std::string& needle = need_text(in, a[0], "the text to find");
  int64_t first = 0;
  const string_view part = window(in, self, a[1], a[2], &first);
  const size_t at = first < 0 ? string_view::npos
                    : Right   ? rfind_in(in, part, needle)
                              : find_text(part, needle);
  if (at == string_view::npos) {
    if (Must) in.fail("substring not found");
    return Value::integer(-1);
  }
  return Value::integer(first + utf8_count(part.substr(0, at)));
}

Value count(Interp& in, const Value& self, Args& a) {
  const std::string& needle = need_text(in, a[0], "the text to count");
  int64_t first = 0;
  const string_view part = window(in, self, a[1], a[2], &first);
  if (first < 0) return Value::integer(0);
  if (needle.empty()) return Value::integer(utf8_count(part) + 1);
  int64_t n = 0;
  for (size_t at = find_text(part, needle); at != string_view::npos;
       at = find_text(part, needle, at + needle.size())) {
    ++n;
    in.step();
  }
  return Value::integer(n);
}

template <bool End>
Value affixed(Interp& in, const Value& self, Args& a) {
  int64_t first = 0;
  const string_view part = window(in, self, a[1], a[2], &first);
  const auto holds = [&](const Value& v) {
    const std::string& affix = need_text(in, v, End ? "endswith first arg" : "startswith first arg");
    in.step_text(affix.size());
    return first >= 0 && (End ? part.ends_with(affix) : part.starts_with(affix));
  };
  if (!a[0].is(Kind::kTuple)) return Value::boolean(holds(a[0]));
  for (const Value& v : a[0].items())
    if (holds(v)) return Value::boolean(true);
  return Value::boolean(false);
}

Value replace(Interp& in, const Value& self, Args& a) {
  const int64_t most = a[2].is_missing() ? -1 : need_int(in, a[2], "count");
  const bool markup = self.as<StringObj>().markup;
  const std::string& with = need_text(in, a[1], "the replacement");
  return like(in, self,
              replace_text(in, self.text(), need_text(in, a[0], "the text to replace"),
                           markup && !a[1].as<StringObj>().markup ? escape_html(in, with) : with, most));
}

std::vector<string_view> split_spaces(Interp& in, string_view s, int64_t most, bool right) {
  std::vector<string_view> parts;
  for (;;) {
    in.step();
    s = strip(s, !right, right);
    if (s.empty()) return parts;
    if (most-- == 0) {
      parts.push_back(s);
      return parts;
    }
    size_t i = 0, end = 0;
    if (right) {
      size_t begin = s.size();
      while (begin > 0) {
        size_t k = begin - 1;
        while (k > 0 && (static_cast<unsigned char>(s[k]) & 0xc0) == 0x80) --k;
        size_t next = k;
        if (is_space(utf8_next(s, &next))) break;
        begin = k;
      }
      parts.push_back(s.substr(begin));
      s = s.substr(0, begin);
      continue;
    }
    for (; end < s.size(); end = i)
      if (is_space(utf8_next(s, &i))) break;
    parts.push_back(s.substr(0, end));
    s = s.substr(end);
  }
}

std::vector<string_view> split_by(Interp& in, string_view s, string_view by, int64_t most, bool right) {
  std::vector<string_view> parts;
  while (most-- != 0) {
    in.step();
    const size_t at = right ? rfind_in(in, s, by) : find_text(s, by);
    if (at == string_view::npos) break;
    in.check_room(parts.size() * 64);
    parts.push_back(right ? s.substr(at + by.size()) : s.substr(0, at));
    s = right ? s.substr(0, at) : s.substr(at + by.size());
  }
  parts.push_back(s);
  return parts;
}

template <bool Right>
Value split(Interp& in, const Value& self, Args& a) {
  const int64_t most = a[1].is_missing() ? -1 : need_int(in, a[1], "maxsplit");
  in.step_text(self.text().size());
  std::vector<string_view> parts;
  if (a[0].is_missing() || a[0].is_none()) {
    parts = split_spaces(in, self.text(), most, Right);
  } else {
    const std::string& by = need_text(in, a[0], "the separator");
    if (by.empty()) in.fail("empty separator");
    parts = split_by(in, self.text(), by, most, Right);
  }
  if (Right) std::reverse(parts.begin(), parts.end());
  std::vector<Value> out;
  out.reserve(parts.size());
  for (string_view p : parts) out.push_back(like(in, self, p));
  return in.list(std::move(out));
}

template <bool Right>
Value partition(Interp& in, const Value& self, Args& a) {
  const std::string& by = need_text(in, a[0], "the separator");
  if (by.empty()) in.fail("empty separator");
  const string_view s = self.text();
  const size_t at = Right ? rfind_in(in, s, by) : find_text(s, by);
  const Value none = like(in, self, string_view());
  if (at == string_view::npos) return Right ? in.tuple({none, none, self}) : in.tuple({self, none, none});
  return in.tuple(
      {like(in, self, s.substr(0, at)), like(in, self, by), like(in, self, s.substr(at + by.size()))});
}

Value splitlines(Interp& in, const Value& self, Args& a) {
  const bool keep = !a[0].is_missing() && truthy(a[0]);
  std::vector<Value> out;
  for (string_view line : lines_of(in, self.text(), keep)) out.push_back(like(in, self, line));
  return in.list(std::move(out));
}

Value join(Interp& in, const Value& self, Args& a) {
  const bool markup = self.as<StringObj>().markup;
  TextBuilder out(in);
  Iter it(in, a[0]);
  int64_t i = 0;
  for (Value v; it.next(in, &v); ++i) {
    if (i) out.add(self.text());
    if (!v.is_string() && !markup) {
      if (v.is_undefined()) in.fail("sequence item {}: expected str instance, Undefined found", i);
      in.fail("sequence item {}: expected str instance, {} found", i, type_name(v));
    }
    if (markup && !(v.is_string() && v.as<StringObj>().markup))
      out.add(escape_html(in, to_str(in, v)));
    else
      out.add(v.text());
  }
  return like(in, self, out.take());
}

template <bool End>
Value remove_affix(Interp& in, const Value& self, Args& a) {
  const std::string& affix = need_text(in, a[0], "the affix");
  string_view s = self.text();
  if (End ? s.ends_with(affix) : s.starts_with(affix)) {
    if (End)
      s.remove_suffix(affix.size());
    else
      s.remove_prefix(affix.size());
  }
  return like(in, self, s);
}

enum class Side : uint8_t { kLeft, kRight, kCenter };
template <Side Where>
Value justified(Interp& in, const Value& self, Args& a) {
  const std::string fill = a[1].is_missing() ? " " : need_text(in, a[1], "the fill character");
  if (utf8_count(fill) != 1) in.fail("The fill character must be exactly one character long");
  const int64_t width = need_int(in, a[0], "the width"), pad = width - length(in, self);
  if (pad <= 0) return self;
  const auto n = static_cast<size_t>(pad);
  // Python puts the odd blank of center() on the left where the width is odd.
  const size_t left = Where == Side::kLeft    ? 0
                      : Where == Side::kRight ? n
                                              : n / 2 + (n & static_cast<size_t>(width) & 1);
  TextBuilder out(in);
  out.fill(left, fill);
  out.add(self.text());
  out.fill(n - left, fill);
  return like(in, self, out.take());
}

Value zfill(Interp& in, const Value& self, Args& a) {
  const int64_t pad = need_int(in, a[0], "the width") - length(in, self);
  if (pad <= 0) return self;
  string_view s = self.text();
  TextBuilder out(in);
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) {
    out.add(s[0]);
    s.remove_prefix(1);
  }
  out.fill(static_cast<size_t>(pad), "0");
  out.add(s);
  return like(in, self, out.take());
}

Value expandtabs(Interp& in, const Value& self, Args& a) {
  const int64_t size = a[0].is_missing() ? 8 : need_int(in, a[0], "tabsize");
  TextBuilder out(in);
  int64_t column = 0;
  const string_view s = self.text();
  for (size_t i = 0; i < s.size();) {
    const size_t n = utf8_length(static_cast<unsigned char>(s[i]));
    if (s[i] == '\t') {
      const int64_t pad = size > 0 ? size - column % size : 0;
      out.fill(static_cast<size_t>(pad), " ");
      column += pad;
    } else {
      out.add(s.substr(i, n));
      column = s[i] == '\n' || s[i] == '\r' ? 0 : column + 1;
    }
    i += n;
  }
  return like(in, self, out.take());
}

/// Whether all characters are of a class, and there is at least one.
template <bool (*Is)(char32_t)>
Value all_are(Interp& in, const Value& self, Args&) {
  const string_view s = self.text();
  in.step_text(s.size());
  for (size_t i = 0; i < s.size();)
    if (!Is(utf8_next(s, &i))) return Value::boolean(false);
  return Value::boolean(!s.empty());
}

bool is_ascii(char32_t c) {
  return c < 0x80;
}

template <bool Upper>
Value cased(Interp& in, const Value& self, Args&) {
  in.step_text(self.text().size());
  return Value::boolean(Upper ? is_upper_text(self.text()) : is_lower_text(self.text()));
}

Value istitle(Interp& in, const Value& self, Args&) {
  const string_view s = self.text();
  in.step_text(s.size());
  bool inside = false, any = false;
  for (size_t i = 0; i < s.size();) {
    const char32_t c = utf8_next(s, &i);
    const bool big = is_upper(c) || is_title(c);
    if (big ? inside : is_lower(c) && !inside) return Value::boolean(false);
    inside = big || is_lower(c);
    any |= inside;
  }
  return Value::boolean(any);
}

Value isprintable(Interp& in, const Value& self, Args& a) {
  return self.text().empty() ? Value::boolean(true) : all_are<is_printable>(in, self, a);
}
Value isascii(Interp& in, const Value& self, Args& a) {
  return self.text().empty() ? Value::boolean(true) : all_are<is_ascii>(in, self, a);
}
Value isidentifier(Interp&, const Value& self, Args&) {
  return Value::boolean(is_identifier(self.text()));
}

Value format(Interp& in, const Value& self, Args& a) {
  return like(in, self, brace_format(in, self.text(), a, self.as<StringObj>().markup));
}

Value format_map(Interp& in, const Value& self, Args& a) {
  if (!a[0].is(Kind::kDict)) in.fail("format_map() takes a mapping, not {}", type_name(a[0]));
  Args named;
  for (const auto& e : a[0].as<DictObj>().entries)
    if (e.key.is_string()) named.kw.emplace_back(e.key.text(), e.value);
  return like(in, self, brace_format(in, self.text(), named, self.as<StringObj>().markup));
}

Value unsupported(Interp& in, const Value&, Args&) {
  in.raise(ErrorCode::kUnsupported,
           "encode, translate and maketrans work on bytes and tables, which templates lack");
}

constexpr Params kNone = {"", 0, true};
constexpr Params kFind = {"sub start end", 1, true};
constexpr MethodInfo kMethods[] = {
    {"capitalize", kNone, changed<capitalize>},
    {"casefold", kNone, changed<casefold>},
    {"center", {"width fillchar", 1, true}, justified<Side::kCenter>},
    {"count", kFind, count},
    {"encode", {"*"}, unsupported},
    {"endswith", kFind, affixed<true>},
    {"expandtabs", {"tabsize"}, expandtabs},
    {"find", kFind, found<false, false>},
    {"format", {"*"}, format},
    {"format_map", {"mapping", 1, true}, format_map},
    {"index", kFind, found<false, true>},
    {"isalnum", kNone, all_are<is_alnum>},
    {"isalpha", kNone, all_are<is_alpha>},
    {"isascii", kNone, isascii},
    {"isdecimal", kNone, all_are<is_decimal>},
    {"isdigit", kNone, all_are<is_digit>},
    {"isidentifier", kNone, isidentifier},
    {"islower", kNone, cased<false>},
    {"isnumeric", kNone, all_are<is_numeric>},
    {"isprintable", kNone, isprintable},
    {"isspace", kNone, all_are<is_space>},
    {"istitle", kNone, istitle},
    {"isupper", kNone, cased<true>},
    {"join", {"iterable", 1, true}, join},
    {"ljust", {"width fillchar", 1, true}, justified<Side::kLeft>},
    {"lower", kNone, changed<lower>},
    {"lstrip", {"chars", 0, true}, stripped<true, false>},
    {"maketrans", {"*"}, unsupported},
    {"partition", {"sep", 1, true}, partition<false>},
    {"removeprefix", {"prefix", 1, true}, remove_affix<false>},
    {"removesuffix", {"suffix", 1, true}, remove_affix<true>},
    {"replace", {"old new count", 2, true}, replace},
    {"rfind", kFind, found<true, false>},
    {"rindex", kFind, found<true, true>},
    {"rjust", {"width fillchar", 1, true}, justified<Side::kRight>},
    {"rpartition", {"sep", 1, true}, partition<true>},
    {"rsplit", {"sep maxsplit"}, split<true>},
    {"rstrip", {"chars", 0, true}, stripped<false, true>},
    {"split", {"sep maxsplit"}, split<false>},
    {"splitlines", {"keepends"}, splitlines},
    {"startswith", kFind, affixed<false>},
    {"strip", {"chars", 0, true}, stripped<true, true>},
    {"swapcase", kNone, changed<swapcase>},
    {"title", kNone, changed<title>},
    {"translate", {"*"}, unsupported},
    {"upper", kNone, changed<upper>},
    {"zfill", {"width", 1, true}, zfill},
};

}  // namespace

const MethodInfo* find_text_method(string_view name) {
  const auto* m = std::lower_bound(std::begin(kMethods), std::end(kMethods), name,
                                   [](const MethodInfo& i, string_view n) { return i.name < n; });
  return m != std::end(kMethods) && m->name == name ? m : nullptr;
}

}  // namespace uma::jinja
