#pragma once
#include <signal.h>

#include <thread>
#include <utility>

namespace uma {

/// Starts a thread that never takes the signals of terminals and process managers: their handlers (a line
/// editor's, Python's) then always run on the thread that waits for them.
template <typename F>
std::thread start_thread(F&& body) {
  sigset_t signals, before;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH})
    sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, &before);  // what a new thread has is its maker's
  struct Restore {
    const sigset_t& mask;
    ~Restore() { pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
  } restore{before};
  return std::thread(std::forward<F>(body));
}

}  // namespace uma
