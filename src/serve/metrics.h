#pragma once
// Figures for Prometheus that no scheduler keeps: how long people waited, and what became of requests.
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "engine/generate.h"
#include "serve/pool.h"

namespace uma::serve {

/// Counts of values up to fixed bounds, as Prometheus wants them.
class Histogram {
 public:
  void add(double seconds);
  /// Lines of the text format.
  void print(std::string& out, const char* name, const char* help) const;

 private:
  static constexpr std::array<double, 12> kBounds{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120};
  mutable std::mutex mutex_;
  std::array<uint64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0;
};

class Metrics {
 public:
  /// An answer has ended. key: whose it was; "" where there are no keys.
  void add(const GenerateTimings& timings, const std::string& key);
  void count_reply(std::string_view route, int status);
  std::atomic<int64_t> connections{0}, streams{0};  // now

  /// The text format, version 0.0.4.
  std::string print(const Pool& pool) const;

 private:
  Histogram first_token_, next_token_;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, uint64_t> replies_;    // by route and status: both are few
  std::map<std::string, std::pair<int64_t, int64_t>> tokens_;  // of prompts and of answers, by key
};

}  // namespace uma::serve
