// Python values to arrays and back.
#include <nanobind/ndarray.h>
#include <nanobind/stl/complex.h>

#include <cstring>
#include <limits>

#include "bind.h"
#include "core/eval.h"
#include "core/kernel.h"
#include "ops/cast.h"
#include "ops/indexing.h"

namespace uma::python {
namespace {

/// What the numbers of a nested list are; the largest kind wins.
enum class Kind { none, boolean, integer, real, complex };

struct Nested {
  Shape shape;
  Kind kind = Kind::none;
  bool wide = false;    // an integer that int32 cannot hold
  bool arrays = false;  // a leaf is an array: the list is stacked
};

bool is_sequence(nb::handle h) {
  return PyList_Check(h.ptr()) || PyTuple_Check(h.ptr());
}

// Of a list or tuple, without an iterator: a long list is read in no time.
template <class F>
void for_each(nb::handle sequence, F f) {
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence.ptr()); ++i)
    f(nb::handle(PySequence_Fast_GET_ITEM(sequence.ptr(), i)));
}

Kind kind_of(nb::handle h) {
  if (PyBool_Check(h.ptr())) return Kind::boolean;
  if (PyLong_Check(h.ptr())) return Kind::integer;
  if (PyFloat_Check(h.ptr())) return Kind::real;
  if (PyComplex_Check(h.ptr())) return Kind::complex;
  return Kind::none;
}

std::string kind_name(nb::handle h) {
  return nb::cast<std::string>(h.type().attr("__name__"));
}

int64_t integer_of(nb::handle h) {
  int overflow = 0;
  const long long v = PyLong_AsLongLongAndOverflow(h.ptr(), &overflow);
  check(overflow == 0, ErrorCode::kInvalidArgument, "array", "an integer does not fit 64 bits");
  return v;
}

// A cyclic list would nest for ever; MLX's arrays are of few dimensions.
constexpr size_t kMaxDepth = 32;

void measure(nb::handle h, size_t depth, Nested& out) {
  check(depth <= kMaxDepth, ErrorCode::kInvalidArgument, "array", "lists are nested over {} deep", kMaxDepth);
  if (is_sequence(h)) {
    const auto n = static_cast<int64_t>(nb::len(h));
    if (out.shape.size() == depth && out.kind == Kind::none && !out.arrays)
      out.shape.push_back(n);  // no leaf has fixed the depth yet
    else
      check(out.arrays || (depth < out.shape.size() && out.shape[depth] == n), ErrorCode::kInvalidArgument,
            "array", "the lists have different lengths");
    for_each(h, [&](nb::handle item) { measure(item, depth + 1, out); });
    return;
  }
  const Kind kind = kind_of(h);
  out.arrays |= kind == Kind::none && nb::isinstance<array>(h);
  if (out.arrays) return;  // they are stacked, which checks the shapes
  check(depth == out.shape.size(), ErrorCode::kInvalidArgument, "array", "the lists have different lengths");
  if (kind == Kind::none) fail(ErrorCode::kInvalidArgument, "array", "cannot hold a {}", kind_name(h));
  out.kind = std::max(out.kind, kind);
  if (kind == Kind::integer) {
    const int64_t v = integer_of(h);
    out.wide |= v < INT32_MIN || v > INT32_MAX;
  }
}

template <class T>
T leaf(nb::handle h) {
  if constexpr (std::is_same_v<T, complex64>) {
    const Py_complex c = PyComplex_AsCComplex(h.ptr());
    return {static_cast<float>(c.real), static_cast<float>(c.imag)};
  } else if constexpr (std::is_floating_point_v<T>) {
    const double v = PyFloat_AsDouble(h.ptr());
    if (v == -1 && PyErr_Occurred()) throw nb::python_error();
    return static_cast<T>(v);
  } else if constexpr (std::is_same_v<T, bool>) {
    return PyObject_IsTrue(h.ptr()) == 1;
  } else {
    return static_cast<T>(integer_of(h));
  }
}

template <class T>
void fill(nb::handle h, T*& at) {
  if (!is_sequence(h)) {
    *at++ = leaf<T>(h);
    return;
  }
  for_each(h, [&](nb::handle item) { fill(item, at); });
}

template <class T>
array from_nested(nb::handle value, const Shape& shape) {
  std::vector<std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>> values(
      static_cast<size_t>(num_elements(shape)));
  T* at = reinterpret_cast<T*>(values.data());
  fill<T>(value, at);
  return array(std::span<const T>(reinterpret_cast<const T*>(values.data()), values.size()), shape);
}

DType natural(Kind kind, bool wide) {
  switch (kind) {
    case Kind::boolean:
      return DType::bool_;
    case Kind::integer:
      return wide ? DType::int64 : DType::int32;
    case Kind::complex:
      return DType::complex64;
    case Kind::none:
    case Kind::real:
      break;
  }
  return DType::float32;
}

// An array among lists is one of their parts, and lists beside arrays are arrays.
array stacked(nb::handle value) {
  if (!is_sequence(value) || nb::len(value) == 0) return array_from(value, {});
  std::vector<array> parts;
  for (nb::handle item : value) parts.push_back(stacked(item));
  DType d = parts[0].dtype();
  for (const array& part : parts) d = promote(d, part.dtype());
  for (array& part : parts) part = astype(part, d);
  return stack(parts, 0);
}

array from_list(nb::handle value, std::optional<DType> dtype) {
  Nested nested;
  measure(value, 0, nested);
  if (nested.arrays) {
    const array out = stacked(value);
    return dtype ? astype(out, *dtype) : out;
  }
  // Made in the widest type of its kind, then converted once: 64-bit integers keep their digits.
  const DType natural_dtype = natural(nested.kind, nested.wide);
  const DType wanted = dtype.value_or(natural_dtype);
  if (nested.kind == Kind::complex || wanted == DType::complex64)
    return astype(from_nested<complex64>(value, nested.shape), wanted);
  if (nested.kind == Kind::real || nested.kind == Kind::none)
    return wanted == DType::float64 ? from_nested<double>(value, nested.shape)
                                    : astype(from_nested<float>(value, nested.shape), wanted);
  if (nested.kind == Kind::boolean) return astype(from_nested<bool>(value, nested.shape), wanted);
  if (wanted == DType::int32) return from_nested<int32_t>(value, nested.shape);
  if (wanted == DType::float64) return from_nested<double>(value, nested.shape);
  if (is_floating(wanted)) return astype(from_nested<float>(value, nested.shape), wanted);
  return astype(from_nested<int64_t>(value, nested.shape), wanted);
}

std::optional<DType> dtype_of_dlpack(nb::dlpack::dtype d) {
  using Code = nb::dlpack::dtype_code;
  const int bits = d.bits;
  switch (static_cast<Code>(d.code)) {
    case Code::Bool:
      return DType::bool_;
    case Code::Int:
      return bits == 8 ? DType::int8 : bits == 16 ? DType::int16 : bits == 32 ? DType::int32 : DType::int64;
    case Code::UInt:
      return bits == 8    ? DType::uint8
             : bits == 16 ? DType::uint16
             : bits == 32 ? DType::uint32
                          : DType::uint64;
    case Code::Float:
      if (bits == 16) return DType::float16;
      if (bits == 32) return DType::float32;
      if (bits == 64) return DType::float64;
      return {};
    case Code::Bfloat:
      return DType::bfloat16;
    case Code::Complex:
      if (bits == 64) return DType::complex64;
      return {};
    default:
      return {};
  }
}

// complex128 has no dtype of ours: it is narrowed, as MLX does.
array from_complex128(const void* data, const Shape& shape) {
  std::vector<complex64> values(static_cast<size_t>(num_elements(shape)));
  const auto* from = static_cast<const std::complex<double>*>(data);
  for (size_t i = 0; i < values.size(); ++i) values[i] = complex64(from[i]);
  return array(std::span<const complex64>(values), shape);
}

using Foreign = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

array from_foreign(const Foreign& nd, bool share) {
  Shape shape;
  for (size_t i = 0; i < nd.ndim(); ++i) shape.push_back(static_cast<int64_t>(nd.shape(i)));
  const auto d = dtype_of_dlpack(nd.dtype());
  if (!d) {
    check(static_cast<nb::dlpack::dtype_code>(nd.dtype().code) == nb::dlpack::dtype_code::Complex &&
              nd.dtype().bits == 128,
          ErrorCode::kDType, "array", "cannot hold the elements of a foreign array (DLPack code {}, {} bits)",
          int{nd.dtype().code}, int{nd.dtype().bits});
    return from_complex128(nd.data(), shape);
  }
  const auto bytes = static_cast<size_t>(num_elements(shape) * size_of(*d));
  if (bytes == 0) return array::from_buffer(Buffer::allocate(1, Device{}), 0, shape, *d);
  if (share) {
    auto owner = std::make_shared<Foreign>(nd);
    // Released under the GIL, whoever lets go last.
    std::shared_ptr<const void> keep(owner.get(), [owner](const void*) mutable {
      nb::gil_scoped_acquire gil;
      owner.reset();
    });
    return array::from_buffer(Buffer::view(nd.data(), bytes, std::move(keep)), 0, shape, *d);
  }
  auto buffer = Buffer::allocate(bytes, Device{});
  std::memcpy(buffer->data(), nd.data(), bytes);
  return array::from_buffer(std::move(buffer), 0, shape, *d);
}

// NumPy's bfloat16 comes from ml_dtypes and has no buffer format: its bits travel as uint16.
std::optional<array> from_ml_dtypes(nb::handle value) {
  if (!nb::hasattr(value, "dtype") || !nb::hasattr(value, "view")) return {};
  const nb::object dtype = value.attr("dtype");
  if (!nb::hasattr(dtype, "name") || nb::cast<std::string>(nb::str(dtype.attr("name"))) != "bfloat16")
    return {};
  Foreign nd;
  if (!nb::try_cast(value.attr("view")("uint16"), nd)) return {};
  const array bits = from_foreign(nd, false);
  return array::from_buffer(bits.buffer(), bits.offset(), bits.shape(), DType::bfloat16);
}

std::optional<array> from_object(nb::handle value, bool share) {
  if (nb::hasattr(value, "__mlx_array__")) return nb::cast<array>(value.attr("__mlx_array__")());
  if (auto a = from_ml_dtypes(value)) return a;
  Foreign nd;
  if (nb::ndarray_check(value) && nb::try_cast(value, nd)) return from_foreign(nd, share);
  return {};
}

template <class T>
nb::object number(const T& v) {
  if constexpr (std::is_same_v<T, bool>)
    return nb::bool_(v);
  else if constexpr (std::is_same_v<T, complex64>)
    return nb::steal(PyComplex_FromDoubles(static_cast<double>(v.real()), static_cast<double>(v.imag())));
  else if constexpr (std::is_integral_v<T>)
    return nb::int_(v);
  else
    return nb::float_(static_cast<double>(static_cast<float>(v)));
}
template <>
nb::object number<double>(const double& v) {
  return nb::float_(v);
}

template <class T>
nb::object nested_list(const T*& at, const Shape& shape, size_t axis) {
  if (axis == shape.size()) return number<T>(*at++);
  nb::list out;
  for (int64_t i = 0; i < shape[axis]; ++i) out.append(nested_list<T>(at, shape, axis + 1));
  return out;
}

}  // namespace

array array_from(nb::handle value, std::optional<DType> dtype) {
  const auto cast = [&](const array& a) { return dtype ? astype(a, *dtype) : a; };
  if (nb::isinstance<array>(value)) return cast(nb::cast<array>(value));
  if (is_sequence(value)) return from_list(value, dtype);
  if (kind_of(value) != Kind::none) return from_list(value, dtype);
  if (auto a = from_object(value, false))
    // As MLX: NumPy's default float is not what a model wants.
    return a->dtype() == DType::float64 ? astype(*a, dtype.value_or(DType::float32)) : cast(*a);
  fail(ErrorCode::kInvalidArgument, "array", "cannot be made from a {}", kind_name(value));
}

array array_viewing(nb::handle value, std::optional<bool> copy) {
  if (nb::isinstance<array>(value)) return nb::cast<array>(value);
  auto a = from_object(value, !copy.value_or(false));
  check(a.has_value(), ErrorCode::kInvalidArgument, "asarray",
        "takes arrays and objects with the buffer protocol or __dlpack__, not a {}", kind_name(value));
  return *a;
}

nb::object to_list(const array& a) {
  evaluate(a);
  const array flat = row_contiguous(a);
  return dispatch_all(a.dtype(), [&]<class T>() {
    const T* at = flat.data<T>();
    return nested_list<T>(at, a.shape(), 0);
  });
}

nb::object to_item(const array& a) {
  check(a.size() == 1, ErrorCode::kInvalidArgument, "convert",
        "only arrays of one element become Python numbers, not shape {}", a.shape());
  evaluate(a);
  return dispatch_all(a.dtype(), [&]<class T>() { return number<T>(*a.data<T>()); });
}

namespace {

void check_fits(const Operand& x) {
  check(x.misfit.empty(), ErrorCode::kInvalidArgument, "array", "cannot be made from a {}", x.misfit);
}

// bool, integer, real, complex.
int rank_of(DType d) {
  return d == DType::bool_ ? 0 : is_integral(d) ? 1 : is_floating(d) ? 2 : 3;
}

}  // namespace

array to_array(const Operand& x) {
  check_fits(x);
  return std::visit(
      [](const auto& v) -> array {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, array>) return v;
        if constexpr (std::is_same_v<T, bool>) return array(v);
        if constexpr (std::is_same_v<T, int64_t>)
          return array(v, v < INT32_MIN || v > INT32_MAX ? DType::int64 : DType::int32);
        if constexpr (std::is_same_v<T, double>) return array(v, DType::float32);
        if constexpr (std::is_same_v<T, std::complex<float>>)
          return array(std::span<const complex64>(&v, 1), Shape{});
      },
      x.value);
}

array to_array(const Operand& x, DType beside) {
  check_fits(x);
  return std::visit(
      [&](const auto& v) -> array {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, array>)
          return x.foreign && rank_of(v.dtype()) <= rank_of(beside) ? astype(v, beside) : v;
        if constexpr (std::is_same_v<T, bool>) return array(v, beside);
        if constexpr (std::is_same_v<T, int64_t>) {
          if (beside == DType::bool_) return to_array(x);
          if (is_integral(beside) && size_of(beside) < 8)
            dispatch_integer(beside, "convert", [&]<class I>() {
              check(v >= int64_t{std::numeric_limits<I>::min()} &&
                        v <= static_cast<int64_t>(std::numeric_limits<I>::max()),
                    ErrorCode::kInvalidArgument, "convert", "{} does not fit {}", v, name_of(beside));
            });
          return array(v, beside);
        }
        if constexpr (std::is_same_v<T, double>)
          return array(v, is_inexact(beside) ? beside : DType::float32);
        if constexpr (std::is_same_v<T, std::complex<float>>) return to_array(x);
      },
      x.value);
}

std::pair<array, array> to_arrays(const Operand& x, const Operand& y) {
  if (x.is_array() && !(x.foreign && y.is_array())) {
    const array& a = std::get<array>(x.value);
    return {a, to_array(y, a.dtype())};
  }
  if (y.is_array()) {
    const array& b = std::get<array>(y.value);
    return {to_array(x, b.dtype()), b};
  }
  return {to_array(x), to_array(y)};
}

void evaluate(const array& a) {
  if (a.is_ready()) return;
  nb::gil_scoped_release release;
  a.eval();
}

void evaluate(const std::vector<array>& arrays) {
  nb::gil_scoped_release release;
  eval(arrays);
}

StreamScope::StreamScope(const StreamArg& stream) {
  if (stream.index() == 0) return;
  before_ = default_device();
  set_default_device(stream.index() == 1 ? std::get<Stream>(stream).device : std::get<Device>(stream));
}

StreamScope::~StreamScope() {
  if (before_) set_default_device(*before_);
}

std::optional<Axes> axes_of(const AxesArg& axes) {
  if (axes.index() == 0) return Axes{};
  if (axes.index() == 1) return Axes{std::get<int>(axes)};
  const auto& list = std::get<std::vector<int>>(axes);
  if (list.empty()) return {};
  return Axes(list.begin(), list.end());
}

Shape shape_of(const ShapeArg& shape) {
  if (shape.index() == 0) return {std::get<int64_t>(shape)};
  const auto& list = std::get<std::vector<int64_t>>(shape);
  return Shape(list.begin(), list.end());
}

nb::tuple tuple_of(const Shape& shape) {
  nb::object out = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(shape.size())));
  for (size_t i = 0; i < shape.size(); ++i)
    PyTuple_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), PyLong_FromLongLong(shape[i]));
  return nb::borrow<nb::tuple>(out);
}

}  // namespace uma::python

namespace nanobind::detail {

bool type_caster<uma::python::Operand>::from_python(handle src, uint8_t, cleanup_list*) noexcept {
  using uma::array;
  PyObject* o = src.ptr();
  try {
    if (nb::isinstance<array>(src))
      value.value = nb::cast<array>(src);
    else if (PyBool_Check(o))
      value.value = o == Py_True;
    else if (PyLong_Check(o)) {
      int overflow = 0;
      const long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
      if (overflow) return false;
      value.value = static_cast<int64_t>(v);
    } else if (PyFloat_Check(o))
      value.value = PyFloat_AS_DOUBLE(o);
    else if (PyComplex_Check(o)) {
      const Py_complex c = PyComplex_AsCComplex(o);
      value.value = std::complex<float>(static_cast<float>(c.real), static_cast<float>(c.imag));
    } else if (nb::hasattr(src, "__mlx_array__") || nb::ndarray_check(src) || nb::hasattr(src, "dtype")) {
      value.value = uma::python::array_from(src, {});
      value.foreign = !nb::hasattr(src, "__mlx_array__");
    } else if (PyList_Check(o) || PyTuple_Check(o) || PyDict_Check(o) || PyUnicode_Check(o) ||
               nb::isinstance<uma::python::Dtype>(src))
      value.misfit = uma::python::kind_name(src);
    else
      return false;
  } catch (...) {
    PyErr_Clear();
    return false;
  }
  return true;
}

}  // namespace nanobind::detail
