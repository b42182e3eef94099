#pragma once
// Where an answer stands in its grammar: which tokens may come next, and whether it may end.
#include <cstdint>
#include <memory>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/token_trie.h"

namespace uma {

/// One bit a token.
class TokenMask {
 public:
  explicit TokenMask(int64_t vocab_size) : words_((static_cast<size_t>(vocab_size) + 63) / 64) {}
  void allow(int32_t token) { words_[static_cast<size_t>(token) / 64] |= uint64_t{1} << (token % 64); }
  bool allows(int64_t token) const {
    const auto word = static_cast<size_t>(token) / 64;
    return word < words_.size() && (words_[word] >> (token % 64) & 1) != 0;
  }
  void allow_all_of(const TokenMask& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  bool empty() const;
  const std::vector<uint64_t>& words() const { return words_; }

 private:
  std::vector<uint64_t> words_;
};

class GrammarMatcher {
 public:
  /// Throws InvalidArgument where a grammar or a trie is missing.
  GrammarMatcher(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie);

  /// The tokens that may come next; those that end an answer where it is whole.
  /// throws InvalidArgument: no token may, because the vocabulary cannot spell what the grammar wants.
  ///        Limit: the grammar is too ambiguous.
  std::shared_ptr<const TokenMask> mask();
  /// Takes a token. An end token is taken where the answer is whole, and changes nothing. Throws
  /// InvalidArgument for a token that the mask does not allow.
  void accept(int32_t token);

  /// The answer may end here.
  bool is_complete() const;
  /// It must: nothing can come after it.
  bool is_finished() const;

 private:
  friend class grammar::Masks;
  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const TokenTrie> trie_;
  std::shared_ptr<grammar::Masks> masks_;
  std::shared_ptr<void> generation_;  // of the numbers below; a copy of a matcher is a fork
  uint32_t config_ = 0;
  bool complete_ = false, finished_ = false;
};

}  // namespace uma
