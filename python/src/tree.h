#pragma once
// Arrays in nested lists, tuples and dicts: what transformations take and give.
#include <functional>

#include "bind.h"

namespace uma::python {

/// Calls f on every array, in order (dicts in their own). Other leaves are passed over.
void tree_visit(nb::handle tree, const std::function<void(const array&)>& f);
/// A copy with every array replaced by f(array); containers are new, other leaves the same objects.
nb::object tree_map(nb::handle tree, const std::function<nb::object(const array&)>& f);
/// The arrays of a tree.
std::vector<array> tree_arrays(nb::handle tree);
/// A copy of the tree with these arrays in the place of its own, in order.
nb::object tree_filled(nb::handle tree, std::span<const array> arrays);

/// A Python object that may be let go by any thread, with or without the GIL.
class SharedObject {
 public:
  explicit SharedObject(nb::object object);
  nb::handle get() const { return *object_; }

 private:
  std::shared_ptr<nb::object> object_;
};

}  // namespace uma::python
