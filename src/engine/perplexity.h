#pragma once
// How well a model predicts a text.
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>

#include "core/array.h"
#include "models/open.h"

namespace uma {

struct PerplexityOptions {
  int64_t context = 512;  // tokens of a window, the beginning-of-text token included
  /// The first window's logits, (tokens, vocab) f32, as soon as they are there; row i is what the model says
  /// after token i. They are not kept: those of a large vocabulary are as large as a model.
  std::function<void(const array& logits)> on_first_logits;
  const std::atomic<bool>* cancel = nullptr;
  /// Windows done and their number.
  std::function<void(int64_t done, int64_t windows)> on_window;
};

struct PerplexityResult {
  int64_t tokens = 0;  // scored: predicted from the tokens before them
  int64_t windows = 0;
  double nll = 0;         // mean over the scored tokens of -log p(token), in nats
  double perplexity = 0;  // exp(nll)
};

/// Scores a text, given as its tokens without the beginning-of-text token. It is cut into windows that do
/// not overlap; where the model wants a beginning-of-text token each window starts with it. A window's first
/// token is not scored, every other is; a last window of fewer tokens counts too.
/// throws InvalidArgument: context under 2 or over the model's, fewer than two tokens.  Cancelled.
PerplexityResult perplexity(const Model& model, std::span<const int32_t> tokens,
                            const PerplexityOptions& options = {});

}  // namespace uma
