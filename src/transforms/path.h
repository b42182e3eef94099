#pragma once
// Inside transforms/ only: the part of a graph that leads from seeds to results.
#include <memory>
#include <span>
#include <unordered_set>
#include <vector>

#include "core/array.h"
#include "transforms/transforms.h"

namespace uma {

/// What a path is for: derivatives do not pass stop_gradient, integers and bools; a batch axis does.
enum class Carries : uint8_t { derivative, batch };

struct PathStep {
  std::shared_ptr<Node> node;
  std::vector<array> outputs;  // all of them
  std::vector<int> argnums;    // the inputs that depend on a seed
};

class Path {
 public:
  Path(std::span<const array> seeds, std::span<const array> outputs, Carries what);

  /// The ops on the way, inputs before those that read them.
  const std::vector<PathStep>& steps() const { return steps_; }
  /// True if `a` depends on a seed.
  bool has(const array& a) const { return on_path_.count(a.id()) > 0; }

 private:
  void walk(const array& output);
  void leave(const array& a);

  Carries what_;
  std::vector<PathStep> steps_;
  std::unordered_set<uintptr_t> on_path_;
  std::unordered_set<const Node*> visited_;
};

/// The step's fallback as a function of the inputs that depend on a seed, and these inputs.
std::pair<Function, std::vector<array>> fallback_of(const PathStep& step);

/// x under a new identity, so that a transformation can tell its own variable from every other array.
array seed(const array& x);
bool is_seed(const Node& node);
/// Stands for one element of a batch while a function under vmap is traced. It has no value.
array placeholder(const Shape& shape, DType dtype);

}  // namespace uma
