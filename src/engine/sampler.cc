#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "base/error.h"
#include "grammar/matcher.h"

namespace uma {
namespace {

constexpr char kOp[] = "sampling";

void check_options(const SamplingOptions& o, int64_t vocab_size) {
  const auto wants = [](bool ok, const char* name, const char* rule, double value) {
    check(ok, ErrorCode::kInvalidArgument, kOp, "{} must be {}, not {}", name, rule, value);
  };
  const auto finite = [](float x) { return std::isfinite(x); };
  wants(finite(o.temperature) && o.temperature >= 0, "temperature", "a number of 0 or more", o.temperature);
  wants(o.top_k >= 0, "top_k", "0 (all tokens) or more", static_cast<double>(o.top_k));
  wants(o.top_p >= 0 && o.top_p <= 1, "top_p", "between 0 and 1", o.top_p);
  wants(o.min_p >= 0 && o.min_p <= 1, "min_p", "between 0 and 1", o.min_p);
  wants(finite(o.repeat_penalty) && o.repeat_penalty > 0, "repeat_penalty", "a number above 0",
        o.repeat_penalty);
  wants(finite(o.presence_penalty), "presence_penalty", "a finite number", o.presence_penalty);
  wants(finite(o.frequency_penalty), "frequency_penalty", "a finite number", o.frequency_penalty);
  wants(o.repeat_last_n >= -1, "repeat_last_n", "-1 (all tokens), 0 (none) or more",
        static_cast<double>(o.repeat_last_n));
  for (const auto& [token, bias] : o.logit_bias) {
    check(token >= 0 && token < vocab_size, ErrorCode::kInvalidArgument, kOp,
          "logit_bias names token {}, the vocabulary has 0 to {}", token, vocab_size - 1);
    check(!std::isnan(bias) && bias != INFINITY, ErrorCode::kInvalidArgument, kOp,
          "logit_bias of token {} must be a number or -infinity, not {}", token, bias);
  }
}

/// What the mask does not allow, and what it does not know, as vocabularies are shorter than some models'
/// logits.
void forbid_others(const TokenMask& mask, std::vector<float>& scores) {
  const std::vector<uint64_t>& words = mask.words();
  for (size_t i = 0; i < scores.size(); i += 64) {
    const uint64_t word = i / 64 < words.size() ? words[i / 64] : 0;
    if (word == ~uint64_t{0}) continue;
    const size_t end = std::min<size_t>(64, scores.size() - i);
    for (size_t j = 0; j < end; ++j)
      if ((word >> j & 1) == 0) scores[i + j] = -INFINITY;
  }
}

/// Ties go to the lower token, so that the order is the same on every machine.
constexpr auto kLikelier = [](const auto& a, const auto& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
};

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio, odd

/// SplitMix64's finalizer: every bit of the result depends on every bit of z.
constexpr uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace

Sampler::Sampler(SamplingOptions options, int64_t vocab_size)
    : options_(std::move(options)), vocab_size_(vocab_size) {
  check(vocab_size > 0, ErrorCode::kInvalidArgument, kOp, "the vocabulary is empty");
  check_options(options_, vocab_size);
}

int32_t Sampler::sample(std::span<const float> logits, const TokenMask* mask) {
  // As large as the vocabulary, and of no use between two tokens: hundreds of samplers share it.
  thread_local std::vector<float> scores;
  load(logits, mask, scores);
  const bool greedy = options_.temperature == 0;
  const auto all = static_cast<int64_t>(scores.size());
  keep_largest(scores, static_cast<size_t>(greedy                ? 1
                                           : options_.top_k == 0 ? all
                                                                 : std::min(options_.top_k, all)));
  const Candidate& best = *std::min_element(candidates_.begin(), candidates_.end(), kLikelier);
  check(std::isfinite(best.logit), ErrorCode::kInvalidArgument, kOp,
        "the likeliest token, {}, has the logit {}: there is nothing to choose from", best.token, best.logit);
  if (greedy) return best.token;
  keep_top_p();
  keep_min_p();
  return draw();
}

/// Copies the logits and applies what changes single ones.
void Sampler::load(std::span<const float> logits, const TokenMask* mask, std::vector<float>& scores) const {
  check(static_cast<int64_t>(logits.size()) == vocab_size_, ErrorCode::kInvalidArgument, kOp,
        "got {} logits for a vocabulary of {}", logits.size(), vocab_size_);
  int nan = 0;
  for (const float x : logits) nan |= x != x;
  check(nan == 0, ErrorCode::kInvalidArgument, kOp,
        "the logits hold a NaN (the first for token {}): the model's weights or its activations are broken",
        std::find_if(logits.begin(), logits.end(), [](float x) { return x != x; }) - logits.begin());
  scores.assign(logits.begin(), logits.end());
  if (mask) forbid_others(*mask, scores);
  for (const auto& [token, bias] : options_.logit_bias) scores[static_cast<size_t>(token)] += bias;
  for (const auto& [token, count] : counts_) {
    float& score = scores[static_cast<size_t>(token)];
    score = score > 0 ? score / options_.repeat_penalty : score * options_.repeat_penalty;
    score -= static_cast<float>(count) * options_.frequency_penalty + options_.presence_penalty;
  }
}

/// Fills candidates_ with the k best, likeliest first; with all, in no order, where k is their number.
void Sampler::keep_largest(const std::vector<float>& scores, size_t k) {
  candidates_.clear();
  const size_t n = scores.size();
  if (k == n) {
    candidates_.reserve(n);
    for (size_t i = 0; i < n; ++i) candidates_.push_back({static_cast<int32_t>(i), scores[i]});
    return;
  }
  // A heap with its worst on top: few scores pass it, so this is one fast walk over them.
  for (size_t i = 0; i < n; ++i) {
    if (candidates_.size() == k && scores[i] <= candidates_.front().logit) continue;
    if (candidates_.size() == k) {
      std::pop_heap(candidates_.begin(), candidates_.end(), kLikelier);
      candidates_.pop_back();
    }
    candidates_.push_back({static_cast<int32_t>(i), scores[i]});
    std::push_heap(candidates_.begin(), candidates_.end(), kLikelier);
  }
  std::sort(candidates_.begin(), candidates_.end(), kLikelier);
}

void Sampler::keep_top_p() {
  if (options_.top_p >= 1) return;
  const float best = std::min_element(candidates_.begin(), candidates_.end(), kLikelier)->logit;
  double total = 0;
  for (const Candidate& c : candidates_) total += std::exp(static_cast<double>(c.logit) - best);
  // Sorted piece by piece: the answer usually lies among the first few of a large vocabulary.
  double sum = 0;
  size_t sorted = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    if (i == sorted) {
      sorted = std::min(candidates_.size(), std::max<size_t>(256, 4 * sorted));
      std::partial_sort(candidates_.begin() + static_cast<ptrdiff_t>(i),
                        candidates_.begin() + static_cast<ptrdiff_t>(sorted), candidates_.end(), kLikelier);
    }
    sum += std::exp(static_cast<double>(candidates_[i].logit) - best);
    if (sum >= static_cast<double>(options_.top_p) * total) {
      candidates_.resize(i + 1);
      return;
    }
  }
}

void Sampler::keep_min_p() {
  if (options_.min_p <= 0) return;
  const float best = std::min_element(candidates_.begin(), candidates_.end(), kLikelier)->logit;
  const float least = best + std::log(options_.min_p);
  std::erase_if(candidates_, [&](const Candidate& c) { return c.logit < least; });
}

int32_t Sampler::draw() {
  const float best = std::min_element(candidates_.begin(), candidates_.end(), kLikelier)->logit;
  const auto weight = [&](const Candidate& c) {
    return std::exp((static_cast<double>(c.logit) - best) / options_.temperature);
  };
  double total = 0;
  for (const Candidate& c : candidates_) total += weight(c);
  double left = next_uniform() * total;
  for (const Candidate& c : candidates_) {
    left -= weight(c);
    if (left < 0) return c.token;
  }
  // Rounding may leave a crumb; the last token that has a weight takes it.
  const auto last = std::find_if(candidates_.rbegin(), candidates_.rend(),
                                 [&](const Candidate& c) { return weight(c) > 0; });
  return last->token;
}

/// Counter based: the n-th draw of a seed is a pure function of both. The seed is mixed first, or
/// neighbouring seeds would draw each other's numbers, one step apart.
double Sampler::next_uniform() {
  const uint64_t bits = mix(mix(options_.seed) + kGolden * ++draws_);
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

void Sampler::accept(int32_t token) {
  check(token >= 0 && token < vocab_size_, ErrorCode::kInvalidArgument, kOp,
        "token {} is outside the vocabulary of {}", token, vocab_size_);
  if (options_.repeat_last_n == 0) return;
  recent_.push_back(token);
  ++counts_[token];
  if (options_.repeat_last_n < 0 || static_cast<int64_t>(recent_.size()) <= options_.repeat_last_n) return;
  const auto oldest = counts_.find(recent_.front());
  if (--oldest->second == 0) counts_.erase(oldest);
  recent_.pop_front();
}

void Sampler::reset() {
  recent_.clear();
  counts_.clear();
  draws_ = 0;
}

uint64_t random_seed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace uma
