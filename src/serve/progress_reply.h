#pragma once
// The reply of a job that takes its time: a line for each step, as Ollama has them, or the end alone.
#include <functional>
#include <memory>

#include "serve/live_reply.h"
#include "serve/service.h"

namespace uma::serve {

/// What a job says of itself, from its own thread.
class ProgressTeller {
 public:
  virtual ~ProgressTeller() = default;
  virtual void tell(const OrderedJson& line) = 0;
  /// True once nobody waits for the job.
  virtual const std::atomic<bool>* cancel() const = 0;
};

/// Begins a job on a thread of its own. streamed: with its steps. Letting go of the reply cancels it. word:
/// what the client is told of what `work` throws. Throws BusyError.
std::unique_ptr<LiveReply> progress_reply(Service& service, bool streamed,
                                          std::function<void(ProgressTeller&)> work,
                                          std::function<Failure(const std::exception_ptr&)> word);

}  // namespace uma::serve
