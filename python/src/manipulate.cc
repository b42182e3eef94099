// Functions that put arrays together from parts: padding, repetition, grids, diagonals, slices at array
// positions.
#include "ops/manipulate.h"

#include "bind.h"
#include "ops/indexing.h"
#include "ops/shape.h"
#include "ops/view.h"

namespace uma::python {
namespace {

using Ints = std::vector<int>;
using Sizes = std::vector<int64_t>;
using IntOrInts = std::variant<int64_t, Sizes>;
using PadArg = std::variant<int64_t, std::tuple<int64_t>, std::pair<int64_t, int64_t>, PadWidths>;

Sizes list_of(const IntOrInts& v) {
  return v.index() ? std::get<Sizes>(v) : Sizes{std::get<int64_t>(v)};
}

PadWidths widths_of(const PadArg& arg, size_t ndim) {
  const auto all = [&](int64_t before, int64_t after) { return PadWidths(ndim, {before, after}); };
  switch (arg.index()) {
    case 0:
      return all(std::get<0>(arg), std::get<0>(arg));
    case 1:
      return all(std::get<0>(std::get<1>(arg)), std::get<0>(std::get<1>(arg)));
    case 2:
      return all(std::get<2>(arg).first, std::get<2>(arg).second);
    default:
      return std::get<3>(arg);
  }
}

array roll_any(const array& a, const IntOrInts& shift, const AxesArg& axis) {
  const Sizes shifts = list_of(shift);
  int64_t total = 0;
  for (const int64_t s : shifts) total += s;
  if (axis.index() == 0) return roll(a, total);
  if (axis.index() == 1) return roll(a, Sizes{total}, Ints{std::get<int>(axis)});
  const auto& axes = std::get<Ints>(axis);
  return shift.index() ? roll(a, shifts, axes) : roll(a, Sizes(axes.size(), shifts[0]), axes);
}

void bind_repetition(Module& m) {
  const auto kw = nb::kw_only();
  m.def(
      "pad",
      [](const array& a, const PadArg& widths, const std::string& mode, const Operand& value,
         const StreamArg& s) {
        StreamScope scope(s);
        const array v = value.is_array() ? std::get<array>(value.value) : to_array(value);
        return pad(a, widths_of(widths, a.ndim()), v, pad_mode_from_name(mode));
      },
      "a"_a, "pad_width"_a, "mode"_a = "constant", "constant_values"_a = 0, kw, "stream"_a = nb::none(),
      "a with a border: a constant, the nearest element ('edge'), or a mirrored ('reflect', 'symmetric').");
  m.def(
      "repeat",
      [](const array& a, int64_t n, std::optional<int> axis, const StreamArg& s) {
        StreamScope scope(s);
        return axis ? repeat(a, n, *axis) : repeat(a, n);
      },
      "array"_a, "repeats"_a, "axis"_a.none() = nb::none(), kw, "stream"_a = nb::none(),
      "Every element several times in a row.");
  m.def(
      "tile",
      [](const array& a, const IntOrInts& reps, const StreamArg& s) {
        StreamScope scope(s);
        return tile(a, list_of(reps));
      },
      nb::arg(), "reps"_a, kw, "stream"_a = nb::none(), "The whole array several times along axes.");
  m.def(
      "roll",
      [](const array& a, const IntOrInts& shift, const AxesArg& axis, const StreamArg& s) {
        StreamScope scope(s);
        return roll_any(a, shift, axis);
      },
      nb::arg(), "shift"_a, "axis"_a.none() = nb::none(), kw, "stream"_a = nb::none(),
      "Elements moved along axes; what leaves at the end comes in at the front.");
  m.def(
      "flip",
      [](const array& a, const AxesArg& axis, const StreamArg& s) {
        StreamScope scope(s);
        const auto axes = axes_of(axis);
        return axes ? flip(a, *axes) : a;
      },
      nb::arg(), "axis"_a.none() = nb::none(), kw, "stream"_a = nb::none(), "Axes in reversed order.");
}

nb::tuple as_tuple(const std::vector<array>& arrays) {
  return nb::tuple(nb::cast(arrays));
}

void bind_many(Module& m) {
  const auto kw = nb::kw_only();
  m.def(
      "unstack",
      [](const array& a, int axis, const StreamArg& s) {
        StreamScope scope(s);
        return as_tuple(unstack(a, axis));
      },
      nb::arg(), kw, "axis"_a = 0, "stream"_a = nb::none(), "The arrays that stack() joins along an axis.");
  m.def(
      "unflatten",
      [](const array& a, int axis, const Sizes& shape, const StreamArg& s) {
        StreamScope scope(s);
        return unflatten(a, axis, Shape(shape.begin(), shape.end()));
      },
      nb::arg(), "axis"_a, "shape"_a, kw, "stream"_a = nb::none(), "One axis cut into several.");
  m.def(
      "broadcast_arrays",
      [](const nb::args& arrays, const StreamArg& s) {
        StreamScope scope(s);
        return broadcast_arrays(nb::cast<std::vector<array>>(arrays));
      },
      "arrays"_a, kw, "stream"_a = nb::none(), "Arrays broadcast against each other.");
  m.def(
      "meshgrid",
      [](const nb::args& arrays, std::optional<bool> sparse, const std::optional<std::string>& indexing,
         const StreamArg& s) {
        StreamScope scope(s);
        return as_tuple(
            meshgrid(nb::cast<std::vector<array>>(arrays), sparse.value_or(false), indexing.value_or("xy")));
      },
      "arrays"_a, kw, "sparse"_a.none() = false, "indexing"_a.none() = "xy", "stream"_a = nb::none(),
      "Coordinates of a grid, one array an axis.");
  const auto at_least = [&](const char* name, array (*f)(const array&), const char* doc) {
    m.def(
        name,
        [f](const nb::args& arrays, const StreamArg& s) -> nb::object {
          StreamScope scope(s);
          nb::list out;
          for (nb::handle h : arrays) {
            Operand value;
            if (!nb::try_cast(h, value)) throw nb::type_error("takes arrays and numbers");
            out.append(f(to_array(value)));
          }
          return out.size() == 1 ? nb::object(out[0]) : nb::object(out);
        },
        "arys"_a, kw, "stream"_a = nb::none(), doc);
  };
  at_least("atleast_1d", atleast_1d, "Arrays of one dimension or more.");
  at_least("atleast_2d", atleast_2d, "Arrays of two dimensions or more.");
  at_least("atleast_3d", atleast_3d, "Arrays of three dimensions or more.");
}

void bind_diagonals(Module& m) {
  const auto kw = nb::kw_only();
  def_both(m, "diag", on_stream(&diag), "k"_a = 0, kw, "stream"_a = nb::none(),
           "The k-th diagonal of a matrix, or a matrix with this diagonal.");
  def_both(m, "diagonal", on_stream(&diagonal), "offset"_a = 0, "axis1"_a = 0, "axis2"_a = 1,
           "stream"_a = nb::none(), "Diagonals of two axes, as a new last axis.");
  m.def(
      "trace",
      [](const array& a, int offset, int axis1, int axis2, std::optional<Dtype> d, const StreamArg& s) {
        StreamScope scope(s);
        return trace(a, offset, axis1, axis2, d ? std::optional(d->value) : std::nullopt);
      },
      nb::arg(), "offset"_a = 0, "axis1"_a = 0, "axis2"_a = 1, "dtype"_a.none() = nb::none(), kw,
      "stream"_a = nb::none(), "Sums of diagonals.");
}

void bind_places(Module& m) {
  const auto kw = nb::kw_only();
  m.def(
      "slice",
      [](const array& a, const array& start, const Ints& axes, const Sizes& size, const StreamArg& s) {
        StreamScope scope(s);
        return slice(a, start, axes, Shape(size.begin(), size.end()));
      },
      "a"_a, "start_indices"_a, "axes"_a, "slice_size"_a, kw, "stream"_a = nb::none(),
      "A block at a place that an array holds; it is moved inside a where it would reach out.");
  m.def(
      "slice_update",
      [](const array& a, const array& update, const array& start, const Ints& axes, const StreamArg& s) {
        StreamScope scope(s);
        return slice_update(a, update, start, axes);
      },
      "a"_a, "update"_a, "start_indices"_a, "axes"_a, kw, "stream"_a = nb::none(),
      "a with a block written at a place that an array holds.");
  m.def(
      "put_along_axis",
      [](const array& a, const array& indices, const Operand& values, std::optional<int> axis,
         const StreamArg& s) {
        StreamScope scope(s);
        const array v = to_array(values, a.dtype());
        if (axis) return put_along_axis(a, indices, v, *axis);
        return reshape(put_along_axis(flatten(a), flatten(indices), v.ndim() > 1 ? flatten(v) : v, 0),
                       a.shape());
      },
      nb::arg(), "indices"_a, "values"_a, "axis"_a.none() = nb::none(), kw, "stream"_a = nb::none(),
      "a with one element a place written, chosen along an axis.");
}

void bind_views(Module& m) {
  const auto kw = nb::kw_only();
  m.def(
      "as_strided",
      [](const array& a, const std::optional<Sizes>& shape, const std::optional<Sizes>& strides,
         int64_t offset, const StreamArg& s) {
        StreamScope scope(s);
        return as_strided(a, shape ? Shape(shape->begin(), shape->end()) : a.shape(),
                          strides ? Strides(strides->begin(), strides->end()) : Strides{}, offset);
      },
      nb::arg(), "shape"_a.none() = nb::none(), "strides"_a.none() = nb::none(), "offset"_a = 0, kw,
      "stream"_a = nb::none(), "Elements of a, in row-major order, at multiples of strides.");
  m.def(
      "view",
      [](const Operand& a, Dtype d, const StreamArg& s) {
        StreamScope scope(s);
        return view(to_array(a), d.value);
      },
      "a"_a, "dtype"_a, "stream"_a = nb::none(), "The bytes of a as another dtype.");
  array_class().def(
      "view",
      [](const array& a, Dtype d, const StreamArg& s) {
        StreamScope scope(s);
        return view(a, d.value);
      },
      "dtype"_a, kw, "stream"_a = nb::none(), "The bytes as another dtype.");
  m.def(
      "depends",
      [](const std::variant<array, std::vector<array>>& x,
         const std::variant<array, std::vector<array>>& after) -> nb::object {
        const auto list = [](const auto& v) {
          return v.index() ? std::get<1>(v) : std::vector<array>{std::get<0>(v)};
        };
        const auto out = depends(list(x), list(after));
        return x.index() ? nb::cast(out) : nb::cast(out[0]);
      },
      "inputs"_a, "dependencies"_a, "The inputs, computed after the dependencies.");
  m.def("to_fp8", on_stream(&to_fp8), "x"_a, kw, "stream"_a = nb::none(), "8-bit floats (e4m3) as uint8.");
  m.def(
      "from_fp8",
      [](const array& x, Dtype d, const StreamArg& s) {
        StreamScope scope(s);
        return from_fp8(x, d.value);
      },
      "x"_a, "dtype"_a = Dtype{DType::bfloat16}, kw, "stream"_a = nb::none(),
      "Floats of 8-bit floats (e4m3).");
}

}  // namespace

void bind_manipulate(Module& m) {
  bind_repetition(m);
  bind_many(m);
  bind_diagonals(m);
  bind_places(m);
  bind_views(m);
}

}  // namespace uma::python
