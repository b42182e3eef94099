#include "serve/answering.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace uma::serve {

/// Shared with the scheduler's callbacks, and so with no part in the model's life: the last owner may be the
/// scheduler's own thread.
struct Answering::State {
  struct Choice {
    std::string text;             // not taken yet
    std::vector<ToolCall> calls;  // no more
    std::vector<TokenLogprob> logprobs;
    std::optional<GenerateResult> result;
    Ticket ticket;
  };

  mutable std::mutex mutex;
  std::vector<Choice> choices;
  std::optional<Failure> failure;
  size_t pending = 0, max_pending = 0;
  size_t open = 0;  // choices that have not ended
  bool streamed = false, held = false;
  std::function<void()> wake;
  // Not submitted yet. The scheduler lives as long as there are any: they go with the Answering, whose
  // lease keeps it.
  std::deque<std::pair<size_t, ScheduledRequest>> later;
  Scheduler* scheduler = nullptr;

  void submit_next() {
    if (later.empty()) return;
    auto [i, request] = std::move(later.front());
    later.pop_front();
    choices[i].ticket = scheduler->submit(std::move(request));
  }
  void put(size_t i, std::string_view text) {
    if (!streamed) return;  // the result has all of it
    std::lock_guard lock(mutex);
    choices[i].text += text;
    pending += text.size();
    if (pending > max_pending && !held) hold(true);
    if (wake) wake();
  }
  void put_call(size_t i, const ToolCall& call) {
    if (!streamed) return;
    std::lock_guard lock(mutex);
    choices[i].calls.push_back(call);
    if (wake) wake();
  }
  void put(size_t i, const TokenLogprob& token) {
    if (!streamed) return;
    std::lock_guard lock(mutex);
    choices[i].logprobs.push_back(token);
  }
  void done(size_t i, GenerateResult result, const std::exception_ptr& error) {
    std::lock_guard lock(mutex);
    if (error) {
      fail(failure_of(error));
    } else if (result.stop_reason == StopReason::deadline) {
      fail({.status = 503, .message = "the answer took too long"});
    }
    choices[i].result = std::move(result);
    --open;
    try {
      submit_next();
    } catch (...) {
      fail(failure_of(std::current_exception()));
    }
    if (wake) wake();
  }
  void fail(Failure f) {
    if (!failure) failure = std::move(f);
    later.clear();
    for (Choice& c : choices) c.ticket.cancel();
  }
  void hold(bool on) {
    held = on;
    for (Choice& c : choices) c.ticket.hold(on);
  }
};

Answering::Answering(AnswerWork work)
    : state_(std::make_shared<State>()),
      work_(std::move(work)),
      told_(work_.choices.size()),
      called_(work_.choices.size()) {
  // One lock over all of them: a choice that is answered at once finds the tickets of the others.
  std::lock_guard lock(state_->mutex);
  state_->streamed = work_.streamed;
  state_->max_pending = work_.max_pending_bytes;
  state_->choices.resize(work_.choices.size());
  state_->open = work_.choices.size();
  state_->scheduler = &work_.model->scheduler;
  try {
    for (size_t i = 0; i < work_.choices.size(); ++i) {
      ScheduledRequest& request = work_.choices[i];
      request.options.on_text = [state = state_, i](std::string_view text) { state->put(i, text); };
      request.options.on_call = [state = state_, i](const ToolCall& call) { state->put_call(i, call); };
      request.options.on_logprob = [state = state_, i](const TokenLogprob& token) { state->put(i, token); };
      request.on_done = [state = state_, i, on_ended = work_.on_ended](GenerateResult result,
                                                                       const std::exception_ptr& error) {
        if (on_ended && !error) on_ended(result.timings);
        state->done(i, std::move(result), error);
      };
      state_->later.emplace_back(i, std::move(request));
    }
    for (size_t i = 0; i < std::max<size_t>(work_.at_once, 1); ++i) state_->submit_next();
  } catch (...) {
    state_->later.clear();
    for (State::Choice& c : state_->choices) c.ticket.cancel();
    throw;
  }
  work_.choices.clear();
  if (work_.metrics) ++work_.metrics->streams;
}

Answering::~Answering() {
  if (work_.metrics) --work_.metrics->streams;
  std::lock_guard lock(state_->mutex);
  state_->wake = nullptr;
  state_->later.clear();
  for (State::Choice& c : state_->choices) c.ticket.cancel();
}

void Answering::on_more(std::function<void()> wake) {
  std::lock_guard lock(state_->mutex);
  state_->wake = std::move(wake);
}

bool Answering::has_more() const {
  std::lock_guard lock(state_->mutex);
  if (state_->failure || state_->open == 0) return true;
  if (!work_.streamed) return false;
  const auto& choices = state_->choices;
  for (size_t i = 0; i < choices.size(); ++i)
    if (!choices[i].text.empty() || !choices[i].calls.empty() || (choices[i].result && !told_[i]))
      return true;
  return false;
}

Answering::Output Answering::take() {
  std::lock_guard lock(state_->mutex);
  AnswerFormat& format = *work_.format;
  Output out;
  if (!begun_) out.bytes = format.begin();
  begun_ = true;
  for (size_t i = 0; i < state_->choices.size(); ++i) {
    State::Choice& c = state_->choices[i];
    if (!c.text.empty() || (c.result && !c.logprobs.empty())) {
      out.bytes += format.piece(i, c.text, c.logprobs);
      c.logprobs.clear();
    }
    c.text.clear();
    for (const ToolCall& call : std::exchange(c.calls, {})) out.bytes += format.call(i, called_[i]++, call);
    if (state_->failure || !c.result || told_[i]) continue;
    out.bytes += format.choice_end(i, *c.result);
    told_[i] = true;
  }
  state_->pending = 0;
  if (state_->held) state_->hold(false);
  if (state_->failure) {
    out.bytes += format.error(*state_->failure);
    out.done = true;
  } else if (state_->open == 0) {
    std::vector<GenerateResult> results;
    for (State::Choice& c : state_->choices) results.push_back(std::move(*c.result));
    out.bytes += format.end(results);
    out.done = true;
  }
  return out;
}

std::optional<HttpReply> Answering::whole() {
  std::lock_guard lock(state_->mutex);
  if (state_->failure && !begun_) return work_.format->refusal(*state_->failure);
  if (work_.streamed || state_->open > 0) return {};
  std::vector<GenerateResult> results;
  for (State::Choice& c : state_->choices) results.push_back(std::move(*c.result));
  return HttpReply{.body = work_.format->whole(results), .headers = work_.format->headers()};
}

void Answering::end(Failure failure) {
  std::lock_guard lock(state_->mutex);
  if (state_->open == 0) return;  // it is whole already
  state_->fail(std::move(failure));
  if (state_->wake) state_->wake();
}

}  // namespace uma::serve
