#include "captured.h"

#include "ops/random.h"

namespace uma::python {
namespace {

bool is_array(nb::handle x) {
  return nb::isinstance<array>(x);
}

}  // namespace

void visit_state(nb::handle tree, const std::function<void(const array&, const SetArray&)>& visit) {
  const Nesting nesting;
  if (nb::isinstance<RandomState>(tree)) {
    visit(random::state(), [](const array& key) { random::set_state(key); });
  } else if (PyDict_Check(tree.ptr())) {
    // Over a copy of the items: setting is allowed while they are walked, and what it lets go may run code.
    const auto items = nb::steal<nb::list>(PyDict_Items(tree.ptr()));
    for (nb::handle item : items) {
      const nb::object key = item[0], value = item[1];
      if (!is_array(value)) {
        visit_state(value, visit);
        continue;
      }
      visit(nb::cast<array>(value), [&](const array& other) {
        if (PyDict_SetItem(tree.ptr(), key.ptr(), nb::cast(other).ptr())) throw nb::python_error();
      });
    }
  } else if (PyList_Check(tree.ptr())) {
    for (Py_ssize_t i = 0; i < PyList_Size(tree.ptr()); ++i) {
      const nb::object value = nb::borrow(PyList_GetItem(tree.ptr(), i));
      if (!is_array(value)) {
        visit_state(value, visit);
        continue;
      }
      visit(nb::cast<array>(value), [&](const array& other) {
        if (PyList_SetItem(tree.ptr(), i, nb::cast(other).release().ptr())) throw nb::python_error();
      });
    }
  } else if (PyTuple_Check(tree.ptr())) {
    for (nb::handle item : tree) visit_state(item, visit);
  }
}

StateGuard::StateGuard(nb::handle inputs, nb::handle outputs) {
  save(inputs);
  save(outputs);
}

void StateGuard::save(nb::handle tree) {
  const Nesting nesting;
  if (nb::isinstance<RandomState>(tree)) {
    random_ = random::state();
  } else if (PyDict_Check(tree.ptr())) {
    const nb::object copy = nb::steal(PyDict_New());
    if (!copy.is_valid() || PyDict_Update(copy.ptr(), tree.ptr())) throw nb::python_error();
    saved_.emplace_back(nb::borrow(tree), copy);
    for (auto [key, value] : nb::borrow<nb::dict>(copy)) save(value);
  } else if (PyList_Check(tree.ptr())) {
    const nb::object copy = nb::steal(PyList_GetSlice(tree.ptr(), 0, PY_SSIZE_T_MAX));
    if (!copy.is_valid()) throw nb::python_error();
    saved_.emplace_back(nb::borrow(tree), copy);
    for (nb::handle item : copy) save(item);
  } else if (PyTuple_Check(tree.ptr())) {
    for (nb::handle item : tree) save(item);
  }
}

StateGuard::~StateGuard() {
  nb::error_scope scope;  // an exception may be on its way
  for (auto& [container, copy] : saved_) {
    if (PyDict_Check(container.ptr())) {
      PyDict_Clear(container.ptr());
      if (PyDict_Update(container.ptr(), copy.ptr())) PyErr_Clear();
    } else if (PyList_SetSlice(container.ptr(), 0, PY_SSIZE_T_MAX, copy.ptr())) {
      PyErr_Clear();
    }
  }
  if (random_) random::set_state(*random_);
}

StateTree::StateTree(nb::handle tree, std::vector<array>& arrays) {
  const Nesting nesting;
  if (is_array(tree)) {
    kind_ = Kind::array;
    arrays.push_back(nb::cast<array>(tree));
  } else if (nb::isinstance<RandomState>(tree)) {
    kind_ = Kind::random;
    arrays.push_back(random::state());
  } else if (PyDict_Check(tree.ptr())) {
    kind_ = Kind::dict;
    for (auto [key, value] : nb::borrow<nb::dict>(tree))
      items_.emplace_back(nb::borrow(key), StateTree(value, arrays));
  } else if (PyList_Check(tree.ptr()) || PyTuple_Check(tree.ptr())) {
    kind_ = PyList_Check(tree.ptr()) ? Kind::list : Kind::tuple;
    for (nb::handle item : tree) items_.emplace_back(nb::object(), StateTree(item, arrays));
  } else {
    value_ = nb::borrow(tree);
  }
}

// A tree that is not there yet.
nb::object StateTree::made(std::span<const array>& rest) const {
  if (kind_ == Kind::other) return value_;
  if (kind_ == Kind::array) {
    const array& first = rest[0];
    rest = rest.subspan(1);
    return nb::cast(first);
  }
  if (kind_ == Kind::dict) {
    nb::dict out;
    for (const auto& [key, item] : items_) out[key] = item.made(rest);
    return out;
  }
  nb::list out;
  for (const auto& [key, item] : items_) out.append(item.made(rest));
  return kind_ == Kind::list ? nb::object(out) : nb::object(nb::tuple(out));
}

void StateTree::write_rest(nb::handle tree, std::span<const array>& rest) const {
  if (kind_ == Kind::random) {
    random::set_state(rest[0]);
    rest = rest.subspan(1);
  } else if (kind_ == Kind::dict) {
    for (const auto& [key, item] : items_) {
      PyObject* now = PyDict_GetItemWithError(tree.ptr(), key.ptr());
      if (!now && PyErr_Occurred()) throw nb::python_error();
      const bool container = now && (item.kind_ == Kind::dict   ? PyDict_Check(now) != 0
                                     : item.kind_ == Kind::list ? PyList_Check(now) != 0
                                                                : item.kind_ != Kind::array);
      if (container)
        item.write_rest(now, rest);
      else if (PyDict_SetItem(tree.ptr(), key.ptr(), item.made(rest).ptr()))
        throw nb::python_error();
    }
  } else if (kind_ == Kind::list || kind_ == Kind::tuple) {
    for (size_t i = 0; i < items_.size(); ++i) {
      const StateTree& item = items_[i].second;
      const bool there = i < nb::len(tree);
      if (item.kind_ != Kind::array && there) {
        item.write_rest(nb::object(tree[i]), rest);
        continue;
      }
      const nb::object made = item.made(rest);
      if (kind_ == Kind::tuple) continue;  // an array in a tuple stays what it is
      if (there)
        tree[i] = made;
      else
        nb::borrow<nb::list>(tree).append(made);
    }
  }
}

void StateTree::write(nb::handle tree, std::span<const array> arrays) const {
  write_rest(tree, arrays);
}

}  // namespace uma::python
