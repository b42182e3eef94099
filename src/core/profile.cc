#include "core/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/error.h"

namespace uma {

using Clock = std::chrono::steady_clock;

struct Profile::State {
  // Those that run, and what guards the list. The worker of async_eval may outlive static objects.
  static std::vector<std::shared_ptr<State>>& active() {
    static auto& list = *new std::vector<std::shared_ptr<State>>;
    return list;
  }
  static std::mutex& guard() {
    static auto& guard = *new std::mutex;
    return guard;
  }

  Flops flops;
  mutable std::mutex mutex;
  std::optional<Clock::time_point> origin, started;  // the first start; the last, if it runs
  int64_t wall = 0;                                  // before the last start
  std::unordered_map<const OpInfo*, std::pair<int64_t, Cost>> totals;
  std::vector<Event> events;
  int64_t dropped = 0;

  int64_t wall_now() const {
    return wall + (started ? std::chrono::nanoseconds(Clock::now() - *started).count() : 0);
  }
  void enter(const Node& node, Event event, Clock::time_point begin, Clock::time_point end) {
    const std::lock_guard lock(mutex);
    // One that began before anybody looked.
    if (!started || begin < *started) return;
    if (flops) event.cost.flops = flops(node);
    event.begin = std::chrono::nanoseconds(begin - *origin).count();
    event.end = std::chrono::nanoseconds(end - *origin).count();
    auto& [count, total] = totals[event.op];
    ++count;
    total.nanoseconds += event.cost.nanoseconds;
    total.bytes_read += event.cost.bytes_read;
    total.bytes_written += event.cost.bytes_written;
    total.flops += event.cost.flops;
    if (events.size() < kMostEvents)
      events.push_back(std::move(event));
    else
      ++dropped;
  }
};

namespace {

thread_local Profile::Timer* current = nullptr;

uint32_t this_thread() {
  static std::atomic<uint32_t> next{0};
  thread_local const uint32_t number = next++;
  return number;
}

/// Bytes that lie in memory: an axis of stride 0 repeats the same ones.
int64_t bytes_in(const array& a) {
  int64_t elements = 1;
  for (size_t i = 0; i < a.ndim(); ++i)
    if (a.shape()[i] == 0 || a.strides()[i] != 0) elements *= a.shape()[i];
  return elements * size_of(a.dtype());
}

}  // namespace

std::atomic<int> Profile::running_{0};

Profile::Profile(Flops flops) : state_(std::make_shared<State>()) {
  state_->flops = flops;
}
Profile::~Profile() {
  stop();
}

void Profile::start() {
  const std::lock_guard all(State::guard());
  const std::lock_guard lock(state_->mutex);
  if (state_->started) return;
  state_->started = Clock::now();
  if (!state_->origin) state_->origin = state_->started;
  State::active().push_back(state_);
  running_.fetch_add(1, std::memory_order_relaxed);
}

void Profile::stop() {
  const std::lock_guard all(State::guard());
  const std::lock_guard lock(state_->mutex);
  if (!state_->started) return;
  state_->wall = state_->wall_now();
  state_->started.reset();
  std::erase(State::active(), state_);
  running_.fetch_sub(1, std::memory_order_relaxed);
}

Profile::Timer::Timer(const Node& node) : node_(node), outer_(current) {
  for (const array& input : node.inputs) bytes_read_ += bytes_in(input);
  current = this;
  begin_ = Clock::now();
}

Profile::Timer::~Timer() {
  current = outer_;
}

void Profile::Timer::finish(std::span<const array> outputs, bool is_view) {
  const auto end = Clock::now();
  const int64_t all = std::chrono::nanoseconds(end - begin_).count();
  if (outer_) outer_->inside_ += all;
  Event event{node_.op, 0, 0, this_thread(), outputs[0].shape(), outputs[0].dtype(), {}};
  event.cost.nanoseconds = std::max<int64_t>(0, all - inside_);
  if (!is_view) {
    event.cost.bytes_read = bytes_read_;
    for (const array& out : outputs) event.cost.bytes_written += bytes_in(out);
  }
  std::vector<std::shared_ptr<State>> profiles;
  {
    const std::lock_guard lock(State::guard());
    profiles = State::active();
  }
  for (const auto& profile : profiles) profile->enter(node_, event, begin_, end);
}

std::vector<Profile::Row> Profile::rows() const {
  std::vector<Row> out;
  const std::lock_guard lock(state_->mutex);
  for (const auto& [op, total] : state_->totals) out.push_back({op, total.first, total.second});
  std::sort(out.begin(), out.end(), [](const Row& a, const Row& b) {
    return a.total.nanoseconds != b.total.nanoseconds ? a.total.nanoseconds > b.total.nanoseconds
                                                      : a.op->name < b.op->name;
  });
  return out;
}

std::vector<Profile::Event> Profile::events() const {
  const std::lock_guard lock(state_->mutex);
  return state_->events;
}

namespace {

std::string milliseconds(int64_t nanoseconds) {
  return fmt::format("{:.3f}", static_cast<double>(nanoseconds) * 1e-6);
}
std::string megabytes(int64_t bytes) {
  return fmt::format("{:.2f}", static_cast<double>(bytes) * 1e-6);
}

/// Per second, and nothing where there is nothing.
std::string rate(double amount, int64_t nanoseconds) {
  return amount > 0 && nanoseconds > 0 ? fmt::format("{:.1f}", amount / static_cast<double>(nanoseconds))
                                       : "";
}

std::string line(std::string_view name, int64_t count, const Profile::Cost& c, int64_t all) {
  const auto bytes = static_cast<double>(c.bytes_read + c.bytes_written);
  const double share = all > 0 ? 100.0 * static_cast<double>(c.nanoseconds) / static_cast<double>(all) : 0;
  return fmt::format("{:<28} {:>8} {:>11} {:>6.1f} {:>11} {:>11} {:>8} {:>9}\n", name, count,
                     milliseconds(c.nanoseconds), share, megabytes(c.bytes_read), megabytes(c.bytes_written),
                     rate(bytes, c.nanoseconds), rate(c.flops, c.nanoseconds));
}

}  // namespace

std::string Profile::to_text() const {
  const std::vector<Row> all = rows();
  Cost total;
  int64_t count = 0;
  for (const Row& row : all) {
    count += row.count;
    total.nanoseconds += row.total.nanoseconds;
    total.bytes_read += row.total.bytes_read;
    total.bytes_written += row.total.bytes_written;
    total.flops += row.total.flops;
  }
  std::string out = fmt::format("{:<28} {:>8} {:>11} {:>6} {:>11} {:>11} {:>8} {:>9}\n", "op", "count", "ms",
                                "%", "MB read", "MB written", "GB/s", "GFLOP/s");
  for (const Row& row : all) out += line(row.op->name, row.count, row.total, total.nanoseconds);
  out += line("total", count, total, total.nanoseconds);
  const std::lock_guard lock(state_->mutex);
  return out + fmt::format("{} ms of wall time", milliseconds(state_->wall_now()));
}

std::string Profile::to_json() const {
  std::string ops;
  for (const Row& row : rows())
    ops += fmt::format(
        R"({}{{"name": "{}", "count": {}, "seconds": {:.9f}, "bytes_read": {}, "bytes_written": {}, "flops": {:.0f}}})",
        ops.empty() ? "" : ", ", row.op->name, row.count, static_cast<double>(row.total.nanoseconds) * 1e-9,
        row.total.bytes_read, row.total.bytes_written, row.total.flops);
  const std::lock_guard lock(state_->mutex);
  return fmt::format(R"({{"wall_seconds": {:.9f}, "ops": [{}]}})",
                     static_cast<double>(state_->wall_now()) * 1e-9, ops);
}

std::string Profile::to_chrome_trace() const {
  std::string out = R"({"displayTimeUnit": "ns", "traceEvents": [)";
  const char* comma = "";
  for (const Event& e : events()) {
    fmt::format_to(
        std::back_inserter(out),
        R"({}{{"name": "{}", "cat": "op", "ph": "X", "ts": {:.3f}, "dur": {:.3f}, "pid": 1, "tid": {}, "args": )"
        R"({{"result": "{} {}", "bytes_read": {}, "bytes_written": {}, "flops": {:.0f}}}}})",
        comma, e.op->name, static_cast<double>(e.begin) * 1e-3, static_cast<double>(e.end - e.begin) * 1e-3,
        e.thread, name_of(e.dtype), e.shape, e.cost.bytes_read, e.cost.bytes_written, e.cost.flops);
    comma = ",\n";
  }
  const std::lock_guard lock(state_->mutex);
  return out + fmt::format(R"(], "otherData": {{"events_dropped": "{}"}}}})", state_->dropped);
}

}  // namespace uma
