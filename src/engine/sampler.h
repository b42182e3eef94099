#pragma once
// Chooses the next token from logits: penalties, logit bias, top-k, top-p, min-p, temperature, draw, in
// llama.cpp's order.
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace uma {

class TokenMask;

/// Names, meanings and defaults are llama.cpp's.
struct SamplingOptions {
  float temperature = 0.8f;     // 0: the largest logit, always the same answer
  int64_t top_k = 40;           // the k largest; 0: all
  float top_p = 0.95f;          // the fewest tokens whose probabilities sum to p; 1: all
  float min_p = 0.05f;          // tokens at least min_p times as likely as the likeliest; 0: all
  float repeat_penalty = 1;     // divides positive and multiplies negative logits of recent tokens; 1: none
  float presence_penalty = 0;   // subtracted from the logit of each recent token
  float frequency_penalty = 0;  // subtracted once for each time it occurred
  int64_t repeat_last_n = 64;   // tokens that count as recent; 0: none, -1: all
  std::vector<std::pair<int32_t, float>> logit_bias;  // token, added to its logit; -infinity forbids it
  uint64_t seed = 0;  // of the draws; equal seeds give equal answers on every machine
};

class Sampler {
 public:
  /// Throws InvalidArgument naming the option and its rule.
  Sampler(SamplingOptions options, int64_t vocab_size);

  /// The next token, one of those that the mask allows where there is one. Throws InvalidArgument if the
  /// number of logits is not the vocabulary's, or if a logit is NaN, or none is finite: the model's numbers
  /// are broken and no answer would be honest.
  int32_t sample(std::span<const float> logits, const TokenMask* mask = nullptr);
  /// Counts a token, of the prompt or of the answer, as recent.
  void accept(int32_t token);
  /// Forgets all tokens and starts the draws again.
  void reset();

  const SamplingOptions& options() const { return options_; }

 private:
  struct Candidate {
    int32_t token;
    float logit;
  };
  /// scores: the logits after bias and penalties.
  void load(std::span<const float> logits, const TokenMask* mask, std::vector<float>& scores) const;
  void keep_largest(const std::vector<float>& scores, size_t k);
  void keep_top_p();
  void keep_min_p();
  int32_t draw();
  double next_uniform();

  SamplingOptions options_;
  int64_t vocab_size_;
  std::deque<int32_t> recent_;
  std::unordered_map<int32_t, int64_t> counts_;  // of the recent tokens
  uint64_t draws_ = 0;
  std::vector<Candidate> candidates_;  // what is left, likeliest first
};

/// A seed nobody chose, for callers whose user gave none.
uint64_t random_seed();

}  // namespace uma
