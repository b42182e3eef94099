#pragma once
// Arrays in containers that a compiled function reads and changes besides its arguments: lists, dicts
// (modules are dicts) and the state of the random numbers, nested.
#include <functional>

#include "bind.h"

namespace uma::python {

/// Held while a tree is walked, so that a container inside itself is a RecursionError.
class Nesting {
 public:
  Nesting() {
    if (Py_EnterRecursiveCall(" in a tree of arrays")) throw nb::python_error();
  }
  ~Nesting() { Py_LeaveRecursiveCall(); }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
};

/// Calls visit(array, set) for each array that a container holds, in order; set(other) puts another in its
/// place.
using SetArray = std::function<void(const array&)>;
void visit_state(nb::handle tree, const std::function<void(const array&, const SetArray&)>& visit);

/// What the containers hold now, to hold it again when the guard goes.
class StateGuard {
 public:
  StateGuard(nb::handle inputs, nb::handle outputs);
  ~StateGuard();
  StateGuard(const StateGuard&) = delete;
  StateGuard& operator=(const StateGuard&) = delete;

 private:
  void save(nb::handle tree);
  std::vector<std::pair<nb::object, nb::object>> saved_;  // a container, a copy
  std::optional<array> random_;
};

/// Where arrays stood in containers.
class StateTree {
 public:
  StateTree() = default;
  /// Of the tree as it is; its arrays are added to `arrays`.
  StateTree(nb::handle tree, std::vector<array>& arrays);
  /// Puts arrays where they stood, and containers where they are missing by now.
  void write(nb::handle tree, std::span<const array> arrays) const;

 private:
  enum class Kind : uint8_t { other, array, dict, list, tuple, random };
  nb::object made(std::span<const array>& rest) const;
  void write_rest(nb::handle tree, std::span<const array>& rest) const;

  Kind kind_ = Kind::other;
  nb::object value_;  // what stood there and is neither array nor container
  std::vector<std::pair<nb::object, StateTree>> items_;
};

}  // namespace uma::python
