#pragma once
// A function as data: what it did to its arguments, recorded once, run again without it.
#include <memory>
#include <span>
#include <vector>

#include "core/array.h"
#include "core/op.h"
#include "transforms/transforms.h"

namespace uma {

/// What is known of an array that has no value.
struct Signature {
  Shape shape;
  DType dtype;
  friend bool operator==(const Signature&, const Signature&) = default;
};
Signature signature_of(const array& a);
std::vector<Signature> signatures_of(std::span<const array> arrays);

/// Arrays are numbered: arguments, then constants, then the results of the steps in their order. Constants
/// are what the function found and did not make; what it made without its arguments is made again by each
/// run, so a graph keeps no memory that the function did not hold itself.
struct Graph {
  struct Step {
    std::shared_ptr<const Node> node;  // op, stream and parameters; not its inputs
    std::vector<uint32_t> inputs;
    std::vector<Signature> outputs;
  };

  std::vector<Signature> arguments;
  std::vector<array> constants;
  std::vector<Step> steps;
  std::vector<uint32_t> results;
  /// False if a constant is a variable of a transformation that is running: the graph is good for one call.
  bool reusable = true;

  /// Runs `fun` once on arrays without values. Reading one of them throws InvalidArgument. For a graph that
  /// is to serve other shapes, ops that count elements ask their input (number_of_elements).
  static Graph record(const Function& fun, std::vector<Signature> arguments, bool shapeless = false);

  /// The results for these arguments, which must have the recorded shapes and dtypes.
  std::vector<array> operator()(std::span<const array> arguments) const;
  /// The same function of arguments of other extents, derived by the rules of its ops (graph/rules.h). Throws
  /// Unsupported where an op has none, Shape where a parameter of an op may be an extent that has changed.
  Graph for_arguments(std::vector<Signature> others, bool shapeless = false) const;

  /// Of every array, by its number.
  std::vector<Signature> signatures() const;
};

}  // namespace uma
