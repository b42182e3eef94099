#pragma once
// Many answers of one model at once: continuous batching. Requests join and leave between two steps. A step
// is one forward pass over one token of every sequence that is being answered, and over pieces of the prompts
// that are being read, so that a long prompt does not stall the others.
//
// An answer does not depend on its company: a prompt is cut at fixed places, a draw depends on its own seed,
// and a hit in the prefix cache stands for exactly the pieces that it saves.
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/generate.h"
#include "engine/ticket.h"

namespace uma {

/// Prompt tokens that go through the model together, counted from the beginning of the sequence.
inline constexpr int64_t kPromptChunk = 64;

struct SchedulerOptions {
  int64_t context = 0;        // tokens a sequence may hold; 0: as SessionOptions
  int64_t parallel = 256;     // sequences in a step
  int64_t queue = 512;        // requests that wait for a place in one
  int64_t step_tokens = 256;  // of a step; a prompt's piece goes in where it passes no more than that
  int64_t kv_bytes = int64_t{4} << 30;      // keys and values of the sequences in the step
  int64_t prefix_bytes = int64_t{1} << 30;  // keys and values kept for prompts to come; 0: none
};

/// The queue is full; the same request may well be taken in a moment.
class BusyError : public Error {
 public:
  explicit BusyError(std::string_view message) : Error(ErrorCode::kLimit, "scheduler", message) {}
};

struct ScheduledRequest {
  std::string tenant;  // turns go round tenants, and cached prompts are theirs alone
  /// Whoever has less comes first, always: into the steps, with pieces of its prompt, and where keys and
  /// values are too many it is put back last.
  int64_t priority = 0;
  std::vector<int32_t> prompt;
  /// `cancel` and on_prompt are not looked at: the ticket cancels. on_text is called on the scheduler's
  /// thread between two steps, so it has to be short.
  GenerateOptions options;
  int64_t context = 0;  // less than the scheduler's, or 0
  /// No answer but the prompt's embedding (pooling.h); it ends with StopReason::eos. The prefix cache is left
  /// alone: it has keys and values, and no states.
  bool embed = false;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  /// The last call, and there is always one, on the scheduler's thread. `error`: what ended it where it was
  /// not the result's reason. Must not throw.
  std::function<void(GenerateResult result, std::exception_ptr error)> on_done;
};

struct SchedulerStats {
  // Now.
  int64_t active = 0, waiting = 0;
  int64_t kv_bytes = 0, prefix_bytes = 0, prefix_entries = 0;
  // Since the beginning.
  int64_t steps = 0, step_rows = 0;  // rows: tokens that went through the model
  int64_t prompt_tokens = 0;         // of requests that were begun
  int64_t reused_tokens = 0;         // of these, found in the prefix cache
  int64_t answer_tokens = 0;
  int64_t finished = 0, cancelled = 0, failed = 0, refused = 0;  // requests; refused: the queue was full
  int64_t preempted = 0;  // times that a sequence was put back because keys and values were too many
};

class Scheduler {
 public:
  /// Starts a thread. Throws InvalidArgument for options outside their rules.
  explicit Scheduler(std::shared_ptr<const Model> model, const SchedulerOptions& options = {});
  /// Ends every request as cancelled, after the step that runs.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Any thread. A request that is refused gets no call.
  /// throws InvalidArgument and Limit as Session::generate does; BusyError.
  [[nodiscard]] Ticket submit(ScheduledRequest request);

  SchedulerStats stats() const;
  const std::shared_ptr<const Model>& model() const;
  int64_t context() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace uma
