// The module uma.core.
#include "backend/install.h"
#include "base/error.h"
#include "bind.h"
#include "core/eval.h"

namespace uma::python {
namespace {

/// Which Python exception an error is: MLX raises ValueError for what the caller got wrong.
PyObject* exception_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kShape:
    case ErrorCode::kDType:
    case ErrorCode::kFormat:
      return PyExc_ValueError;
    case ErrorCode::kLimit:
      return PyExc_MemoryError;
    default:
      return PyExc_RuntimeError;
  }
}

void collect_arrays(nb::handle h, std::vector<array>& out) {
  if (nb::isinstance<array>(h)) {
    out.push_back(nb::cast<array>(h));
  } else if (PyDict_Check(h.ptr())) {
    for (auto [key, value] : nb::borrow<nb::dict>(h)) collect_arrays(value, out);
  } else if (PyList_Check(h.ptr()) || PyTuple_Check(h.ptr())) {
    for (nb::handle item : h) collect_arrays(item, out);
  }
}

std::vector<array> arrays_in(const nb::args& trees) {
  std::vector<array> out;
  for (nb::handle h : trees) collect_arrays(h, out);
  return out;
}

void bind_eval(nb::module_& m) {
  m.def(
      "eval", [](const nb::args& trees) { evaluate(arrays_in(trees)); },
      "Computes arrays, wherever they stand in nested lists, tuples and dicts.");
  m.def(
      "async_eval",
      [](const nb::args& trees) {
        const auto arrays = arrays_in(trees);
        nb::gil_scoped_release release;
        async_eval(arrays);
      },
      "The same on a worker thread; returns at once.");
}

}  // namespace
}  // namespace uma::python

NB_MODULE(core, m) {
  using namespace uma::python;
  uma::install_backends();
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const uma::Error& e) {
      PyErr_SetString(exception_of(e.code()), e.what());
    }
  });
  m.doc() = "Arrays with lazy evaluation, their functions and transformations: MLX's API.";
  bind_dtypes(m);
  bind_devices(m);
  bind_array(m);
  bind_creation(m);
  bind_elementwise(m);
  bind_shape(m);
  bind_reduce(m);
  bind_indexing(m);
  bind_fft(m);
  bind_matmul(m);
  bind_random(m);
  bind_eval(m);
  m.attr("cpu") = nb::cast(uma::DeviceType::cpu);
  m.attr("gpu") = nb::cast(uma::DeviceType::cuda);
}
