#pragma once
// Who is in the next step of a scheduler.
#include <cstdint>
#include <span>
#include <vector>

#include "engine/sequence.h"

namespace uma {

/// Everybody who is being answered, and pieces of prompts while the step has no more than max_tokens: the
/// least priority first, then whose last piece was longest ago. One piece always goes in. One that is suspect
/// goes alone. step: the number of this one, which those who read remember.
std::vector<Sequence*> plan_step(std::span<const SequencePtr> active, int64_t max_tokens, int64_t step);

}  // namespace uma
