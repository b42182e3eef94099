#include "engine/generate.h"

#include <algorithm>

#include "base/error.h"
#include "engine/answer.h"
#include "engine/clock.h"
#include "engine/guess.h"

namespace uma {
namespace {

constexpr auto kBad = ErrorCode::kInvalidArgument;

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

int64_t context_of(const std::shared_ptr<const Model>& model, int64_t asked) {
  check(model != nullptr, kBad, "session", "needs a model");
  const int64_t most = model->config().context_length;
  check(asked >= 0, kBad, "session", "a context of {} tokens makes no sense", asked);
  check(asked <= most, kBad, "session",
        "a context of {} tokens is over the model's {}: it never learnt positions beyond", asked, most);
  return asked > 0 ? asked : std::min(most, kDefaultContext);
}

Session::Session(std::shared_ptr<const Model> model, const SessionOptions& options)
    : model_(std::move(model)),
      context_(context_of(model_, options.context)),
      reader_(model_),
      prefill_chunk_(options.prefill_chunk) {
  check(prefill_chunk_ > 0, kBad, "session", "prefill_chunk must be 1 or more, not {}", prefill_chunk_);
  if (options.draft)
    guesser_ = std::make_unique<DraftModel>(options.draft, *model_);
  else
    guesser_ = std::make_unique<PromptLookup>();
}

Session::~Session() = default;

void Session::reset() {
  logits_.reset();
  reader_.reset();
}

/// Runs tokens and keeps the logits that `rows` asks for.
void Session::step(std::span<const int32_t> tokens, LogitRows rows) {
  logits_.reset();  // their memory serves the next ones
  logits_ = reader_.read(tokens, rows);
}

bool Session::prefill(std::span<const int32_t> prompt, const GenerateOptions& options,
                      GenerateTimings& timings) {
  std::span<const int32_t> left = prompt.subspan(reader_.rewind(prompt));
  timings.reused_tokens = static_cast<int64_t>(prompt.size() - left.size());
  const auto start = Clock::now();
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
    reader_.forget(wrong());
    return reason;
  };
  for (;;) {
    if (is_set(options.cancel)) return forget_wrong(StopReason::cancelled);
    const float* scores = logits_->data<float>() + static_cast<int64_t>(right) * vocab_size;
    const int32_t token = answer.sample({scores, static_cast<size_t>(vocab_size)});
    if (const auto reason = answer.accept(token)) return forget_wrong(*reason);
    if (const auto reason = answer.settle()) return forget_wrong(*reason);
    ++timings.decoded_tokens;
    if (options.guesses > 0) guesser_->accept(token);
    if (wrong() > 0 && run[right + 1] == token) {
      ++right;
      ++timings.right_guesses;
      continue;
    }
    reader_.forget(wrong());
    run = {token};
    right = 0;
    // The token itself fits: the answer has not ended.
    const int64_t room = context_ - static_cast<int64_t>(reader_.tokens().size()) - 1;
    if (options.guesses > 0) {
      const std::vector<int32_t> guesses = guesser_->guess(std::min(options.guesses, room));
      run.insert(run.end(), guesses.begin(), guesses.end());
      timings.guessed_tokens += static_cast<int64_t>(guesses.size());
    }
    step(run, LogitRows::all);
  }
}

}  // namespace uma
