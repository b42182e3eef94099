#include "engine/perplexity.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "core/eval.h"
#include "core/kernel.h"
#include "ops/indexing.h"

namespace uma {
namespace {

// Logits of a chunk stay under this, so that a vocabulary of 262144 does not cost gigabytes.
constexpr int64_t kChunkLogits = 32 << 20;
constexpr int64_t kMaxChunk = 512;

/// -log softmax(row)[token], in f64.
double nll_of(const float* row, int64_t vocab, int32_t token) {
  const float best = *std::max_element(row, row + vocab);
  double sum = 0;
  for (int64_t i = 0; i < vocab; ++i) sum += std::exp(static_cast<double>(row[i]) - best);
  return std::log(sum) + best - static_cast<double>(row[token]);
}

/// Scores one window; keeps its logits in `keep` where that is given.
double score(const Model& model, std::span<const int32_t> window, std::vector<array>* keep,
             const std::atomic<bool>* cancel) {
  const int64_t vocab = model.config().vocab_size;
  const auto length = static_cast<int64_t>(window.size());
  const int64_t chunk = std::clamp<int64_t>(kChunkLogits / vocab, 1, kMaxChunk);
  const auto cache = model.network->make_cache();
  std::vector<double> nll(window.size(), 0.0);
  for (int64_t begin = 0; begin < length; begin += chunk) {
    check(!cancel || !cancel->load(std::memory_order_relaxed), ErrorCode::kCancelled, "perplexity",
          "stopped");
    const int64_t end = std::min(begin + chunk, length);
    const array logits = model.network->forward(
        window.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)), *cache, LogitRows::all);
    logits.eval();
    const array rows = row_contiguous(logits);
    const float* const data = rows.data<float>();
    parallel_for(end - begin, [&](int64_t i) {
      const auto next = static_cast<size_t>(begin + i + 1);
      if (next < window.size()) nll[next] = nll_of(data + i * vocab, vocab, window[next]);
    });
    if (keep) keep->push_back(rows);
  }
  double total = 0;
  for (const double x : nll) total += x;
  return total;
}

}  // namespace

PerplexityResult perplexity(const Model& model, std::span<const int32_t> tokens,
                            const PerplexityOptions& options) {
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  const Vocabulary& vocabulary = *model.vocabulary;
  const bool bos = vocabulary.add_bos && vocabulary.bos >= 0;
  check(options.context >= 2, kBad, "perplexity", "a window needs 2 tokens or more, not {}", options.context);
  check(options.context <= model.config().context_length, kBad, "perplexity",
        "a window of {} tokens is over the model's context of {}", options.context,
        model.config().context_length);
  check(tokens.size() + bos >= 2, kBad, "perplexity", "the text has {} tokens, too few to score",
        tokens.size());

  const auto share = static_cast<size_t>(options.context - bos);  // of a window that is text
  const auto windows = static_cast<int64_t>((tokens.size() + share - 1) / share);
  PerplexityResult result;
  double total = 0;
  for (int64_t w = 0; w < windows; ++w) {
    const auto text = tokens.subspan(static_cast<size_t>(w) * share);
    std::vector<int32_t> window;
    if (bos) window.push_back(vocabulary.bos);
    window.insert(window.end(), text.begin(),
                  text.begin() + static_cast<ptrdiff_t>(std::min(share, text.size())));
    if (window.size() >= 2) {
      std::vector<array> logits;
      const bool wanted = w == 0 && options.on_first_logits;
      total += score(model, window, wanted ? &logits : nullptr, options.cancel);
      if (wanted) options.on_first_logits(logits.size() == 1 ? logits[0] : concatenate(logits, 0));
      result.tokens += static_cast<int64_t>(window.size()) - 1;
      ++result.windows;
    }
    if (options.on_window) options.on_window(w + 1, windows);
  }
  result.nll = total / static_cast<double>(result.tokens);
  result.perplexity = std::exp(result.nll);
  return result;
}

}  // namespace uma
