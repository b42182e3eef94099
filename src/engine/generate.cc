#include "engine/generate.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "core/eval.h"
#include "core/kernel.h"
#include "engine/stop.h"
#include "text/tokenizer.h"

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

/// The answer's text: whole characters, up to a stop string.
class Answer {
 public:
  Answer(const Tokenizer& tokenizer, const GenerateOptions& options)
      : detokenizer_(tokenizer), stops_(options.stop), on_text_(options.on_text) {}

  /// False once a stop string has come up.
  bool put(int32_t token) {
    emit(stops_.put(detokenizer_.put(token)));
    return !stops_.matched();
  }
  void finish() {
    if (stops_.matched()) return;
    emit(stops_.put(detokenizer_.flush()));
    if (!stops_.matched()) emit(stops_.flush());
  }
  std::string take() { return std::move(text_); }
  const std::string* stop_string() const { return stops_.matched(); }

 private:
  void emit(const std::string& text) {
    if (text.empty()) return;
    text_ += text;
    if (on_text_) on_text_(text);
  }

  Detokenizer detokenizer_;
  StopMatcher stops_;
  const std::function<void(std::string_view)>& on_text_;
  std::string text_;
};

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
  reset();
}

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
  timings.prompt_tokens = static_cast<int64_t>(prompt.size());
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

GenerateResult Session::generate(std::span<const int32_t> prompt, const GenerateOptions& options) {
  const int64_t vocab_size = model_->config().vocab_size;
  check(!prompt.empty(), kBad, "generate", "the prompt is empty");
  check(options.max_tokens >= -1, kBad, "generate", "max_tokens must be -1 (no limit) or more, not {}",
        options.max_tokens);
  check(static_cast<int64_t>(prompt.size()) <= context_, ErrorCode::kLimit, "generate",
        "the prompt has {} tokens, the context holds {}", prompt.size(), context_);
  Sampler sampler(options.sampling, vocab_size);
  for (const int32_t token : prompt) sampler.accept(token);
  Answer answer(*model_->vocabulary->tokenizer, options);

  GenerateResult result;
  if (prefill(prompt, options, result.timings)) {
    const auto start = Clock::now();
    result.stop_reason = decode(sampler, options, result, [&](int32_t token) { return answer.put(token); });
    result.timings.decode_s = seconds_since(start);
  } else {
    result.stop_reason = StopReason::cancelled;
  }
  answer.finish();
  if (answer.stop_string()) {
    result.stop_reason = StopReason::stop;
    result.stop_string = *answer.stop_string();
  }
  result.text = answer.take();
  result.timings.answer_tokens = static_cast<int64_t>(result.tokens.size());
  return result;
}

StopReason Session::decode(Sampler& sampler, const GenerateOptions& options, GenerateResult& result,
                           FunctionRef<bool(int32_t)> put) {
  for (;;) {
    if (is_set(options.cancel)) return StopReason::cancelled;
    if (static_cast<int64_t>(result.tokens.size()) == options.max_tokens) return StopReason::length;
    const int32_t token = sampler.sample({logits_->data<float>(), static_cast<size_t>(logits_->size())});
    if (!options.ignore_eos && model_->vocabulary->ends_answer(token)) return StopReason::eos;
    sampler.accept(token);
    result.tokens.push_back(token);
    if (!put(token)) return StopReason::stop;
    if (static_cast<int64_t>(result.tokens.size()) == options.max_tokens) return StopReason::length;
    if (static_cast<int64_t>(cached_.size()) == context_) return StopReason::context;
    step(std::span(&token, 1), LogitRows::last);
    ++result.timings.decoded_tokens;
  }
}

}  // namespace uma
