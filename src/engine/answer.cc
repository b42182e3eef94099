#include "engine/answer.h"

#include <utility>

#include "base/error.h"

namespace uma {
namespace {

constexpr auto kBad = ErrorCode::kInvalidArgument;

}  // namespace

Answer::Answer(std::shared_ptr<const Model> model, std::span<const int32_t> prompt,
               const GenerateOptions& options, int64_t context)
    : model_(std::move(model)),
      sampler_(options.sampling, model_->config().vocab_size),
      // Under a grammar no control token comes that it did not ask for.
      detokenizer_(*model_->vocabulary->tokenizer, options.grammar != nullptr),
      stops_(options.stop),
      on_text_(options.on_text),
      on_call_(options.on_call),
      max_tokens_(options.max_tokens),
      room_(context - static_cast<int64_t>(prompt.size()) + 1),
      ignore_eos_(options.ignore_eos),
      top_logprobs_(options.logprobs),
      on_logprob_(options.on_logprob) {
  check(!prompt.empty(), kBad, "generate", "the prompt is empty");
  check(max_tokens_ >= -1, kBad, "generate", "max_tokens must be -1 (no limit) or more, not {}", max_tokens_);
  check(options.guesses >= 0 && options.guesses <= kMaxGuesses, kBad, "generate",
        "guesses must be 0 to {}, not {}", kMaxGuesses, options.guesses);
  const int64_t top = top_logprobs_.value_or(0);
  check(top >= 0 && top <= kMaxTopLogprobs, kBad, "generate", "logprobs must be 0 to {}, not {}",
        kMaxTopLogprobs, top);
  check(room_ > 0, ErrorCode::kLimit, "generate", "the prompt has {} tokens, the context holds {}",
        prompt.size(), context);
  if (options.tools) tools_.emplace(*options.tools, options.calls_or_text);
  if (options.grammar)
    grammar_ = std::make_shared<AnswerGrammar>(options.grammar, TokenTrie::of(model_->vocabulary->tokenizer));
  for (const int32_t token : prompt) sampler_.accept(token);
  result_.timings.prompt_tokens = static_cast<int64_t>(prompt.size());
}

/// The text that a token completes.
std::string Answer::decode(int32_t token) {
  std::string text = detokenizer_.put(token);
  const size_t begin = std::exchange(decoded_bytes_, decoded_bytes_ + text.size());
  if (top_logprobs_) logprobs_.put(std::move(drawn_), begin, decoded_bytes_);
  return text;
}

void Answer::release_logprobs(bool partly) {
  while (auto token = logprobs_.take(emitted_bytes_, partly)) {
    if (on_logprob_) on_logprob_(*token);
    result_.logprobs.push_back(std::move(*token));
  }
}

void Answer::emit(std::string_view text) {
  emitted_bytes_ += text.size();
  release_logprobs(false);
  if (!tools_) return emit_text(std::string(text));
  ToolCallReader::Parts parts = tools_->put(text);
  emit_text(parts.text);
  for (ToolCall& call : parts.calls) {
    if (on_call_) on_call_(call);
    result_.tool_calls.push_back(std::move(call));
  }
}

void Answer::emit_text(const std::string& text) {
  if (text.empty()) return;
  result_.text += text;
  if (on_text_) on_text_(text);
}

int32_t Answer::sample(std::span<const float> logits) {
  if (grammar_) grammar_->find();
  const int32_t token = sampler_.sample(logits, grammar_ ? &grammar_->mask() : nullptr);
  if (top_logprobs_) drawn_ = logprob_of(logits, token, *top_logprobs_);
  return token;
}

std::optional<StopReason> Answer::accept(int32_t token) {
  if (size() == max_tokens_) return StopReason::length;
  if ((!ignore_eos_ || grammar_) && model_->vocabulary->ends_answer(token)) return StopReason::eos;
  if (grammar_) grammar_->put(token);
  sampler_.accept(token);
  result_.tokens.push_back(token);
  emit(stops_.put(decode(token)));
  if (stops_.matched()) return StopReason::stop;
  return {};
}

std::optional<StopReason> Answer::settle() {
  // Only the end can come: the model need not be asked for it.
  if (grammar_) grammar_->find();
  if (grammar_ && grammar_->finished()) return StopReason::eos;
  if (size() == max_tokens_) return StopReason::length;
  if (size() == room_) return StopReason::context;
  return {};
}

GenerateResult Answer::finish(StopReason reason) {
  if (!stops_.matched()) {
    emit(stops_.put(detokenizer_.flush()));
    if (!stops_.matched()) emit(stops_.flush());
  }
  if (tools_) emit_text(tools_->flush());
  release_logprobs(true);
  result_.stop_reason = reason;
  if (stops_.matched()) {
    result_.stop_reason = StopReason::stop;
    result_.stop_string = *stops_.matched();
  }
  result_.timings.answer_tokens = size();
  return std::move(result_);
}

}  // namespace uma
