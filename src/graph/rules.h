#pragma once
// How an op of a recorded graph is made anew: of inputs of other extents, or from a file. One row an op, in
// rules*.cc; an op without one can be run again, but neither reshaped nor exported.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/array.h"
#include "graph/graph.h"

namespace uma {

struct Extents {
  int64_t before, now;
};

/// The op as it was recorded, and which extents of the function's arguments are others now.
struct Rebuilding {
  std::span<const Signature> inputs;
  std::span<const Signature> outputs;
  std::span<const Extents> changed;
};

/// The op's results of these inputs, which are of the recorded dtypes and numbers of dimensions. They are
/// made by the function of the op, so all that it checks is checked. Throws Unsupported, Shape.
std::vector<array> rebuild(const Node& node, std::span<const array> inputs, const Rebuilding& recorded);

/// The op of that name, or nullptr: of those that can be written to a file.
const OpInfo* find_exported(std::string_view name);
namespace params {
class Sink;
}
/// Hands over the parameters of an op. Throws Unsupported for one that cannot be exported.
void visit_params(const Node& node, params::Sink& sink);
/// The same as bytes.
std::string write_params(const Node& node);
/// A node of these parameters, without inputs. Throws Format.
std::shared_ptr<Node> read_params(const OpInfo& op, std::string_view bytes);

}  // namespace uma
