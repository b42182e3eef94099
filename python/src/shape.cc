// Functions that change shapes and join or cut arrays.
#include "ops/shape.h"

#include "bind.h"
#include "ops/cast.h"
#include "ops/indexing.h"

namespace uma::python {
namespace {

using Ints = std::vector<int>;
using Sizes = std::vector<int64_t>;

Ints ints_of(const std::variant<int, Ints>& v) {
  return v.index() ? std::get<Ints>(v) : Ints{std::get<int>(v)};
}

// a.reshape(2, 3) and a.reshape((2, 3)) are one call.
template <class T>
std::vector<T> unpacked(const nb::args& args) {
  if (args.size() == 1 && (PyTuple_Check(args[0].ptr()) || PyList_Check(args[0].ptr())))
    return nb::cast<std::vector<T>>(args[0]);
  return nb::cast<std::vector<T>>(args);
}

void bind_methods() {
  nb::class_<array> c = array_class();
  c.def(
      "reshape",
      [](const array& a, const nb::args& shape, const StreamArg& s) {
        StreamScope scope(s);
        const auto extents = unpacked<int64_t>(shape);
        return reshape(a, Shape(extents.begin(), extents.end()));
      },
      "shape"_a, nb::kw_only(), "stream"_a = nb::none());
  c.def(
      "transpose",
      [](const array& a, const nb::args& axes, const StreamArg& s) {
        StreamScope scope(s);
        if (axes.size() == 0 || (axes.size() == 1 && axes[0].is_none())) return transpose(a);
        return transpose(a, unpacked<int>(axes));
      },
      "axes"_a, nb::kw_only(), "stream"_a = nb::none());
}

std::vector<array> split_any(const array& a, const std::variant<int64_t, Sizes>& where, int axis) {
  return where.index() ? split_at(a, std::get<Sizes>(where), axis) : split(a, std::get<int64_t>(where), axis);
}

void bind_joining(Module& m) {
  m.def(
      "concatenate",
      [](const std::vector<array>& arrays, std::optional<int> axis, const StreamArg& s) {
        StreamScope scope(s);
        if (axis) return concatenate(arrays, *axis);
        std::vector<array> flat;
        for (const array& a : arrays) flat.push_back(flatten(a));
        return concatenate(flat, 0);
      },
      "arrays"_a, "axis"_a.none() = 0, nb::kw_only(), "stream"_a = nb::none(),
      "Arrays joined along an axis.");
  m.attr("concat") = m.attr("concatenate");
  m.def(
      "stack",
      [](const std::vector<array>& arrays, std::optional<int> axis, const StreamArg& s) {
        StreamScope scope(s);
        return stack(arrays, axis.value_or(0));
      },
      "arrays"_a, "axis"_a.none() = 0, nb::kw_only(), "stream"_a = nb::none(),
      "Arrays joined along a new axis.");
  def_both(
      m, "split",
      [](const array& a, const std::variant<int64_t, Sizes>& where, int axis, const StreamArg& s) {
        StreamScope scope(s);
        return split_any(a, where, axis);
      },
      "indices_or_sections"_a, "axis"_a = 0, nb::kw_only(), "stream"_a = nb::none(),
      "Equal parts, or parts before these positions.");
}

}  // namespace

void bind_shape(Module& m) {
  const auto kw = nb::kw_only();
  m.def(
      "astype",
      [](const array& a, Dtype d, const StreamArg& s) {
        StreamScope scope(s);
        return astype(a, d.value);
      },
      nb::arg("a"), "dtype"_a, "stream"_a = nb::none());
  m.def(
      "reshape",
      [](const array& a, const ShapeArg& shape, const StreamArg& s) {
        StreamScope scope(s);
        return reshape(a, shape_of(shape));
      },
      nb::arg("a"), "shape"_a, kw, "stream"_a = nb::none(),
      "The same elements, row-major, in another shape; one extent may be -1.");
  m.def(
      "transpose",
      [](const array& a, std::optional<Ints> axes, const StreamArg& s) {
        StreamScope scope(s);
        return axes ? transpose(a, *axes) : transpose(a);
      },
      nb::arg("a"), "axes"_a.none() = nb::none(), kw, "stream"_a = nb::none(),
      "Axes in another order; None: reversed.");
  m.attr("permute_dims") = m.attr("transpose");
  m.def(
      "matrix_transpose",
      [](const array& a, const StreamArg& s) {
        StreamScope scope(s);
        check(a.ndim() >= 2, ErrorCode::kShape, "matrix_transpose",
              "needs at least 2 dimensions, not shape {}", a.shape());
        return swapaxes(a, -1, -2);
      },
      nb::arg("a"), kw, "stream"_a = nb::none());
  def_both(
      m, "swapaxes",
      [](const array& a, int x, int y, const StreamArg& s) {
        StreamScope scope(s);
        return swapaxes(a, x, y);
      },
      "axis1"_a, "axis2"_a, kw, "stream"_a = nb::none());
  def_both(
      m, "moveaxis",
      [](const array& a, int from, int to, const StreamArg& s) {
        StreamScope scope(s);
        return moveaxis(a, from, to);
      },
      "source"_a, "destination"_a, kw, "stream"_a = nb::none());
  m.def(
      "expand_dims",
      [](const array& a, const std::variant<int, Ints>& axis, const StreamArg& s) {
        StreamScope scope(s);
        return expand_dims(a, ints_of(axis));
      },
      nb::arg("a"), "axis"_a, kw, "stream"_a = nb::none(),
      "New axes of extent 1, at these places of the result.");
  def_both(
      m, "squeeze",
      [](const array& a, const AxesArg& axis, const StreamArg& s) {
        StreamScope scope(s);
        const auto axes = axes_of(axis);
        return axes ? squeeze(a, *axes) : a;
      },
      "axis"_a.none() = nb::none(), kw, "stream"_a = nb::none(), "Without axes of extent 1.");
  def_both(
      m, "flatten",
      [](const array& a, int start, int end, const StreamArg& s) {
        StreamScope scope(s);
        return flatten(a, start, end);
      },
      "start_axis"_a = 0, "end_axis"_a = -1, kw, "stream"_a = nb::none(), "Axes start to end as one.");
  m.def(
      "broadcast_to",
      [](const Operand& a, const ShapeArg& shape, const StreamArg& s) {
        StreamScope scope(s);
        return broadcast_to(to_array(a), shape_of(shape));
      },
      nb::arg("a"), "shape"_a, kw, "stream"_a = nb::none());
  m.def("broadcast_shapes", [](const nb::args& shapes) {
    Shape out;
    for (nb::handle h : shapes) {
      Sizes v;
      check(nb::try_cast(h, v), ErrorCode::kInvalidArgument, "broadcast_shapes", "takes shapes");
      out = broadcast_shapes(out, Shape(v.begin(), v.end()), "broadcast_shapes");
    }
    return tuple_of(out);
  });
  m.def(
      "contiguous",
      [](const array& a, bool, const StreamArg& s) {
        StreamScope scope(s);
        return contiguous(a);
      },
      nb::arg("a"), "allow_col_major"_a = false, kw, "stream"_a = nb::none(),
      "The same values in row-major memory.");
  m.def(
      "stop_gradient",
      [](const array& a, const StreamArg& s) {
        StreamScope scope(s);
        return stop_gradient(a);
      },
      nb::arg("a"), kw, "stream"_a = nb::none(), "a, as a constant to gradients.");
  bind_joining(m);
  bind_methods();
}

}  // namespace uma::python
