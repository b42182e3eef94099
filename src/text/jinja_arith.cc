#include <cmath>

#include "text/jinja_interp.h"
#include "text/jinja_ops.h"

namespace uma::jinja {

namespace {

std::string_view symbol(Op op) {
  switch (op) {
    case Op::kAdd:
      return "+";
    case Op::kSub:
      return "-";
    case Op::kMul:
      return "*";
    case Op::kDiv:
      return "/";
    case Op::kFloorDiv:
      return "//";
    case Op::kMod:
      return "%";
    default:
      return "**";
  }
}

[[noreturn]] void fail_overflow(Runtime& rt) {
  rt.raise(ErrorCode::kLimit, "the result of integer arithmetic does not fit into 64 bits");
}

int64_t floor_div(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return q - (a % b != 0 && (a < 0) != (b < 0));
}

Value int_power(Runtime& rt, int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) rt.fail("0.0 cannot be raised to a negative power");
    return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) fail_overflow(rt);
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail_overflow(rt);
  }
  return Value::integer(result);
}

Value int_arithmetic(Runtime& rt, Op op, int64_t a, int64_t b) {
  int64_t r = 0;
  switch (op) {
    case Op::kAdd:
      if (__builtin_add_overflow(a, b, &r)) fail_overflow(rt);
      return Value::integer(r);
    case Op::kSub:
      if (__builtin_sub_overflow(a, b, &r)) fail_overflow(rt);
      return Value::integer(r);
    case Op::kMul:
      if (__builtin_mul_overflow(a, b, &r)) fail_overflow(rt);
      return Value::integer(r);
    case Op::kDiv:
      if (b == 0) rt.fail("division by zero");
      // One rounding, as Python's: exact through the wider type.
      return Value::real(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case Op::kFloorDiv:
      if (b == 0) rt.fail("integer division or modulo by zero");
      if (b == -1) return int_arithmetic(rt, Op::kSub, 0, a);
      return Value::integer(floor_div(a, b));
    case Op::kMod:
      if (b == 0) rt.fail("integer modulo by zero");
      return Value::integer(floor_mod(a, b));
    default:
      return int_power(rt, a, b);
  }
}

double float_mod(double a, double b) {
  double m = std::fmod(a, b);
  if (m != 0) {
    if ((b < 0) != (m < 0)) m += b;
  } else {
    m = std::copysign(0.0, b);
  }
  return m;
}

double float_floor_div(double a, double b) {
  double m = std::fmod(a, b);
  double div = (a - m) / b;
  if (m != 0 && (b < 0) != (m < 0)) div -= 1;
  if (div == 0) return std::copysign(0.0, a / b);
  double whole = std::floor(div);
  if (div - whole > 0.5) whole += 1;
  return whole;
}

Value float_arithmetic(Runtime& rt, Op op, double a, double b) {
  switch (op) {
    case Op::kAdd:
      return Value::real(a + b);
    case Op::kSub:
      return Value::real(a - b);
    case Op::kMul:
      return Value::real(a * b);
    case Op::kDiv:
      if (b == 0) rt.fail("float division by zero");
      return Value::real(a / b);
    case Op::kFloorDiv:
      if (b == 0) rt.fail("float floor division by zero");
      return Value::real(float_floor_div(a, b));
    case Op::kMod:
      if (b == 0) rt.fail("float modulo");
      return Value::real(float_mod(a, b));
    default: {
      if (a == 0 && b < 0) rt.fail("0.0 cannot be raised to a negative power");
      const double r = std::pow(a, b);
      if (a < 0 && std::isfinite(a) && std::isfinite(b) && b != std::floor(b))
        rt.raise(ErrorCode::kUnsupported, "a power with a complex result");
      if (std::isinf(r) && std::isfinite(a) && std::isfinite(b)) rt.fail("numerical result out of range");
      return Value::real(r);
    }
  }
}

Value repeat(Runtime& rt, const Value& what, int64_t times) {
  const auto n = static_cast<size_t>(std::max<int64_t>(times, 0));
  if (what.is_string()) {
    TextBuilder out(rt);
    out.fill(what.text().empty() ? 0 : n, what.text());
    return what.as<StringObj>().markup ? rt.markup(out.take()) : rt.str(out.take());
  }
  const auto& items = what.items();
  std::vector<Value> out;
  if (!items.empty() && n) {
    rt.check_room(n);
    rt.check_room(n * items.size() * sizeof(Value));
    rt.step(n * items.size());
    out.reserve(n * items.size());
    for (size_t i = 0; i < n; ++i) out.insert(out.end(), items.begin(), items.end());
  }
  return what.is(Kind::kList) ? rt.list(std::move(out)) : rt.tuple(std::move(out));
}

Value add_text(Runtime& rt, const Value& a, const Value& b) {
  const bool ma = a.as<StringObj>().markup, mb = b.as<StringObj>().markup;
  rt.check_room(a.text().size() + b.text().size());
  std::string out;
  if (!ma && !mb) {
    out.reserve(a.text().size() + b.text().size());
    out.append(a.text()).append(b.text());
    return rt.str(std::move(out));
  }
  // Markup escapes the plain text that it is joined to, on either side.
  out = (ma ? a.text() : escape_html(rt, a.text())) + (mb ? b.text() : escape_html(rt, b.text()));
  return rt.markup(std::move(out));
}

Value concat_lists(Runtime& rt, const Value& a, const Value& b) {
  rt.check_room((a.items().size() + b.items().size()) * sizeof(Value));
  std::vector<Value> out;
  out.reserve(a.items().size() + b.items().size());
  out.insert(out.end(), a.items().begin(), a.items().end());
  out.insert(out.end(), b.items().begin(), b.items().end());
  return a.is(Kind::kList) ? rt.list(std::move(out)) : rt.tuple(std::move(out));
}

}  // namespace

int64_t floor_mod(int64_t a, int64_t b) {
  if (b == -1) return 0;  // INT64_MIN % -1 traps
  const int64_t m = a % b;
  return m != 0 && (m < 0) != (b < 0) ? m + b : m;
}

Value arithmetic(Interp& in, Op op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_int() && b.is_int()) return int_arithmetic(in, op, a.as_int(), b.as_int());
    return float_arithmetic(in, op, a.as_real(), b.as_real());
  }
  if (op == Op::kAdd && a.is_string() && b.is_string()) return add_text(in, a, b);
  if (op == Op::kMod && a.is_string()) {
    const bool escape = a.as<StringObj>().markup;
    std::string text = percent_format(in, a.text(), b, escape);
    return escape ? in.markup(std::move(text)) : in.str(std::move(text));
  }
  if (a.is_undefined()) fail_undefined(in, a);
  if (b.is_undefined()) fail_undefined(in, b);
  if (op == Op::kAdd && a.kind() == b.kind() && a.is_sequence()) return concat_lists(in, a, b);
  if (op == Op::kMul) {
    if ((a.is_string() || a.is_sequence()) && b.is_int()) return repeat(in, a, b.as_int());
    if ((b.is_string() || b.is_sequence()) && a.is_int()) return repeat(in, b, a.as_int());
  }
  if ((a.is(Kind::kBigInt) || a.is_number()) && (b.is(Kind::kBigInt) || b.is_number())) fail_overflow(in);
  if (op == Op::kAdd && (a.is_string() || a.is_sequence()))
    in.fail("can only concatenate {} (not \"{}\") to {}", type_name(a), type_name(b), type_name(a));
  in.fail("unsupported operand type(s) for {}: '{}' and '{}'", symbol(op), type_name(a), type_name(b));
}

Value negate(Runtime& rt, const Value& v, bool minus) {
  if (v.is_int()) return minus ? int_arithmetic(rt, Op::kSub, 0, v.as_int()) : Value::integer(v.as_int());
  if (v.is(Kind::kFloat)) return Value::real(minus ? -v.as_real() : v.as_real());
  if (v.is_undefined()) fail_undefined(rt, v);
  if (v.is(Kind::kBigInt)) {
    const std::string& digits = v.as<StringObj>().text;
    if (!minus) return v;
    return Value(rt.make<StringObj>(digits[0] == '-' ? digits.substr(1) : "-" + digits, Kind::kBigInt));
  }
  rt.fail("bad operand type for unary {}: '{}'", minus ? '-' : '+', type_name(v));
}

}  // namespace uma::jinja
