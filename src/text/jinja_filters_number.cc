// Filters on numbers and on single values.
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "text/jinja_filters.h"
#include "text/jinja_interp.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

namespace {

bool given(const Value& v) {
  return !v.is_missing();
}

Value default_value(Interp& in, Args& a) {
  const bool replace = a[0].is_undefined() || (given(a[2]) && truthy(a[2]) && !truthy(a[0]));
  if (!replace) return a[0];
  return given(a[1]) ? a[1] : in.str("");
}

Value absolute(Interp& in, Args& a) {
  const Value& v = a[0];
  if (v.is_int()) return v.as_int() < 0 ? negate(in, v, true) : Value::integer(v.as_int());
  if (v.is(Kind::kFloat)) return Value::real(std::fabs(v.as_real()));
  if (v.is(Kind::kBigInt)) return v.as<StringObj>().text[0] == '-' ? negate(in, v, true) : v;
  if (v.is_undefined()) fail_undefined(in, v);
  in.fail("bad operand type for abs(): '{}'", type_name(v));
}

/// Digits with Python's underscores taken out; false where they stand in a wrong place.
bool plain_digits(std::string_view s, std::string* out) {
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '_') {
      out->push_back(s[i]);
      continue;
    }
    if (i == 0 || i + 1 == s.size() || !std::isalnum(static_cast<unsigned char>(s[i - 1])) ||
        !std::isalnum(static_cast<unsigned char>(s[i + 1])))
      return false;
  }
  return !out->empty();
}

enum class Parsed : uint8_t { kNo, kYes, kTooBig };

/// int(text, base) of Python.
Parsed parse_int(std::string_view text, int64_t base, int64_t* value) {
  std::string_view s = strip(text, true, true);
  const bool minus = !s.empty() && s[0] == '-';
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  if (s.size() > 1 && s[0] == '0' && base != 10) {
    const char mark = static_cast<char>(s[1] | 32);
    const int64_t marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (marked && (base == 0 || base == marked)) {
      base = marked;
      s.remove_prefix(2);
      if (!s.empty() && s[0] == '_') s.remove_prefix(1);
    } else if (base == 0 && s.find_first_not_of("0_") != s.npos) {
      return Parsed::kNo;
    }
  }
  if (base == 0) base = 10;
  std::string digits(minus ? "-" : "");
  if (base < 2 || base > 36 || !plain_digits(s, &digits) || !std::isalnum(static_cast<unsigned char>(s[0])))
    return Parsed::kNo;
  const auto r =
      std::from_chars(digits.data(), digits.data() + digits.size(), *value, static_cast<int>(base));
  if (r.ptr != digits.data() + digits.size()) return Parsed::kNo;
  return r.ec == std::errc::result_out_of_range ? Parsed::kTooBig
         : r.ec == std::errc()                  ? Parsed::kYes
                                                : Parsed::kNo;
}

/// float(text) of Python.
bool parse_float(std::string_view text, double* value) {
  const std::string_view trimmed = strip(text, true, true);
  std::string s;
  if (!plain_digits(trimmed, &s)) return false;
  std::string word = lower(s);
  if (word[0] == '+' || word[0] == '-') word.erase(0, 1);
  const bool special = word == "inf" || word == "infinity" || word == "nan";
  if (!special && word.find_first_not_of("0123456789.e+-") != word.npos) return false;
  char* end = nullptr;
  *value = std::strtod(s.c_str(), &end);
  return end == s.c_str() + s.size();
}

Value from_real(Interp& in, double d) {
  if (!(std::fabs(d) < 9.2e18)) in.raise(ErrorCode::kLimit, "a float beyond 64 bits as an integer");
  return Value::integer(static_cast<int64_t>(d));
}

Value to_int(Interp& in, Args& a) {
  const Value& v = a[0];
  const Value fallback = given(a[1]) ? a[1] : Value::integer(0);
  if (v.is_int()) return Value::integer(v.as_int());
  if (v.is(Kind::kBigInt)) return v;
  if (v.is(Kind::kFloat)) {
    if (std::isinf(v.as_real())) in.fail("cannot convert float infinity to integer");
    return std::isnan(v.as_real()) ? fallback : from_real(in, v.as_real());
  }
  if (v.is_undefined()) fail_undefined(in, v);
  if (!v.is_string()) return fallback;
  in.step_text(v.text().size());
  int64_t i = 0;
  switch (parse_int(v.text(), given(a[2]) ? need_int(in, a[2], "base") : 10, &i)) {
    case Parsed::kYes:
      return Value::integer(i);
    case Parsed::kTooBig:
      in.raise(ErrorCode::kLimit, "an integer beyond 64 bits");
    default:
      break;
  }
  double d = 0;
  if (!parse_float(v.text(), &d) || !std::isfinite(d)) return fallback;
  return from_real(in, d);
}

Value to_float(Interp& in, Args& a) {
  const Value& v = a[0];
  const Value fallback = given(a[1]) ? a[1] : Value::real(0);
  if (v.is_number()) return Value::real(v.as_real());
  if (v.is_undefined()) fail_undefined(in, v);
  double d = 0;
  if (v.is(Kind::kBigInt)) return Value::real(std::strtod(v.as<StringObj>().text.c_str(), nullptr));
  return v.is_string() && parse_float(v.text(), &d) ? Value::real(d) : fallback;
}

/// round(d, digits) of Python: the decimal digits of the exact value, rounded half to even.
double round_digits(double d, int64_t digits) {
  if (!std::isfinite(d) || digits > 323) return d;
  if (digits < -308) return std::copysign(0.0, d);
  if (digits >= 0) {
    char text[800];
    std::snprintf(text, sizeof(text), "%.*f", static_cast<int>(digits), d);
    return std::strtod(text, nullptr);
  }
  const double scale = std::pow(10.0, static_cast<double>(-digits));
  return std::nearbyint(d / scale) * scale;
}

Value round(Interp& in, Args& a) {
  const Value& v = a[0];
  const int64_t digits = given(a[1]) ? need_int(in, a[1], "precision") : 0;
  const std::string method = given(a[2]) ? to_str(in, a[2]) : "common";
  if (method != "common" && method != "ceil" && method != "floor")
    in.fail("method must be common, ceil or floor");
  if (v.is(Kind::kBigInt) && method == "common" && digits >= 0) return v;
  if (v.is_undefined() || !v.is_number()) in.fail("type {} doesn't define __round__ method", type_name(v));
  if (method != "common") {
    if (digits > 308 || digits < -308) in.raise(ErrorCode::kLimit, "a precision beyond 308 digits");
    const double scale = std::pow(10.0, static_cast<double>(digits));
    const double scaled = v.as_real() * scale;
    return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
  }
  if (v.is(Kind::kFloat)) return Value::real(round_digits(v.as_real(), digits));
  if (digits >= 0) return Value::integer(v.as_int());
  if (digits < -18) return Value::integer(0);
  int64_t unit = 1;
  for (int64_t i = 0; i > digits; --i) unit *= 10;
  const int64_t rest = floor_mod(v.as_int(), unit), low = v.as_int() - rest;
  const bool up = rest * 2 > unit || (rest * 2 == unit && (low / unit) % 2 != 0);
  return arithmetic(in, Op::kAdd, Value::integer(low), Value::integer(up ? unit : 0));
}

Value filesizeformat(Interp& in, Args& a) {
  const bool binary = given(a[1]) && truthy(a[1]);
  Args number;
  number.pos = {a[0], Value::none()};
  const Value v = to_float(in, number);
  if (v.is_none()) in.fail("could not convert to a number of bytes");
  const double bytes = v.as_real(), base = binary ? 1024 : 1000;
  if (bytes == 1) return in.str("1 Byte");
  if (bytes < base) return in.str(fmt::format("{} Bytes", from_real(in, bytes).as_int()));
  constexpr std::string_view kPrefixes = "kMGTPEZY";
  double unit = base;
  for (size_t i = 0;; ++i) {
    unit *= base;
    if (bytes >= unit && i + 1 < kPrefixes.size()) continue;
    const std::string prefix =
        binary ? std::string(1, i ? kPrefixes[i] : 'K') + "i" : std::string(1, kPrefixes[i]);
    return in.str(fmt::format("{:.1f} {}B", base * bytes / unit, prefix));
  }
}

constexpr FilterInfo kFilters[] = {
    {"abs", {"x", 1, true}, absolute},
    {"d", {"value default_value boolean", 1}, default_value},
    {"default", {"value default_value boolean", 1}, default_value},
    {"filesizeformat", {"value binary", 1}, filesizeformat},
    {"float", {"value default", 1}, to_float},
    {"int", {"value default base", 1}, to_int},
    {"round", {"value precision method", 1}, round},
};

}  // namespace

std::span<const FilterInfo> number_filters() {
  return kFilters;
}

}  // namespace uma::jinja
