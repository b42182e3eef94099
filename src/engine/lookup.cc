#include "engine/lookup.h"

#include <algorithm>

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

void PromptLookup::accept(int32_t token) {
  for (int64_t length = kShortest; length <= std::min(kLongest, size()); ++length)
    places_[length][key(length)] = size();
  tokens_.push_back(token);
}

std::vector<int32_t> PromptLookup::guess(int64_t n) const {
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

}  // namespace uma
