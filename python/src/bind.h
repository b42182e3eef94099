#pragma once
// What the binding files share: how Python values become arguments. One file a family of names; each has one
// bind_*() that module.cc calls.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <complex>
#include <optional>
#include <variant>
#include <vector>

#include "core/array.h"
#include "docs.h"
#include "ops/reduce.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace uma::python {

/// mx.Dtype: a dtype as a Python object.
struct Dtype {
  DType value;
};

/// mx.random.state: a sequence of the one key of this thread.
struct RandomState {};

/// `scalar | array` of MLX's signatures. Python numbers are weak: they take the dtype of what stands beside
/// them.
struct Operand {
  std::variant<bool, int64_t, double, std::complex<float>, array> value = false;
  bool foreign = false;     // an array of another library: weak as well, but not to lose a fraction
  std::string misfit = {};  // the type of a list, a string, ...: an error once it is used, as in MLX
  bool is_array() const { return value.index() == 4; }
};

/// The operand alone: int32 (int64 where it does not fit), float32, bool, complex64.
array to_array(const Operand& x);
/// Beside an array of that dtype. Throws ValueError for an integer that the dtype cannot hold.
array to_array(const Operand& x, DType beside);
std::pair<array, array> to_arrays(const Operand& x, const Operand& y);

/// `stream: None | Stream | Device`: ops made while the scope lives run there.
using StreamArg = std::variant<std::monostate, Stream, Device>;
class StreamScope {
 public:
  explicit StreamScope(const StreamArg& stream);
  ~StreamScope();
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;

 private:
  std::optional<Device> before_;
};

/// `axis: None | int | Sequence[int]`.
using AxesArg = std::variant<std::monostate, int, std::vector<int>>;
/// None means all axes, which ops spell as an empty list; an empty sequence means none.
std::optional<Axes> axes_of(const AxesArg& axes);

/// `shape: int | Sequence[int]`.
using ShapeArg = std::variant<int64_t, std::vector<int64_t>>;
Shape shape_of(const ShapeArg& shape);
nb::tuple tuple_of(const Shape& shape);

/// Anything that mx.array() takes: numbers, nested lists and tuples, arrays, NumPy and DLPack objects.
/// Throws ValueError.
array array_from(nb::handle value, std::optional<DType> dtype);
/// A buffer or DLPack object without a copy where its dtype is ours and it is row-major.
array array_viewing(nb::handle value, std::optional<bool> copy);
/// Nested lists, or one number for a 0-d array.
nb::object to_list(const array& a);
/// One number. Throws ValueError for several.
nb::object to_item(const array& a);

array get_item(const array& a, nb::handle index);
void set_item(array& a, nb::handle index, const Operand& value);

/// Computes with the GIL released.
void evaluate(const array& a);
void evaluate(const std::vector<array>& arrays);

/// mx.array, for files that add methods to it.
inline nb::class_<array> array_class() {
  return nb::borrow<nb::class_<array>>(nb::type<array>());
}

/// A function that is a method as well: mx.sum(a) and a.sum().
template <class F, class... Extra>
void def_both(Module& m, const char* name, F f, const Extra&... extra) {
  m.def(name, f, nb::arg("a"), extra...);
  array_class().def(name, f, extra...);
}

/// f with the argument `stream` behind its own.
template <class R, class... Args>
auto on_stream(R (*f)(Args...)) {
  return [f](Args... args, const StreamArg& s) {
    StreamScope scope(s);
    return f(args...);
  };
}

void bind_dtypes(Module& m);
void bind_devices(Module& m);
void bind_distributed(Module& m);
void bind_array(Module& m);
void bind_compile(Module& m);
void bind_compat(Module& m);
void bind_conv(Module& m);
void bind_creation(Module& m);
void bind_elementwise(Module& m);
void bind_shape(Module& m);
void bind_quantized(Module& m);
void bind_reduce(Module& m);
void bind_random(Module& m);
void bind_indexing(Module& m);
void bind_inspect(Module& m);
void bind_manipulate(Module& m);
void bind_linalg(Module& m);
void bind_factors(Module& linalg);
void bind_matmul(Module& m);
void bind_memory(Module& m);
void bind_products(Module& m);
void bind_profile(Module& m);
void bind_search(Module& m);
void bind_export(Module& m);
void bind_fast(Module& m);
void bind_files(Module& m);
void bind_fft(Module& m);
void bind_transforms(Module& m);

}  // namespace uma::python

namespace nanobind::detail {

template <>
struct type_caster<uma::python::Operand> {
  NB_TYPE_CASTER(uma::python::Operand, const_name("scalar | array"))
  bool from_python(handle src, uint8_t flags, cleanup_list* cleanup) noexcept;
};

}  // namespace nanobind::detail
