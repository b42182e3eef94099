#pragma once
#include <chrono>

namespace uma {

using Clock = std::chrono::steady_clock;

inline double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}
inline double seconds_since(Clock::time_point start) {
  return seconds(start, Clock::now());
}

}  // namespace uma
