#pragma once
// The caller's end of a request that a scheduler has.
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

namespace uma {

/// What a scheduler's thread sleeps on.
struct Wake {
  std::mutex mutex;
  std::condition_variable changed;
};

/// A request on its way. Letting go of it cancels the request.
class Ticket {
 public:
  struct Control {
    explicit Control(std::shared_ptr<Wake> w) : wake(std::move(w)) {}
    void set(std::atomic<bool>& flag, bool value);

    const std::shared_ptr<Wake> wake;
    std::atomic<bool> cancelled{false}, held{false};
  };

  Ticket() = default;
  explicit Ticket(std::shared_ptr<Control> control) : control_(std::move(control)) {}
  ~Ticket() { cancel(); }
  Ticket(Ticket&&) = default;
  Ticket& operator=(Ticket&& other) noexcept;

  /// Ends the request before its next step. Any thread; more than once does nothing more.
  void cancel();
  /// No token is drawn while it is held: its reader is slow. Deadlines go on.
  void hold(bool held);

 private:
  std::shared_ptr<Control> control_;
};

}  // namespace uma
