// a[...], a[...] = v and a.at[...]: Python's index expressions in terms of slice, gather and scatter, with
// NumPy's rules for where the axes of index arrays go.
#include <algorithm>
#include <cstdlib>
#include <numeric>

#include <nanobind/ndarray.h>

#include "bind.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/manipulate.h"
#include "ops/scatter.h"
#include "ops/shape.h"

namespace uma::python {
namespace {

/// One part of an index expression.
struct Item {
  enum class Kind { integer, slice, none, indices } kind;
  int64_t start = 0, stop = 0, step = 1;  // integer: start only
  std::optional<array> indices = {};
  bool is_full(int64_t extent) const {
    return kind == Kind::slice && start == 0 && stop == extent && step == 1;
  }
};

int64_t integer(nb::handle h) {
  const nb::object number = nb::steal(PyNumber_Index(h.ptr()));
  if (!number.is_valid()) throw nb::python_error();
  const long long v = PyLong_AsLongLong(number.ptr());
  if (v == -1 && PyErr_Occurred()) throw nb::python_error();
  return v;
}

bool is_mask(nb::handle h) {
  return nb::isinstance<array>(h) && nb::cast<array&>(h).dtype() == DType::bool_;
}

/// Lists and foreign arrays become arrays, so that the rest sees few kinds.
nb::object normalized(nb::handle h) {
  if (PyList_Check(h.ptr()) || (nb::ndarray_check(h) && !nb::isinstance<array>(h)))
    return nb::cast(array_from(h, {}));
  return nb::borrow(h);
}

std::vector<nb::object> parts_of(nb::handle index) {
  std::vector<nb::object> parts;
  if (PyTuple_Check(index.ptr()))
    for (nb::handle h : index) parts.push_back(normalized(h));
  else
    parts.push_back(normalized(index));
  return parts;
}

size_t axes_taken(nb::handle h) {
  if (h.is_none() || h.is(nb::handle(Py_Ellipsis))) return 0;
  return is_mask(h) ? nb::cast<array&>(h).ndim() : 1;
}

Item slice_item(nb::handle h, int64_t extent) {
  Py_ssize_t start, stop, step;
  const auto part = [](nb::handle v) {
    check(v.is_none() || PyIndex_Check(v.ptr()), ErrorCode::kInvalidArgument, "index",
          "takes slices of integers, not of {}", nb::cast<std::string>(v.type().attr("__name__")));
    return nb::isinstance<array>(v) ? to_item(nb::cast<array>(v)) : nb::borrow(v);
  };
  const nb::object plain = nb::steal(
      PySlice_New(part(h.attr("start")).ptr(), part(h.attr("stop")).ptr(), part(h.attr("step")).ptr()));
  if (!plain.is_valid() || PySlice_Unpack(plain.ptr(), &start, &stop, &step) < 0) throw nb::python_error();
  const Py_ssize_t n = PySlice_AdjustIndices(extent, &start, &stop, step);
  if (n == 0) start = stop = 0;  // a start of -1 would count from the end
  return {Item::Kind::slice, start, stop, step};
}

/// The index expression as one item an axis of x (and one a None), masks turned into positions.
std::vector<Item> items_of(const array& x, nb::handle index) {
  const auto parts = parts_of(index);
  size_t taken = 0, dots = 0;
  for (const nb::object& p : parts) taken += axes_taken(p), dots += p.is(nb::handle(Py_Ellipsis));
  check(dots <= 1, ErrorCode::kInvalidArgument, "index", "holds '...' {} times", dots);
  check(taken <= x.ndim(), ErrorCode::kInvalidArgument, "index", "names {} axes of an array of {} dimensions",
        taken, x.ndim());
  std::vector<Item> items;
  size_t axis = 0;
  const auto fill = [&] {
    for (size_t i = taken; i < x.ndim(); ++i) {
      items.push_back({Item::Kind::slice, 0, x.shape()[axis], 1});
      ++axis;
    }
  };
  for (const nb::object& p : parts) {
    if (p.is(nb::handle(Py_Ellipsis))) {
      fill();
    } else if (p.is_none()) {
      items.push_back({Item::Kind::none});
    } else if (PySlice_Check(p.ptr())) {
      items.push_back(slice_item(p, x.shape()[axis++]));
    } else if (is_mask(p)) {
      const array mask = nb::cast<array>(p);
      for (size_t i = 0; i < mask.ndim(); ++i)
        check(mask.shape()[i] == x.shape()[axis + i], ErrorCode::kInvalidArgument, "index",
              "a mask of shape {} does not fit the axes from {} of shape {}", mask.shape(), axis, x.shape());
      check(mask.ndim() > 0, ErrorCode::kInvalidArgument, "index", "takes no 0-d mask");
      axis += mask.ndim();
      for (array& positions : nonzero(mask))
        items.push_back({Item::Kind::indices, 0, 0, 1, std::move(positions)});
    } else if (nb::isinstance<array>(p)) {
      items.push_back({Item::Kind::indices, 0, 0, 1, nb::cast<array>(p)});
      ++axis;
    } else if (PyBool_Check(p.ptr())) {
      fail(ErrorCode::kInvalidArgument, "index", "takes no bool; use a mask array");
    } else if (PyIndex_Check(p.ptr())) {
      const int64_t i = integer(p), extent = x.shape()[axis++];
      const int64_t at = i < 0 ? i + extent : i;
      if (at < 0 || at >= extent)
        throw nb::index_error(fmt::format("[index] {} is out of range for an axis of {}", i, extent).c_str());
      items.push_back({Item::Kind::integer, at});
    } else {
      fail(ErrorCode::kInvalidArgument, "index", "cannot be a {}",
           nb::cast<std::string>(p.type().attr("__name__")));
    }
  }
  if (dots == 0) fill();
  return items;
}

bool has_indices(const std::vector<Item>& items) {
  return std::any_of(items.begin(), items.end(), [](const Item& i) { return i.kind == Item::Kind::indices; });
}

/// Integers, slices and None only: a view.
array view_of(const array& x, const std::vector<Item>& items) {
  Shape start, stop, step;
  std::vector<int> dropped, added;
  bool whole = true;
  int at = 0;  // axis of the result, before integers are dropped
  for (const Item& item : items) {
    if (item.kind == Item::Kind::none) {
      added.push_back(at - static_cast<int>(dropped.size()));
      ++at;
      continue;
    }
    const auto axis = start.size();
    if (item.kind == Item::Kind::integer) {
      dropped.push_back(static_cast<int>(axis));
      ++at;
      start.push_back(item.start), stop.push_back(item.start + 1), step.push_back(1);
      whole = false;
    } else {
      ++at;
      start.push_back(item.start), stop.push_back(item.stop), step.push_back(item.step);
      whole = whole && item.is_full(x.shape()[axis]);
    }
  }
  array out = whole ? x : slice(x, start, stop, step);
  if (!dropped.empty()) out = squeeze(out, dropped);
  return added.empty() ? out : expand_dims(out, added);
}

/// With index arrays: slices first, then one gather, then its axes to their place.
array gathered(const array& x, std::vector<Item> items) {
  // Beside index arrays an integer is one of them.
  for (Item& item : items)
    if (item.kind == Item::Kind::integer)
      item = {Item::Kind::indices, 0, 0, 1, array(item.start, DType::int64)};
  std::vector<Item> slices;
  std::vector<array> indices;
  std::vector<int> axes, added;
  int axis = 0, kept = 0;    // axes of x; axes of the result that come from slices and None
  int first = -1, runs = 0;  // where the first index array stands; how many separate runs there are
  bool in_run = false;
  for (const Item& item : items) {
    const bool indexed = item.kind == Item::Kind::indices;
    if (indexed && !in_run && ++runs == 1) first = kept;
    in_run = indexed;
    if (indexed) {
      indices.push_back(*item.indices);
      axes.push_back(axis);
      slices.push_back({Item::Kind::slice, 0, x.shape()[static_cast<size_t>(axis)], 1});
      ++axis;
    } else if (item.kind == Item::Kind::none) {
      added.push_back(kept++);
    } else {
      slices.push_back(item);
      ++axis, ++kept;
    }
  }
  array out = gather(view_of(x, slices), indices, axes);
  const int places = static_cast<int>(out.ndim()) - (kept - static_cast<int>(added.size()));
  for (int& a : added) a += places;
  if (!added.empty()) out = expand_dims(out, added);
  const int target = runs == 1 ? first : 0;
  if (target == 0 || places == 0) return out;
  std::vector<int> order;
  for (int i = 0; i < target; ++i) order.push_back(places + i);
  for (int i = 0; i < places; ++i) order.push_back(i);
  for (int i = places + target; i < static_cast<int>(out.ndim()); ++i) order.push_back(i);
  return transpose(out, order);
}

array read(const array& x, const std::vector<Item>& items) {
  return has_indices(items) ? gathered(x, items) : view_of(x, items);
}

// MLX drops leading axes of extent one that a value has too many.
array fitted(array value, const Shape& shape) {
  while (value.ndim() > shape.size() && value.shape()[0] == 1) value = squeeze(value, {0});
  return broadcast_to(value, shape);
}

/// Integers and steps of 1 or -1: a block, written where it lies.
std::optional<array> block_update(const array& x, const std::vector<Item>& items, const array& value) {
  Shape start, block;
  Shape shown;  // as the reader sees the block
  std::vector<int> turned;
  for (const Item& item : items) {
    if (item.kind == Item::Kind::indices || std::abs(item.step) != 1) return {};
    if (item.kind == Item::Kind::none) {
      shown.push_back(1);
      continue;
    }
    const bool backwards = item.step < 0 && item.stop != item.start;
    if (backwards) turned.push_back(static_cast<int>(start.size()));
    start.push_back(backwards ? item.stop + 1 : item.start);
    block.push_back(item.kind == Item::Kind::integer ? 1 : (item.stop - item.start) * item.step);
    if (item.kind == Item::Kind::slice) shown.push_back(block.back());
  }
  const array update = reshape(fitted(value, shown), block);
  return slice_update(x, turned.empty() ? update : flip(update, turned), start);
}

/// One index array an axis, which broadcast to the places that are written; none where arrays stand beside
/// slices, whose order is more than that.
std::vector<array> places_of(const std::vector<Item>& items) {
  size_t slices = 0, nones = 0;
  for (const Item& item : items)
    slices += item.kind == Item::Kind::slice, nones += item.kind == Item::Kind::none;
  std::vector<array> out;
  if (slices + nones > 0 && has_indices(items)) return out;
  for (const Item& item : items) {
    if (item.kind == Item::Kind::integer) out.push_back(array(item.start, DType::int64));
    if (item.kind == Item::Kind::indices) out.push_back(*item.indices);
    if (item.kind != Item::Kind::slice) continue;
    const array line = arange(static_cast<double>(item.start), static_cast<double>(item.stop),
                              static_cast<double>(item.step), DType::int64);
    Shape shape(slices--, 1);
    shape[0] = line.size();
    out.push_back(reshape(line, shape));
  }
  return out;
}

array write(const array& x, nb::handle index, const array& updates, ScatterMode mode) {
  auto items = items_of(x, index);
  const array value = astype(updates, x.dtype());
  if (mode == ScatterMode::assign)
    if (auto out = block_update(x, items, value)) return *out;
  // Last axes that are taken whole are rows of one element each.
  size_t whole = 0;
  while (whole < x.ndim() && items.rbegin()[whole].is_full(x.shape().rbegin()[whole])) ++whole;
  items.resize(items.size() - whole, {Item::Kind::none});
  const auto middle = x.shape().end() - static_cast<std::ptrdiff_t>(whole);
  if (const std::vector<array> places = places_of(items); !places.empty()) {
    Shape written, shown;  // None adds an axis to what is shown
    for (const array& at : places) written = broadcast_shapes(written, at.shape(), "index");
    size_t axis = 0;
    for (const Item& item : items)
      if (item.kind == Item::Kind::none || item.kind == Item::Kind::slice)
        shown.push_back(item.kind == Item::Kind::none ? 1 : written[axis++]);
    if (has_indices(items)) shown = written;
    for (auto extent = middle; extent != x.shape().end(); ++extent)
      written.push_back(*extent), shown.push_back(*extent);
    std::vector<int> axes(places.size());
    std::iota(axes.begin(), axes.end(), 0);
    return scatter(x, places, reshape(fitted(value, shown), written), axes, mode);
  }
  // Positions of the elements as the same expression reads them.
  const Shape head(x.shape().begin(), middle);
  const int64_t n = num_elements(head);
  const array at = read(reshape(arange(0, static_cast<double>(n), 1, DType::int64), head), items);
  Shape rows{n}, updated = at.shape();
  for (auto extent = middle; extent != x.shape().end(); ++extent)
    rows.push_back(*extent), updated.push_back(*extent);
  return reshape(scatter(reshape(x, rows), {at}, fitted(value, updated), {0}, mode), x.shape());
}

/// `a.at[index]`: the methods give a new array.
struct At {
  array a;
  nb::object index;
  array apply(const Operand& value, ScatterMode mode) const {
    check(index.is_valid(), ErrorCode::kInvalidArgument, "at", "needs an index: a.at[i].add(v)");
    return write(a, index, to_array(value, a.dtype()), mode);
  }
};

}  // namespace

array get_item(const array& a, nb::handle index) {
  return read(a, items_of(a, index));
}

void set_item(array& a, nb::handle index, const Operand& value) {
  const array updates = to_array(value, a.dtype());
  array updated = write(a, index, updates, ScatterMode::assign);
  a = std::move(updated);  // the old value is the op's alone now, so it may be written in place
}

void bind_indexing(Module& m) {
  nb::class_<At> at(m, "ArrayAt", "a.at[index]: updates that add up where an index repeats.");
  at.def(
      "__getitem__",
      [](const At& self, nb::object index) {
        return At{self.a, std::move(index)};
      },
      "indices"_a.none());
  at.def(
      "add", [](const At& s, const Operand& v) { return s.apply(v, ScatterMode::add); }, "value"_a);
  at.def(
      "subtract",
      [](const At& s, const Operand& v) {
        // Converted before it is negated: an unsigned integer has no negative numbers, but it wraps.
        const DType d = s.a.dtype();
        return s.apply(Operand{negative(astype(to_array(v, d), d))}, ScatterMode::add);
      },
      "value"_a);
  at.def(
      "multiply", [](const At& s, const Operand& v) { return s.apply(v, ScatterMode::multiply); }, "value"_a);
  at.def(
      "divide",
      [](const At& s, const Operand& v) {
        return s.apply(Operand{reciprocal(to_array(v, s.a.dtype()))}, ScatterMode::multiply);
      },
      "value"_a);
  at.def(
      "maximum", [](const At& s, const Operand& v) { return s.apply(v, ScatterMode::maximum); }, "value"_a);
  at.def(
      "minimum", [](const At& s, const Operand& v) { return s.apply(v, ScatterMode::minimum); }, "value"_a);
  array_class().def_prop_ro(
      "at",
      [](const array& a) {
        return At{a, {}};
      },
      "a.at[i].add(v) and its kin.");

  m.def(
      "take",
      [](const array& a, const Operand& indices, std::optional<int> axis, const StreamArg& s) {
        StreamScope scope(s);
        if (!indices.misfit.empty()) throw nb::type_error("take() takes an array of indices");
        const array index = to_array(indices);
        return axis ? take(a, index, *axis) : take(flatten(a), index, 0);
      },
      nb::arg(), "indices"_a, "axis"_a = nb::none(), nb::kw_only(), "stream"_a = nb::none(),
      "Rows of a along an axis; without an axis, elements of the flattened array.");
  m.def(
      "take_along_axis",
      [](const array& a, const array& indices, std::optional<int> axis, const StreamArg& s) {
        StreamScope scope(s);
        return axis ? take_along_axis(a, indices, *axis) : take_along_axis(flatten(a), flatten(indices), 0);
      },
      nb::arg(), "indices"_a, "axis"_a.none() = -1, nb::kw_only(), "stream"_a = nb::none(),
      "One element a place, chosen along an axis.");
}

}  // namespace uma::python
