#include "cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

namespace uma::cli {
namespace {

std::atomic<bool> interrupted{false};
std::atomic<bool> insists{true};
std::atomic<int> last_signal{SIGINT};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "set from a signal handler");

void on_signal(int number) {
  last_signal = number;
  if (interrupted.exchange(true) && (insists || number != SIGINT)) _exit(128 + number);
}

}  // namespace

struct InterruptScope::Saved {
  struct sigaction interrupt, terminate;
};

InterruptScope::InterruptScope(Second second) : saved_(new Saved) {
  interrupted = false;
  insists = second == Second::ends;
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // a write to the terminal must not lose its text to Ctrl-C
  sigaction(SIGINT, &action, &saved_->interrupt);
  sigaction(SIGTERM, &action, &saved_->terminate);
}

InterruptScope::~InterruptScope() {
  sigaction(SIGINT, &saved_->interrupt, nullptr);
  sigaction(SIGTERM, &saved_->terminate, nullptr);
  delete saved_;
}

const std::atomic<bool>& InterruptScope::flag() const {
  return interrupted;
}

IgnoreInterrupts::IgnoreInterrupts() : saved_(signal(SIGINT, SIG_IGN)) {}
IgnoreInterrupts::~IgnoreInterrupts() {
  signal(SIGINT, saved_);
}

int interrupted_exit_code() {
  return 128 + last_signal;
}

}  // namespace uma::cli
