#include "core/eval.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/thread.h"
#include "core/fusion.h"
#include "core/kernel.h"
#include "core/mapped_file.h"
#include "core/plan.h"
#include "core/profile.h"

namespace uma {

/// Done when one plan has run. Every array of the plan points to it.
struct Event {
  std::mutex mutex;
  std::condition_variable changed;
  std::atomic<bool> done{false};
  std::exception_ptr error;

  void finish(std::exception_ptr failure) {
    {
      std::lock_guard lock(mutex);
      error = std::move(failure);
      done.store(true, std::memory_order_release);
    }
    changed.notify_all();
  }
  void wait() {
    if (!done.load(std::memory_order_acquire)) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return done.load(std::memory_order_relaxed); });
    }
    if (error) std::rethrow_exception(error);
  }
};

namespace {

struct Plan {
  std::vector<Step> steps;
  std::vector<std::shared_ptr<Event>> waits;  // plans of other threads that this one reads from
  std::shared_ptr<Event> event = std::make_shared<Event>();
};

// Guards the links between arrays and nodes while a plan takes them over. Running needs no lock: a node
// belongs to one plan only.
std::mutex planning;
uint64_t epoch = 0;

array stand_in(const std::shared_ptr<Node>& node, size_t i) {
  array out = array::make(node->siblings[i].shape, node->siblings[i].dtype, node);
  out.tensor()->output = static_cast<int32_t>(i);
  return out;
}

std::vector<array> outputs_of(const array& a) {
  Node& node = *a.node();
  if (node.siblings.empty()) return {a};
  std::vector<array> outputs;
  for (size_t i = 0; i < node.siblings.size(); ++i) {
    auto tensor = static_cast<int>(i) == a.output_index() ? a.tensor() : node.siblings[i].tensor.lock();
    // Its handle is gone, or it has its value from an earlier run of a node that a transformation kept: the
    // kernel still wants a place to write.
    const bool lazy = tensor && tensor->state.load(std::memory_order_acquire) == Tensor::State::lazy;
    outputs.push_back(lazy ? array(std::move(tensor)) : stand_in(a.node(), i));
  }
  return outputs;
}

/// Depth first, without recursion; inputs come before the ops that read them.
template <class Visit>
void for_each_lazy(std::span<const array> arrays, std::vector<std::shared_ptr<Event>>& waits, Visit visit) {
  struct Frame {
    const array* a;
    size_t next;
  };
  ++epoch;
  std::vector<Frame> stack;
  const auto enter = [&](const array& a) {
    Tensor& tensor = *a.tensor();
    const auto state = tensor.state.load(std::memory_order_acquire);
    if (state == Tensor::State::ready) return;
    if (state == Tensor::State::failed) std::rethrow_exception(tensor.event->error);
    if (state == Tensor::State::scheduled) {
      waits.push_back(tensor.event);
      return;
    }
    if (tensor.visit == epoch) return;
    tensor.visit = epoch;
    for (auto& sibling : a.node()->siblings)
      if (auto other = sibling.tensor.lock()) other->visit = epoch;
    stack.push_back({&a, 0});
  };
  for (const array& a : arrays) {
    enter(a);
    while (!stack.empty()) {
      const array* current = stack.back().a;
      const auto& inputs = current->node()->inputs;
      if (stack.back().next < inputs.size()) {
        enter(inputs[stack.back().next++]);
      } else {
        stack.pop_back();
        visit(*current);
      }
    }
  }
}

Plan make_plan(std::span<const array> arrays) {
  Plan plan;
  std::lock_guard lock(planning);
  for_each_lazy(arrays, plan.waits, [&](const array& a) { plan.steps.push_back({a.node(), outputs_of(a)}); });
  for (Step& step : plan.steps) {
    for (array& out : step.outputs) {
      Tensor& tensor = *out.tensor();
      tensor.event = plan.event;
      tensor.state.store(Tensor::State::scheduled, std::memory_order_release);
      if (out.is_tracer()) {
        step.keeps_node = true;
        tensor.trace->kept.push_back(out.tensor());
      } else {
        tensor.node.reset();
      }
    }
  }
  // Who looks at what ops cost sees them one by one.
  if (!Profile::any()) group_steps(plan.steps, plan.event.get());
  return plan;
}

std::vector<array> run_fallback(const Node& node) {
  std::vector<array> results = node.op->fallback(node, node.inputs);
  eval(results);
  return results;
}

/// False if no element was read or written: the results are views.
bool run_step(Step& step) {
  Node& node = *step.node;
  KernelArgs args(node, step.outputs, !step.keeps_node);
  if (node.op->view && node.op->view(args)) return false;
  if (const Kernel kernel = find_kernel(*node.op, node.stream.device.type)) {
    kernel(args);
    return true;
  }
  check(node.op->fallback != nullptr, ErrorCode::kNoKernel, node.op->name, "has no kernel on {} for {}",
        name_of(node.stream.device.type), name_of(step.outputs[0].dtype()));
  const std::vector<array> results = run_fallback(node);
  for (size_t i = 0; i < results.size(); ++i) {
    Tensor& out = *step.outputs[i].tensor();
    out.buffer = results[i].buffer();
    out.offset = results[i].offset();
    out.strides = results[i].strides();
  }
  return true;
}

void run_measured(Step& step) {
  Profile::Timer timer(*step.node);
  const bool is_view = !run_step(step);
  timer.finish(step.outputs, is_view);
}

void run_group(std::span<Step> steps) {
  std::vector<FusedOp> ops;
  ops.reserve(steps.size());
  for (Step& step : steps)
    ops.push_back({.node = step.node.get(),
                   .out = step.outputs.data(),
                   .stored = step.stored,
                   .may_donate = !step.keeps_node});
  FusedArgs args(ops);
  backend(steps[0].node->stream.device.type).fused(args);
}

void run(Plan& plan) {
  size_t done = 0;
  try {
    for (auto& event : plan.waits) event->wait();
    while (done < plan.steps.size()) {
      const auto group = std::span(plan.steps).subspan(done, plan.steps[done].group);
      if (group.size() > 1)
        run_group(group);
      else if (Profile::any()) [[unlikely]]
        run_measured(group[0]);
      else
        run_step(group[0]);
      for (Step& step : group) {
        // What a group keeps to itself has no value, and nobody who could ask for it.
        if (step.stored)
          for (array& out : step.outputs)
            out.tensor()->state.store(Tensor::State::ready, std::memory_order_release);
        // Letting go here is what frees memory at its last use, and what lets the next op take it.
        step.outputs.clear();
        step.node.reset();
      }
      done += group.size();
    }
    MappedFile::check_all();
    plan.event->finish(nullptr);
  } catch (...) {
    // The error is in the event before anyone can see the state that makes them read it.
    plan.event->finish(std::current_exception());
    for (; done < plan.steps.size(); ++done)
      for (array& out : plan.steps[done].outputs)
        out.tensor()->state.store(Tensor::State::failed, std::memory_order_release);
    throw;
  }
}

class Worker {
 public:
  ~Worker() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  void submit(Plan plan) {
    std::lock_guard lock(mutex_);
    if (!thread_.joinable()) thread_ = start_thread([this] { work(); });
    queue_.push_back(std::move(plan));
    changed_.notify_all();
  }
  void wait_idle() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return queue_.empty() && !busy_; });
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stop_ || !queue_.empty(); });
      if (queue_.empty()) return;
      Plan plan = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
      lock.unlock();
      try {
        run(plan);
      } catch (...) {
        // Kept in the plan's event: whoever reads one of its arrays gets it.
      }
      plan = Plan();
      lock.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Plan> queue_;
  std::thread thread_;
  bool busy_ = false, stop_ = false;
};

Worker& worker() {
  static Worker worker;
  return worker;
}

thread_local std::shared_ptr<Trace> current_trace;

// Nothing will walk the graph any more: what was evaluated lets go of its node, as it would have without a
// trace.
void end_trace(Trace& trace) {
  std::vector<std::shared_ptr<Tensor>> tensors;
  std::vector<std::shared_ptr<Node>> nodes;  // these die after the lock is released
  std::lock_guard lock(planning);
  trace.alive.store(false, std::memory_order_relaxed);
  for (auto& weak : trace.kept)
    if (auto tensor = weak.lock()) {
      nodes.push_back(std::move(tensor->node));
      tensors.push_back(std::move(tensor));
    }
  trace.kept.clear();
}

}  // namespace

void eval(std::span<const array> arrays) {
  Plan plan = make_plan(arrays);
  if (!plan.steps.empty() || !plan.waits.empty()) run(plan);
}

void async_eval(std::span<const array> arrays) {
  Plan plan = make_plan(arrays);
  if (!plan.steps.empty()) worker().submit(std::move(plan));
}

void synchronize() {
  worker().wait_idle();
}

std::vector<PlanStep> plan_of(std::span<const array> arrays) {
  std::vector<PlanStep> steps;
  std::vector<std::shared_ptr<Event>> waits;
  std::lock_guard lock(planning);
  for_each_lazy(arrays, waits, [&](const array& a) {
    steps.push_back({a.node()->op, a.shape(), a.dtype()});
  });
  return steps;
}

std::vector<array> siblings_of(const array& a) {
  if (a.node()->siblings.empty()) return {a};
  std::lock_guard lock(planning);
  std::vector<array> outputs;
  for (size_t i = 0; i < a.node()->siblings.size(); ++i) {
    auto& sibling = a.node()->siblings[i].tensor;
    if (auto tensor = sibling.lock())
      outputs.emplace_back(std::move(tensor));
    else
      sibling = outputs.emplace_back(stand_in(a.node(), i)).tensor();
  }
  return outputs;
}

Tracing::Tracing() : outermost_(!current_trace) {
  if (outermost_) current_trace = std::make_shared<Trace>();
  trace_ = current_trace;
}
Tracing::~Tracing() {
  if (!outermost_) return;
  current_trace.reset();
  end_trace(*trace_);
}
void Tracing::follow(const array& a) const {
  if (!a.is_tracer()) a.tensor()->trace = trace_;
}

namespace {
thread_local Recording* current_recording = nullptr;
}  // namespace

std::atomic<int> Recording::running_{0};

void Recording::note(const array& made) {
  if (!current_recording) return;  // another thread's
  current_recording->ids_.insert(made.id());
  current_recording->arrays_.push_back(made);
  current_recording->tracing_.follow(made);
}

Recording::Recording(bool shapeless) : outer_(current_recording), shapeless_(shapeless) {
  current_recording = this;
  running_.fetch_add(1, std::memory_order_relaxed);
}
Recording::~Recording() {
  running_.fetch_sub(1, std::memory_order_relaxed);
  current_recording = outer_;
}
bool Recording::shapeless() {
  return current_recording && current_recording->shapeless_;
}

}  // namespace uma
