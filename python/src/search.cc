// Comparison of arrays, order statistics, search, running extremes, windows.
#include "ops/search.h"

#include "bind.h"

namespace uma::python {
namespace {

using Close = array (*)(const array&, const array&, double, double, bool);

void bind_comparison(Module& m) {
  const auto kw = nb::kw_only();
  const auto def_close = [&](const char* name, Close f, const char* doc) {
    m.def(name, on_stream(f), nb::arg(), nb::arg(), "rtol"_a = 1e-5, "atol"_a = 1e-8, kw,
          "equal_nan"_a = false, "stream"_a = nb::none(), doc);
  };
  def_close("isclose", &isclose, "|a - b| <= atol + rtol |b|.");
  def_close("allclose", &allclose, "True where all elements are close.");
  m.def(
      "array_equal",
      [](const Operand& a, const Operand& b, bool equal_nan, const StreamArg& s) {
        StreamScope scope(s);
        const auto [x, y] = to_arrays(a, b);
        return array_equal(x, y, equal_nan);
      },
      "a"_a, "b"_a, "equal_nan"_a = false, "stream"_a = nb::none(),
      "True where shapes and values are equal.");
}

void bind_orders(Module& m) {
  const auto kw = nb::kw_only();
  m.def(
      "median",
      [](const array& a, const AxesArg& axis, bool keepdims, const StreamArg& s) {
        StreamScope scope(s);
        const auto axes = axes_of(axis);
        check(axes.has_value(), ErrorCode::kInvalidArgument, "median", "needs an axis, or None for all");
        return median(a, *axes, keepdims);
      },
      nb::arg(), "axis"_a.none() = nb::none(), "keepdims"_a = false, kw, "stream"_a = nb::none(),
      "The middle value over axes.");
  m.def(
      "minmax",
      [](const array& a, const AxesArg& axis, bool keepdims, const StreamArg& s) {
        StreamScope scope(s);
        const auto axes = axes_of(axis);
        return axes ? minmax(a, *axes, keepdims) : std::pair{a, a};
      },
      nb::arg(), "axis"_a.none() = nb::none(), "keepdims"_a = false, kw, "stream"_a = nb::none(),
      "The smallest and the largest value over axes.");
  m.def("diff", on_stream(&diff), nb::arg(), "n"_a = 1, "axis"_a = -1, kw, "stream"_a = nb::none(),
        "Differences of neighbours.");
  m.def(
      "searchsorted",
      [](const array& sorted, const array& values, const std::string& side, const StreamArg& s) {
        StreamScope scope(s);
        return searchsorted(sorted, values, side);
      },
      nb::arg(), nb::arg(), "side"_a = "left", kw, "stream"_a = nb::none(),
      "Where values would keep a sorted vector in order.");
  m.def(
      "unique",
      [](const array& a, int64_t size, bool index, bool inverse, bool counts,
         const std::optional<Operand>& fill, const StreamArg& s) -> nb::object {
        StreamScope scope(s);
        const Unique u = unique(a, size, fill ? std::optional(to_array(*fill)) : std::nullopt);
        if (!index && !inverse && !counts) return nb::cast(u.values);
        nb::list out;
        out.append(u.values);
        if (index) out.append(u.index);
        if (inverse) out.append(u.inverse);
        if (counts) out.append(u.counts);
        return nb::tuple(out);
      },
      nb::arg(), "size"_a, "return_index"_a = false, "return_inverse"_a = false, "return_counts"_a = false,
      "fill_value"_a.none() = nb::none(), kw, "stream"_a = nb::none(),
      "The smallest distinct values; size says how many places the result has.");
}

}  // namespace

void bind_search(Module& m) {
  bind_comparison(m);
  bind_orders(m);
  const auto def_window = [&](const char* name, array (*f)(int64_t), const char* doc) {
    m.def(name, on_stream(f), "M"_a, nb::kw_only(), "stream"_a = nb::none(), doc);
  };
  def_window("hamming", &hamming, "0.54 - 0.46 cos(2 pi n / (M - 1)).");
  def_window("hanning", &hanning, "0.5 - 0.5 cos(2 pi n / (M - 1)).");
  def_window("blackman", &blackman, "0.42 - 0.5 cos(2 pi n / (M - 1)) + 0.08 cos(4 pi n / (M - 1)).");
  def_window("bartlett", &bartlett, "A triangle with ends of 0.");
}

}  // namespace uma::python
