#include <algorithm>
#include <optional>

#include "graph/export.h"
#include "graph/rules.h"
#include "transforms/custom.h"

namespace uma {
namespace {

// Custom functions become what they did, and steps whose results nobody reads go.
class Simplifier {
 public:
  explicit Simplifier(const Graph& from) : from_(from) {}

  Graph simplified() {
    find_aliases();
    find_needed();
    Graph to;
    to.arguments = from_.arguments;
    to.reusable = from_.reusable;
    std::vector<uint32_t> numbers(alias_.size());
    uint32_t next = 0;
    for (; next < from_.arguments.size(); ++next) numbers[next] = next;
    for (size_t i = 0, number = from_.arguments.size(); i < from_.constants.size(); ++i, ++number)
      if (needed_[number]) {
        numbers[number] = next++;
        to.constants.push_back(from_.constants[i]);
      }
    size_t number = from_.arguments.size() + from_.constants.size();
    for (const Graph::Step& step : from_.steps) {
      if (kept(step, number)) {
        Graph::Step& copy = to.steps.emplace_back(step);
        for (uint32_t& input : copy.inputs) input = numbers[alias_[input]];
        for (size_t i = 0; i < step.outputs.size(); ++i) numbers[number + i] = next++;
      }
      number += step.outputs.size();
    }
    for (const uint32_t result : from_.results) to.results.push_back(numbers[alias_[result]]);
    return to;
  }

 private:
  // What a custom function got is its argument, and what it gives is what its ops gave.
  void find_aliases() {
    const size_t total = from_.signatures().size();
    for (uint32_t i = 0; i < total; ++i) alias_.push_back(i);
    // Of the arrays that a custom function was given: what they were cut off from.
    for (const Graph::Step& step : from_.steps)
      if (step.node->op == &kCustomFunction) {
        const size_t n = step.node->params<CustomParams>().inputs, cut = step.inputs.size() - n;
        for (size_t i = 0; i < n; ++i) alias_[step.inputs[cut + i]] = step.inputs[i];
      }
    size_t number = from_.arguments.size() + from_.constants.size();
    for (const Graph::Step& step : from_.steps) {
      if (step.node->op == &kCustomFunction) {
        const size_t n = step.node->params<CustomParams>().inputs;
        for (size_t i = 0; i < step.outputs.size(); ++i) alias_[number + i] = step.inputs[n + i];
      }
      number += step.outputs.size();
    }
    // An alias is of an array before it, so one pass ends every chain.
    for (uint32_t& a : alias_) a = alias_[a];
  }

  bool kept(const Graph::Step& step, size_t number) const {
    if (step.node->op == &kCustomFunction) return false;
    for (size_t i = 0; i < step.outputs.size(); ++i)
      if (needed_[number + i]) return true;
    return false;
  }

  void find_needed() {
    needed_.assign(alias_.size(), false);
    for (const uint32_t result : from_.results) needed_[alias_[result]] = true;
    size_t number = alias_.size();
    for (size_t s = from_.steps.size(); s-- > 0;) {
      const Graph::Step& step = from_.steps[s];
      number -= step.outputs.size();
      if (kept(step, number))
        for (const uint32_t input : step.inputs) needed_[alias_[input]] = true;
    }
  }

  const Graph& from_;
  std::vector<uint32_t> alias_;
  std::vector<bool> needed_;
};

}  // namespace

FunctionTrace trace_function(const KeywordFunction& fun, const std::vector<array>& args,
                             const Keywords& keywords, bool shapeless) {
  FunctionTrace trace;
  CallSignature& call = trace.call;
  call = {args.size(), {}, shapeless, signatures_of(args)};
  for (const auto& [name, a] : keywords) {
    call.keywords.push_back(name);
    call.arguments.push_back(signature_of(a));
  }
  const Function flat = [&](const std::vector<array>& x) {
    const auto middle = x.begin() + static_cast<std::ptrdiff_t>(call.positional);
    Keywords named;
    for (size_t i = 0; i < call.keywords.size(); ++i) named.emplace(call.keywords[i], x[call.positional + i]);
    return fun({x.begin(), middle}, named);
  };
  trace.graph = Simplifier(Graph::record(flat, call.arguments, shapeless)).simplified();
  for (const Graph::Step& step : trace.graph.steps) write_params(*step.node);
  return trace;
}

}  // namespace uma
