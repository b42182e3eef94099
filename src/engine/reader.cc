#include "engine/reader.h"

#include <algorithm>

#include "core/eval.h"
#include "core/kernel.h"

namespace uma {

Reader::Reader(std::shared_ptr<const Model> model) : model_(std::move(model)) {
  reset();
}

void Reader::reset() {
  tokens_.clear();
  cache_ = model_->network->make_cache();
}

size_t Reader::rewind(std::span<const int32_t> text) {
  const auto known =
      std::mismatch(text.begin(), text.end() - 1, tokens_.begin(), tokens_.end()).first - text.begin();
  forget(tokens_.size() - static_cast<size_t>(known));
  return tokens_.size();
}

std::optional<array> Reader::read(std::span<const int32_t> tokens, LogitRows rows) {
  std::optional<array> ready;
  try {
    const array logits = model_->network->forward(tokens, *cache_, rows);
    if (rows == LogitRows::none) {
      eval(cache_->arrays());
    } else {
      logits.eval();
      ready = row_contiguous(logits);
    }
  } catch (...) {
    reset();
    throw;
  }
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  return ready;
}

void Reader::forget(size_t n) {
  if (n == 0) return;
  tokens_.resize(tokens_.size() - n);
  cache_->truncate(static_cast<int64_t>(tokens_.size()));
}

}  // namespace uma
