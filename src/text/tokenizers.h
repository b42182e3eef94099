#pragma once
// The three kinds of tokenizer, for Tokenizer::make.
#include <charconv>
#include <memory>
#include <string_view>

#include "text/tokenizer.h"

namespace uma {

/// "<0x41>" -> 0x41; -1 for any other text.
inline int byte_of_token(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  unsigned value = 0;  // unsigned: no sign is taken
  const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, value, 16);
  return error == std::errc() && end == text.data() + 5 ? static_cast<int>(value) : -1;
}

std::shared_ptr<Tokenizer> make_sentencepiece(VocabData data);
std::shared_ptr<Tokenizer> make_bpe(VocabData data);
std::shared_ptr<Tokenizer> make_wordpiece(VocabData data);

}  // namespace uma
