#include "engine/generate.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "core/eval.h"
#include "core/kernel.h"
#include "engine/answer.h"
#include "engine/guess.h"

namespace uma {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kBad = ErrorCode::kInvalidArgument;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}
bool is_set(const std::atomic<bool>* flag) {
  return flag && flag->load(std::memory_order_relaxed);
}

}  // namespace

std::string_view to_string(StopReason reason) {
  switch (reason) {
    case StopReason::eos:
      return "eos";
    case StopReason::stop:
      return "stop";
    case StopReason::length:
      return "length";
    case StopReason::context:
      return "context";
    case StopReason::deadline:
      return "deadline";
    case StopReason::cancelled:
      break;
  }
  return "cancelled";
}

double GenerateTimings::prefill_tok_s() const {
  return prefill_s > 0 ? static_cast<double>(prompt_tokens - reused_tokens) / prefill_s : 0;
}
double GenerateTimings::decode_tok_s() const {
  return decode_s > 0 ? static_cast<double>(decoded_tokens) / decode_s : 0;
}

Session::Session(std::shared_ptr<const Model> model, const SessionOptions& options)
    : model_(std::move(model)), prefill_chunk_(options.prefill_chunk) {
  check(model_ != nullptr, kBad, "session", "needs a model");
  const int64_t most = model_->config().context_length;
  check(options.context >= 0, kBad, "session", "a context of {} tokens makes no sense", options.context);
  check(options.context <= most, kBad, "session",
        "a context of {} tokens is over the model's {}: it never learnt positions beyond", options.context,
        most);
  check(prefill_chunk_ > 0, kBad, "session", "prefill_chunk must be 1 or more, not {}", prefill_chunk_);
  context_ = options.context > 0 ? options.context : std::min(most, kDefaultContext);
  if (options.draft)
    guesser_ = std::make_unique<DraftModel>(options.draft, *model_);
  else
    guesser_ = std::make_unique<PromptLookup>();
  reset();
}

Session::~Session() = default;

void Session::reset() {
  cached_.clear();
  logits_.reset();
  cache_ = model_->network->make_cache();
}

/// Runs tokens and keeps the logits of the last, if `rows` asks for them.
void Session::step(std::span<const int32_t> tokens, LogitRows rows) {
  logits_.reset();
  try {
    const array logits = model_->network->forward(tokens, *cache_, rows);
    if (rows == LogitRows::none) {
      eval(cache_->arrays());
    } else {
      logits.eval();
      logits_ = row_contiguous(logits);
    }
  } catch (...) {
    reset();  // some layers may hold the tokens and others not
    throw;
  }
  cached_.insert(cached_.end(), tokens.begin(), tokens.end());
}

bool Session::prefill(std::span<const int32_t> prompt, const GenerateOptions& options,
                      GenerateTimings& timings) {
  // The last token is always run: its logits are what the answer begins with.
  const auto known = std::mismatch(prompt.begin(), prompt.end() - 1, cached_.begin(), cached_.end()).first;
  const auto reused = known - prompt.begin();
  timings.reused_tokens = reused;
  cache_->truncate(reused);
  cached_.resize(static_cast<size_t>(reused));
  const auto start = Clock::now();
  std::span<const int32_t> left = prompt.subspan(static_cast<size_t>(reused));
  while (!left.empty() && !is_set(options.cancel)) {
    const auto chunk = left.first(std::min(left.size(), static_cast<size_t>(prefill_chunk_)));
    left = left.subspan(chunk.size());
    step(chunk, left.empty() ? LogitRows::last : LogitRows::none);
    if (options.on_prompt)
      options.on_prompt(static_cast<int64_t>(prompt.size() - left.size()), timings.prompt_tokens);
  }
  timings.prefill_s = seconds_since(start);
  return left.empty() && !is_set(options.cancel);
}

void Session::forget(size_t n) {
  if (n == 0) return;
  cached_.resize(cached_.size() - n);
  cache_->truncate(static_cast<int64_t>(cached_.size()));
}

GenerateResult Session::generate(std::span<const int32_t> prompt, const GenerateOptions& options) {
  Answer answer(model_, prompt, options, context_);
  guesser_->restart();
  if (options.guesses > 0)
    for (const int32_t token : prompt) guesser_->accept(token);
  StopReason reason = StopReason::cancelled;
  if (prefill(prompt, options, answer.timings())) {
    const auto start = Clock::now();
    reason = decode(answer, options);
    answer.timings().decode_s = seconds_since(start);
  }
  return answer.finish(reason);
}

// Each turn draws a token. The last guesses that were run stand behind logits_: row i tells what comes after
// i of them, and is asked only when these i were right, so every draw is made from the logits of the answer's
// own text.
StopReason Session::decode(Answer& answer, const GenerateOptions& options) {
  const int64_t vocab_size = model_->config().vocab_size;
  GenerateTimings& timings = answer.timings();
  std::vector<int32_t> run;  // a token of the answer, and guesses at what comes after it
  size_t right = 0;
  const auto wrong = [&] { return run.empty() ? 0 : run.size() - 1 - right; };
  const auto forget_wrong = [&](StopReason reason) {
    forget(wrong());
    return reason;
  };
  for (;;) {
    if (is_set(options.cancel)) return forget_wrong(StopReason::cancelled);
    const float* scores = logits_->data<float>() + static_cast<int64_t>(right) * vocab_size;
    const int32_t token = answer.sample({scores, static_cast<size_t>(vocab_size)});
    if (const auto reason = answer.accept(token)) return forget_wrong(*reason);
    ++timings.decoded_tokens;
    if (options.guesses > 0) guesser_->accept(token);
    if (wrong() > 0 && run[right + 1] == token) {
      ++right;
      ++timings.right_guesses;
      continue;
    }
    forget(wrong());
    run = {token};
    right = 0;
    // The token itself fits: the answer has not ended.
    const int64_t room = context_ - static_cast<int64_t>(cached_.size()) - 1;
    if (options.guesses > 0) {
      const std::vector<int32_t> guesses = guesser_->guess(std::min(options.guesses, room));
      run.insert(run.end(), guesses.begin(), guesses.end());
      timings.guessed_tokens += static_cast<int64_t>(guesses.size());
    }
    step(run, LogitRows::all);
  }
}

}  // namespace uma
