// Arrays from nothing, and constants.
#include "ops/creation.h"

#include <limits>
#include <numbers>

#include "bind.h"
#include "core/print.h"
#include "ops/cast.h"
#include "ops/composed.h"
#include "ops/indexing.h"
#include "ops/shape.h"

namespace uma::python {
namespace {

using MaybeDtype = std::optional<Dtype>;

Shape checked_shape(const ShapeArg& shape, std::string_view op) {
  Shape out = shape_of(shape);
  for (const int64_t extent : out)
    check(extent >= 0, ErrorCode::kInvalidArgument, op, "shape {} has a negative extent", out);
  return out;
}

array filled(const ShapeArg& shape, double value, MaybeDtype dtype, std::string_view op) {
  return full(checked_shape(shape, op), value, dtype ? dtype->value : DType::float32);
}

// Whole bounds make integers, as range() does.
array arange_of(const nb::object& start, const nb::object& stop, const nb::object& step, MaybeDtype dtype) {
  DType d = DType::int32;
  double values[] = {0, 0, 1};
  const nb::object* given[] = {&start, &stop, &step};
  for (size_t i = 0; i < 3; ++i) {
    PyObject* v = given[i]->ptr();
    if (v == Py_None) continue;
    check(!PyBool_Check(v), ErrorCode::kInvalidArgument, "arange", "takes no bools");
    if (nb::isinstance<array>(v) || PyComplex_Check(v) || !PyNumber_Check(v))
      throw nb::type_error("arange() takes numbers");
    values[i] = nb::cast<double>(*given[i]);
    if (!PyIndex_Check(v)) d = DType::float32;
    if (d == DType::int32 && (values[i] < INT32_MIN || values[i] > INT32_MAX)) d = DType::int64;
  }
  if (dtype) d = dtype->value;
  check(d != DType::bool_, ErrorCode::kInvalidArgument, "arange", "makes no bools");
  return arange(values[0], values[1], values[2], d);
}

void bind_ranges(Module& m) {
  m.def(
      "arange",
      [](const nb::object& a, const nb::object& stop, const nb::object& step, MaybeDtype dtype,
         const StreamArg& s) {
        StreamScope scope(s);
        if (a.is_none() && stop.is_none()) throw nb::type_error("arange() needs a bound");
        return stop.is_none() ? arange_of(stop, a, step, dtype) : arange_of(a, stop, step, dtype);
      },
      "start"_a.none() = nb::none(), "stop"_a.none() = nb::none(), "step"_a.none() = nb::none(),
      "dtype"_a.none() = nb::none(), nb::kw_only(), "stream"_a = nb::none(),
      "start, start + step, ... below stop; one argument is stop.");
  m.def(
      "linspace",
      [](double start, double stop, int64_t num, bool endpoint, MaybeDtype dtype, const StreamArg& s) {
        StreamScope scope(s);
        const DType d = dtype ? dtype->value : DType::float32;
        if (endpoint || num < 1) return linspace(start, stop, num, d);
        return slice_axis(linspace(start, stop, num + 1, d), 0, 0, num);
      },
      "start"_a, "stop"_a, "num"_a = 50, "endpoint"_a = true, "dtype"_a.none() = Dtype{DType::float32},
      "stream"_a = nb::none(),
      "num evenly spaced values, the first at start and, with endpoint, the last at stop.");
}

void bind_constants(Module& m) {
  m.attr("pi") = std::numbers::pi;
  m.attr("e") = std::numbers::e;
  m.attr("euler_gamma") = std::numbers::egamma;
  m.attr("inf") = std::numeric_limits<double>::infinity();
  m.attr("nan") = std::numeric_limits<double>::quiet_NaN();
  m.attr("newaxis") = nb::none();
}

struct PrintScope {
  PrintOptions wanted, before;
};

/// MLX's convention: below 0 is the form that arrays print in by themselves.
PrintOptions options_of(int precision) {
  return precision < 0 ? PrintOptions{} : PrintOptions{precision, true};
}

void bind_printing(Module& m) {
  nb::class_<PrintOptions>(m, "PrintOptions", "How arrays print.")
      .def(
          "__init__", [](PrintOptions* o, int precision) { new (o) PrintOptions(options_of(precision)); },
          "precision"_a = -1)
      .def_prop_ro(
          "precision", [](const PrintOptions& o) { return o.fixed ? o.precision : -1; },
          "Digits after the point of floats; -1: six significant digits.");
  nb::class_<PrintScope>(m, "_PrintScope")
      .def("__enter__",
           [](PrintScope& s) {
             s.before = print_options();
             set_print_options(s.wanted);
           })
      .def("__exit__", [](PrintScope& s, const nb::args&) { set_print_options(s.before); });
  m.def("get_printoptions", &print_options);
  m.def(
      "set_printoptions", [](int precision) { set_print_options(options_of(precision)); }, "precision"_a = -1,
      "Digits after the point of printed floats.");
  m.def(
      "printoptions",
      [](int precision) {
        return PrintScope{options_of(precision), {}};
      },
      "precision"_a = -1, "A context in which floats print with so many digits after the point.");
}

}  // namespace

void bind_creation(Module& m) {
  const auto kw = nb::kw_only();
  m.def(
      "zeros",
      [](const ShapeArg& shape, MaybeDtype d, const StreamArg& s) {
        StreamScope scope(s);
        return filled(shape, 0, d, "zeros");
      },
      "shape"_a, "dtype"_a.none() = Dtype{DType::float32}, kw, "stream"_a = nb::none(), "An array of zeros.");
  m.def(
      "ones",
      [](const ShapeArg& shape, MaybeDtype d, const StreamArg& s) {
        StreamScope scope(s);
        return filled(shape, 1, d, "ones");
      },
      "shape"_a, "dtype"_a.none() = Dtype{DType::float32}, kw, "stream"_a = nb::none(), "An array of ones.");
  m.attr("empty") = m.attr("zeros");
  m.def(
      "full",
      [](const ShapeArg& shape, const Operand& v, MaybeDtype d, const StreamArg& s) {
        StreamScope scope(s);
        const array value = to_array(v);
        return full(checked_shape(shape, "full"), d ? astype(value, d->value) : value);
      },
      "shape"_a, "vals"_a, "dtype"_a.none() = nb::none(), kw, "stream"_a = nb::none(),
      "An array filled with a value, or with a broadcast array.");
  const auto like = [&](const char* name, double v) {
    m.def(
        name,
        [v](const array& a, MaybeDtype d, const StreamArg& s) {
          StreamScope scope(s);
          return full(a.shape(), v, d ? d->value : a.dtype());
        },
        nb::arg("a"), "dtype"_a.none() = nb::none(), kw, "stream"_a = nb::none());
  };
  like("zeros_like", 0);
  like("ones_like", 1);
  like("empty_like", 0);
  m.def(
      "full_like",
      [](const array& a, const Operand& v, MaybeDtype d, const StreamArg& s) {
        StreamScope scope(s);
        return full(a.shape(), astype(to_array(v, a.dtype()), d ? d->value : a.dtype()));
      },
      nb::arg("a"), "vals"_a, "dtype"_a.none() = nb::none(), kw, "stream"_a = nb::none());
  m.def(
      "eye",
      [](int64_t n, std::optional<int64_t> cols, int64_t k, MaybeDtype d, const StreamArg& s) {
        StreamScope scope(s);
        return eye(n, cols.value_or(n), k, d ? d->value : DType::float32);
      },
      "n"_a, "m"_a.none() = nb::none(), "k"_a = 0, "dtype"_a.none() = Dtype{DType::float32}, kw,
      "stream"_a = nb::none(), "Ones on the k-th diagonal.");
  m.def(
      "identity",
      [](int64_t n, MaybeDtype d, const StreamArg& s) {
        StreamScope scope(s);
        return identity(n, d ? d->value : DType::float32);
      },
      "n"_a, "dtype"_a.none() = Dtype{DType::float32}, kw, "stream"_a = nb::none());
  const auto triangle = [&](const char* name, array (*f)(const array&, int64_t)) {
    m.def(
        name,
        [f](const array& x, int64_t k, const StreamArg& s) {
          StreamScope scope(s);
          return f(x, k);
        },
        "x"_a, "k"_a = 0, kw, "stream"_a = nb::none());
  };
  triangle("tril", &tril);
  triangle("triu", &triu);
  m.def(
      "tri",
      [](int64_t n, std::optional<int64_t> cols, int64_t k, MaybeDtype d, const StreamArg& s) {
        StreamScope scope(s);
        return tril(ones({n, cols.value_or(n)}, d ? d->value : DType::float32), k);
      },
      "n"_a, "m"_a.none() = nb::none(), "k"_a = 0, "dtype"_a.none() = Dtype{DType::float32}, kw,
      "stream"_a = nb::none(), "Ones on and below the k-th diagonal.");
  m.def(
      "asarray",
      [](nb::handle a, MaybeDtype d, std::optional<bool> copy) {
        const bool shares = copy == false;
        PyObject* v = a.ptr();  // NumPy's float64 is a float too
        if (PyList_Check(v) || PyTuple_Check(v) || PyLong_Check(v) || PyFloat_Check(v) ||
            PyComplex_Check(v)) {
          check(!shares, ErrorCode::kInvalidArgument, "asarray", "cannot share the memory of a Python value");
          return array_from(a, d ? std::optional(d->value) : std::nullopt);
        }
        const array x = array_viewing(a, copy);
        check(!shares || !d || d->value == x.dtype(), ErrorCode::kInvalidArgument, "asarray",
              "cannot convert to another dtype without a copy");
        return d ? astype(x, d->value) : x;
      },
      nb::arg(), "dtype"_a.none() = nb::none(), "copy"_a.none() = nb::none(),
      "An array of a value; arrays of other libraries share their memory unless copy is True.");
  m.def(
      "from_dlpack",
      [](nb::handle x, const nb::object&, std::optional<bool> copy) { return array_viewing(x, copy); },
      nb::arg(), nb::kw_only(), "device"_a.none() = nb::none(), "copy"_a.none() = nb::none(),
      "A view of a DLPack object.");
  bind_ranges(m);
  bind_constants(m);
  bind_printing(m);
}

}  // namespace uma::python
