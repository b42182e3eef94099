#include "tree.h"

#include "ops/random.h"

namespace uma::python {

void tree_visit(nb::handle tree, const std::function<void(const array&)>& f) {
  if (nb::isinstance<array>(tree)) {
    f(nb::cast<array>(tree));
  } else if (nb::isinstance<RandomState>(tree)) {
    f(random::state());
  } else if (PyDict_Check(tree.ptr())) {
    for (auto [key, value] : nb::borrow<nb::dict>(tree)) tree_visit(value, f);
  } else if (PyList_Check(tree.ptr()) || PyTuple_Check(tree.ptr())) {
    for (nb::handle item : tree) tree_visit(item, f);
  }
}

nb::object tree_map(nb::handle tree, const std::function<nb::object(const array&)>& f) {
  if (nb::isinstance<array>(tree)) return f(nb::cast<array>(tree));
  if (nb::isinstance<RandomState>(tree)) {  // an array among those of the tree, and itself in the copy
    f(random::state());
    return nb::borrow(tree);
  }
  if (PyDict_Check(tree.ptr())) {
    nb::dict out;
    for (auto [key, value] : nb::borrow<nb::dict>(tree)) out[key] = tree_map(value, f);
    return out;
  }
  if (!PyList_Check(tree.ptr()) && !PyTuple_Check(tree.ptr())) return nb::borrow(tree);
  nb::list items;
  for (nb::handle item : tree) items.append(tree_map(item, f));
  if (PyList_Check(tree.ptr())) return items;
  // A named tuple is made again from its fields.
  if (nb::hasattr(tree, "_fields")) return tree.type()(*nb::tuple(items));
  return nb::tuple(items);
}

std::vector<array> tree_arrays(nb::handle tree) {
  std::vector<array> out;
  tree_visit(tree, [&](const array& a) { out.push_back(a); });
  return out;
}

nb::object tree_filled(nb::handle tree, std::span<const array> arrays) {
  size_t next = 0;
  return tree_map(tree, [&](const array&) { return nb::cast(arrays[next++]); });
}

SharedObject::SharedObject(nb::object object)
    : object_(new nb::object(std::move(object)), [](nb::object* o) {
        nb::gil_scoped_acquire gil;
        delete o;
      }) {}

}  // namespace uma::python
