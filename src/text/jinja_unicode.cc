#include "text/jinja_unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <span>

#include "text/jinja_case_table.h"

namespace uma::jinja {

namespace {

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

void append_mapped(std::string& out, char32_t c, std::span<const CaseRow> rows,
                   utf8proc_int32_t (*simple)(utf8proc_int32_t)) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(simple(static_cast<utf8proc_int32_t>(c))));
    return;
  }
  const auto row =
      std::lower_bound(rows.begin(), rows.end(), c, [](const CaseRow& r, char32_t x) { return r.from < x; });
  if (row == rows.end() || row->from != c) {
    utf8_append(out, static_cast<char32_t>(simple(static_cast<utf8proc_int32_t>(c))));
    return;
  }
  for (char32_t t : row->to)
    if (t) utf8_append(out, t);
}

void append_upper(std::string& out, char32_t c) {
  append_mapped(out, c, kUpperRows, utf8proc_toupper);
}
void append_title(std::string& out, char32_t c) {
  append_mapped(out, c, kTitleRows, utf8proc_totitle);
}

bool is_cased(char32_t c) {
  return is_upper(c) || is_lower(c) || is_title(c);
}

/// Marks and punctuation that Unicode's final sigma rule looks through.
bool is_case_ignorable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return c == '\'' || c == '.' || c == ':' || c == 0xb7 || c == 0x2019 || c == 0x2018 || c == 0x2024;
  }
}

/// A capital sigma becomes a final one after a letter and before none.
bool is_final_sigma(std::string_view s, size_t begin, size_t end) {
  bool before = false;
  for (size_t i = begin; i > 0;) {
    do {
      --i;
    } while ((static_cast<unsigned char>(s[i]) & 0xc0) == 0x80);
    size_t at = i;
    const char32_t c = utf8_next(s, &at);
    if (is_case_ignorable(c)) continue;
    before = is_cased(c);
    break;
  }
  if (!before) return false;
  for (size_t i = end; i < s.size();) {
    const char32_t c = utf8_next(s, &i);
    if (!is_case_ignorable(c)) return !is_cased(c);
  }
  return true;
}

void append_lower(std::string& out, char32_t c, std::string_view s, size_t begin, size_t end) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c));
  } else if (c == 0x130) {  // the one character whose lower case is two
    utf8_append(out, 'i');
    utf8_append(out, 0x307);
  } else if (c == 0x3a3) {
    utf8_append(out, is_final_sigma(s, begin, end) ? 0x3c2 : 0x3c3);
  } else {
    utf8_append(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

bool in_ranges(char32_t c, std::span<const std::pair<char32_t, char32_t>> ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [c](auto r) { return c >= r.first && c <= r.second; });
}

}  // namespace

char32_t utf8_next(std::string_view s, size_t* i) {
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(s[at]); };
  const unsigned char first = byte((*i)++);
  if (first < 0x80) return first;
  const size_t n = utf8_length(first);
  char32_t c = first & (0xffu >> (n + 1));
  for (size_t k = 1; k < n && *i < s.size(); ++k) c = (c << 6) | (byte((*i)++) & 0x3fu);
  return c;
}

void utf8_append(std::string& out, char32_t c) {
  const auto put = [&](char32_t b) { out.push_back(static_cast<char>(b)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | (c >> 6));
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3f));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

size_t utf8_fault(std::string_view s) {
  for (size_t i = 0; i < s.size();) {
    if (static_cast<unsigned char>(s[i]) < 0x80) {
      ++i;
      continue;
    }
    utf8proc_int32_t c = 0;
    const auto n = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(s.data()) + i,
                                    static_cast<utf8proc_ssize_t>(std::min<size_t>(s.size() - i, 4)), &c);
    if (n <= 0) return i;
    i += static_cast<size_t>(n);
  }
  return std::string_view::npos;
}

int64_t utf8_count(std::string_view s) {
  return std::count_if(s.begin(), s.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

size_t utf8_offset(std::string_view s, int64_t n) {
  size_t i = 0;
  for (; n > 0 && i < s.size(); --n) i += utf8_length(static_cast<unsigned char>(s[i]));
  return std::min(i, s.size());
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x1f);
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_alpha(char32_t c) {
  const auto k = category(c);
  return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_ND;
}

bool is_digit(char32_t c) {
  static constexpr std::pair<char32_t, char32_t> kDigits[] = {
      {0xb2, 0xb3},     {0xb9, 0xb9},       {0x1369, 0x1371},   {0x19da, 0x19da},   {0x2070, 0x2070},
      {0x2074, 0x2079}, {0x2080, 0x2089},   {0x2460, 0x2468},   {0x2474, 0x247c},   {0x2488, 0x2490},
      {0x24ea, 0x24ea}, {0x24f5, 0x24fd},   {0x24ff, 0x24ff},   {0x2776, 0x277e},   {0x2780, 0x2788},
      {0x278a, 0x2792}, {0x10a40, 0x10a43}, {0x10e60, 0x10e68}, {0x11052, 0x1105a}, {0x1f100, 0x1f10a}};
  return is_decimal(c) || in_ranges(c, kDigits);
}

bool is_numeric(char32_t c) {
  const auto k = category(c);
  if (k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO) return true;
  static constexpr std::u32string_view kIdeographs =
      U"㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌"
      U"叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰"
      U"阡陆陌陸零";
  return kIdeographs.find(c) != std::u32string_view::npos || c == 0xf96b || c == 0xf973 || c == 0xf978 ||
         c == 0xf9b2 || c == 0xf9d1 || c == 0xf9d3 || c == 0xf9fd;
}

bool is_alnum(char32_t c) {
  return is_alpha(c) || is_numeric(c);
}

bool is_upper(char32_t c) {  // with Unicode's Other_Uppercase
  return category(c) == UTF8PROC_CATEGORY_LU || (c >= 0x2160 && c <= 0x216f) ||
         (c >= 0x24b6 && c <= 0x24cf) || (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
         (c >= 0x1f170 && c <= 0x1f189);
}

bool is_lower(char32_t c) {  // with Unicode's Other_Lowercase
  static constexpr std::pair<char32_t, char32_t> kOthers[] = {
      {0xaa, 0xaa},       {0xba, 0xba},       {0x2b0, 0x2b8},     {0x2c0, 0x2c1},    {0x2e0, 0x2e4},
      {0x345, 0x345},     {0x37a, 0x37a},     {0x1d2c, 0x1d6a},   {0x1d78, 0x1d78},  {0x1d9b, 0x1dbf},
      {0x2071, 0x2071},   {0x207f, 0x207f},   {0x2090, 0x209c},   {0x2170, 0x217f},  {0x24d0, 0x24e9},
      {0x2c7c, 0x2c7d},   {0xa69c, 0xa69d},   {0xa770, 0xa770},   {0xa7f8, 0xa7f9},  {0xab5c, 0xab5f},
      {0x10780, 0x10780}, {0x10783, 0x10785}, {0x10787, 0x107b0}, {0x107b2, 0x107ba}};
  return category(c) == UTF8PROC_CATEGORY_LL || in_ranges(c, kOthers);
}

bool is_title(char32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LT;
}

bool is_printable(char32_t c) {
  if (c < 0x7f) return c >= 0x20;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

bool is_identifier(std::string_view s) {
  for (size_t i = 0; i < s.size();) {
    const bool first = i == 0;
    const char32_t c = utf8_next(s, &i);
    const auto k = category(c);
    const bool start = c == '_' || is_alpha(c) || k == UTF8PROC_CATEGORY_NL;
    const bool more = start || k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_MN ||
                      k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_PC || c == 0xb7;
    if (!(first ? start : more)) return false;
  }
  return !s.empty();
}

bool is_upper_text(std::string_view s) {
  bool any = false;
  for (size_t i = 0; i < s.size();) {
    const char32_t c = utf8_next(s, &i);
    if (is_lower(c) || is_title(c)) return false;
    any |= is_upper(c);
  }
  return any;
}

bool is_lower_text(std::string_view s) {
  bool any = false;
  for (size_t i = 0; i < s.size();) {
    const char32_t c = utf8_next(s, &i);
    if (is_upper(c) || is_title(c)) return false;
    any |= is_lower(c);
  }
  return any;
}

std::string upper(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (size_t i = 0; i < s.size();) append_upper(out, utf8_next(s, &i));
  return out;
}

std::string lower(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (size_t i = 0; i < s.size();) {
    const size_t begin = i;
    const char32_t c = utf8_next(s, &i);
    append_lower(out, c, s, begin, i);
  }
  return out;
}

std::string casefold(std::string_view s) {
  utf8proc_uint8_t* folded = nullptr;
  const auto n = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(s.data()),
                              static_cast<utf8proc_ssize_t>(s.size()), &folded, UTF8PROC_CASEFOLD);
  std::string out =
      n < 0 ? std::string(s) : std::string(reinterpret_cast<char*>(folded), static_cast<size_t>(n));
  free(folded);
  return out;
}

std::string title(std::string_view s) {
  std::string out;
  bool inside = false;
  for (size_t i = 0; i < s.size();) {
    const size_t begin = i;
    const char32_t c = utf8_next(s, &i);
    if (inside)
      append_lower(out, c, s, begin, i);
    else
      append_title(out, c);
    inside = is_cased(c);
  }
  return out;
}

std::string capitalize(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size();) {
    const size_t begin = i;
    const char32_t c = utf8_next(s, &i);
    if (begin == 0)
      append_title(out, c);
    else
      append_lower(out, c, s, begin, i);
  }
  return out;
}

std::string swapcase(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size();) {
    const size_t begin = i;
    const char32_t c = utf8_next(s, &i);
    if (is_upper(c))
      append_lower(out, c, s, begin, i);
    else if (is_lower(c))
      append_upper(out, c);
    else
      utf8_append(out, c);
  }
  return out;
}

namespace {

template <class Drop>
std::string_view strip_if(std::string_view s, bool left, bool right, Drop drop) {
  while (left && !s.empty()) {
    size_t i = 0;
    if (!drop(utf8_next(s, &i))) break;
    s.remove_prefix(i);
  }
  while (right && !s.empty()) {
    size_t begin = s.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(s[begin]) & 0xc0) == 0x80) --begin;
    size_t i = begin;
    if (!drop(utf8_next(s, &i))) break;
    s.remove_suffix(s.size() - begin);
  }
  return s;
}

}  // namespace

std::string_view strip(std::string_view s, bool left, bool right) {
  return strip_if(s, left, right, is_space);
}

std::string_view strip(std::string_view s, std::string_view chars, bool left, bool right) {
  std::u32string set;
  for (size_t i = 0; i < chars.size();) set.push_back(utf8_next(chars, &i));
  std::sort(set.begin(), set.end());
  return strip_if(s, left, right, [&](char32_t c) { return std::binary_search(set.begin(), set.end(), c); });
}

}  // namespace uma::jinja
