#pragma once
// One answer under way: tokens drawn from logits, turned into text, counted against every limit. What a
// session and a scheduler do between two forward passes.
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/answer_grammar.h"
#include "engine/generate.h"
#include "engine/stop.h"
#include "text/tokenizer.h"

namespace uma {

class Answer {
 public:
  /// context: tokens that prompt and answer may have together; the answer's last is said and not run.
  /// throws InvalidArgument: an empty prompt, a token outside the vocabulary, an option outside its rule.
  ///        Limit: the prompt is longer than the context.
  Answer(std::shared_ptr<const Model> model, std::span<const int32_t> prompt, const GenerateOptions& options,
         int64_t context);

  /// The next token for the logits of what was read so far. Throws what Sampler::sample and
  /// GrammarMatcher::mask throw.
  int32_t sample(std::span<const float> logits);
  /// Takes a token that was drawn: gives its text to on_text, and says whether that ended the answer.
  std::optional<StopReason> accept(int32_t token);
  /// Says whether the token that was taken was the last one, for the grammar or for a limit. If it was not,
  /// it is to be run.
  std::optional<StopReason> settle();
  /// nullptr for none. What it has not found yet when sample or settle need it, they find.
  const std::shared_ptr<AnswerGrammar>& grammar() const { return grammar_; }
  /// The whole of it. Text that was held back for a stop string comes out first, so the reason may become
  /// `stop`.
  GenerateResult finish(StopReason reason);

  GenerateTimings& timings() { return result_.timings; }

 private:
  std::string decode(int32_t token);
  void emit(std::string_view text);
  void emit_text(const std::string& text);
  void release_logprobs(bool partly);
  int64_t size() const { return static_cast<int64_t>(result_.tokens.size()); }

  std::shared_ptr<const Model> model_;
  Sampler sampler_;
  Detokenizer detokenizer_;
  StopMatcher stops_;
  std::shared_ptr<AnswerGrammar> grammar_;
  std::optional<ToolCallReader> tools_;
  std::function<void(std::string_view)> on_text_;
  std::function<void(const ToolCall&)> on_call_;
  int64_t max_tokens_, room_;  // room_: tokens of the answer after which the context is full
  bool ignore_eos_;
  std::optional<int64_t> top_logprobs_;
  std::function<void(const TokenLogprob&)> on_logprob_;
  TokenLogprob drawn_;  // the last token that was drawn, where that is wanted
  LogprobQueue logprobs_;
  size_t decoded_bytes_ = 0;  // of text, held back or not
  size_t emitted_bytes_ = 0;  // of text that no stop string held back: what was said, and tool calls
  GenerateResult result_;
};

}  // namespace uma
