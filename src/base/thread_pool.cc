#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/thread.h"

namespace uma {
namespace {

// About 50 us on a 4 GHz core: longer than the gap between two loops of a decode step, short enough that
// an idle process costs nothing.
constexpr int kSpins = 2000;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

thread_local bool inside_loop = false;

int default_threads() {
  if (const char* text = std::getenv("UMA_NUM_THREADS")) {
    int n = 0;
    const auto [end, error] = std::from_chars(text, text + std::strlen(text), n);
    if (error == std::errc() && *end == 0 && n >= 1) return std::min(n, 1024);
  }
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 1; i < threads; ++i) workers_.push_back(start_thread([this] { work(); }));
  }
  ~Pool() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
  }
  int size() const { return static_cast<int>(workers_.size()) + 1; }

  void run(int64_t tasks, const FunctionRef<void(int64_t)>& body) {
    Loop loop{&body, tasks};
    {
      std::lock_guard lock(mutex_);
      loop_ = &loop;
      generation_.fetch_add(1, std::memory_order_release);
    }
    if (sleeping_.load(std::memory_order_seq_cst) > 0) wake_.notify_all();
    drain(loop);
    // No new worker may enter once every task is taken; wait for those inside.
    {
      std::lock_guard lock(mutex_);
      loop_ = nullptr;
    }
    // A worker that lost its CPU to another process must not cost us ours as well.
    for (int spins = 0; loop.inside.load(std::memory_order_acquire) != 0; ++spins)
      spins < kSpins ? relax() : std::this_thread::yield();
    if (loop.error) std::rethrow_exception(loop.error);
  }

 private:
  struct Loop {
    const FunctionRef<void(int64_t)>* body;
    int64_t tasks;
    std::atomic<int64_t> next{0};
    std::atomic<int> inside{0};
    std::mutex error_mutex;
    std::exception_ptr error;
  };

  static void drain(Loop& loop) {
    inside_loop = true;
    for (int64_t task; (task = loop.next.fetch_add(1, std::memory_order_relaxed)) < loop.tasks;) {
      try {
        (*loop.body)(task);
      } catch (...) {
        std::lock_guard lock(loop.error_mutex);
        if (!loop.error) loop.error = std::current_exception();
      }
    }
    inside_loop = false;
  }

  void work() {
    uint64_t seen = 0;
    for (;;) {
      int spins = 0;
      while (generation_.load(std::memory_order_acquire) == seen && spins < kSpins) {
        relax();
        ++spins;
      }
      Loop* loop = nullptr;
      {
        std::unique_lock lock(mutex_);
        if (generation_.load(std::memory_order_relaxed) == seen) {
          sleeping_.fetch_add(1, std::memory_order_seq_cst);
          wake_.wait(lock, [&] { return stop_ || generation_.load(std::memory_order_relaxed) != seen; });
          sleeping_.fetch_sub(1, std::memory_order_seq_cst);
        }
        if (stop_) return;
        seen = generation_.load(std::memory_order_relaxed);
        loop = loop_;
        if (loop) loop->inside.fetch_add(1, std::memory_order_relaxed);
      }
      if (!loop) continue;
      drain(*loop);
      loop->inside.fetch_sub(1, std::memory_order_release);
    }
  }

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> sleeping_{0};
  Loop* loop_ = nullptr;
  bool stop_ = false;
};

// Held while a loop runs, so that two callers never share the workers; also guards the pool itself.
std::mutex owner;
std::unique_ptr<Pool> pool;
std::atomic<int> wanted{0};

}  // namespace

void set_num_threads(int n) {
  std::lock_guard lock(owner);
  wanted = n > 0 ? n : default_threads();
  if (pool && pool->size() != wanted) pool.reset();
}

int num_threads() {
  int n = wanted.load(std::memory_order_relaxed);
  if (n == 0) {
    n = default_threads();
    int unset = 0;
    if (!wanted.compare_exchange_strong(unset, n)) n = unset;
  }
  return n;
}

void parallel_for(int64_t tasks, FunctionRef<void(int64_t)> body) {
  const auto serial = [&] {
    for (int64_t task = 0; task < tasks; ++task) body(task);
  };
  if (tasks <= 1 || inside_loop || num_threads() == 1) return serial();
  std::unique_lock lock(owner, std::try_to_lock);
  if (!lock) return serial();
  if (!pool) pool = std::make_unique<Pool>(num_threads());
  pool->run(tasks, body);
}

void parallel_ranges(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) {
  if (n <= 0) return;
  const int64_t ranges = std::clamp<int64_t>(n / std::max<int64_t>(grain, 1), 1, num_threads());
  if (ranges == 1) return body(0, n);
  parallel_for(ranges, [&](int64_t i) { body(n * i / ranges, n * (i + 1) / ranges); });
}

}  // namespace uma
