#pragma once
// One request in a scheduler's hands: its tokens, and how many of them its cache holds. Whoever has it reads
// what is missing next, and draws a token where nothing is.
#include <algorithm>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/answer.h"
#include "engine/clock.h"
#include "engine/pooling.h"
#include "engine/scheduler.h"

namespace uma {

struct Sequence {
  /// Throws what Answer's constructor throws.
  Sequence(const std::shared_ptr<const Model>& model, ScheduledRequest r, int64_t context,
           const std::shared_ptr<Wake>& wake)
      : request(std::move(r)),
        answer(model, request.prompt, request.options, context),
        tokens(std::move(request.prompt)),
        prompt_size(tokens.size()),
        control(std::make_shared<Ticket::Control>(wake)) {}

  bool reading() const { return done < prompt_size; }
  /// What goes through the model next: a piece of the prompt, or a token of the answer. Of these there is
  /// more than one left only after the keys and values were lost.
  std::span<const int32_t> next() const {
    const size_t cut = (done / kPromptChunk + 1) * kPromptChunk;
    return std::span(tokens).subspan(done, reading() ? std::min(cut, prompt_size) - done : 1);
  }
  /// The step that runs next() ends in a draw.
  bool draws_next() const { return !request.embed && done + next().size() == tokens.size(); }
  /// Nothing can be done for it now: its reader is slow, or its grammar has not found what may come next.
  bool waits() const {
    if (held()) return true;
    const auto& grammar = answer.grammar();
    return grammar && (drawn || draws_next()) && !grammar->ready();
  }
  bool held() const { return control->held.load(std::memory_order_relaxed); }
  std::optional<StopReason> ended(Clock::time_point now) const {
    if (control->cancelled.load(std::memory_order_relaxed)) return StopReason::cancelled;
    if (request.deadline && now >= *request.deadline) return StopReason::deadline;
    return {};
  }
  /// Forgets what the model has read; it is read again.
  void lose_cache() {
    cache.reset();
    pool.clear();
    done = 0;
  }

  ScheduledRequest request;
  Answer answer;
  std::vector<int32_t> tokens;  // prompt and answer
  size_t prompt_size;
  size_t done = 0;               // tokens whose keys and values the cache holds
  std::optional<int32_t> drawn;  // said already, and not known yet to be wanted in tokens
  std::unique_ptr<Cache> cache;
  MeanPool pool;  // of what was read, for an embedding
  std::shared_ptr<Ticket::Control> control;
  int64_t turn = 0;      // the step that last read a piece of its prompt
  bool suspect = false;  // was in a step that failed: runs alone until it is known whose fault it was
  bool finished = false;
  std::exception_ptr error;
  Clock::time_point submitted = Clock::now();
  std::optional<Clock::time_point> begun, first_token;
};
using SequencePtr = std::unique_ptr<Sequence>;

}  // namespace uma
