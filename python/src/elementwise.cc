// Elementwise functions: the tables of ops/elementwise.h, row by row, and what is composed of them.
#include "ops/elementwise.h"

#include "bind.h"
#include "ops/cast.h"
#include "ops/composed.h"
#include "ops/creation.h"
#include "ops/shape.h"

namespace uma::python {
namespace {

using Unary = array (*)(const array&);
using Binary = array (*)(const array&, const array&);

void def_unary(Module& m, const char* name, Unary f, const std::string& doc) {
  m.def(
      name,
      [f](const Operand& a, const StreamArg& s) {
        StreamScope scope(s);
        return f(to_array(a));
      },
      nb::arg("a"), nb::kw_only(), "stream"_a = nb::none(), doc.c_str());
}

void def_binary(Module& m, const char* name, Binary f, const std::string& doc) {
  m.def(
      name,
      [f](const Operand& a, const Operand& b, const StreamArg& s) {
        StreamScope scope(s);
        const auto [x, y] = to_arrays(a, b);
        return f(x, y);
      },
      "a"_a, "b"_a, "stream"_a = nb::none(), doc.c_str());
}

// Second names that MLX and the array API give to functions.
constexpr std::pair<const char*, const char*> kAliases[] = {{"acos", "arccos"},
                                                            {"acosh", "arccosh"},
                                                            {"asin", "arcsin"},
                                                            {"asinh", "arcsinh"},
                                                            {"atan", "arctan"},
                                                            {"atanh", "arctanh"},
                                                            {"atan2", "arctan2"},
                                                            {"pow", "power"},
                                                            {"bitwise_left_shift", "left_shift"},
                                                            {"bitwise_right_shift", "right_shift"},
                                                            {"conj", "conjugate"}};

// Methods of array; all are functions as well.
constexpr const char* kMethods[] = {"abs",  "cos",        "exp",   "log", "log10", "log1p",
                                    "log2", "reciprocal", "rsqrt", "sin", "sqrt",  "square"};

array rounded(const array& x, int decimals) {
  if (decimals == 0) return round(x);
  const double scale = std::pow(10.0, decimals);
  const array wide = is_inexact(x.dtype()) ? x : astype(x, decimals < 0 ? DType::float64 : DType::float32);
  return astype(round(wide * scale) / scale, x.dtype());
}

void bind_composed(Module& m) {
  def_unary(m, "isfinite", isfinite, "True where x is neither infinite nor NaN.");
  def_unary(m, "isposinf", isposinf, "True where x is positive infinity.");
  def_unary(m, "isneginf", isneginf, "True where x is negative infinity.");
  def_unary(m, "trunc", trunc, "x without its fraction.");
  def_unary(
      m, "positive", [](const array& x) { return x; }, "x.");
  def_unary(m, "degrees", degrees, "Radians to degrees.");
  def_unary(m, "radians", radians, "Degrees to radians.");
  def_binary(m, "logical_xor", logical_xor, "True where exactly one is not zero.");
  m.def(
      "divmod",
      [](const Operand& a, const Operand& b, const StreamArg& s) {
        StreamScope scope(s);
        const auto [x, y] = to_arrays(a, b);
        const auto [quotient, rest] = divmod(x, y);
        return std::vector<array>{quotient, rest};
      },
      "a"_a, "b"_a, "stream"_a = nb::none(), "Quotient, rounded down, and remainder.");
  def_both(
      m, "round",
      [](const Operand& a, int decimals, const StreamArg& s) {
        StreamScope scope(s);
        return rounded(to_array(a), decimals);
      },
      "decimals"_a = 0, "stream"_a = nb::none(), "Nearest number of so many decimals, ties to even.");
  m.def(
      "where",
      [](const Operand& condition, const Operand& x, const Operand& y, const StreamArg& s) {
        StreamScope scope(s);
        const auto [a, b] = to_arrays(x, y);
        return where(to_array(condition), a, b);
      },
      "condition"_a, "x"_a, "y"_a, nb::kw_only(), "stream"_a = nb::none(),
      "x where condition is true, else y.");
  m.def(
      "clip",
      [](const array& a, const std::optional<Operand>& lo, const std::optional<Operand>& hi,
         const StreamArg& s) {
        StreamScope scope(s);
        const auto bound = [&](const std::optional<Operand>& v) -> std::optional<array> {
          if (!v) return {};
          return to_array(*v, a.dtype());
        };
        check(lo || hi, ErrorCode::kInvalidArgument, "clip", "needs a_min or a_max");
        return clip(a, bound(lo), bound(hi));
      },
      nb::arg(), "a_min"_a.none(), "a_max"_a.none(), nb::kw_only(), "stream"_a = nb::none(),
      "a held between a_min and a_max; either may be None.");
  m.def(
      "nan_to_num",
      [](const Operand& a, double nan, std::optional<double> posinf, std::optional<double> neginf,
         const StreamArg& s) {
        StreamScope scope(s);
        const array x = to_array(a);
        if (!is_inexact(x.dtype())) return x;
        // The largest finite number of the dtype.
        const double most = x.dtype() == DType::float16    ? 65504
                            : x.dtype() == DType::bfloat16 ? 0x1.fep127
                            : x.dtype() == DType::float64  ? std::numeric_limits<double>::max()
                                                           : std::numeric_limits<float>::max();
        const auto constant = [&](double v) { return full({}, v, x.dtype()); };
        array out = where(isnan(x), constant(nan), x);
        out = where(isposinf(x), constant(posinf.value_or(most)), out);
        return where(isneginf(x), constant(neginf.value_or(-most)), out);
      },
      nb::arg(), "nan"_a = 0, "posinf"_a = nb::none(), "neginf"_a = nb::none(), nb::kw_only(),
      "stream"_a = nb::none(), "NaN and infinities replaced by finite numbers.");
}

}  // namespace

void bind_elementwise(Module& m) {
  const auto name = [](const OpInfo& op) { return std::string(op.name); };
  std::apply(
      [&](const auto&... row) {
        (def_unary(m, name(*row.op).c_str(), unary_function(*row.op), std::string(row.op->doc)), ...);
      },
      kUnaryOps);
  std::apply(
      [&](const auto&... row) {
        (def_binary(m, name(*row.op).c_str(), binary_function(*row.op), std::string(row.op->doc)), ...);
      },
      kBinaryOps);
  for (const auto& [alias, original] : kAliases) m.attr(alias) = m.attr(original);
  nb::class_<array> c = array_class();
  for (const char* method : kMethods) {
    const auto find = [&] {
      Unary f = nullptr;
      std::apply(
          [&](const auto&... row) {
            ((row.op->name == method ? void(f = unary_function(*row.op)) : void()), ...);
          },
          kUnaryOps);
      return f;
    };
    c.def(
        method,
        [f = find()](const array& a, const StreamArg& s) {
          StreamScope scope(s);
          return f(a);
        },
        nb::kw_only(), "stream"_a = nb::none());
  }
  c.def(
      "conj",
      [](const array& a, const StreamArg& s) {
        StreamScope scope(s);
        return conjugate(a);
      },
      nb::kw_only(), "stream"_a = nb::none());
  c.def_prop_ro("real", [](const array& a) { return real(a); });
  c.def_prop_ro("imag", [](const array& a) { return imag(a); });
  bind_composed(m);
}

}  // namespace uma::python
