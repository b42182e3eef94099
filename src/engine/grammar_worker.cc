#include "engine/grammar_worker.h"

#include "base/thread.h"

namespace uma {

GrammarWorker::~GrammarWorker() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void GrammarWorker::add(std::shared_ptr<AnswerGrammar> grammar) {
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(grammar));
    if (!thread_.joinable()) thread_ = start_thread([this] { run(); });
  }
  changed_.notify_one();
}

void GrammarWorker::wait(Clock::duration most) {
  std::unique_lock lock(mutex_);
  idle_.wait_for(lock, most, [&] { return tasks_.empty() && !busy_; });
}

void GrammarWorker::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || !tasks_.empty(); });
    if (stop_) return;
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    busy_ = true;
    lock.unlock();
    // Where nobody else has it, its answer has ended.
    if (task.use_count() > 1) task->find();
    task.reset();
    lock.lock();
    busy_ = false;
    if (tasks_.empty()) idle_.notify_all();
    lock.unlock();
    on_found_();
    lock.lock();
  }
}

}  // namespace uma
