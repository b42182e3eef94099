#include "engine/guess.h"

#include <algorithm>

#include "base/error.h"
#include "core/eval.h"
#include "core/kernel.h"
#include "text/tokenizer.h"

namespace uma {

// Of the last `length` tokens. Runs with one key are told apart by ends_as.
uint64_t PromptLookup::key(int64_t length) const {
  uint64_t h = 0;
  for (int64_t i = size() - length; i < size(); ++i)
    h = (h ^ static_cast<uint32_t>(tokens_[static_cast<size_t>(i)])) * 0x9e3779b97f4a7c15u + (h >> 29);
  return h;
}

bool PromptLookup::ends_as(int64_t place, int64_t length) const {
  return std::equal(tokens_.end() - length, tokens_.end(), tokens_.begin() + place - length);
}

void PromptLookup::restart() {
  *this = PromptLookup();
}

void PromptLookup::accept(int32_t token) {
  for (int64_t length = kShortest; length <= std::min(kLongest, size()); ++length)
    places_[length][key(length)] = size();
  tokens_.push_back(token);
}

std::vector<int32_t> PromptLookup::guess(int64_t n) {
  std::vector<int32_t> guessed;
  for (int64_t length = std::min(kLongest, size()); length >= kShortest; --length) {
    const auto found = places_[length].find(key(length));
    if (found == places_[length].end() || !ends_as(found->second, length)) continue;
    const int64_t place = found->second, period = size() - place;
    for (int64_t i = 0; i < n; ++i) guessed.push_back(tokens_[static_cast<size_t>(place + i % period)]);
    break;
  }
  return guessed;
}

DraftModel::DraftModel(std::shared_ptr<const Model> draft, const Model& model)
    : model_(std::move(draft)),
      // Files pad one vocabulary to different sizes.
      vocab_size_(std::min(model_->vocabulary->size, model.vocabulary->size)),
      cache_(model_->network->make_cache()) {
  const Vocabulary &a = *model_->vocabulary, &b = *model.vocabulary;
  bool same = a.bos == b.bos;
  for (int32_t i = 0; same && i < vocab_size_; ++i)
    same = a.tokenizer->spelling(i) == b.tokenizer->spelling(i);
  check(same, ErrorCode::kInvalidArgument, "draft",
        "{} and {} have different vocabularies: the one cannot guess what the other says", model_->path,
        model.path);
}

int32_t DraftModel::likeliest(const array& scores) const {
  scores.eval();
  const array row = row_contiguous(scores);
  const float* first = row.data<float>();
  return static_cast<int32_t>(std::max_element(first, first + std::min(row.size(), vocab_size_)) - first);
}

std::vector<int32_t> DraftModel::guess(int64_t n) {
  constexpr size_t kChunk = 512;
  const size_t size = text_.size();
  n = std::min(n, model_->config().context_length - static_cast<int64_t>(size));
  if (n <= 0 || size == 0) return {};
  // The last token is always read: its scores are what the guesses begin with.
  const auto known = std::mismatch(text_.begin(), text_.end() - 1, read_.begin(), read_.end()).first;
  read_.resize(static_cast<size_t>(known - text_.begin()));
  cache_->truncate(static_cast<int64_t>(read_.size()));
  std::vector<int32_t> guessed;
  try {
    while (static_cast<int64_t>(guessed.size()) < n) {
      const std::span<const int32_t> unread = std::span(text_).subspan(std::min(read_.size(), size));
      const auto next = unread.empty() ? std::span<const int32_t>(&guessed.back(), 1)
                                       : unread.first(std::min(unread.size(), kChunk));
      const bool asked = next.size() == unread.size() || unread.empty();
      const array scores = model_->network->forward(next, *cache_, asked ? LogitRows::last : LogitRows::none);
      if (!asked) eval(cache_->arrays());
      read_.insert(read_.end(), next.begin(), next.end());
      if (asked) guessed.push_back(likeliest(scores));
    }
  } catch (...) {
    cache_ = model_->network->make_cache();  // some layers may hold the tokens and others not
    read_.clear();
    throw;
  }
  return guessed;
}

}  // namespace uma
