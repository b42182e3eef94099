#pragma once
// Where an answer stands in its grammar. To find what may come next takes microseconds where the grammar has
// been there before, and for a hard one up to a second, so it is a task that any thread can do.
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>

#include "grammar/matcher.h"

namespace uma {

class AnswerGrammar {
 public:
  AnswerGrammar(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie)
      : grammar_(std::move(grammar)), trie_(std::move(trie)) {}

  /// Takes a token that was drawn. What comes after it is to be found.
  void put(int32_t token);
  /// Finds what may come next: once before the first token and once after each.
  void find();
  /// It is found, and find() does nothing more. Any thread.
  bool ready() const { return ready_.load(std::memory_order_acquire); }

  /// Of what was found: the answer is whole, and nothing can come after it.
  bool finished() const { return finished_; }
  /// The tokens that may come next. Throws what GrammarMatcher's functions throw.
  const TokenMask& mask() const;

 private:
  const std::shared_ptr<const Grammar> grammar_;
  const std::shared_ptr<const TokenTrie> trie_;
  std::optional<GrammarMatcher> matcher_;
  int32_t token_ = 0;
  std::shared_ptr<const TokenMask> mask_;
  std::exception_ptr error_;
  bool finished_ = false;
  std::atomic<bool> ready_{false};
};

}  // namespace uma
