#pragma once
// How likely the model held the tokens of an answer.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace uma {

/// The most likely tokens that may be asked for beside the one that was drawn.
inline constexpr int64_t kMaxTopLogprobs = 20;

/// Natural logarithms of probabilities, by the softmax of the model's logits as they came: before logit
/// bias, penalties, temperature, top-k, top-p and min-p.
struct TokenLogprob {
  int32_t token = 0;
  float logprob = 0;
  std::vector<std::pair<int32_t, float>> top;  // the likeliest tokens, likeliest first
};

/// top: how many of the likeliest are wanted. The logits must hold no NaN.
TokenLogprob logprob_of(std::span<const float> logits, int32_t token, int64_t top);

/// Tokens wait here for the text that they end in: it may be held back for a stop string, and what is cut
/// off takes its tokens with it.
class LogprobQueue {
 public:
  /// The next token; its text is the bytes [begin, end) of all that was decoded.
  void put(TokenLogprob token, size_t begin, size_t end) {
    waiting_.push_back({std::move(token), begin, end});
  }
  /// The next token all of whose text is among the first `said` bytes, or, `partly`, begins there.
  std::optional<TokenLogprob> take(size_t said, bool partly);

 private:
  struct Waiting {
    TokenLogprob token;
    size_t begin, end;
  };
  std::deque<Waiting> waiting_;
};

}  // namespace uma
