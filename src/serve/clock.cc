#include "serve/clock.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <ctime>

namespace uma::serve {
namespace {

std::string rfc3339(int64_t seconds, int64_t nanoseconds) {
  const std::time_t time = seconds;
  std::tm t{};
  ::gmtime_r(&time, &t);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                     t.tm_hour, t.tm_min, t.tm_sec, nanoseconds);
}

}  // namespace

std::string rfc3339_in(std::chrono::nanoseconds later) {
  const int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                          std::chrono::system_clock::now().time_since_epoch() + later)
                          .count();
  constexpr int64_t kSecond = 1'000'000'000;
  return rfc3339(now / kSecond, now % kSecond);
}
std::string rfc3339_now() {
  return rfc3339_in(std::chrono::nanoseconds::zero());
}
std::string rfc3339(int64_t seconds_since_1970) {
  return rfc3339(seconds_since_1970, 0);
}

std::optional<double> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double seconds;
  };
  static constexpr Unit kUnits[] = {{"ns", 1e-9}, {"us", 1e-6}, {"\xc2\xb5s", 1e-6}, {"ms", 1e-3},
                                    {"s", 1},     {"m", 60},    {"h", 3600}};
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return {};
  double total = 0;
  while (!text.empty()) {
    const size_t end = text.find_first_not_of("0123456789.");
    double number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + std::min(end, text.size()), number);
    if (end == std::string_view::npos || error != std::errc() || stop != text.data() + end) return {};
    text.remove_prefix(end);
    const std::string_view name = text.substr(0, text.find_first_of("0123456789."));
    const Unit* unit = nullptr;
    for (const Unit& u : kUnits)
      if (u.name == name) unit = &u;
    if (!unit) return {};
    total += number * unit->seconds;
    text.remove_prefix(name.size());
  }
  return negative ? -total : total;
}

std::chrono::nanoseconds keep_alive_of(double seconds) {
  constexpr double kMost = 1e9;  // 30 years
  if (!(seconds >= 0 && seconds < kMost)) return std::chrono::nanoseconds(-1);
  return std::chrono::nanoseconds(std::llround(seconds * 1e9));
}

}  // namespace uma::serve
