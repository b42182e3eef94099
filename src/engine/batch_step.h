#pragma once
// One forward pass over pieces of several sequences.
#include <optional>
#include <span>

#include "models/model.h"

namespace uma {

struct BatchOutputs {
  std::optional<array> logits;  // (chunks, vocab): of each chunk's last token
  std::optional<array> states;  // (tokens of all chunks, width)
};

/// Runs the chunks and evaluates what is asked for, ready and row-major; the caches hold them after it. After
/// an error some layers may hold the tokens and others not.
BatchOutputs run_batch(const LanguageModel& network, std::span<const Chunk> chunks, bool logits, bool states);

}  // namespace uma
