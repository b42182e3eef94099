#include "text/jinja_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "text/jinja_ops.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

namespace {

constexpr int64_t kMaxPrecision = 1100;  // no double has more digits that are not zero

bool is_align(char c) {
  return c == '<' || c == '>' || c == '=' || c == '^';
}

/// Reads a number at the front, or gives `none`.
int64_t take_digits(std::string_view& s, int64_t none) {
  if (s.empty() || s[0] < '0' || s[0] > '9') return none;
  int64_t n = 0;
  for (; !s.empty() && s[0] >= '0' && s[0] <= '9'; s.remove_prefix(1))
    n = std::min<int64_t>(n * 10 + (s[0] - '0'), INT32_MAX);
  return n;
}

char take_any(std::string_view& s, std::string_view any) {
  if (s.empty() || any.find(s[0]) == any.npos) return 0;
  const char c = s[0];
  s.remove_prefix(1);
  return c;
}

std::string pad(Runtime& rt, const FormatSpec& f, std::string_view sign, std::string_view body, char align) {
  if (f.align) align = f.align;
  TextBuilder out(rt);
  const auto room = static_cast<size_t>(std::max<int64_t>(f.width - utf8_count(sign) - utf8_count(body), 0));
  const size_t left = align == '<' ? 0 : align == '^' ? room / 2 : room;
  if (align == '=') out.add(sign);
  out.fill(left, f.fill);
  if (align != '=') out.add(sign);
  out.add(body);
  out.fill(room - left, f.fill);
  return out.take();
}

/// Thousands marks in the digits before a point or exponent.
std::string grouped(std::string_view body, char mark, size_t every) {
  const size_t whole = std::min(body.find_first_not_of("0123456789abcdefABCDEF"), body.size());
  std::string out;
  for (size_t i = 0; i < whole; ++i) {
    if (i && (whole - i) % every == 0) out.push_back(mark);
    out.push_back(body[i]);
  }
  return out.append(body.substr(whole));
}

/// Zero padding reaches into the groups: 0,001,234.
std::string zero_grouped(const FormatSpec& f, std::string_view sign, std::string body, size_t every) {
  std::string out = grouped(body, f.group, every);
  if (f.align != '=' || f.fill != "0") return out;
  while (static_cast<int64_t>(sign.size() + out.size()) < std::min<int64_t>(f.width, 4096)) {
    body.insert(0, 1, '0');
    std::string wider = grouped(body, f.group, every);
    out = std::move(wider);
  }
  return out;
}

std::string_view sign_of(const FormatSpec& f, bool negative) {
  return negative ? "-" : f.sign == '+' ? "+" : f.sign == ' ' ? " " : "";
}

std::string print_real(Runtime& rt, double d, char type, int64_t precision, bool alternate) {
  if (precision > kMaxPrecision)
    rt.raise(ErrorCode::kLimit, fmt::format("a precision of more than {} digits", kMaxPrecision));
  const std::array<char, 7> format = alternate ? std::array<char, 7>{'%', '#', '.', '*', type, 0}
                                               : std::array<char, 7>{'%', '.', '*', type, 0};
  std::string out(1600, '\0');
  out.resize(static_cast<size_t>(
      std::snprintf(out.data(), out.size(), format.data(), static_cast<int>(precision), d)));  // NOLINT
  return out;
}

}  // namespace

FormatSpec parse_spec(Runtime& rt, std::string_view spec) {
  FormatSpec f;
  const std::string_view all = spec;
  if (spec.empty()) return f;
  size_t first = 0;
  utf8_next(spec, &first);
  if (first < spec.size() && is_align(spec[first])) {
    f.fill = spec.substr(0, first);
    f.align = spec[first];
    spec.remove_prefix(first + 1);
  } else {
    f.align = take_any(spec, "<>=^");
  }
  if (const char c = take_any(spec, "+- ")) f.sign = c;
  f.alternate = take_any(spec, "#") != 0;
  if (take_any(spec, "0") && !f.align) {
    f.fill = "0";
    f.align = '=';
  }
  f.width = take_digits(spec, 0);
  f.group = take_any(spec, ",_");
  if (take_any(spec, ".")) {
    f.precision = take_digits(spec, -1);
    if (f.precision < 0) rt.fail("Format specifier missing precision");
  }
  if (!spec.empty()) {
    f.type = spec[0];
    spec.remove_prefix(1);
  }
  if (!spec.empty()) rt.fail("Invalid format specifier '{}'", all.substr(0, 80));
  return f;
}

std::string format_text(Runtime& rt, const FormatSpec& f, std::string_view s) {
  if (f.precision >= 0) s = s.substr(0, utf8_offset(s, f.precision));
  return pad(rt, f, "", s, '<');
}

std::string format_integer(Runtime& rt, const FormatSpec& f, std::string_view decimal, int64_t value) {
  const bool negative = decimal[0] == '-';
  const uint64_t magnitude = negative ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  std::string sign(sign_of(f, negative));
  std::string body(decimal.substr(negative));
  const bool big = body.size() > 18 && body != fmt::to_string(magnitude);
  if (big && f.type != 'd' && f.type != 'n' && f.type)
    rt.raise(ErrorCode::kLimit, "an integer beyond 64 bits in a base other than ten");
  switch (f.type) {
    case 'c':
      if (negative || magnitude > 0x10ffff || (magnitude >= 0xd800 && magnitude < 0xe000))
        rt.fail("%c arg not in range(0x110000)");
      body.clear();
      utf8_append(body, static_cast<char32_t>(magnitude));
      return pad(rt, f, "", body, '<');
    case 'b':
      body = fmt::format("{:b}", magnitude);
      break;
    case 'o':
      body = fmt::format("{:o}", magnitude);
      break;
    case 'x':
      body = fmt::format("{:x}", magnitude);
      break;
    case 'X':
      body = fmt::format("{:X}", magnitude);
      break;
    default:
      break;
  }
  if (f.alternate && f.type && f.type != 'd' && f.type != 'n') sign += std::string("0") + f.type;
  if (f.group) body = zero_grouped(f, sign, std::move(body), f.type && f.type != 'd' ? 4 : 3);
  return pad(rt, f, sign, body, '>');
}

std::string format_real(Runtime& rt, const FormatSpec& f, double d) {
  const bool negative = std::signbit(d) && !std::isnan(d);
  const std::string_view sign = sign_of(f, negative);
  const double magnitude = std::fabs(d);
  std::string body;
  char type = f.type == 'n' ? 'g' : f.type;
  if (!std::isfinite(d)) {
    body = std::isnan(d) ? "nan" : "inf";
    if (type == 'E' || type == 'F' || type == 'G') body = std::isnan(d) ? "NAN" : "INF";
    if (type == '%') body += '%';
  } else if (type == 0) {
    body = float_repr(magnitude);
    if (f.precision >= 0) {  // as g, but a whole number keeps one decimal
      body = print_real(rt, magnitude, 'g', std::max<int64_t>(f.precision, 1), false);
      if (body.find_first_of(".e") == body.npos) body += ".0";
    }
  } else {
    const int64_t precision = f.precision < 0 ? 6 : f.precision;
    body = print_real(rt, type == '%' ? magnitude * 100 : magnitude, type == '%' ? 'f' : type, precision,
                      f.alternate);
    if (type == '%') body += '%';
  }
  if (f.group) body = zero_grouped(f, sign, std::move(body), 3);
  return pad(rt, f, sign, body, '>');
}

std::string format_value(Runtime& rt, const Value& v, std::string_view spec) {
  if (spec.empty()) return to_str(rt, v);
  const FormatSpec f = parse_spec(rt, spec);
  const auto unknown = [&]() {
    rt.fail("Unknown format code '{}' for object of type '{}'", f.type, type_name(v));
  };
  if (v.is_string()) {
    if (f.type && f.type != 's') unknown();
    if (f.align == '=' || f.group || f.sign != '-')
      rt.fail("sign, grouping and '=' alignment not allowed in string format specifier");
    return format_text(rt, f, v.text());
  }
  if (!v.is_number() && !v.is(Kind::kBigInt))
    rt.fail("unsupported format string passed to {}.__format__", type_name(v));
  constexpr std::string_view kReal = "eEfFgG%";
  if (v.is(Kind::kFloat) || (f.type && kReal.find(f.type) != kReal.npos)) {
    if (f.type && f.type != 'n' && kReal.find(f.type) == kReal.npos) unknown();
    if (v.is(Kind::kBigInt)) rt.raise(ErrorCode::kLimit, "an integer beyond 64 bits as a float");
    return format_real(rt, f, v.as_real());
  }
  constexpr std::string_view kInteger = "bcdnoxX";
  if (f.type && kInteger.find(f.type) == kInteger.npos) unknown();
  if (f.precision >= 0) rt.fail("Precision not allowed in integer format specifier");
  if (v.is(Kind::kBigInt)) return format_integer(rt, f, v.as<StringObj>().text, 0);
  return format_integer(rt, f, fmt::to_string(v.as_int()), v.as_int());
}

}  // namespace uma::jinja
