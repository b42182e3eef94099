#include "engine/step_plan.h"

#include <algorithm>
#include <utility>

namespace uma {

std::vector<Sequence*> plan_step(std::span<const SequencePtr> active, int64_t max_tokens, int64_t step) {
  std::vector<Sequence*> plan, reading;
  for (const SequencePtr& s : active) {
    if (s->waits()) continue;
    if (s->suspect) return {s.get()};
    (s->reading() ? reading : plan).push_back(s.get());
  }
  std::stable_sort(reading.begin(), reading.end(), [](const Sequence* a, const Sequence* b) {
    return std::pair(a->request.priority, a->turn) < std::pair(b->request.priority, b->turn);
  });
  auto rows = static_cast<int64_t>(plan.size());
  bool any = false;
  for (Sequence* s : reading) {
    const auto piece = static_cast<int64_t>(s->next().size());
    if (any && rows + piece > max_tokens) continue;
    any = true;
    rows += piece;
    s->turn = step;
    plan.push_back(s);
  }
  return plan;
}

}  // namespace uma
