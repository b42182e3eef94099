// mx.array: construction, attributes, operators, conversion, pickling. Methods that are functions as well
// (a.sum() is mx.sum(a)) are added by the files that bind those functions.
#include <nanobind/ndarray.h>

#include "bind.h"
#include "core/eval.h"
#include "core/kernel.h"
#include "core/print.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/matmul.h"
#include "ops/shape.h"

namespace uma::python {
namespace {

/// Iterates over the first axis.
struct Iterator {
  array a;
  int64_t next = 0;
};

using Binary = array (*)(const array&, const array&);

template <Binary kOp>
void def_operator(nb::class_<array>& c, const char* name, const char* reversed, const char* in_place) {
  c.def(
      name, [](const array& a, const Operand& b) { return kOp(a, to_array(b, a.dtype())); }, "other"_a,
      nb::is_operator());
  if (reversed)
    c.def(
        reversed, [](const array& a, const Operand& b) { return kOp(to_array(b, a.dtype()), a); }, "other"_a,
        nb::is_operator());
  if (in_place)
    c.def(
        in_place,
        [](nb::handle self, const Operand& b) {
          array& a = nb::cast<array&>(self);
          a = kOp(a, to_array(b, a.dtype()));
          return nb::borrow(self);
        },
        "other"_a, nb::is_operator());
}

array divide_floor(const array& a, const array& b) {
  return floor_divide(a, b);
}

// a == "x" is False and not an error, for code that compares anything with anything.
template <Binary kOp>
void def_equality(nb::class_<array>& c, const char* name, bool otherwise) {
  c.def(
      name,
      [otherwise](const array& a, const nb::object& b) -> nb::object {
        Operand other;
        if (!nb::try_cast(b, other) || !other.misfit.empty()) return nb::bool_(otherwise);
        return nb::cast(kOp(a, to_array(other, a.dtype())));
      },
      "other"_a.none());
}

nb::dlpack::dtype dlpack_of(DType d) {
  return dispatch_all(d, []<class T>() -> nb::dlpack::dtype {
    using Code = nb::dlpack::dtype_code;
    const auto bits = static_cast<uint8_t>(8 * sizeof(T));
    Code code = Code::Float;
    if constexpr (std::is_same_v<T, bool>)
      code = Code::Bool;
    else if constexpr (std::is_same_v<T, complex64>)
      code = Code::Complex;
    else if constexpr (std::is_same_v<T, bfloat16>)
      code = Code::Bfloat;
    else if constexpr (std::is_integral_v<T>)
      code = std::is_signed_v<T> ? Code::Int : Code::UInt;
    return {static_cast<uint8_t>(code), bits, 1};
  });
}

/// A view of the array's memory for NumPy or DLPack; it keeps the memory alive.
template <class... Framework>
nb::ndarray<Framework...> exported(const array& x) {
  evaluate(x);
  const array a = x.buffer() ? x : row_contiguous(x);
  std::vector<size_t> shape(a.shape().begin(), a.shape().end());
  std::vector<int64_t> strides(a.strides().begin(), a.strides().end());
  auto* keep = new array(a);
  const nb::capsule owner(keep, [](void* p) noexcept { delete static_cast<array*>(p); });
  return nb::ndarray<Framework...>(const_cast<uint8_t*>(a.bytes()), shape.size(), shape.data(), owner,
                                   strides.data(), dlpack_of(a.dtype()), nb::device::cpu::value, 0);
}

nb::object as_numpy(const array& a, const nb::object& dtype) {
  check(a.dtype() != DType::bfloat16 || !dtype.is_none(), ErrorCode::kDType, "numpy",
        "has no bfloat16; convert with a.astype(mx.float32)");
  const array exportable = a.dtype() == DType::bfloat16 ? astype(a, DType::float32) : a;
  nb::object out = nb::cast(exported<nb::numpy>(exportable));
  return dtype.is_none() ? out : out.attr("astype")(dtype, "copy"_a = false);
}

nb::bytes raw_bytes(const array& a) {
  evaluate(a);
  const array flat = row_contiguous(a);
  return nb::bytes(flat.bytes(), static_cast<size_t>(flat.nbytes()));
}

void bind_iterator(Module& m) {
  nb::class_<Iterator>(m, "ArrayIterator", "The parts of an array along its first axis.")
      .def("__iter__", [](nb::handle self) { return nb::borrow(self); })
      .def("__next__", [](Iterator& it) {
        if (it.next >= it.a.shape(0)) throw nb::stop_iteration();
        const int64_t i = it.next++;
        return squeeze(slice_axis(it.a, 0, i, i + 1), {0});
      });
}

void bind_state(nb::class_<array>& c) {
  c.def("__getstate__", [](const array& a) {
    return nb::make_tuple(tuple_of(a.shape()), std::string(name_of(a.dtype())), raw_bytes(a));
  });
  c.def("__setstate__", [](array& self, const nb::tuple& state) {
    const auto dims = nb::cast<std::vector<int64_t>>(state[0]);
    const DType d = dtype_from_name(nb::cast<std::string>(state[1]));
    const auto bytes = nb::cast<nb::bytes>(state[2]);
    auto buffer = Buffer::allocate(bytes.size(), Device{});
    std::memcpy(buffer->data(), bytes.data(), bytes.size());
    new (&self) array(array::from_buffer(std::move(buffer), 0, Shape(dims.begin(), dims.end()), d));
  });
  c.def("__copy__", [](const array& a) { return a; });
  c.def(
      "__deepcopy__", [](const array& a, nb::handle) { return a; }, "memo"_a);
}

void bind_conversion(nb::class_<array>& c) {
  c.def("item", &to_item, "The value of an array of one element as a Python number.");
  c.def("tolist", &to_list, "Nested lists of Python numbers; one number for a 0-d array.");
  c.def("__bool__", [](const array& a) { return nb::cast<bool>(nb::bool_(to_item(a))); });
  c.def("__int__", [](const array& a) { return nb::int_(to_item(a)); });
  c.def("__float__", [](const array& a) { return nb::float_(to_item(a)); });
  c.def("__complex__",
        [](const array& a) { return nb::module_::import_("builtins").attr("complex")(to_item(a)); });
  c.def("__index__", [](const array& a) {
    if (!is_integral(a.dtype()) || a.dtype() == DType::bool_ || a.ndim() != 0)
      throw nb::type_error("only a 0-d array of an integer is an index");
    return nb::int_(to_item(a));
  });
  c.def("__format__", [](const array& a, const nb::str& spec) {
    if (a.ndim() > 0 && nb::len(spec) > 0) throw nb::type_error("only a 0-d array has a format");
    const nb::object what = a.ndim() == 0 ? to_item(a) : nb::object(nb::str(to_string(a).c_str()));
    return nb::module_::import_("builtins").attr("format")(what, spec);
  });
  c.def("__bytes__", &raw_bytes);
  c.def(
      "__array__",
      [](const array& a, const nb::object& dtype, const nb::object&) { return as_numpy(a, dtype); },
      "dtype"_a = nb::none(), "copy"_a = nb::none());
  c.def("__dlpack__", [](const array& a, const nb::kwargs&) { return exported<>(a); });
  c.def("__dlpack_device__", [](const array&) { return nb::make_tuple(1, 0); });  // kDLCPU
  c.def(
      "__array_namespace__",
      [](const array&, const nb::object& version) {
        check(version.is_none(), ErrorCode::kInvalidArgument, "array",
              "has one version of its namespace; ask for none");
        return nb::module_::import_("uma.core");
      },
      "api_version"_a = nb::none());
}

}  // namespace

// The buffer protocol: memoryview(a), bytes(a), np.asarray(a).
namespace {

struct BufferInfo {
  array held;
  std::vector<Py_ssize_t> shape, strides;
  std::string format;
};

const char* buffer_format(DType d) {
  static constexpr const char* kFormats[] = {"?", "B", "H", "I", "Q", "b", "h",
                                             "i", "q", "e", "B", "f", "d", "Zf"};
  return kFormats[static_cast<size_t>(d)];
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  try {
    array a = nb::cast<array>(nb::handle(self));
    evaluate(a);
    if (!(flags & PyBUF_STRIDES)) a = row_contiguous(a);
    auto info = std::make_unique<BufferInfo>(BufferInfo{a, {}, {}, buffer_format(a.dtype())});
    const Py_ssize_t item = size_of(a.dtype());
    for (size_t i = 0; i < a.ndim(); ++i) {
      info->shape.push_back(a.shape()[i]);
      info->strides.push_back(a.strides()[i] * item);
    }
    if (a.dtype() == DType::bfloat16) {  // no format letter: one more axis of its bytes would mislead
      PyErr_SetString(PyExc_BufferError, "bfloat16 has no buffer format; convert with a.astype(mx.float32)");
      return -1;
    }
    view->buf = const_cast<uint8_t*>(a.bytes());
    view->len = a.nbytes();
    view->itemsize = item;
    view->readonly = 1;
    view->ndim = static_cast<int>(a.ndim());
    view->format = flags & PyBUF_FORMAT ? info->format.data() : nullptr;
    view->shape = info->shape.data();
    view->strides = info->strides.data();
    view->suboffsets = nullptr;
    view->obj = self;
    Py_INCREF(self);
    view->internal = info.release();
    return 0;
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_BufferError, e.what());
    return -1;
  }
}

void release_buffer(PyObject*, Py_buffer* view) {
  delete static_cast<BufferInfo*>(view->internal);
}

PyType_Slot array_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
                             {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
                             {0, nullptr}};

}  // namespace

void bind_array(Module& m) {
  nb::class_<array> c(m, "array", nb::type_slots(array_slots),
                      "A lazy n-dimensional array: values are computed when they are read, or by mx.eval().");
  bind_iterator(m);
  c.def(
      "__init__",
      [](array* self, nb::handle val, std::optional<Dtype> dtype) {
        new (self) array(array_from(val, dtype ? std::optional(dtype->value) : std::nullopt));
      },
      "val"_a, "dtype"_a = nb::none());
  c.def_prop_ro(
      "shape", [](const array& a) { return tuple_of(a.shape()); }, "Extents, as a tuple.");
  c.def_prop_ro("ndim", &array::ndim);
  c.def_prop_ro("size", &array::size, "Number of elements.");
  c.def_prop_ro("nbytes", &array::nbytes);
  c.def_prop_ro("itemsize", [](const array& a) { return size_of(a.dtype()); });
  c.def_prop_ro("dtype", [](const array& a) { return Dtype{a.dtype()}; });
  c.def_prop_ro(
      "T", [](const array& a) { return transpose(a); }, "Axes reversed.");
  c.def_prop_ro(
      "mT",
      [](const array& a) {
        check(a.ndim() >= 2, ErrorCode::kShape, "mT", "needs at least 2 dimensions, not shape {}", a.shape());
        return swapaxes(a, -1, -2);
      },
      "The last two axes swapped.");
  c.def(
      "astype",
      [](const array& a, Dtype d, const StreamArg& s) {
        StreamScope scope(s);
        return astype(a, d.value);
      },
      "dtype"_a, "stream"_a = nb::none(), "The values in another dtype.");
  c.def("__len__", [](const array& a) {
    if (a.ndim() == 0) throw nb::type_error("len() of a 0-d array");
    return a.shape(0);
  });
  c.def("__iter__", [](const array& a) {
    if (a.ndim() == 0) throw nb::type_error("iteration over a 0-d array");
    return Iterator{a};
  });
  c.def("__repr__", [](const array& a) {
    evaluate(a);
    return to_string(a);
  });
  c.def("__hash__", [](const array& a) { return static_cast<int64_t>(a.id()); });
  c.def(
      "__getitem__", [](const array& a, nb::handle index) { return get_item(a, index); }, "index"_a.none());
  c.def(
      "__setitem__", [](array& a, nb::handle index, const Operand& value) { set_item(a, index, value); },
      "index"_a.none(), "value"_a);
  def_operator<add>(c, "__add__", "__radd__", "__iadd__");
  def_operator<subtract>(c, "__sub__", "__rsub__", "__isub__");
  def_operator<multiply>(c, "__mul__", "__rmul__", "__imul__");
  def_operator<divide>(c, "__truediv__", "__rtruediv__", "__itruediv__");
  def_operator<divide>(c, "__div__", "__rdiv__", nullptr);
  def_operator<divide_floor>(c, "__floordiv__", "__rfloordiv__", "__ifloordiv__");
  def_operator<remainder>(c, "__mod__", "__rmod__", "__imod__");
  def_operator<power>(c, "__pow__", "__rpow__", "__ipow__");
  def_operator<matmul>(c, "__matmul__", "__rmatmul__", "__imatmul__");
  def_operator<bitwise_and>(c, "__and__", "__rand__", "__iand__");
  def_operator<bitwise_or>(c, "__or__", "__ror__", "__ior__");
  def_operator<bitwise_xor>(c, "__xor__", "__rxor__", "__ixor__");
  def_operator<left_shift>(c, "__lshift__", "__rlshift__", "__ilshift__");
  def_operator<right_shift>(c, "__rshift__", "__rrshift__", "__irshift__");
  def_operator<less>(c, "__lt__", nullptr, nullptr);
  def_operator<less_equal>(c, "__le__", nullptr, nullptr);
  def_operator<greater>(c, "__gt__", nullptr, nullptr);
  def_operator<greater_equal>(c, "__ge__", nullptr, nullptr);
  def_equality<equal>(c, "__eq__", false);
  def_equality<not_equal>(c, "__ne__", true);
  c.def("__neg__", &negative);
  c.def("__pos__", [](const array& a) { return a; });
  c.def("__abs__", &abs);
  c.def("__invert__", &bitwise_invert);
  bind_conversion(c);
  bind_state(c);
}

}  // namespace uma::python
