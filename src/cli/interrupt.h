#pragma once
#include <atomic>

namespace uma::cli {

/// While one is alive, Ctrl-C (and SIGTERM) set a flag instead of ending the process. One at a time.
class InterruptScope {
 public:
  /// What a second Ctrl-C does before the flag has stopped the work: end the process, or nothing more.
  enum class Second { ends, is_ignored };
  explicit InterruptScope(Second second = Second::ends);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  const std::atomic<bool>& flag() const;

 private:
  struct Saved;
  Saved* saved_;
};

/// While one is alive, Ctrl-C does nothing but what a scope or a line editor inside makes of it.
class IgnoreInterrupts {
 public:
  IgnoreInterrupts();
  ~IgnoreInterrupts();
  IgnoreInterrupts(const IgnoreInterrupts&) = delete;
  IgnoreInterrupts& operator=(const IgnoreInterrupts&) = delete;

 private:
  void (*saved_)(int);
};

/// What a command that was stopped exits with, as shells have it: 128 + the signal's number, 130 for Ctrl-C.
int interrupted_exit_code();

}  // namespace uma::cli
