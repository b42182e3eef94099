#pragma once
// Log probabilities as OpenAI and Ollama word them.
#include <span>
#include <string>

#include "engine/logprobs.h"
#include "models/vocab.h"
#include "serve/json.h"

namespace uma::serve {

/// Of each token its text, its bytes, and the likeliest beside it. A part of a character shows as U+FFFD in
/// the text. JSON has no infinity: -9999 stands for it, as in OpenAI's API.
OrderedJson logprobs_json(std::span<const TokenLogprob> tokens, const Vocabulary& vocabulary);

/// OpenAI's older form for text completions: arrays side by side. offset: characters of the text before the
/// first token; it moves on.
OrderedJson completion_logprobs_json(std::span<const TokenLogprob> tokens, const Vocabulary& vocabulary,
                                     size_t& offset);

/// Characters of a text in UTF-8.
size_t count_characters(std::string_view text);

}  // namespace uma::serve
