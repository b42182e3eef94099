#pragma once
// The bytes of a vocabulary's tokens as a tree in depth-first order: one walk over it tells which tokens a
// grammar allows.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace uma {

class TokenTrie {
 public:
  static constexpr char kControl = '\xff';

  /// Tokens that end an answer are not in the tree. Control tokens spell no text: they stand under their
  /// names after kControl, a byte that no text has, so that only a grammar that asks for one can meet it.
  explicit TokenTrie(const Tokenizer& tokenizer);

  /// The tree of a tokenizer, made once and kept while the tokenizer lives. Any thread.
  static std::shared_ptr<const TokenTrie> of(const std::shared_ptr<const Tokenizer>& tokenizer);

  struct Node {
    uint8_t byte;
    uint32_t depth;               // the bytes from the root to here
    uint32_t end;                 // the first node that is not below this one
    uint32_t tokens, tokens_end;  // of spellings(): those that end here
  };
  /// The children of a node come right after it. The tokens of plain text (plain.h) are a tree of their own,
  /// before plain_end(), and the first plain_tokens() of spellings().
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<int32_t>& spellings() const { return spellings_; }
  uint32_t plain_end() const { return plain_end_; }
  uint32_t plain_tokens() const { return plain_tokens_; }
  uint32_t max_depth() const { return max_depth_; }

  int64_t vocab_size() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  /// The bytes that a token adds to an answer; none for tokens that are not in the tree.
  std::string_view bytes_of(int32_t token) const;
  const std::vector<int32_t>& end_tokens() const { return end_tokens_; }
  bool is_end(int32_t token) const;

 private:
  void grow(std::vector<int32_t> tokens);

  std::vector<Node> nodes_;
  std::vector<int32_t> spellings_;
  std::vector<uint32_t> offsets_;  // of each token in bytes_
  std::string bytes_;
  std::vector<int32_t> end_tokens_;
  uint32_t max_depth_ = 0, plain_end_ = 0, plain_tokens_ = 0;
};

}  // namespace uma
