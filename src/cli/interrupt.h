#pragma once
#include <atomic>

namespace uma::cli {

/// While one is alive, Ctrl-C (and SIGTERM) set a flag instead of ending the process; a second Ctrl-C
/// before the flag is looked at ends it. One at a time.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  const std::atomic<bool>& flag() const;

 private:
  struct Saved;
  Saved* saved_;
};

/// What a command that was stopped exits with, as shells have it: 128 + the signal's number, 130 for Ctrl-C.
int interrupted_exit_code();

}  // namespace uma::cli
