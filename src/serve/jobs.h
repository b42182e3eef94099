#pragma once
// Work of the server that is no answer and takes its time, such as a download: each has a thread.
#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

namespace uma::serve {

class Jobs {
 public:
  static constexpr size_t kMost = 8;

  Jobs() = default;
  /// Sets every flag and waits.
  ~Jobs();
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  /// work must not throw, and must end soon once the flag is set. Throws BusyError where kMost run.
  void start(std::shared_ptr<std::atomic<bool>> cancel, std::function<void()> work);

 private:
  struct Job {
    std::shared_ptr<std::atomic<bool>> cancel;
    std::atomic<bool> done{false};
    std::thread thread;
  };
  std::mutex mutex_;
  std::list<Job> jobs_;
};

}  // namespace uma::serve
