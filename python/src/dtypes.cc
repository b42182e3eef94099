// Dtypes, their categories, and what finfo and iinfo say of them.
#include <limits>

#include "bind.h"

namespace uma::python {
namespace {

enum class Category {
  complexfloating,
  floating,
  inexact,
  signedinteger,
  unsignedinteger,
  integer,
  number,
  generic
};

// The tree of NumPy's abstract types.
bool within(Category a, Category b) {
  if (a == b || b == Category::generic) return true;
  switch (a) {
    case Category::complexfloating:
    case Category::floating:
      return b == Category::inexact || b == Category::number;
    case Category::signedinteger:
    case Category::unsignedinteger:
      return b == Category::integer || b == Category::number;
    case Category::inexact:
    case Category::integer:
      return b == Category::number;
    case Category::number:
    case Category::generic:
      break;
  }
  return false;
}

Category category_of(DType d) {
  if (d == DType::complex64) return Category::complexfloating;
  if (is_floating(d)) return Category::floating;
  if (is_signed_integer(d)) return Category::signedinteger;
  if (d == DType::bool_) return Category::generic;
  return Category::unsignedinteger;
}

using Kind = std::variant<Dtype, Category>;

bool is_subdtype(const Kind& a, const Kind& b) {
  if (b.index() == 0) return a.index() == 0 && std::get<Dtype>(a).value == std::get<Dtype>(b).value;
  const Category wide = std::get<Category>(b);
  if (a.index() == 1) return within(std::get<Category>(a), wide);
  return within(category_of(std::get<Dtype>(a).value), wide);
}

struct FInfo {
  Dtype dtype;
  int bits = 0;
  double min = 0, max = 0, eps = 0, smallest_normal = 0;
  explicit FInfo(Dtype d) : dtype(d), bits(static_cast<int>(8 * size_of(d.value))) {
    switch (d.value) {
      case DType::float16:
        max = 65504, eps = 0x1p-10, smallest_normal = 0x1p-14;
        break;
      case DType::bfloat16:
        max = 0x1.fep127, eps = 0x1p-7, smallest_normal = 0x1p-126;
        break;
      case DType::float32:
      case DType::complex64:
        max = std::numeric_limits<float>::max(), eps = 0x1p-23, smallest_normal = 0x1p-126;
        break;
      case DType::float64:
        max = std::numeric_limits<double>::max(), eps = 0x1p-52, smallest_normal = 0x1p-1022;
        break;
      default:
        fail(ErrorCode::kDType, "finfo", "takes a float dtype, not {}", name_of(d.value));
    }
    min = -max;
  }
};

struct IInfo {
  Dtype dtype;
  nb::object min, max;
  explicit IInfo(Dtype d) : dtype(d) {
    dispatch_integer(d.value, "iinfo", [&]<class T>() {
      min = nb::int_(std::numeric_limits<T>::min());
      max = nb::int_(std::numeric_limits<T>::max());
    });
  }
};

}  // namespace

void bind_dtypes(Module& m) {
  nb::enum_<Category>(m, "DtypeCategory", "Kinds of dtypes, for issubdtype.")
      .value("complexfloating", Category::complexfloating)
      .value("floating", Category::floating)
      .value("inexact", Category::inexact)
      .value("signedinteger", Category::signedinteger)
      .value("unsignedinteger", Category::unsignedinteger)
      .value("integer", Category::integer)
      .value("number", Category::number)
      .value("generic", Category::generic)
      .export_values();
  nb::class_<Dtype>(m, "Dtype", "The type of an array's elements.")
      .def_prop_ro(
          "size", [](Dtype d) { return size_of(d.value); }, "Bytes of one element.")
      .def("__repr__", [](Dtype d) { return "uma.core." + std::string(name_of(d.value)); })
      .def("__eq__",
           [](Dtype a, const nb::object& b) {
             return nb::isinstance<Dtype>(b) && nb::cast<Dtype>(b).value == a.value;
           })
      .def("__hash__", [](Dtype d) { return static_cast<int64_t>(d.value); })
      .def(
          "__init__", [](Dtype* self, const std::string& name) { new (self) Dtype{dtype_from_name(name)}; },
          "name"_a, "The dtype of a name, as pickles hold it.")
      .def("__reduce__", [](Dtype d) {
        return nb::make_tuple(nb::type<Dtype>(), nb::make_tuple(std::string(name_of(d.value))));
      });
  for (int i = 0; i < kNumDTypes; ++i) {
    const auto d = static_cast<DType>(i);
    const std::string name(name_of(d));
    m.attr(d == DType::bool_ ? "bool_" : name.c_str()) = nb::cast(Dtype{d});
  }
  m.def("issubdtype", &is_subdtype, "arg1"_a, "arg2"_a,
        "True if arg1, a dtype or a category, lies within arg2.");
  m.def(
      "can_cast",
      [](const std::variant<Dtype, array>& from, Dtype to) {
        const DType d = from.index() ? std::get<array>(from).dtype() : std::get<Dtype>(from).value;
        return promote(d, to.value) == to.value;
      },
      "from_"_a, "to"_a, "True if promotion of both gives `to`.");
  m.def(
      "result_type",
      [](const nb::args& args) {
        check(args.size() > 0, ErrorCode::kInvalidArgument, "result_type", "needs an array or a dtype");
        std::optional<DType> d;
        for (nb::handle h : args) {
          check(nb::isinstance<Dtype>(h) || nb::isinstance<array>(h), ErrorCode::kInvalidArgument,
                "result_type", "takes arrays and dtypes");
          const DType next = nb::isinstance<Dtype>(h) ? nb::cast<Dtype>(h).value : nb::cast<array>(h).dtype();
          d = d ? promote(*d, next) : next;
        }
        return Dtype{*d};
      },
      "The dtype that arrays or dtypes promote to.");
  m.def(
      "isdtype",
      [](Dtype d, const nb::object& kind) {
        const auto one = [&](nb::handle k) {
          if (nb::isinstance<Dtype>(k)) return nb::cast<Dtype>(k).value == d.value;
          check(PyUnicode_Check(k.ptr()), ErrorCode::kInvalidArgument, "isdtype",
                "kind must be a dtype, a string, or a tuple of them");
          const auto name = nb::cast<std::string>(k);
          if (name == "bool") return d.value == DType::bool_;
          if (name == "signed integer") return is_signed_integer(d.value);
          if (name == "unsigned integer") return category_of(d.value) == Category::unsignedinteger;
          if (name == "integral") return is_integral(d.value) && d.value != DType::bool_;
          if (name == "real floating") return is_floating(d.value);
          if (name == "complex floating") return d.value == DType::complex64;
          if (name == "numeric") return d.value != DType::bool_;
          fail(ErrorCode::kInvalidArgument, "isdtype", "knows no kind '{}'", name);
        };
        if (!PyTuple_Check(kind.ptr())) return one(kind);
        for (nb::handle k : kind)
          if (one(k)) return true;
        return false;
      },
      "dtype"_a, "kind"_a, "True if the dtype is of a kind, as the array API names them.");
  // With six digits, as arrays print.
  const auto repr = [](const char* form) {
    return [form](nb::handle self) {
      return nb::str(form).format(self.attr("min"), self.attr("max"),
                                  std::string(name_of(nb::cast<Dtype>(self.attr("dtype")).value)));
    };
  };
  nb::class_<FInfo>(m, "finfo", "Limits of a float dtype.")
      .def(nb::init<Dtype>(), "dtype"_a)
      .def("__repr__", repr("finfo(min={:g}, max={:g}, dtype={})"))
      .def_ro("dtype", &FInfo::dtype)
      .def_ro("bits", &FInfo::bits)
      .def_ro("min", &FInfo::min)
      .def_ro("max", &FInfo::max)
      .def_ro("eps", &FInfo::eps)
      .def_ro("smallest_normal", &FInfo::smallest_normal);
  nb::class_<IInfo>(m, "iinfo", "Limits of an integer dtype.")
      .def(nb::init<Dtype>(), "dtype"_a)
      .def("__repr__", repr("iinfo(min={}, max={}, dtype={})"))
      .def_ro("dtype", &IInfo::dtype)
      .def_ro("min", &IInfo::min)
      .def_ro("max", &IInfo::max);
}

}  // namespace uma::python
