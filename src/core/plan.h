#pragma once
// What eval is about to run: nodes in an order in which inputs come first, elementwise neighbours in groups.
#include <memory>
#include <vector>

#include "core/array.h"

namespace uma {

struct Step {
  std::shared_ptr<Node> node;
  std::vector<array> outputs;
  bool keeps_node = false;  // a transformation will read its inputs again
  bool stored = true;       // false: only its own group reads it, and no memory is needed
  uint32_t group = 1;       // on the first of a group: how many steps run as one
};

/// Orders the steps so that elementwise ops over one shape follow each other as groups, and marks what stays
/// inside them. Call with the planner's lock held, on steps whose outputs are scheduled by `event`.
void group_steps(std::vector<Step>& steps, const Event* event);

/// Groups in plans, or every op by itself; for tests and measurements. On unless UMA_FUSION=0.
void set_fusion(bool on);
bool fusion();

}  // namespace uma
