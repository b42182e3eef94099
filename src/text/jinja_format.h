#pragma once
// Python's format specification mini-language, shared by "%5d" and "{:5d}".
#include <string>
#include <string_view>

#include "text/jinja_runtime.h"

namespace uma::jinja {

struct FormatSpec {
  std::string fill = " ";
  char align = 0;  // '<', '>', '=', '^'
  char sign = '-';
  bool alternate = false;
  char group = 0;  // ',' or '_'
  char type = 0;
  int64_t width = 0;
  int64_t precision = -1;
};

/// Reads "[[fill]align][sign][#][0][width][,][.precision][type]". Throws on anything else.
FormatSpec parse_spec(Runtime& rt, std::string_view spec);
std::string format_text(Runtime& rt, const FormatSpec& f, std::string_view s);
/// digits: decimal digits with an optional minus; types d, b, o, x, X, c, n.
std::string format_integer(Runtime& rt, const FormatSpec& f, std::string_view decimal, int64_t value);
/// types e, E, f, F, g, G, %, n or none.
std::string format_real(Runtime& rt, const FormatSpec& f, double d);

}  // namespace uma::jinja
