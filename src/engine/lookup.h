#pragma once
// Guesses at what comes next, from what was said before: prompt lookup decoding (Saxena 2023). A model that
// is asked about several tokens at once reads its weights once for all of them.
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace uma {

class PromptLookup {
 public:
  /// Takes the next token of the text.
  void accept(int32_t token);
  /// Up to n tokens that followed the last three (else two) tokens where these last occurred; none where they
  /// never did. A text that repeats itself goes on repeating.
  std::vector<int32_t> guess(int64_t n) const;

 private:
  static constexpr int64_t kLongest = 3, kShortest = 2;
  using Places = std::unordered_map<uint64_t, int64_t>;

  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  uint64_t key(int64_t length) const;
  bool ends_as(int64_t place, int64_t length) const;

  std::vector<int32_t> tokens_;
  Places places_[kLongest + 1];  // [length]: what came after the last of each run of so many tokens
};

}  // namespace uma
