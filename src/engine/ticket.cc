#include "engine/ticket.h"

namespace uma {

void Ticket::Control::set(std::atomic<bool>& flag, bool value) {
  {
    std::lock_guard lock(wake->mutex);
    flag.store(value, std::memory_order_relaxed);
  }
  wake->changed.notify_one();
}

Ticket& Ticket::operator=(Ticket&& other) noexcept {
  if (this != &other) {
    cancel();
    control_ = std::move(other.control_);
  }
  return *this;
}

void Ticket::cancel() {
  if (control_) control_->set(control_->cancelled, true);
}

void Ticket::hold(bool held) {
  if (control_) control_->set(control_->held, held);
}

}  // namespace uma
