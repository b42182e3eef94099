#pragma once
// The three kinds of tokenizer, for Tokenizer::make.
#include <memory>

#include "text/tokenizer.h"

namespace uma {

std::shared_ptr<Tokenizer> make_sentencepiece(VocabData data);
std::shared_ptr<Tokenizer> make_bpe(VocabData data);
std::shared_ptr<Tokenizer> make_wordpiece(VocabData data);

}  // namespace uma
