// compile: Python functions of trees, recorded once and replayed (graph/compile.h).
#include "graph/compile.h"

#include <mutex>

#include "bind.h"
#include "captured.h"
#include "tree.h"

namespace uma::python {
namespace {

void append(std::string& key, std::string_view text) {
  const auto size = static_cast<uint32_t>(text.size());
  key.append(reinterpret_cast<const char*>(&size), sizeof size);
  key.append(text);
}
std::string_view text_of(nb::handle s) {
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(s.ptr(), &size);
  if (!text) throw nb::python_error();
  return {text, static_cast<size_t>(size)};
}

/// Adds a tree of arguments to the key, and its arrays to `arrays`. Constants are told apart by type and
/// value.
void append_tree(std::string& key, nb::handle tree, bool extents, std::vector<array>& arrays) {
  PyObject* o = tree.ptr();
  if (tree.type().is(nb::type<array>())) {
    key.push_back('A');
    append_key(key, arrays.emplace_back(*nb::inst_ptr<array>(tree)), extents);
  } else if (PyTuple_Check(o) || PyList_Check(o)) {
    key.push_back(PyTuple_Check(o) ? 'T' : 'L');
    const auto size = static_cast<uint32_t>(nb::len(tree));
    key.append(reinterpret_cast<const char*>(&size), sizeof size);
    const Nesting nesting;
    for (nb::handle item : tree) append_tree(key, item, extents, arrays);
  } else if (PyDict_Check(o)) {
    key.push_back('D');
    const auto size = static_cast<uint32_t>(nb::len(tree));
    key.append(reinterpret_cast<const char*>(&size), sizeof size);
    const Nesting nesting;
    for (auto [name, value] : nb::borrow<nb::dict>(tree)) {
      append(key, nb::repr(name).c_str());
      append_tree(key, value, extents, arrays);
    }
  } else if (o == Py_None) {
    key.push_back('N');
  } else if (PyBool_Check(o)) {
    key.push_back(o == Py_True ? 't' : 'f');
  } else if (PyLong_Check(o)) {
    key.push_back('i');
    append(key, nb::repr(tree).c_str());
  } else if (PyFloat_Check(o)) {
    const double value = PyFloat_AS_DOUBLE(o);
    key.push_back('d');
    key.append(reinterpret_cast<const char*>(&value), sizeof value);
  } else if (PyUnicode_Check(o)) {
    key.push_back('s');
    append(key, text_of(tree));
  } else {
    fail(ErrorCode::kInvalidArgument, "compile",
         "takes trees of arrays, ints, floats, bools, strings and None as arguments, not {}",
         nb::type_name(tree.type()).c_str());
  }
}

/// A call as it was recorded.
struct Call {
  std::unique_ptr<Recorded> recorded;
  nb::object result;  // what the function gave, with other arrays in the place of its own
  size_t results = 0;
  StateTree outputs;
};

class CompiledFunction {
 public:
  CompiledFunction(nb::object fun, nb::object inputs, nb::object outputs, bool shapeless)
      : fun_(std::move(fun)),
        inputs_(std::move(inputs)),
        outputs_(std::move(outputs)),
        shapeless_(shapeless) {}

  nb::object operator()(const nb::args& args, const nb::kwargs& kwargs) {
    if (!compile_enabled()) return fun_(*args, **kwargs);
    // A recording puts arrays without values into the captured containers for a while.
    std::unique_lock<std::recursive_mutex> lock(mutex_, std::defer_lock);
    if (has_state()) {
      nb::gil_scoped_release release;
      lock.lock();
    }
    std::string key;
    std::vector<array> arrays;
    const Device device = default_device();
    key.push_back(static_cast<char>(device.type));
    key.push_back(static_cast<char>(device.index));
    append_tree(key, args, !shapeless_, arrays);
    append_tree(key, kwargs, !shapeless_, arrays);
    const size_t arguments = arrays.size();
    visit_state(inputs_, [&](const array& a, const auto&) { arrays.push_back(a); });
    for (size_t i = arguments; i < arrays.size(); ++i) append_key(key, arrays[i], !shapeless_);

    std::shared_ptr<Call> call;
    if (const auto it = calls_.find(key); it != calls_.end()) {
      call = it->second;
    } else {
      call = record(args, kwargs, arrays, arguments);
      if (call->recorded->graph().reusable) {
        if (calls_.size() >= kMostRecordings) calls_.clear();
        calls_.insert_or_assign(key, call);
      }
    }
    const std::vector<array> results = (*call->recorded)(arrays);
    const std::span<const array> all(results);
    call->outputs.write(outputs_, all.subspan(call->results));
    return tree_filled(call->result, all.first(call->results));
  }

  nb::object fun() const { return fun_; }
  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(fun_.ptr());
    Py_VISIT(inputs_.ptr());
    Py_VISIT(outputs_.ptr());
    return 0;
  }
  void clear() {
    fun_.reset();
    inputs_.reset();
    outputs_.reset();
    calls_.clear();
  }

 private:
  bool has_state() const { return !inputs_.is_none() || !outputs_.is_none(); }

  std::shared_ptr<Call> record(const nb::args& args, const nb::kwargs& kwargs,
                               const std::vector<array>& arrays, size_t arguments) const {
    auto call = std::make_shared<Call>();
    const nb::object given = nb::make_tuple(args, kwargs);
    const StateGuard restored(inputs_, outputs_);
    const Function function = [&](const std::vector<array>& x) {
      const std::span<const array> all(x);
      const auto filled = nb::cast<nb::tuple>(tree_filled(given, all.first(arguments)));
      size_t next = arguments;
      visit_state(inputs_, [&](const array&, const auto& set) { set(x[next++]); });
      const nb::object result = fun_(*nb::cast<nb::tuple>(filled[0]), **nb::cast<nb::dict>(filled[1]));
      std::vector<array> out = tree_arrays(result);
      call->results = out.size();
      // The tree is kept without the arrays, which lead to all that was recorded.
      const array none(false);
      call->result = tree_map(result, [&](const array&) { return nb::cast(none); });
      call->outputs = StateTree(outputs_, out);
      return out;
    };
    call->recorded =
        std::make_unique<Recorded>(Graph::record(function, signatures_of(arrays), shapeless_), shapeless_);
    return call;
  }

  nb::object fun_, inputs_, outputs_;
  bool shapeless_;
  std::recursive_mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Call>> calls_;
};

int traverse(PyObject* self, visitproc visit, void* arg) {
#if PY_VERSION_HEX >= 0x03090000
  Py_VISIT(Py_TYPE(self));
#endif
  if (!nb::inst_ready(self)) return 0;
  return nb::inst_ptr<CompiledFunction>(self)->traverse(visit, arg);
}
int clear(PyObject* self) {
  nb::inst_ptr<CompiledFunction>(self)->clear();
  return 0;
}
PyType_Slot kSlots[] = {{Py_tp_traverse, reinterpret_cast<void*>(&traverse)},
                        {Py_tp_clear, reinterpret_cast<void*>(&clear)},
                        {0, nullptr}};

}  // namespace

void bind_compile(Module& m) {
  nb::class_<CompiledFunction>(m, "_CompiledFunction", nb::type_slots(kSlots))
      .def("__call__", &CompiledFunction::operator())
      .def_prop_ro("__wrapped__", &CompiledFunction::fun)
      .def_prop_ro(
          "__doc__",
          [](const CompiledFunction& self) { return nb::getattr(self.fun(), "__doc__", nb::none()); })
      .def("__getattr__",
           [](const CompiledFunction& self, nb::handle name) { return nb::getattr(self.fun(), name); });
  m.def(
      "compile",
      [](nb::callable fun, nb::object inputs, nb::object outputs, bool shapeless) {
        return new CompiledFunction(std::move(fun), std::move(inputs), std::move(outputs), shapeless);
      },
      "fun"_a, "inputs"_a.none() = nb::none(), "outputs"_a.none() = nb::none(), "shapeless"_a = false,
      "fun, recorded at its first call for each number, shape and dtype of its arguments; later calls make "
      "the same "
      "ops without calling it. inputs and outputs are containers of arrays that it reads and changes "
      "besides.");
  m.def("disable_compile", &disable_compile, "Compiled functions are called as they are.");
  m.def("enable_compile", &enable_compile, "Undoes disable_compile, and MLX_DISABLE_COMPILE.");
}

}  // namespace uma::python
