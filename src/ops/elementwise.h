#pragma once
// Elementwise ops: one row each. A row brings the kernel (functors.h), the gradient (elementwise.cc), the
// test and the docs with it; a new op is a row, a functor and an expression for its derivative.
#include <optional>
#include <tuple>

#include "core/array.h"
#include "core/op.h"
#include "ops/functors.h"

namespace uma {

// Slots shared by every row; elementwise.cc.
std::vector<array> unary_vjp(const Node&, std::span<const array>, std::span<const array>,
                             std::span<const int>);
std::vector<array> unary_jvp(const Node&, std::span<const array>, std::span<const array>,
                             std::span<const int>);
std::vector<array> binary_vjp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
std::vector<array> binary_jvp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> elementwise_vmap(const Node&, std::span<const array>,
                                                                 std::span<const int>);

/// Which dtypes a functor takes; inputs are converted before.
enum class Domain : uint8_t { any, inexact, integral };

template <class F, Domain kDomain, DTypeRule kRule>
struct ElementwiseRow {
  using Functor = F;
  static constexpr Domain domain = kDomain;
  static constexpr DTypeRule rule = kRule;
  const OpInfo* op;
};

namespace detail {
constexpr OpInfo unary(std::string_view name, std::string_view doc, DTypeRule rule = DTypeRule::same,
                       double ulp = 0, TestDomain domain = {-3, 3}) {
  return {.name = name,
          .args = "x",
          .doc = doc,
          .dtype = rule,
          .fusion = Fusion::elementwise,
          .vjp = unary_vjp,
          .jvp = unary_jvp,
          .vmap = elementwise_vmap,
          .max_ulp = ulp,
          .domain = domain};
}
constexpr OpInfo binary(std::string_view name, std::string_view doc, DTypeRule rule = DTypeRule::promote,
                        double ulp = 0, TestDomain domain = {-3, 3}) {
  return {.name = name,
          .args = "x, y",
          .doc = doc,
          .dtype = rule,
          .fusion = Fusion::elementwise,
          .vjp = binary_vjp,
          .jvp = binary_jvp,
          .vmap = elementwise_vmap,
          .max_ulp = ulp,
          .domain = domain};
}
}  // namespace detail

inline constexpr OpInfo kAbs = detail::unary("abs", "Absolute value.");
inline constexpr OpInfo kNegative = detail::unary("negative", "-x; unsigned integers wrap, bool is refused.");
inline constexpr OpInfo kSign = detail::unary("sign", "-1, 0 or 1; NaN stays NaN.");
inline constexpr OpInfo kSquare = detail::unary("square", "x times x.");
inline constexpr OpInfo kFloor = detail::unary("floor", "Largest integer not above x.");
inline constexpr OpInfo kCeil = detail::unary("ceil", "Smallest integer not below x.");
inline constexpr OpInfo kRound = detail::unary("round", "Nearest integer, ties to even.");
inline constexpr OpInfo kLogicalNot =
    detail::unary("logical_not", "True where x is zero.", DTypeRule::boolean);
inline constexpr OpInfo kIsNan = detail::unary("isnan", "True where x is NaN.", DTypeRule::boolean);
inline constexpr OpInfo kIsInf = detail::unary("isinf", "True where x is an infinity.", DTypeRule::boolean);
inline constexpr OpInfo kBitwiseInvert = detail::unary("bitwise_invert", "Every bit turned over.");
inline constexpr OpInfo kExp = detail::unary("exp", "e to the power x.", DTypeRule::promote_inexact, 2);
inline constexpr OpInfo kExpm1 =
    detail::unary("expm1", "exp(x) - 1, accurate near 0.", DTypeRule::promote_inexact, 2);
inline constexpr OpInfo kLog =
    detail::unary("log", "Natural logarithm.", DTypeRule::promote_inexact, 2, {0.1, 4});
inline constexpr OpInfo kLog2 =
    detail::unary("log2", "Logarithm to base 2.", DTypeRule::promote_inexact, 2, {0.1, 4});
inline constexpr OpInfo kLog10 =
    detail::unary("log10", "Logarithm to base 10.", DTypeRule::promote_inexact, 2, {0.1, 4});
inline constexpr OpInfo kLog1p =
    detail::unary("log1p", "log(1 + x), accurate near 0.", DTypeRule::promote_inexact, 2, {-0.8, 4});
inline constexpr OpInfo kSqrt =
    detail::unary("sqrt", "Square root.", DTypeRule::promote_inexact, 0, {0.1, 4});
inline constexpr OpInfo kRsqrt =
    detail::unary("rsqrt", "1 / sqrt(x).", DTypeRule::promote_inexact, 2, {0.1, 4});
inline constexpr OpInfo kReciprocal =
    detail::unary("reciprocal", "1 / x.", DTypeRule::promote_inexact, 0, {0.2, 4});
inline constexpr OpInfo kSin = detail::unary("sin", "Sine; x in radians.", DTypeRule::promote_inexact, 2);
inline constexpr OpInfo kCos = detail::unary("cos", "Cosine; x in radians.", DTypeRule::promote_inexact, 2);
inline constexpr OpInfo kTan =
    detail::unary("tan", "Tangent; x in radians.", DTypeRule::promote_inexact, 2, {-1, 1});
inline constexpr OpInfo kArcsin =
    detail::unary("arcsin", "Inverse sine, in radians.", DTypeRule::promote_inexact, 2, {-0.9, 0.9});
inline constexpr OpInfo kArccos =
    detail::unary("arccos", "Inverse cosine, in radians.", DTypeRule::promote_inexact, 2, {-0.9, 0.9});
inline constexpr OpInfo kArctan =
    detail::unary("arctan", "Inverse tangent, in radians.", DTypeRule::promote_inexact, 2);
inline constexpr OpInfo kSinh = detail::unary("sinh", "Hyperbolic sine.", DTypeRule::promote_inexact, 2);
inline constexpr OpInfo kCosh = detail::unary("cosh", "Hyperbolic cosine.", DTypeRule::promote_inexact, 2);
inline constexpr OpInfo kTanh = detail::unary("tanh", "Hyperbolic tangent.", DTypeRule::promote_inexact, 3);
inline constexpr OpInfo kArcsinh =
    detail::unary("arcsinh", "Inverse hyperbolic sine.", DTypeRule::promote_inexact, 3);
inline constexpr OpInfo kArccosh =
    detail::unary("arccosh", "Inverse hyperbolic cosine.", DTypeRule::promote_inexact, 3, {1.2, 4});
inline constexpr OpInfo kArctanh =
    detail::unary("arctanh", "Inverse hyperbolic tangent.", DTypeRule::promote_inexact, 3, {-0.8, 0.8});
inline constexpr OpInfo kErf = detail::unary("erf", "Error function.", DTypeRule::promote_inexact, 2);
inline constexpr OpInfo kErfinv = detail::unary("erfinv", "Inverse error function; NaN outside -1 to 1.",
                                                DTypeRule::promote_inexact, 1, {-0.9, 0.9});
inline constexpr OpInfo kSigmoid =
    detail::unary("sigmoid", "1 / (1 + exp(-x)).", DTypeRule::promote_inexact, 3);

inline constexpr OpInfo kConjugate = detail::unary("conjugate", "The imaginary part turned over.");
inline constexpr OpInfo kReal = detail::unary("real", "Real part; float32 of complex64.");
inline constexpr OpInfo kImag = detail::unary("imag", "Imaginary part; float32 of complex64, else zero.");

inline constexpr OpInfo kAdd = detail::binary("add", "x + y, broadcast.");
inline constexpr OpInfo kSubtract = detail::binary("subtract", "x - y, broadcast.");
inline constexpr OpInfo kMultiply = detail::binary("multiply", "x y, broadcast.");
inline constexpr OpInfo kDivide = detail::binary("divide", "x / y, broadcast; integers become float32.",
                                                 DTypeRule::promote_inexact, 0, {0.3, 3});
inline constexpr OpInfo kFloorDivide =
    detail::binary("floor_divide", "Largest integer not above x / y; an integer over 0 is 0.",
                   DTypeRule::promote, 0, {0.3, 3});
inline constexpr OpInfo kRemainder =
    detail::binary("remainder", "x - y floor(x / y), with the sign of y; an integer by 0 is 0.",
                   DTypeRule::promote, 0, {0.3, 3});
inline constexpr OpInfo kPower =
    detail::binary("power", "x to the power y.", DTypeRule::promote, 2, {0.3, 3});
inline constexpr OpInfo kMaximum = detail::binary("maximum", "The larger of x and y; NaN wins.");
inline constexpr OpInfo kMinimum = detail::binary("minimum", "The smaller of x and y; NaN wins.");
inline constexpr OpInfo kLogaddexp =
    detail::binary("logaddexp", "log(exp(x) + exp(y)) without overflow.", DTypeRule::promote_inexact, 1);
inline constexpr OpInfo kArctan2 = detail::binary("arctan2", "Angle of the point (y, x), in radians.",
                                                  DTypeRule::promote_inexact, 2, {0.3, 3});
inline constexpr OpInfo kEqual = detail::binary("equal", "x == y.", DTypeRule::boolean);
inline constexpr OpInfo kNotEqual = detail::binary("not_equal", "x != y.", DTypeRule::boolean);
inline constexpr OpInfo kLess = detail::binary("less", "x < y.", DTypeRule::boolean);
inline constexpr OpInfo kLessEqual = detail::binary("less_equal", "x <= y.", DTypeRule::boolean);
inline constexpr OpInfo kGreater = detail::binary("greater", "x > y.", DTypeRule::boolean);
inline constexpr OpInfo kGreaterEqual = detail::binary("greater_equal", "x >= y.", DTypeRule::boolean);
inline constexpr OpInfo kLogicalAnd =
    detail::binary("logical_and", "True where both are not zero.", DTypeRule::boolean);
inline constexpr OpInfo kLogicalOr =
    detail::binary("logical_or", "True where one is not zero.", DTypeRule::boolean);
inline constexpr OpInfo kBitwiseAnd = detail::binary("bitwise_and", "Bits set in both.");
inline constexpr OpInfo kBitwiseOr = detail::binary("bitwise_or", "Bits set in one.");
inline constexpr OpInfo kBitwiseXor = detail::binary("bitwise_xor", "Bits set in exactly one.");
inline constexpr OpInfo kLeftShift =
    detail::binary("left_shift", "Bits moved up; by the width or more gives 0.");
inline constexpr OpInfo kRightShift =
    detail::binary("right_shift", "Bits moved down; by the width or more gives 0, or -1.");

template <class F, Domain kDomain = Domain::any, DTypeRule kRule = DTypeRule::same>
using Row = ElementwiseRow<F, kDomain, kRule>;

inline constexpr auto kUnaryOps =
    std::tuple{Row<functor::Abs>{&kAbs},
               Row<functor::Negative>{&kNegative},
               Row<functor::Sign>{&kSign},
               Row<functor::Square>{&kSquare},
               Row<functor::Floor>{&kFloor},
               Row<functor::Ceil>{&kCeil},
               Row<functor::Round>{&kRound},
               Row<functor::LogicalNot, Domain::any, DTypeRule::boolean>{&kLogicalNot},
               Row<functor::IsNan, Domain::any, DTypeRule::boolean>{&kIsNan},
               Row<functor::IsInf, Domain::any, DTypeRule::boolean>{&kIsInf},
               Row<functor::BitwiseInvert, Domain::integral>{&kBitwiseInvert},
               Row<functor::Exp, Domain::inexact>{&kExp},
               Row<functor::Expm1, Domain::inexact>{&kExpm1},
               Row<functor::Log, Domain::inexact>{&kLog},
               Row<functor::Log2, Domain::inexact>{&kLog2},
               Row<functor::Log10, Domain::inexact>{&kLog10},
               Row<functor::Log1p, Domain::inexact>{&kLog1p},
               Row<functor::Sqrt, Domain::inexact>{&kSqrt},
               Row<functor::Rsqrt, Domain::inexact>{&kRsqrt},
               Row<functor::Reciprocal, Domain::inexact>{&kReciprocal},
               Row<functor::Sin, Domain::inexact>{&kSin},
               Row<functor::Cos, Domain::inexact>{&kCos},
               Row<functor::Tan, Domain::inexact>{&kTan},
               Row<functor::Arcsin, Domain::inexact>{&kArcsin},
               Row<functor::Arccos, Domain::inexact>{&kArccos},
               Row<functor::Arctan, Domain::inexact>{&kArctan},
               Row<functor::Sinh, Domain::inexact>{&kSinh},
               Row<functor::Cosh, Domain::inexact>{&kCosh},
               Row<functor::Tanh, Domain::inexact>{&kTanh},
               Row<functor::Arcsinh, Domain::inexact>{&kArcsinh},
               Row<functor::Arccosh, Domain::inexact>{&kArccosh},
               Row<functor::Arctanh, Domain::inexact>{&kArctanh},
               Row<functor::Erf, Domain::inexact>{&kErf},
               Row<functor::Erfinv, Domain::inexact>{&kErfinv},
               Row<functor::Sigmoid, Domain::inexact>{&kSigmoid},
               Row<functor::Conjugate>{&kConjugate},
               Row<functor::Real>{&kReal},
               Row<functor::Imag>{&kImag}};

inline constexpr auto kBinaryOps =
    std::tuple{Row<functor::Add>{&kAdd},
               Row<functor::Subtract>{&kSubtract},
               Row<functor::Multiply>{&kMultiply},
               Row<functor::Divide, Domain::inexact>{&kDivide},
               Row<functor::FloorDivide>{&kFloorDivide},
               Row<functor::Remainder>{&kRemainder},
               Row<functor::Power>{&kPower},
               Row<functor::Maximum>{&kMaximum},
               Row<functor::Minimum>{&kMinimum},
               Row<functor::Logaddexp, Domain::inexact>{&kLogaddexp},
               Row<functor::Arctan2, Domain::inexact>{&kArctan2},
               Row<functor::Equal, Domain::any, DTypeRule::boolean>{&kEqual},
               Row<functor::NotEqual, Domain::any, DTypeRule::boolean>{&kNotEqual},
               Row<functor::Less, Domain::any, DTypeRule::boolean>{&kLess},
               Row<functor::LessEqual, Domain::any, DTypeRule::boolean>{&kLessEqual},
               Row<functor::Greater, Domain::any, DTypeRule::boolean>{&kGreater},
               Row<functor::GreaterEqual, Domain::any, DTypeRule::boolean>{&kGreaterEqual},
               Row<functor::LogicalAnd, Domain::any, DTypeRule::boolean>{&kLogicalAnd},
               Row<functor::LogicalOr, Domain::any, DTypeRule::boolean>{&kLogicalOr},
               Row<functor::BitwiseAnd, Domain::integral>{&kBitwiseAnd},
               Row<functor::BitwiseOr, Domain::integral>{&kBitwiseOr},
               Row<functor::BitwiseXor, Domain::integral>{&kBitwiseXor},
               Row<functor::LeftShift, Domain::integral>{&kLeftShift},
               Row<functor::RightShift, Domain::integral>{&kRightShift}};

// One sentence each stands in the rows above. Unary ops that need floats turn integers into float32; binary
// ops promote (base/dtype.h) and broadcast. complex64 is taken by most; where it has an order, real parts go
// first. Gradients of complex inputs are dL/dRe + i dL/dIm, as in MLX. throws  Shape where shapes do not
// broadcast; DType where the op takes integers only.
array abs(const array& x);
array negative(const array& x);
array sign(const array& x);
array square(const array& x);
array floor(const array& x);
array ceil(const array& x);
array round(const array& x);
array logical_not(const array& x);
array isnan(const array& x);
array isinf(const array& x);
array bitwise_invert(const array& x);
array exp(const array& x);
array expm1(const array& x);
array log(const array& x);
array log2(const array& x);
array log10(const array& x);
array log1p(const array& x);
array sqrt(const array& x);
array rsqrt(const array& x);
array reciprocal(const array& x);
array sin(const array& x);
array cos(const array& x);
array tan(const array& x);
array arcsin(const array& x);
array arccos(const array& x);
array arctan(const array& x);
array sinh(const array& x);
array cosh(const array& x);
array tanh(const array& x);
array arcsinh(const array& x);
array arccosh(const array& x);
array arctanh(const array& x);
array erf(const array& x);
array erfinv(const array& x);
array sigmoid(const array& x);
array conjugate(const array& x);
array real(const array& x);
array imag(const array& x);

array add(const array& x, const array& y);
array subtract(const array& x, const array& y);
array multiply(const array& x, const array& y);
array divide(const array& x, const array& y);
array floor_divide(const array& x, const array& y);
array remainder(const array& x, const array& y);
array power(const array& x, const array& y);
array maximum(const array& x, const array& y);
array minimum(const array& x, const array& y);
array logaddexp(const array& x, const array& y);
array arctan2(const array& x, const array& y);
array equal(const array& x, const array& y);
array not_equal(const array& x, const array& y);
array less(const array& x, const array& y);
array less_equal(const array& x, const array& y);
array greater(const array& x, const array& y);
array greater_equal(const array& x, const array& y);
array logical_and(const array& x, const array& y);
array logical_or(const array& x, const array& y);
array bitwise_and(const array& x, const array& y);
array bitwise_or(const array& x, const array& y);
array bitwise_xor(const array& x, const array& y);
array left_shift(const array& x, const array& y);
array right_shift(const array& x, const array& y);

/// complex64 with these parts, float32 of one shape.
array make_complex(const array& re, const array& im);
std::vector<array> make_complex_vjp(const Node&, std::span<const array>, std::span<const array>,
                                    std::span<const int>);
std::vector<array> make_complex_jvp(const Node&, std::span<const array>, std::span<const array>,
                                    std::span<const int>);
inline constexpr OpInfo kMakeComplex{.name = "make_complex",
                                     .args = "re, im",
                                     .doc = "Complex numbers of their parts.",
                                     .dtype = DTypeRule::custom,
                                     .fusion = Fusion::elementwise,
                                     .vjp = make_complex_vjp,
                                     .jvp = make_complex_jvp,
                                     .vmap = elementwise_vmap};

/// x where condition is true, else y; all three broadcast.
std::vector<array> select_vjp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
std::vector<array> select_jvp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
inline constexpr OpInfo kSelect{.name = "where",
                                .args = "condition, x, y",
                                .doc = "x where condition is true, else y.",
                                .fusion = Fusion::elementwise,
                                .vjp = select_vjp,
                                .jvp = select_jvp,
                                .vmap = elementwise_vmap};
array where(const array& condition, const array& x, const array& y);
/// x held between lo and hi (either may be missing).
array clip(const array& x, const std::optional<array>& lo, const std::optional<array>& hi);
/// A scalar beside an array takes its dtype, unless it is a float and the array holds integers: weak
/// promotion, as in MLX.
array weak(double value, const array& like);

/// The function of a row of kUnaryOps or kBinaryOps, for those who fold over the tables; nullptr for others.
using UnaryOp = array (*)(const array& x);
using BinaryOp = array (*)(const array& x, const array& y);
UnaryOp unary_function(const OpInfo& op);
BinaryOp binary_function(const OpInfo& op);

inline array operator+(const array& x, const array& y) {
  return add(x, y);
}
inline array operator-(const array& x, const array& y) {
  return subtract(x, y);
}
inline array operator*(const array& x, const array& y) {
  return multiply(x, y);
}
inline array operator/(const array& x, const array& y) {
  return divide(x, y);
}
inline array operator+(const array& x, double y) {
  return add(x, weak(y, x));
}
inline array operator-(const array& x, double y) {
  return subtract(x, weak(y, x));
}
inline array operator*(const array& x, double y) {
  return multiply(x, weak(y, x));
}
inline array operator/(const array& x, double y) {
  return divide(x, weak(y, x));
}
inline array operator+(double x, const array& y) {
  return add(weak(x, y), y);
}
inline array operator-(double x, const array& y) {
  return subtract(weak(x, y), y);
}
inline array operator*(double x, const array& y) {
  return multiply(weak(x, y), y);
}
inline array operator/(double x, const array& y) {
  return divide(weak(x, y), y);
}
inline array operator-(const array& x) {
  return negative(x);
}

}  // namespace uma
