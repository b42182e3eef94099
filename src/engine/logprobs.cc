#include "engine/logprobs.h"

#include <algorithm>
#include <cmath>

namespace uma {

TokenLogprob logprob_of(std::span<const float> logits, int32_t token, int64_t top) {
  const float best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - best);
  const double log_sum = std::log(sum) + best;
  const auto logprob = [&](int32_t t) {
    return static_cast<float>(static_cast<double>(logits[static_cast<size_t>(t)]) - log_sum);
  };
  TokenLogprob result{token, logprob(token), {}};
  // A heap with its worst on top; of equals the first token counts as likelier.
  std::vector<int32_t> heap;
  const auto likelier = [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return x > y || (x == y && a < b);
  };
  for (size_t i = 0; i < logits.size() && top > 0; ++i) {
    const auto t = static_cast<int32_t>(i);
    const bool full = heap.size() == static_cast<size_t>(top);
    if (full && !likelier(t, heap.front())) continue;
    if (full) {
      std::pop_heap(heap.begin(), heap.end(), likelier);
      heap.pop_back();
    }
    heap.push_back(t);
    std::push_heap(heap.begin(), heap.end(), likelier);
  }
  std::sort_heap(heap.begin(), heap.end(), likelier);
  for (const int32_t t : heap) result.top.emplace_back(t, logprob(t));
  return result;
}

std::optional<TokenLogprob> LogprobQueue::take(size_t said, bool partly) {
  if (waiting_.empty()) return {};
  const Waiting& next = waiting_.front();
  if (next.end > said && !(partly && next.begin < said)) return {};
  TokenLogprob token = std::move(waiting_.front().token);
  waiting_.pop_front();
  return token;
}

}  // namespace uma
