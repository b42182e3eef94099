#pragma once
// A model and the text that it has read: tokens, with their keys and values.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "models/open.h"

namespace uma {

class Reader {
 public:
  explicit Reader(std::shared_ptr<const Model> model);

  /// Goes back to what it has read of the beginning of a text that is not empty, and returns how many tokens
  /// these are. The text's last token is never among them: its logits are what comes next begins with.
  size_t rewind(std::span<const int32_t> text);
  /// Reads on, and gives the logits that `rows` asks for, ready and row-major; nothing for LogitRows::none.
  /// After an error it has read nothing, as some layers may hold the tokens and others not.
  std::optional<array> read(std::span<const int32_t> tokens, LogitRows rows);
  /// Forgets the last n tokens.
  void forget(size_t n);
  void reset();

  std::span<const int32_t> tokens() const { return tokens_; }

 private:
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Cache> cache_;
  std::vector<int32_t> tokens_;
};

}  // namespace uma
