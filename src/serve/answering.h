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
#include "serve/live_reply.h"
#include "serve/metrics.h"
#include "serve/pool.h"

namespace uma::serve {

/// Whether a limit ended the answer, and not the model.
inline bool is_cut(const GenerateResult& result) {
  return result.stop_reason == StopReason::length || result.stop_reason == StopReason::context;
}

/// How a dialect words an answer. Called by one thread at a time.
class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;
  /// Of a stream.
  virtual std::string_view type() const = 0;
  virtual std::string begin() { return {}; }
  /// logprobs: of the tokens that end in this text, where they were asked for. At the end of an answer there
  /// may be some left, and then there is no text.
  virtual std::string piece(size_t choice, std::string_view text, std::span<const TokenLogprob> logprobs) = 0;
  /// A tool's call; index counts those of one choice. A dialect that takes no tools gets none.
  virtual std::string call(size_t, size_t, const ToolCall&) { return {}; }
  virtual std::string choice_end(size_t choice, const GenerateResult& result) = 0;
  virtual std::string end(std::span<const GenerateResult> results) = 0;
  virtual std::string error(const Failure& failure) = 0;
  /// Of the reply that is no stream.
  virtual std::vector<std::pair<std::string, std::string>> headers() const { return {}; }
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
  std::function<void(const GenerateTimings&)> on_ended;  // of each choice; on the scheduler's thread
  /// Text that may wait for a slow reader, all choices together; then the scheduler draws no more for it.
  size_t max_pending_bytes = size_t{64} << 10;
  /// Choices that the scheduler is asked for at a time; the next one follows when one has ended.
  size_t at_once = 128;
};

class Answering final : public LiveReply {
 public:
  /// Hands the work to the scheduler: all of it, or nothing. Throws what Scheduler::submit throws.
  explicit Answering(AnswerWork work);
  ~Answering() override;
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;

  void on_more(std::function<void()> wake) override;
  bool has_more() const override;
  std::string_view type() const override { return work_.format->type(); }
  Output take() override;
  /// Every choice has ended, or one failed.
  std::optional<HttpReply> whole() override;
  void end(Failure failure) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
  AnswerWork work_;
  bool begun_ = false;
  std::vector<bool> told_;      // choices whose end has been sent
  std::vector<size_t> called_;  // calls of each choice that have been sent
};

using Reply = std::variant<HttpReply, std::unique_ptr<LiveReply>>;

}  // namespace uma::serve
