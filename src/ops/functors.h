#pragma once
// What each elementwise op does to one element, written once for every backend. Half types never get here:
// they are widened to f32 before and rounded after.
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace uma::functor {

template <class T>
inline constexpr bool is_float = std::is_floating_point_v<T>;

// Overflow of signed integers wraps, as in NumPy; in C++ only unsigned arithmetic may.
template <class T, class F>
constexpr T wrapping(T x, T y, F f) {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    // Not narrower than int, to which two uint16 would be promoted and overflow.
    using U = std::conditional_t<(sizeof(T) < sizeof(unsigned)), unsigned, std::make_unsigned_t<T>>;
    return static_cast<T>(f(static_cast<U>(x), static_cast<U>(y)));
  } else {
    return static_cast<T>(f(x, y));
  }
}

// Unary. kFloatOnly: integers are converted to f32 before.
struct Abs {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_float<T>)
      return std::fabs(x);
    else if constexpr (std::is_unsigned_v<T>)
      return x;
    else
      return x < 0 ? wrapping(T{0}, x, [](auto a, auto b) { return a - b; }) : x;
  }
};
struct Negative {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_float<T>)
      return -x;  // 0 - x would lose the sign of zero
    else
      return wrapping(T{0}, x, [](auto a, auto b) { return a - b; });
  }
};
struct Sign {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_float<T>)
      return std::isnan(x) ? x : static_cast<T>((x > 0) - (x < 0));
    else
      return static_cast<T>((x > T{0}) - (x < T{0}));
  }
};
struct Square {
  template <class T>
  T operator()(T x) const {
    return wrapping(x, x, [](auto a, auto b) { return a * b; });
  }
};
struct Floor {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_float<T>)
      return std::floor(x);
    else
      return x;
  }
};
struct Ceil {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_float<T>)
      return std::ceil(x);
    else
      return x;
  }
};
struct Round {  // to even, as NumPy and MLX
  template <class T>
  T operator()(T x) const {
    if constexpr (is_float<T>)
      return std::nearbyint(x);
    else
      return x;
  }
};
struct LogicalNot {
  template <class T>
  bool operator()(T x) const {
    return x == T{0};
  }
};
struct IsNan {
  template <class T>
  bool operator()(T x) const {
    if constexpr (is_float<T>)
      return std::isnan(x);
    else
      return false;
  }
};
struct IsInf {
  template <class T>
  bool operator()(T x) const {
    if constexpr (is_float<T>)
      return std::isinf(x);
    else
      return false;
  }
};
struct BitwiseInvert {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_same_v<T, bool>)
      return !x;
    else
      return static_cast<T>(~x);
  }
};

struct Exp {
  template <class T>
  T operator()(T x) const {
    return std::exp(x);
  }
};
struct Expm1 {
  template <class T>
  T operator()(T x) const {
    return std::expm1(x);
  }
};
struct Log {
  template <class T>
  T operator()(T x) const {
    return std::log(x);
  }
};
struct Log2 {
  template <class T>
  T operator()(T x) const {
    return std::log2(x);
  }
};
struct Log10 {
  template <class T>
  T operator()(T x) const {
    return std::log10(x);
  }
};
struct Log1p {
  template <class T>
  T operator()(T x) const {
    return std::log1p(x);
  }
};
struct Sqrt {
  template <class T>
  T operator()(T x) const {
    return std::sqrt(x);
  }
};
struct Rsqrt {
  template <class T>
  T operator()(T x) const {
    return T{1} / std::sqrt(x);
  }
};
struct Reciprocal {
  template <class T>
  T operator()(T x) const {
    return T{1} / x;
  }
};
struct Sin {
  template <class T>
  T operator()(T x) const {
    return std::sin(x);
  }
};
struct Cos {
  template <class T>
  T operator()(T x) const {
    return std::cos(x);
  }
};
struct Tan {
  template <class T>
  T operator()(T x) const {
    return std::tan(x);
  }
};
struct Arcsin {
  template <class T>
  T operator()(T x) const {
    return std::asin(x);
  }
};
struct Arccos {
  template <class T>
  T operator()(T x) const {
    return std::acos(x);
  }
};
struct Arctan {
  template <class T>
  T operator()(T x) const {
    return std::atan(x);
  }
};
struct Sinh {
  template <class T>
  T operator()(T x) const {
    return std::sinh(x);
  }
};
struct Cosh {
  template <class T>
  T operator()(T x) const {
    return std::cosh(x);
  }
};
struct Tanh {
  template <class T>
  T operator()(T x) const {
    return std::tanh(x);
  }
};
struct Arcsinh {
  template <class T>
  T operator()(T x) const {
    return std::asinh(x);
  }
};
struct Arccosh {
  template <class T>
  T operator()(T x) const {
    return std::acosh(x);
  }
};
struct Arctanh {
  template <class T>
  T operator()(T x) const {
    return std::atanh(x);
  }
};
struct Erf {
  template <class T>
  T operator()(T x) const {
    return std::erf(x);
  }
};
struct Sigmoid {
  template <class T>
  T operator()(T x) const {  // neither branch overflows
    const T e = std::exp(-std::fabs(x));
    return (x >= 0 ? T{1} : e) / (T{1} + e);
  }
};

// Binary.
struct Add {
  template <class T>
  T operator()(T x, T y) const {
    return wrapping(x, y, [](auto a, auto b) { return a + b; });
  }
};
struct Subtract {
  template <class T>
  T operator()(T x, T y) const {
    return wrapping(x, y, [](auto a, auto b) { return a - b; });
  }
};
struct Multiply {
  template <class T>
  T operator()(T x, T y) const {
    return wrapping(x, y, [](auto a, auto b) { return a * b; });
  }
};
struct Divide {
  template <class T>
  T operator()(T x, T y) const {
    return x / y;
  }
};
// floor_divide and remainder belong together, x = q y + r, as in Python and NumPy: 1 // 0.1 is 9 and leaves
// almost 0.1. Rounding x / y first, as MLX does, would give 10. An integer by zero gives 0.
struct Remainder {  // has the sign of the divisor
  template <class T>
  T operator()(T x, T y) const {
    if constexpr (is_float<T>) {
      const T r = std::fmod(x, y);
      if (r == 0) return std::copysign(T{0}, y);
      return (r < 0) != (y < 0) ? r + y : r;
    } else if constexpr (std::is_unsigned_v<T>) {
      return y == T{0} ? T{0} : static_cast<T>(x % y);
    } else {
      if (y == 0 || y == -1) return 0;
      const T r = static_cast<T>(x % y);
      return r != 0 && (r < 0) != (y < 0) ? static_cast<T>(r + y) : r;
    }
  }
};
struct FloorDivide {  // rounds down
  template <class T>
  T operator()(T x, T y) const {
    if constexpr (is_float<T>) {
      if (y == 0) return x / y;
      const T r = std::fmod(x, y);
      const T q = (x - r) / y - static_cast<T>(r != 0 && (r < 0) != (y < 0));
      if (q == 0) return std::copysign(T{0}, x / y);
      // The division above may have been inexact, by less than half.
      const T down = std::floor(q);
      return q - down > static_cast<T>(0.5) ? down + 1 : down;
    } else if constexpr (std::is_unsigned_v<T>) {
      return y == T{0} ? T{0} : static_cast<T>(x / y);
    } else {
      if (y == 0) return 0;
      if (y == -1) return Negative{}(x);
      const T q = static_cast<T>(x / y);
      return static_cast<T>(q - ((x % y != 0) && ((x < 0) != (y < 0))));
    }
  }
};
struct Power {
  template <class T>
  T operator()(T x, T y) const {
    if constexpr (is_float<T>) {
      return std::pow(x, y);
    } else {
      if constexpr (std::is_signed_v<T>)
        if (y < 0) return x == 1 ? T{1} : x == -1 ? (y % 2 ? T(-1) : T{1}) : T{0};
      T result{1};
      for (; y != T{0}; y = static_cast<T>(y >> 1), x = Multiply{}(x, x))
        if (y & 1) result = Multiply{}(result, x);
      return result;
    }
  }
};
struct Maximum {  // NaN wins
  template <class T>
  T operator()(T x, T y) const {
    if constexpr (is_float<T>)
      if (std::isnan(x)) return x;
    return x > y ? x : y;
  }
};
struct Minimum {
  template <class T>
  T operator()(T x, T y) const {
    if constexpr (is_float<T>)
      if (std::isnan(x)) return x;
    return x < y ? x : y;
  }
};
struct Logaddexp {
  template <class T>
  T operator()(T x, T y) const {
    // Near a result of 0 both terms cancel, which leaves f32 no correct digit.
    if constexpr (std::is_same_v<T, float>) return static_cast<float>((*this)(double{x}, double{y}));
    const T hi = Maximum{}(x, y), lo = Minimum{}(x, y);
    // Equal infinities: their difference would be NaN.
    if (hi == lo || std::isnan(hi)) return std::isnan(hi) ? hi : hi + static_cast<T>(0.6931471805599453);
    return hi + std::log1p(std::exp(lo - hi));
  }
};
struct Arctan2 {
  template <class T>
  T operator()(T x, T y) const {
    return std::atan2(x, y);
  }
};

struct Equal {
  template <class T>
  bool operator()(T x, T y) const {
    return x == y;
  }
};
struct NotEqual {
  template <class T>
  bool operator()(T x, T y) const {
    return x != y;
  }
};
struct Less {
  template <class T>
  bool operator()(T x, T y) const {
    return x < y;
  }
};
struct LessEqual {
  template <class T>
  bool operator()(T x, T y) const {
    return x <= y;
  }
};
struct Greater {
  template <class T>
  bool operator()(T x, T y) const {
    return x > y;
  }
};
struct GreaterEqual {
  template <class T>
  bool operator()(T x, T y) const {
    return x >= y;
  }
};
struct LogicalAnd {
  template <class T>
  bool operator()(T x, T y) const {
    return x != T{0} && y != T{0};
  }
};
struct LogicalOr {
  template <class T>
  bool operator()(T x, T y) const {
    return x != T{0} || y != T{0};
  }
};

struct BitwiseAnd {
  template <class T>
  T operator()(T x, T y) const {
    return static_cast<T>(x & y);
  }
};
struct BitwiseOr {
  template <class T>
  T operator()(T x, T y) const {
    return static_cast<T>(x | y);
  }
};
struct BitwiseXor {
  template <class T>
  T operator()(T x, T y) const {
    return static_cast<T>(x ^ y);
  }
};
// Shifts by the width or more give what the last of so many single shifts would.
struct LeftShift {
  template <class T>
  T operator()(T x, T y) const {
    constexpr unsigned kBits = sizeof(T) * 8;
    if (y < T{0} || static_cast<uint64_t>(y) >= kBits) return T{0};
    return static_cast<T>(static_cast<uint64_t>(x) << static_cast<unsigned>(y));
  }
};
struct RightShift {
  template <class T>
  T operator()(T x, T y) const {
    constexpr unsigned kBits = sizeof(T) * 8;
    if (y < T{0} || static_cast<uint64_t>(y) >= kBits) return x < T{0} ? static_cast<T>(-1) : T{0};
    return static_cast<T>(x >> static_cast<unsigned>(y));
  }
};

}  // namespace uma::functor
