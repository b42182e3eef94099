#include "core/fusion.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string_view>

#include "core/kernel.h"
#include "core/plan.h"

namespace uma {
namespace {

// Steps over arrays this small may run before a group that they stand in the middle of: whatever they keep
// alive, or let die later, is nothing beside it.
constexpr int64_t kSmall = 4096;

std::atomic<bool> fusion_on{[] {
  const char* value = std::getenv("UMA_FUSION");
  return !(value && std::string_view(value) == "0");
}()};

class Grouping {
 public:
  Grouping(std::vector<Step>& steps, const Event* event) : steps_(steps), event_(event) {
    member_.resize(steps.size(), false);
    ordered_.reserve(steps.size());
  }

  void run() {
    for (uint32_t i = 0; i < steps_.size(); ++i) add(i);
    close();
    steps_ = std::move(ordered_);
  }

 private:
  // The step that makes this array, or -1 if it was there before.
  int64_t maker(const array& a) const {
    const Tensor& tensor = *a.tensor();
    return tensor.event.get() == event_ ? tensor.step : -1;
  }
  bool reads_group(const Step& step) const {
    return std::any_of(step.node->inputs.begin(), step.node->inputs.end(), [&](const array& in) {
      const int64_t i = maker(in);
      return i >= 0 && member_[i];
    });
  }
  static bool can_fuse(const Step& step) {
    const Node& node = *step.node;
    if (node.op->fusion != Fusion::elementwise || step.outputs.size() != 1) return false;
    const Backend& on = backend(node.stream.device.type);
    return on.fused && on.can_fuse(node);
  }
  bool joins(const Step& step) const {
    const Step& first = steps_[group_[0]];
    return group_.size() < kMaxFused && step.outputs[0].shape() == first.outputs[0].shape() &&
           step.node->stream.device == first.node->stream.device;
  }

  void add(uint32_t i) {
    Step& step = steps_[i];
    if (can_fuse(step)) {
      if (!group_.empty() && !joins(step)) {
        if (goes_first(step)) return ordered_.push_back(std::move(step));
        close();
      }
      group_.push_back(i);
      member_[i] = true;
    } else if (!group_.empty() && !goes_first(step)) {
      close();
      ordered_.push_back(std::move(step));
    } else {
      ordered_.push_back(std::move(step));
    }
  }
  bool goes_first(const Step& step) const {
    return (step.node->op->fusion == Fusion::view || step.outputs[0].size() <= kSmall) && !reads_group(step);
  }

  void close() {
    if (group_.size() > 1) find_inner();
    for (const uint32_t i : group_) {
      if (i == group_[0]) steps_[i].group = static_cast<uint32_t>(group_.size());
      ordered_.push_back(std::move(steps_[i]));
      member_[i] = false;
    }
    group_.clear();
  }

  // A result is the group's own where the group's nodes hold every handle on it but the plan's, and the plan
  // every handle on those nodes.
  void find_inner() {
    reads_.assign(steps_.size(), 0);
    for (const uint32_t i : group_) {
      const Step& step = steps_[i];
      if (step.node.use_count() != 1) continue;
      for (const array& in : step.node->inputs)
        if (const int64_t from = maker(in); from >= 0 && member_[from]) ++reads_[from];
    }
    for (const uint32_t i : group_) {
      Step& step = steps_[i];
      step.stored = step.keeps_node || step.outputs[0].tensor().use_count() != 1 + reads_[i];
    }
  }

  std::vector<Step>& steps_;
  const Event* event_;
  std::vector<Step> ordered_;
  std::vector<uint32_t> group_;
  std::vector<bool> member_;
  std::vector<long> reads_;
};

}  // namespace

void set_fusion(bool on) {
  fusion_on = on;
}
bool fusion() {
  return fusion_on;
}

void group_steps(std::vector<Step>& steps, const Event* event) {
  if (!fusion_on) return;
  const auto elementwise = std::count_if(steps.begin(), steps.end(), [](const Step& step) {
    return step.node->op->fusion == Fusion::elementwise;
  });
  if (elementwise < 2) return;
  for (size_t i = 0; i < steps.size(); ++i)
    for (array& out : steps[i].outputs) out.tensor()->step = static_cast<int64_t>(i);
  Grouping(steps, event).run();
}

FusedArgs::FusedArgs(std::span<FusedOp> ops) : ops_(ops) {
  for (size_t i = 0; i < ops.size(); ++i) {
    const auto& read = ops[i].node->inputs;
    for (size_t k = 0; k < read.size(); ++k) {
      const Tensor* tensor = read[k].tensor().get();
      int32_t operand = 0;
      const auto made = std::find_if(ops.begin(), ops.begin() + static_cast<std::ptrdiff_t>(i),
                                     [&](const FusedOp& op) { return op.out->tensor().get() == tensor; });
      if (made != ops.begin() + static_cast<std::ptrdiff_t>(i)) {
        operand = static_cast<int32_t>(made - ops.begin());
      } else {
        auto input = std::find_if(inputs_.begin(), inputs_.end(),
                                  [&](const Input& in) { return in.value->tensor().get() == tensor; });
        if (input == inputs_.end()) input = inputs_.insert(inputs_.end(), {&read[k]});
        ++input->reads;
        input->last = i;
        input->taken |= !ops[i].may_donate;
        operand = -1 - static_cast<int32_t>(input - inputs_.begin());
      }
      ops[i].operands[k] = operand;
    }
  }
}

void FusedArgs::allocate() {
  for (size_t i = 0; i < ops_.size(); ++i) {
    if (!ops_[i].stored) continue;
    Tensor& out = *ops_[i].out->tensor();
    const Device device = ops_[i].node->stream.device;
    out.strides = row_major_strides(out.shape);
    const auto donor = std::find_if(inputs_.begin(), inputs_.end(), [&](const Input& in) {
      return !in.taken && in.last <= i && is_held_only_by(*in.value, static_cast<long>(in.reads), device) &&
             in.value->is_row_contiguous() && in.value->nbytes() == ops_[i].out->nbytes();
    });
    if (donor != inputs_.end()) {
      donor->taken = true;
      out.buffer = donor->value->buffer();
      out.offset = donor->value->offset();
    } else {
      out.buffer = Buffer::allocate(static_cast<size_t>(ops_[i].out->nbytes()), device);
      out.offset = 0;
    }
  }
}

}  // namespace uma
