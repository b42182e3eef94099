#include "serve/jobs.h"

#include "base/thread.h"
#include "engine/scheduler.h"

namespace uma::serve {

Jobs::~Jobs() {
  for (Job& job : jobs_) *job.cancel = true;
  for (Job& job : jobs_) job.thread.join();
}

void Jobs::start(std::shared_ptr<std::atomic<bool>> cancel, std::function<void()> work) {
  std::lock_guard lock(mutex_);
  jobs_.remove_if([](Job& job) {
    if (job.done) job.thread.join();
    return job.done.load();
  });
  if (jobs_.size() >= kMost) throw BusyError("too many downloads at once");
  Job& job = jobs_.emplace_back();
  job.cancel = std::move(cancel);
  try {
    job.thread = start_thread([&job, work = std::move(work)] {
      work();
      job.done = true;
    });
  } catch (...) {
    jobs_.pop_back();
    throw;
  }
}

}  // namespace uma::serve
