#pragma once
// What ops cost: time, bytes and flops, while somebody looks.
#include <atomic>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/array.h"

namespace uma {

/// Counts every op that is evaluated, on whatever thread, between start() and stop(). Several may run at
/// once, and each sees all. An op that runs inside another (a fallback) counts for itself, and its time not
/// for the other. While one runs, no ops are grouped (core/fusion.h). Where none runs, that costs one test an
/// op. Its functions may be called from several threads.
class Profile {
 public:
  /// Floating-point operations of a node, 0 where they are not known.
  using Flops = double (*)(const Node&);
  explicit Profile(Flops flops = nullptr);
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  /// A second start() goes on counting.
  void start();
  void stop();

  struct Cost {
    int64_t nanoseconds = 0;                    // without those of ops inside
    int64_t bytes_read = 0, bytes_written = 0;  // of arrays: 0 for a view
    double flops = 0;
  };
  struct Row {
    const OpInfo* op;
    int64_t count;
    Cost total;
  };
  struct Event {
    const OpInfo* op;
    int64_t begin, end;  // nanoseconds since the first start()
    uint32_t thread;     // counted from 0 in the order in which threads ran ops
    Shape shape;         // of the first result
    DType dtype;
    Cost cost;
  };
  /// What ran, the op that took the most time first.
  std::vector<Row> rows() const;
  /// One by one, in the order in which they ended: the first kMostEvents.
  std::vector<Event> events() const;
  static constexpr size_t kMostEvents = 250'000;  // some 50 MB

  /// A table for people.
  std::string to_text() const;
  /// {"wall_seconds", "ops": [{"name", "count", "seconds", "bytes_read", "bytes_written", "flops"}]}
  std::string to_json() const;
  /// The events in the format of chrome://tracing and ui.perfetto.dev.
  std::string to_chrome_trace() const;

  // -- For eval. --
  static bool any() { return running_.load(std::memory_order_relaxed) != 0; }
  /// One op as it runs.
  class Timer {
   public:
    explicit Timer(const Node& node);
    /// Enters it; without that it counts for nothing.
    void finish(std::span<const array> outputs, bool is_view);
    ~Timer();
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

   private:
    const Node& node_;
    std::chrono::steady_clock::time_point begin_;
    int64_t bytes_read_ = 0, inside_ = 0;
    Timer* outer_;
  };

 private:
  struct State;
  static std::atomic<int> running_;
  std::shared_ptr<State> state_;
};

}  // namespace uma
