#include "engine/guess.h"

#include <algorithm>

#include "base/error.h"
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
      reader_(model_) {
  const Vocabulary &a = *model_->vocabulary, &b = *model.vocabulary;
  bool same = a.bos == b.bos;
  for (int32_t i = 0; same && i < vocab_size_; ++i)
    same = a.tokenizer->spelling(i) == b.tokenizer->spelling(i);
  check(same, ErrorCode::kInvalidArgument, "draft",
        "{} and {} have different vocabularies: the one cannot guess what the other says", model_->path,
        model.path);
}

int32_t DraftModel::likeliest(const array& scores) const {
  const float* first = scores.data<float>();
  return static_cast<int32_t>(std::max_element(first, first + std::min(scores.size(), vocab_size_)) - first);
}

std::vector<int32_t> DraftModel::guess(int64_t n) {
  constexpr size_t kChunk = 512;
  const size_t size = text_.size();
  n = std::min(n, model_->config().context_length - static_cast<int64_t>(size));
  if (n <= 0 || size == 0) return {};
  reader_.rewind(text_);
  std::vector<int32_t> guessed;
  while (static_cast<int64_t>(guessed.size()) < n) {
    const std::span<const int32_t> unread = std::span(text_).subspan(std::min(reader_.tokens().size(), size));
    const auto next = unread.empty() ? std::span<const int32_t>(&guessed.back(), 1)
                                     : unread.first(std::min(unread.size(), kChunk));
    const bool asked = next.size() >= unread.size();
    const auto scores = reader_.read(next, asked ? LogitRows::last : LogitRows::none);
    if (scores) guessed.push_back(likeliest(*scores));
  }
  return guessed;
}

}  // namespace uma
