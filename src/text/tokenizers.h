#pragma once
// The three kinds of tokenizer, for Tokenizer::make.
#include <memory>
#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace uma {

std::shared_ptr<Tokenizer> make_sentencepiece(VocabData data);
std::shared_ptr<Tokenizer> make_bpe(VocabData data);
std::shared_ptr<Tokenizer> make_wordpiece(VocabData data);

constexpr std::string_view kVisibleSpace = "\xe2\x96\x81";  // U+2581, which stands for a space in tokens

std::string escape_spaces(std::string_view text);
std::string unescape_spaces(std::string_view text);
/// "<0x41>" -> 0x41; -1 for anything else.
int byte_of_token(std::string_view text);

}  // namespace uma
