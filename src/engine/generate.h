#pragma once
// One conversation with a model: tokens so far, their keys and values, and the loop that adds to them.
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/logprobs.h"
#include "engine/reader.h"
#include "engine/sampler.h"
#include "engine/tool_calls.h"
#include "grammar/grammar.h"
#include "models/open.h"

namespace uma {

/// Tokens a session holds where nobody says otherwise, or the model's own context length if that is less.
/// Keys and values are allocated as they come, so a high number costs nothing until it is used.
inline constexpr int64_t kDefaultContext = 32768;

/// Most tokens that are guessed at a time: with them eight are checked together, each as if it came alone.
inline constexpr int64_t kMaxGuesses = 7;

enum class StopReason : uint8_t {
  eos,        // the model ended its answer
  stop,       // a stop string came up
  length,     // max_tokens
  context,    // the context is full
  deadline,   // its time was over (scheduler)
  cancelled,  // the cancel flag, or a scheduler's ticket
};
/// "eos", "stop", "length", "context", "deadline", "cancelled".
std::string_view to_string(StopReason reason);

struct GenerateOptions {
  SamplingOptions sampling;
  int64_t max_tokens = -1;  // of the answer; -1: until it ends or the context is full
  /// The answer ends before the first of them; text that may be the beginning of one is held back until it
  /// is known. Empty strings are refused.
  std::vector<std::string> stop;
  /// The language that the answer is held to: it ends by itself only as a whole text of it, and any other
  /// end cuts one short. nullptr: any text.
  std::shared_ptr<const Grammar> grammar;
  /// Calls are taken out of the text, where the answer is held to a tool_grammar of this style.
  std::optional<ToolStyle> tools;
  /// With `tools`: an answer that does not begin with a call has none. For a grammar that holds text, too.
  bool calls_or_text = false;
  bool ignore_eos = false;  // for measurements; a grammar's end ends the answer all the same
  /// Tokens of the answer that are guessed, from repetitions in the text or by a draft model, and checked by
  /// the model together with the next one; 0: none. The answer is the same, token for token.
  int64_t guesses = 0;  // up to kMaxGuesses
  /// The log probability of each token of the answer, and of so many of the likeliest beside it, up to
  /// kMaxTopLogprobs; none: not asked, and not computed.
  std::optional<int64_t> logprobs;
  /// Checked before every token and every chunk of the prompt; the session stays usable.
  const std::atomic<bool>* cancel = nullptr;
  /// How much of the prompt has gone through the model, once a chunk.
  std::function<void(int64_t done, int64_t total)> on_prompt;
  /// Gets the answer as it comes, in whole UTF-8 characters.
  std::function<void(std::string_view text)> on_text;
  /// Gets each call once it is whole.
  std::function<void(const ToolCall& call)> on_call;
  /// Gets, where `logprobs` are asked for, the tokens whose text comes next.
  std::function<void(const TokenLogprob& token)> on_logprob;
};

struct GenerateTimings {
  int64_t prompt_tokens = 0;  // of the whole prompt
  int64_t reused_tokens = 0;  // of these, found in the cache
  int64_t answer_tokens = 0;
  int64_t guessed_tokens = 0;  // checked as guesses
  int64_t right_guesses = 0;   // of these
  int64_t decoded_tokens = 0;  // run one by one or as right guesses: the answer but for its last, whose
                               // successor is not asked
  double queue_s = 0;          // waited for its turn (scheduler)
  double prefill_s = 0;
  double decode_s = 0;
  /// Tokens worked on a second; 0 where nothing was.
  double prefill_tok_s() const;
  double decode_tok_s() const;
};

struct GenerateResult {
  std::string text;  // without the stop string, and without calls
  std::vector<ToolCall> tool_calls;
  std::vector<int32_t> tokens;  // as drawn, without the token that ended the answer
  StopReason stop_reason = StopReason::eos;
  std::string stop_string;  // the one that came up
  /// Where they were asked for: of the tokens that `text` shows, so not of those that a stop string cut off.
  std::vector<TokenLogprob> logprobs;
  std::vector<float> embedding;  // where that was asked for (scheduler)
  GenerateTimings timings;
};

struct SessionOptions {
  /// Tokens it may hold; 0: min(the model's context length, kDefaultContext). More than the model's own
  /// context length is refused: positions beyond it were never trained.
  int64_t context = 0;
  int64_t prefill_chunk = 512;  // prompt tokens that go through the model together
  /// Makes the guesses that a request asks for; nullptr: they come from repetitions in the text.
  std::shared_ptr<const Model> draft = nullptr;
};

class Answer;
class Guesser;

/// Tokens that a sequence of the model may hold where `asked` are wanted (0: nobody says): the rule of
/// SessionOptions::context. Throws InvalidArgument, also for no model.
int64_t context_of(const std::shared_ptr<const Model>& model, int64_t asked);

class Session {
 public:
  /// Throws InvalidArgument for options outside their rules, and for a draft with another vocabulary.
  explicit Session(std::shared_ptr<const Model> model, const SessionOptions& options = {});
  ~Session();

  /// Answers a prompt. What the cache already holds of its beginning is not computed again, so a chat passes
  /// the whole conversation each time.
  /// throws InvalidArgument: an empty prompt, a token outside the vocabulary, an option outside its rule.
  ///        Limit: the prompt is longer than the context; nothing was computed.
  GenerateResult generate(std::span<const int32_t> prompt, const GenerateOptions& options);

  /// Forgets everything.
  void reset();

  const Model& model() const { return *model_; }
  int64_t context() const { return context_; }
  /// Tokens whose keys and values are in the cache.
  std::span<const int32_t> cached_tokens() const { return reader_.tokens(); }

 private:
  /// Runs the prompt but for what the cache holds; leaves the last token's logits. False: cancelled.
  bool prefill(std::span<const int32_t> prompt, const GenerateOptions& options, GenerateTimings& timings);
  void step(std::span<const int32_t> tokens, LogitRows rows);
  StopReason decode(Answer& answer, const GenerateOptions& options);

  std::shared_ptr<const Model> model_;
  int64_t context_;
  Reader reader_;
  std::unique_ptr<Guesser> guesser_;
  std::optional<array> logits_;  // (rows, vocab), after the last cached tokens
  int64_t prefill_chunk_;
};

}  // namespace uma
