#include "engine/batch_step.h"

#include <vector>

#include "core/eval.h"
#include "core/kernel.h"
#include "ops/indexing.h"

namespace uma {

BatchOutputs run_batch(const LanguageModel& network, std::span<const Chunk> chunks, bool logits,
                       bool states) {
  const LogitRows rows = states ? LogitRows::all : logits ? LogitRows::last : LogitRows::none;
  array hidden = network.hidden(chunks, rows);
  BatchOutputs out;
  std::vector<array> wanted;
  if (states) wanted.push_back(hidden);
  if (states && logits) {
    std::vector<int32_t> last;
    for (const Chunk& c : chunks)
      last.push_back((last.empty() ? -1 : last.back()) + static_cast<int32_t>(c.tokens.size()));
    hidden = take(hidden, array(std::span<const int32_t>(last), {static_cast<int64_t>(last.size())}), 0);
  }
  if (logits) wanted.push_back(network.head(hidden));
  if (wanted.empty())
    for (const Chunk& c : chunks)
      for (array& a : c.cache->arrays()) wanted.push_back(std::move(a));
  eval(wanted);
  if (logits) out.logits = row_contiguous(wanted.back());
  if (states) out.states = row_contiguous(wanted.front());
  return out;
}

}  // namespace uma
