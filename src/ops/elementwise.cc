#include "ops/elementwise.h"

#include <cmath>
#include <numbers>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma {
namespace {

// The dtype that inputs are converted to before the kernel runs.
DType working_dtype(DType d, Domain domain, bool complex, const OpInfo& op) {
  if (domain == Domain::inexact && !is_inexact(d)) return DType::float32;
  check(domain != Domain::integral || is_integral(d), ErrorCode::kDType, op.name,
        "takes integers or bools, not {}", name_of(d));
  check(complex || d != DType::complex64, ErrorCode::kDType, op.name, "does not take complex64");
  if (d != DType::bool_) return d;
  check(&op != &kNegative, ErrorCode::kDType, op.name, "does not take bool: use logical_not");
  return &op == &kLeftShift || &op == &kRightShift ? DType::uint8 : d;  // as in MLX: one bit cannot move
}

// The dtype of the result, of inputs that have been converted to d.
DType result_dtype(const OpInfo& op, DType d) {
  if (op.dtype == DTypeRule::boolean) return DType::bool_;
  if (&op == &kMakeComplex) return DType::complex64;
  const bool real = &op == &kAbs || &op == &kReal || &op == &kImag;
  return real && d == DType::complex64 ? DType::float32 : d;
}

template <class R>
array make_unary(const R& row, const array& x) {
  const DType d = working_dtype(x.dtype(), R::domain, functor::takes_complex<typename R::Functor>, *row.op);
  return array::make(x.shape(), result_dtype(*row.op, d), *row.op, {astype(x, d)}, default_stream());
}

template <class R>
array make_binary(const R& row, const array& x, const array& y) {
  DType d = promote(x.dtype(), y.dtype());
  d = working_dtype(d, R::domain, functor::takes_complex<typename R::Functor>, *row.op);
  const Shape shape = broadcast_shapes(x.shape(), y.shape(), row.op->name);
  return array::make(shape, result_dtype(*row.op, d), *row.op,
                     {broadcast_to(astype(x, d), shape), broadcast_to(astype(y, d), shape)},
                     default_stream());
}

// The row of a functor, found at compile time: each op is written down once, in the table.
template <class F, class... Rows>
constexpr auto row_of(const std::tuple<Rows...>& rows) {
  constexpr size_t kIndex = [] {
    constexpr bool kIs[] = {std::is_same_v<typename Rows::Functor, F>...};
    for (size_t i = 0; i < sizeof...(Rows); ++i)
      if (kIs[i]) return i;
    return sizeof...(Rows);
  }();
  return std::get<kIndex>(rows);
}
template <class F>
array unary(const array& x) {
  return make_unary(row_of<F>(kUnaryOps), x);
}
template <class F>
array binary(const array& x, const array& y) {
  return make_binary(row_of<F>(kBinaryOps), x, y);
}

// -- Gradients: one expression each. y is the result, so that what is known is not computed again. --

using UnaryGrad = array (*)(const array& x, const array& y);
struct UnaryGradRow {
  const OpInfo* op;
  UnaryGrad grad;  // dy/dx
};
const UnaryGradRow kUnaryGrads[] = {
    {&kAbs, [](const array& x, const array&) { return sign(x); }},
    {&kNegative, [](const array& x, const array&) { return -1.0 * ones_like(x); }},
    {&kSign, [](const array& x, const array&) { return zeros_like(x); }},
    {&kSquare, [](const array& x, const array&) { return 2 * x; }},
    {&kFloor, [](const array& x, const array&) { return zeros_like(x); }},
    {&kCeil, [](const array& x, const array&) { return zeros_like(x); }},
    {&kRound, [](const array& x, const array&) { return zeros_like(x); }},
    {&kExp, [](const array&, const array& y) { return y; }},
    {&kExpm1, [](const array&, const array& y) { return y + 1; }},
    {&kLog, [](const array& x, const array&) { return reciprocal(x); }},
    {&kLog2, [](const array& x, const array&) { return reciprocal(x * std::numbers::ln2); }},
    {&kLog10, [](const array& x, const array&) { return reciprocal(x * std::numbers::ln10); }},
    {&kLog1p, [](const array& x, const array&) { return reciprocal(1 + x); }},
    {&kSqrt, [](const array&, const array& y) { return 0.5 / y; }},
    {&kRsqrt, [](const array& x, const array& y) { return -0.5 * y / x; }},
    {&kReciprocal, [](const array&, const array& y) { return negative(square(y)); }},
    {&kSin, [](const array& x, const array&) { return cos(x); }},
    {&kCos, [](const array& x, const array&) { return negative(sin(x)); }},
    {&kTan, [](const array&, const array& y) { return 1 + square(y); }},
    {&kArcsin, [](const array& x, const array&) { return rsqrt(1 - square(x)); }},
    {&kArccos, [](const array& x, const array&) { return negative(rsqrt(1 - square(x))); }},
    {&kArctan, [](const array& x, const array&) { return reciprocal(1 + square(x)); }},
    {&kSinh, [](const array& x, const array&) { return cosh(x); }},
    {&kCosh, [](const array& x, const array&) { return sinh(x); }},
    {&kTanh, [](const array&, const array& y) { return 1 - square(y); }},
    {&kArcsinh, [](const array& x, const array&) { return rsqrt(square(x) + 1); }},
    // In two factors: their branches of the root are those of arccosh, also for complex numbers.
    {&kArccosh, [](const array& x, const array&) { return rsqrt(x - 1) * rsqrt(x + 1); }},
    {&kArctanh, [](const array& x, const array&) { return reciprocal(1 - square(x)); }},
    {&kErf,
     [](const array& x, const array&) { return 2 / std::sqrt(std::numbers::pi) * exp(negative(square(x))); }},
    {&kErfinv, [](const array&, const array& y) { return std::sqrt(std::numbers::pi) / 2 * exp(square(y)); }},
    {&kSigmoid, [](const array&, const array& y) { return y * (1 - y); }},
    // Of real numbers; complex_vjp has the others.
    {&kConjugate, [](const array& x, const array&) { return ones_like(x); }},
    {&kReal, [](const array& x, const array&) { return ones_like(x); }},
};

using BinaryGrad = array (*)(const array& x, const array& y, const array& z);
struct BinaryGradRow {
  const OpInfo* op;
  BinaryGrad dx, dy;
};
array mask(const array& test, const array& like) {
  return astype(test, like.dtype());
}
// y where it is not `bad`, else 1: for a formula whose value there is multiplied by 0, and must not be inf.
array unless(const array& bad, const array& y) {
  return where(bad, ones_like(y), y);
}
// exp(x) / (exp(x) + exp(y)), z being the logarithm of the sum.
array share_of_sum(const array& x, const array& y, const array& z) {
  return x.dtype() == DType::complex64 ? exp(x - z) : sigmoid(x - y);
}
const BinaryGradRow kBinaryGrads[] = {
    {&kAdd, [](const array& x, const array&, const array&) { return ones_like(x); },
     [](const array& x, const array&, const array&) { return ones_like(x); }},
    {&kSubtract, [](const array& x, const array&, const array&) { return ones_like(x); },
     [](const array& x, const array&, const array&) { return -1.0 * ones_like(x); }},
    {&kMultiply, [](const array&, const array& y, const array&) { return y; },
     [](const array& x, const array&, const array&) { return x; }},
    {&kDivide, [](const array&, const array& y, const array&) { return reciprocal(y); },
     [](const array&, const array& y, const array& z) { return negative(z / y); }},
    {&kRemainder, [](const array& x, const array&, const array&) { return ones_like(x); },
     [](const array& x, const array& y, const array&) { return negative(floor(x / y)); }},
    {&kPower,
     [](const array& x, const array& y, const array&) {
       return y * power(x, unless(equal(y, zeros_like(y)), y) - 1);  // x^0 is flat at 0 as well
     },
     [](const array& x, const array&, const array& z) {
       return z * log(unless(equal(x, zeros_like(x)), x));  // 0^y has no slope in y
     }},
    // Where x and y are equal, y gets it all, as in MLX: so relu has slope 0 at 0.
    {&kMaximum, [](const array& x, const array& y, const array&) { return mask(greater(x, y), x); },
     [](const array& x, const array& y, const array&) { return mask(less_equal(x, y), x); }},
    {&kMinimum, [](const array& x, const array& y, const array&) { return mask(less(x, y), x); },
     [](const array& x, const array& y, const array&) { return mask(greater_equal(x, y), x); }},
    {&kLogaddexp, [](const array& x, const array& y, const array& z) { return share_of_sum(x, y, z); },
     [](const array& x, const array& y, const array& z) { return share_of_sum(y, x, z); }},
    {&kArctan2, [](const array& x, const array& y, const array&) { return y / (square(x) + square(y)); },
     [](const array& x, const array& y, const array&) { return negative(x) / (square(x) + square(y)); }},
};

array unary_slope(const Node& node, const array& y) {
  for (const auto& row : kUnaryGrads)
    if (row.op == node.op) return row.grad(node.inputs[0], y);
  return zeros_like(node.inputs[0]);  // tests and bit operations are flat
}

array binary_slope(const Node& node, const array& z, int argnum) {
  for (const auto& row : kBinaryGrads)
    if (row.op == node.op) return (argnum == 0 ? row.dx : row.dy)(node.inputs[0], node.inputs[1], z);
  return zeros_like(node.inputs[0]);
}

}  // namespace

namespace {

// How a change of x moves a function of complex numbers that has no complex derivative: linear in the real
// and imaginary parts of t. These are the only such functions.
std::optional<array> complex_vjp(const Node& node, const array& y, const array& t) {
  const array& x = node.inputs[0];
  if (node.op == &kAbs) return t * sign(x);
  if (node.op == &kConjugate) return conjugate(t);
  if (node.op == &kReal) return make_complex(t, zeros_like(t));
  if (node.op == &kImag) return make_complex(zeros_like(t), t);
  if (node.op == &kSign) {  // what is at right angles to x, over |x|
    const array size = abs(x), along = real(conjugate(y) * t);
    const array none = equal(size, zeros_like(size));
    return where(none, zeros_like(t), (t - y * along) / where(none, ones_like(size), size));
  }
  return {};
}
std::optional<array> complex_jvp(const Node& node, const array& y, const array& t) {
  if (node.op == &kAbs) return real(conjugate(sign(node.inputs[0])) * t);
  if (node.op == &kConjugate) return conjugate(t);
  if (node.op == &kReal) return real(t);
  if (node.op == &kImag) return imag(t);
  if (node.op == &kSign) return complex_vjp(node, y, t);  // its own transpose
  return {};
}

// Of dL/dRe + i dL/dIm, as the transpose of a product with the slope.
array transposed_slope(const array& slope) {
  return slope.dtype() == DType::complex64 ? conjugate(slope) : slope;
}

}  // namespace

std::vector<array> unary_vjp(const Node& node, std::span<const array> outputs,
                             std::span<const array> cotangents, std::span<const int>) {
  if (outputs[0].dtype() == DType::bool_) return {zeros_like(node.inputs[0])};
  if (node.inputs[0].dtype() == DType::complex64)
    if (const auto g = complex_vjp(node, outputs[0], cotangents[0])) return {*g};
  return {cotangents[0] * transposed_slope(unary_slope(node, outputs[0]))};
}

std::vector<array> unary_jvp(const Node& node, std::span<const array> outputs,
                             std::span<const array> tangents, std::span<const int>) {
  if (outputs[0].dtype() == DType::bool_) return {zeros_like(outputs[0])};
  if (node.inputs[0].dtype() == DType::complex64)
    if (const auto t = complex_jvp(node, outputs[0], tangents[0])) return {*t};
  return {tangents[0] * unary_slope(node, outputs[0])};
}

std::vector<array> binary_vjp(const Node& node, std::span<const array> outputs,
                              std::span<const array> cotangents, std::span<const int> argnums) {
  std::vector<array> out;
  for (const int argnum : argnums) {
    if (outputs[0].dtype() == DType::bool_)
      out.push_back(zeros_like(node.inputs[static_cast<size_t>(argnum)]));
    else
      out.push_back(cotangents[0] * transposed_slope(binary_slope(node, outputs[0], argnum)));
  }
  return out;
}

std::vector<array> binary_jvp(const Node& node, std::span<const array> outputs,
                              std::span<const array> tangents, std::span<const int> argnums) {
  array total = zeros_like(outputs[0]);
  if (outputs[0].dtype() == DType::bool_) return {total};
  for (size_t i = 0; i < argnums.size(); ++i) {
    const array term = tangents[i] * binary_slope(node, outputs[0], argnums[i]);
    total = i == 0 ? term : total + term;
  }
  return {total};
}

std::pair<std::vector<array>, std::vector<int>> elementwise_vmap(const Node& node,
                                                                 std::span<const array> inputs,
                                                                 std::span<const int> axes) {
  // Kernels want inputs of one shape.
  std::vector<array> aligned = batch_first(inputs, axes);
  const Shape shape = aligned[0].shape();
  const DType dtype = result_dtype(*node.op, aligned.back().dtype());
  return {{array::make(shape, dtype, *node.op, std::move(aligned), node.stream)}, {0}};
}

array abs(const array& x) {
  return unary<functor::Abs>(x);
}
array negative(const array& x) {
  return unary<functor::Negative>(x);
}
array sign(const array& x) {
  return unary<functor::Sign>(x);
}
array square(const array& x) {
  return unary<functor::Square>(x);
}
array floor(const array& x) {
  return unary<functor::Floor>(x);
}
array ceil(const array& x) {
  return unary<functor::Ceil>(x);
}
array round(const array& x) {
  return unary<functor::Round>(x);
}
array logical_not(const array& x) {
  return unary<functor::LogicalNot>(x);
}
array isnan(const array& x) {
  return unary<functor::IsNan>(x);
}
array isinf(const array& x) {
  return unary<functor::IsInf>(x);
}
array bitwise_invert(const array& x) {
  return unary<functor::BitwiseInvert>(x);
}
array exp(const array& x) {
  return unary<functor::Exp>(x);
}
array expm1(const array& x) {
  return unary<functor::Expm1>(x);
}
array log(const array& x) {
  return unary<functor::Log>(x);
}
array log2(const array& x) {
  return unary<functor::Log2>(x);
}
array log10(const array& x) {
  return unary<functor::Log10>(x);
}
array log1p(const array& x) {
  return unary<functor::Log1p>(x);
}
array sqrt(const array& x) {
  return unary<functor::Sqrt>(x);
}
array rsqrt(const array& x) {
  return unary<functor::Rsqrt>(x);
}
array reciprocal(const array& x) {
  return unary<functor::Reciprocal>(x);
}
array sin(const array& x) {
  return unary<functor::Sin>(x);
}
array cos(const array& x) {
  return unary<functor::Cos>(x);
}
array tan(const array& x) {
  return unary<functor::Tan>(x);
}
array arcsin(const array& x) {
  return unary<functor::Arcsin>(x);
}
array arccos(const array& x) {
  return unary<functor::Arccos>(x);
}
array arctan(const array& x) {
  return unary<functor::Arctan>(x);
}
array sinh(const array& x) {
  return unary<functor::Sinh>(x);
}
array cosh(const array& x) {
  return unary<functor::Cosh>(x);
}
array tanh(const array& x) {
  return unary<functor::Tanh>(x);
}
array arcsinh(const array& x) {
  return unary<functor::Arcsinh>(x);
}
array arccosh(const array& x) {
  return unary<functor::Arccosh>(x);
}
array arctanh(const array& x) {
  return unary<functor::Arctanh>(x);
}
array erf(const array& x) {
  return unary<functor::Erf>(x);
}
array erfinv(const array& x) {
  return unary<functor::Erfinv>(x);
}
array sigmoid(const array& x) {
  return unary<functor::Sigmoid>(x);
}

array conjugate(const array& x) {
  return unary<functor::Conjugate>(x);
}
array real(const array& x) {
  return unary<functor::Real>(x);
}
array imag(const array& x) {
  return unary<functor::Imag>(x);
}

array add(const array& x, const array& y) {
  return binary<functor::Add>(x, y);
}
array subtract(const array& x, const array& y) {
  return binary<functor::Subtract>(x, y);
}
array multiply(const array& x, const array& y) {
  return binary<functor::Multiply>(x, y);
}
array divide(const array& x, const array& y) {
  return binary<functor::Divide>(x, y);
}
array floor_divide(const array& x, const array& y) {
  return binary<functor::FloorDivide>(x, y);
}
array remainder(const array& x, const array& y) {
  return binary<functor::Remainder>(x, y);
}
array power(const array& x, const array& y) {
  return binary<functor::Power>(x, y);
}
array maximum(const array& x, const array& y) {
  return binary<functor::Maximum>(x, y);
}
array minimum(const array& x, const array& y) {
  return binary<functor::Minimum>(x, y);
}
array logaddexp(const array& x, const array& y) {
  return binary<functor::Logaddexp>(x, y);
}
array arctan2(const array& x, const array& y) {
  return binary<functor::Arctan2>(x, y);
}
array equal(const array& x, const array& y) {
  return binary<functor::Equal>(x, y);
}
array not_equal(const array& x, const array& y) {
  return binary<functor::NotEqual>(x, y);
}
array less(const array& x, const array& y) {
  return binary<functor::Less>(x, y);
}
array less_equal(const array& x, const array& y) {
  return binary<functor::LessEqual>(x, y);
}
array greater(const array& x, const array& y) {
  return binary<functor::Greater>(x, y);
}
array greater_equal(const array& x, const array& y) {
  return binary<functor::GreaterEqual>(x, y);
}
array logical_and(const array& x, const array& y) {
  return binary<functor::LogicalAnd>(x, y);
}
array logical_or(const array& x, const array& y) {
  return binary<functor::LogicalOr>(x, y);
}
array bitwise_and(const array& x, const array& y) {
  return binary<functor::BitwiseAnd>(x, y);
}
array bitwise_or(const array& x, const array& y) {
  return binary<functor::BitwiseOr>(x, y);
}
array bitwise_xor(const array& x, const array& y) {
  return binary<functor::BitwiseXor>(x, y);
}
array left_shift(const array& x, const array& y) {
  return binary<functor::LeftShift>(x, y);
}
array right_shift(const array& x, const array& y) {
  return binary<functor::RightShift>(x, y);
}

array make_complex(const array& re, const array& im) {
  check(re.shape() == im.shape(), ErrorCode::kShape, "make_complex", "parts of shapes {} and {}", re.shape(),
        im.shape());
  return array::make(re.shape(), DType::complex64, kMakeComplex,
                     {astype(re, DType::float32), astype(im, DType::float32)}, default_stream());
}

std::vector<array> make_complex_vjp(const Node&, std::span<const array>, std::span<const array> cotangents,
                                    std::span<const int> argnums) {
  std::vector<array> out;
  for (const int argnum : argnums) out.push_back(argnum == 0 ? real(cotangents[0]) : imag(cotangents[0]));
  return out;
}

std::vector<array> make_complex_jvp(const Node& node, std::span<const array>, std::span<const array> tangents,
                                    std::span<const int> argnums) {
  array re = zeros_like(node.inputs[0]), im = re;
  for (size_t i = 0; i < argnums.size(); ++i) (argnums[i] == 0 ? re : im) = tangents[i];
  return {make_complex(re, im)};
}

array weak(double value, const array& like) {
  const bool fraction = value != std::floor(value) || std::isinf(value);
  const DType d = !is_inexact(like.dtype()) && fraction ? DType::float32 : like.dtype();
  return array(value, d == DType::bool_ ? DType::int32 : d);
}

std::vector<array> select_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                              std::span<const int> argnums) {
  std::vector<array> out;
  const array& condition = node.inputs[0];
  for (const int argnum : argnums) {
    const array zero = zeros_like(cotangents[0]);
    if (argnum == 0) out.push_back(zeros_like(condition));
    if (argnum == 1) out.push_back(where(condition, cotangents[0], zero));
    if (argnum == 2) out.push_back(where(condition, zero, cotangents[0]));
  }
  return out;
}

std::vector<array> select_jvp(const Node& node, std::span<const array> outputs,
                              std::span<const array> tangents, std::span<const int> argnums) {
  array tx = zeros_like(outputs[0]), ty = tx;
  for (size_t i = 0; i < argnums.size(); ++i) {
    if (argnums[i] == 1) tx = tangents[i];
    if (argnums[i] == 2) ty = tangents[i];
  }
  return {where(node.inputs[0], tx, ty)};
}

array where(const array& condition, const array& x, const array& y) {
  const DType d = promote(x.dtype(), y.dtype());
  const Shape shape =
      broadcast_shapes(condition.shape(), broadcast_shapes(x.shape(), y.shape(), "where"), "where");
  return array::make(shape, d, kSelect,
                     {broadcast_to(astype(condition, DType::bool_), shape), broadcast_to(astype(x, d), shape),
                      broadcast_to(astype(y, d), shape)},
                     default_stream());
}

array clip(const array& x, const std::optional<array>& lo, const std::optional<array>& hi) {
  check(lo || hi, ErrorCode::kInvalidArgument, "clip", "needs a lower or an upper bound");
  array out = x;
  if (lo) out = maximum(out, *lo);
  if (hi) out = minimum(out, *hi);
  return out;
}

UnaryOp unary_function(const OpInfo& op) {
  UnaryOp found = nullptr;
  std::apply(
      [&](const auto&... row) {
        ((row.op == &op ? void(found = &unary<typename std::decay_t<decltype(row)>::Functor>) : void()), ...);
      },
      kUnaryOps);
  return found;
}

BinaryOp binary_function(const OpInfo& op) {
  BinaryOp found = nullptr;
  std::apply(
      [&](const auto&... row) {
        ((row.op == &op ? void(found = &binary<typename std::decay_t<decltype(row)>::Functor>) : void()),
         ...);
      },
      kBinaryOps);
  return found;
}

}  // namespace uma
