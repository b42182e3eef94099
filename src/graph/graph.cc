#include "graph/graph.h"

#include <unordered_map>
#include <unordered_set>

#include "core/eval.h"
#include "graph/extents.h"
#include "graph/rules.h"
#include "transforms/path.h"

namespace uma {
namespace {

std::vector<array> no_value(const Node&, std::span<const array>) {
  fail(ErrorCode::kInvalidArgument, "compile",
       "an array inside a compiled or exported function has no value while the function is recorded: it "
       "cannot "
       "be read, printed or be a condition");
}
constexpr OpInfo kArgument{
    .name = "argument", .args = "", .doc = "An argument of a recorded function.", .fallback = no_value};

/// The op of another node, of other inputs. Its parameters are shared.
struct Replayed final : Node {
  std::shared_ptr<const Node> origin;
  Replayed(const std::shared_ptr<const Node>& origin, std::vector<array>&& inputs)
      : Node(*origin->op, origin->stream, std::move(inputs)), origin(origin) {}
  const void* params_address() const override { return origin->params_address(); }
};

// Turns what a recording made into steps.
class Recorder {
 public:
  Recorder(const Recording& recording, std::span<const array> arguments, Graph& graph)
      : recording_(recording), graph_(graph) {
    for (const array& a : arguments) numbers_.emplace(a.id(), static_cast<uint32_t>(numbers_.size()));
  }

  void finish(const std::vector<array>& results) {
    for (const array& result : results) walk(result);
    const auto constants = static_cast<uint32_t>(graph_.arguments.size());
    for (size_t i = 0; i < graph_.constants.size(); ++i)
      numbers_.emplace(graph_.constants[i].id(), constants + static_cast<uint32_t>(i));
    auto next = static_cast<uint32_t>(numbers_.size());
    for (const Found& found : found_) {
      Graph::Step& step = graph_.steps.emplace_back();
      step.node = found.node;
      for (const array& input : found.node->inputs) step.inputs.push_back(numbers_.at(source(input).id()));
      for (const array& out : found.outputs) {
        numbers_.emplace(out.id(), next++);
        step.outputs.push_back(signature_of(out));
      }
    }
    for (const array& result : results) graph_.results.push_back(numbers_.at(source(result).id()));
  }

 private:
  struct Found {
    std::shared_ptr<Node> node;
    std::vector<array> outputs;
  };

  bool made_here(const array& a) const { return a.node() && recording_.made(a); }

  // A variable of a transformation that is over is its value.
  array source(array a) const {
    while (made_here(a) && is_seed(*a.node())) a = array(a.node()->inputs[0]);
    return a;
  }

  // Depth first, without recursion: inputs come before the steps that read them.
  void walk(const array& result) {
    struct Frame {
      array a;
      size_t next;
    };
    std::vector<Frame> stack;
    const auto enter = [&](const array& input) {
      const array a = source(input);
      if (numbers_.count(a.id())) return;
      if (!made_here(a)) {
        if (constants_.insert(a.id()).second) graph_.constants.push_back(a);
        if (a.is_tracer()) graph_.reusable = false;
      } else if (visited_.insert(a.node().get()).second) {
        stack.push_back({a, 0});
      }
    };
    enter(result);
    while (!stack.empty()) {
      const auto& inputs = stack.back().a.node()->inputs;
      if (stack.back().next < inputs.size()) {
        enter(inputs[stack.back().next++]);
      } else {
        found_.push_back({stack.back().a.node(), siblings_of(stack.back().a)});
        stack.pop_back();
      }
    }
  }

  const Recording& recording_;
  Graph& graph_;
  std::unordered_map<uintptr_t, uint32_t> numbers_;
  std::unordered_set<uintptr_t> constants_;
  std::unordered_set<const Node*> visited_;
  std::vector<Found> found_;
};

std::vector<array> outputs_of(const Graph::Step& step, std::shared_ptr<Node> node) {
  if (step.node->siblings.empty())
    return {array::make(step.outputs[0].shape, step.outputs[0].dtype, std::move(node))};
  std::vector<Node::Output> outputs;
  for (const Signature& s : step.outputs) outputs.push_back({s.shape, s.dtype, {}});
  return array::make_many(std::move(outputs), std::move(node));
}

}  // namespace

Signature signature_of(const array& a) {
  return {a.shape(), a.dtype()};
}
std::vector<Signature> signatures_of(std::span<const array> arrays) {
  std::vector<Signature> out;
  out.reserve(arrays.size());
  for (const array& a : arrays) out.push_back(signature_of(a));
  return out;
}

Graph Graph::record(const Function& fun, std::vector<Signature> arguments, bool shapeless) {
  Graph graph;
  graph.arguments = std::move(arguments);
  const Recording recording(shapeless);
  std::vector<array> stand_ins;
  for (const Signature& s : graph.arguments)
    stand_ins.push_back(array::make(s.shape, s.dtype, kArgument, std::vector<array>{}));
  // `fun` gets handles of its own: what it puts in their place is its business.
  const std::vector<array> results = fun(std::vector<array>(stand_ins));
  Recorder(recording, stand_ins, graph).finish(results);
  return graph;
}

std::vector<array> Graph::operator()(std::span<const array> given) const {
  check(given.size() == arguments.size(), ErrorCode::kInternal, "compile",
        "a graph of {} arguments is called with {}", arguments.size(), given.size());
  std::vector<array> values;
  values.reserve(given.size() + constants.size() + steps.size());
  values.insert(values.end(), given.begin(), given.end());
  values.insert(values.end(), constants.begin(), constants.end());
  for (const Step& step : steps) {
    std::vector<array> inputs;
    inputs.reserve(step.inputs.size());
    for (const uint32_t i : step.inputs) inputs.push_back(values[i]);
    auto node = std::make_shared<Replayed>(step.node, std::move(inputs));
    if (step.outputs.size() == 1 && step.node->siblings.empty()) {
      values.push_back(array::make(step.outputs[0].shape, step.outputs[0].dtype, std::move(node)));
    } else {
      for (array& out : outputs_of(step, std::move(node))) values.push_back(std::move(out));
    }
  }
  std::vector<array> out;
  out.reserve(results.size());
  for (const uint32_t i : results) out.push_back(values[i]);
  return out;
}

std::vector<Signature> Graph::signatures() const {
  std::vector<Signature> all = arguments;
  for (const array& a : constants) all.push_back(signature_of(a));
  for (const Step& step : steps) all.insert(all.end(), step.outputs.begin(), step.outputs.end());
  return all;
}

Graph Graph::for_arguments(std::vector<Signature> others, bool shapeless) const {
  const std::vector<Signature> before = signatures();
  std::vector<Extents> changed;
  for (size_t i = 0; i < others.size(); ++i)
    for (size_t axis = 0; axis < others[i].shape.size(); ++axis)
      if (others[i].shape[axis] != arguments[i].shape[axis])
        changed.push_back({arguments[i].shape[axis], others[i].shape[axis]});
  const auto derive = [&](const std::vector<array>& given) {
    std::vector<array> values = given;
    values.insert(values.end(), constants.begin(), constants.end());
    for (const Step& step : steps) {
      std::vector<array> inputs;
      std::vector<Signature> was;
      for (const uint32_t i : step.inputs) {
        inputs.push_back(values[i]);
        was.push_back(before[i]);
      }
      for (array& out : rebuild(*step.node, inputs, Rebuilding{was, step.outputs, changed}))
        values.push_back(std::move(out));
    }
    std::vector<array> out;
    for (const uint32_t i : results) {
      check_kept(values[i], Rebuilding{{}, {}, changed}, "compile");
      out.push_back(values[i]);
    }
    return out;
  };
  return record(derive, std::move(others), shapeless);
}

}  // namespace uma
