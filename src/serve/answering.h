#pragma once
// An answer on its way from a scheduler's thread to a connection: what came is kept until it is taken, and
// the scheduler is held where the reader is slow. A dialect words it.
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "serve/api.h"
#include "serve/metrics.h"
#include "serve/pool.h"

namespace uma::serve {

/// How a dialect words an answer. Called by one thread at a time.
class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;
  /// Of a stream.
  virtual std::string_view type() const = 0;
  virtual std::string begin() { return {}; }
  virtual std::string piece(size_t choice, std::string_view text) = 0;
  /// A tool's call; index counts those of one choice. A dialect that takes no tools gets none.
  virtual std::string call(size_t, size_t, const ToolCall&) { return {}; }
  virtual std::string choice_end(size_t choice, const GenerateResult& result) = 0;
  virtual std::string end(std::span<const GenerateResult> results) = 0;
  virtual std::string error(const Failure& failure) = 0;
  /// All at once.
  virtual std::string whole(std::span<const GenerateResult> results) = 0;
  /// An error before anything was sent.
  virtual HttpReply refusal(const Failure& failure) = 0;
};

/// What a dialect makes of a request.
struct AnswerWork {
  Pool::Lease model;
  std::vector<ScheduledRequest> choices;  // on_text and on_done are set here
  bool streamed = false;
  std::unique_ptr<AnswerFormat> format;
  Metrics* metrics = nullptr;
  /// Text that may wait for a slow reader, all choices together; then the scheduler draws no more for it.
  size_t max_pending_bytes = size_t{64} << 10;
};

class Answering {
 public:
  /// Hands the work to the scheduler: all of it, or nothing. Throws what Scheduler::submit throws.
  explicit Answering(AnswerWork work);
  /// Cancels what is not done.
  ~Answering();
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;

  /// wake is called, on any thread and under a lock, when there is more to take.
  void on_more(std::function<void()> wake);
  /// Nothing more for now, if false.
  bool has_more() const;

  bool streamed() const { return work_.streamed; }
  std::string_view type() const { return work_.format->type(); }
  /// Of a stream: the bytes that are ready; `done` with the last of them.
  struct Output {
    std::string bytes;
    bool done = false;
  };
  Output take();
  /// The reply that is no stream: every choice has ended, or one failed. A stream's that failed before its
  /// first byte too. Nothing while there is none.
  std::optional<HttpReply> whole();

  /// Ends it with this error, as a stream ends.
  void end(Failure failure);

 private:
  struct State;
  std::shared_ptr<State> state_;
  AnswerWork work_;
  bool begun_ = false;
  std::vector<bool> told_;      // choices whose end has been sent
  std::vector<size_t> called_;  // calls of each choice that have been sent
};

using Reply = std::variant<HttpReply, std::unique_ptr<Answering>>;

}  // namespace uma::serve
