#pragma once
// Times and durations as the APIs spell them.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace uma::serve {

/// "2026-01-31T08:15:30.123456789Z".
std::string rfc3339_now();
std::string rfc3339(int64_t seconds_since_1970);
/// That much later than now.
std::string rfc3339_in(std::chrono::nanoseconds later);

/// A Go duration ("5m", "1h30m", "-1s", "1.5h", "0") in seconds; nothing where it is none.
std::optional<double> parse_duration(std::string_view text);

/// Seconds as a time to stay loaded: negative ones, and those beyond reckoning, are for ever (negative).
std::chrono::nanoseconds keep_alive_of(double seconds);

}  // namespace uma::serve
