#pragma once
// Guesses at what comes next. A model that is asked about several tokens at once reads its weights once for
// all of them (speculative decoding), so a guess that is right saves a pass, and one that is wrong costs
// little.
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/reader.h"

namespace uma {

class Guesser {
 public:
  virtual ~Guesser() = default;
  /// Another text begins.
  virtual void restart() = 0;
  /// Takes the next token of the text.
  virtual void accept(int32_t token) = 0;
  /// Up to n tokens that may come next.
  virtual std::vector<int32_t> guess(int64_t n) = 0;
};

/// From what was said before: prompt lookup decoding (Saxena 2023). The tokens that followed the last three
/// (else two) tokens where these last occurred; none where they never did. A text that repeats itself goes on
/// repeating.
class PromptLookup final : public Guesser {
 public:
  void restart() override;
  void accept(int32_t token) override;
  std::vector<int32_t> guess(int64_t n) override;

 private:
  static constexpr int64_t kLongest = 3, kShortest = 2;
  using Places = std::unordered_map<uint64_t, int64_t>;

  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  uint64_t key(int64_t length) const;
  bool ends_as(int64_t place, int64_t length) const;

  std::vector<int32_t> tokens_;
  Places places_[kLongest + 1];  // [length]: what came after the last of each run of so many tokens
};

/// What a smaller model of the same vocabulary would say, greedily (Leviathan et al. 2023, arXiv:2211.17192).
class DraftModel final : public Guesser {
 public:
  /// Throws InvalidArgument where the vocabularies are not the same, token by token.
  DraftModel(std::shared_ptr<const Model> draft, const Model& model);
  /// What the cache holds of the text to come is not read again.
  void restart() override { text_.clear(); }
  void accept(int32_t token) override { text_.push_back(token); }
  /// Nothing once the text fills the draft's context.
  std::vector<int32_t> guess(int64_t n) override;

 private:
  int32_t likeliest(const array& scores) const;

  std::shared_ptr<const Model> model_;
  int64_t vocab_size_;  // that both models know
  Reader reader_;       // of the text, and of guesses
  std::vector<int32_t> text_;
};

}  // namespace uma
