// The module uma.core.
#include "backend/install.h"
#include "base/error.h"
#include "bind.h"
#include "core/eval.h"
#include "lm.h"
#include "tree.h"

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
    case ErrorCode::kIndex:
      return PyExc_IndexError;
    case ErrorCode::kLimit:
      return PyExc_MemoryError;
    default:
      return PyExc_RuntimeError;
  }
}

void bind_eval(nb::module_& m) {
  m.def(
      "eval", [](const nb::args& trees) { evaluate(tree_arrays(trees)); },
      "Computes arrays, wherever they stand in nested lists, tuples and dicts.");
  m.def(
      "async_eval",
      [](const nb::args& trees) {
        const auto arrays = tree_arrays(trees);
        nb::gil_scoped_release release;
        async_eval(arrays);
      },
      "The same on a worker thread; returns at once.");
}

}  // namespace
}  // namespace uma::python

NB_MODULE(core, m) {
  using namespace uma::python;
  nb::set_leak_warnings(false);  // a module's globals outlive it; what leaks in loops, tests find
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
  bind_distributed(m);
  bind_array(m);
  bind_creation(m);
  bind_elementwise(m);
  bind_shape(m);
  bind_quantized(m);
  bind_reduce(m);
  bind_indexing(m);
  bind_fft(m);
  bind_inspect(m);
  bind_manipulate(m);
  bind_matmul(m);
  bind_products(m);
  bind_random(m);
  bind_search(m);
  bind_eval(m);
  bind_fast(m);
  bind_files(m);
  bind_linalg(m);
  bind_lm(m);
  bind_conv(m);
  bind_transforms(m);
  bind_compile(m);
  bind_export(m);
  bind_profile(m);
  bind_compat(m);
  m.attr("cpu") = nb::cast(uma::DeviceType::cpu);
  m.attr("gpu") = nb::cast(uma::DeviceType::cuda);
}
