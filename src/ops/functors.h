#pragma once
// What each elementwise op does to one element, written once for every backend. Half types never get here:
// they are widened to f32 before and rounded after.
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "ops/erfinv.h"

namespace uma::functor {

template <class T>
inline constexpr bool is_float = std::is_floating_point_v<T>;

template <class T>
inline constexpr bool is_complex = std::is_same_v<T, std::complex<float>>;

/// Base of the functors that take complex64.
struct OnComplex {};
template <class F>
inline constexpr bool takes_complex = std::is_base_of_v<OnComplex, F>;

// Functions of complex numbers are computed in f64 and rounded once: the formulas in f32 cancel.
template <class F>
std::complex<float> in_double(std::complex<float> x, F f) {
  return std::complex<float>(f(std::complex<double>(x)));
}
template <class F>
std::complex<float> in_double(std::complex<float> x, std::complex<float> y, F f) {
  return std::complex<float>(f(std::complex<double>(x), std::complex<double>(y)));
}
/// Real parts first, as NumPy and MLX order complex numbers.
inline bool less_complex(std::complex<float> x, std::complex<float> y) {
  return x.real() < y.real() || (x.real() == y.real() && x.imag() < y.imag());
}
inline bool isnan_complex(std::complex<float> x) {
  return std::isnan(x.real()) || std::isnan(x.imag());
}

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
struct Abs : OnComplex {
  template <class T>
  auto operator()(T x) const {
    if constexpr (is_complex<T>)
      return std::hypot(x.real(), x.imag());
    else if constexpr (is_float<T>)
      return std::fabs(x);
    else if constexpr (std::is_unsigned_v<T>)
      return x;
    else
      return static_cast<T>(x < 0 ? wrapping(T{0}, x, [](auto a, auto b) { return a - b; }) : x);
  }
};
struct Negative : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_float<T> || is_complex<T>)
      return -x;  // 0 - x would lose the sign of zero
    else
      return wrapping(T{0}, x, [](auto a, auto b) { return a - b; });
  }
};
struct Sign : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)  // the direction
      return x == T{0} ? x : in_double(x, [](auto z) { return z / std::abs(z); });
    else if constexpr (is_float<T>)
      return std::isnan(x) ? x : static_cast<T>((x > 0) - (x < 0));
    else
      return static_cast<T>((x > T{0}) - (x < T{0}));
  }
};
struct Square : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return {x.real() * x.real() - x.imag() * x.imag(), 2 * x.real() * x.imag()};
    else
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
struct Round : OnComplex {  // to even, as NumPy and MLX
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return {std::nearbyint(x.real()), std::nearbyint(x.imag())};
    else if constexpr (is_float<T>)
      return std::nearbyint(x);
    else
      return x;
  }
};
struct LogicalNot : OnComplex {
  template <class T>
  bool operator()(T x) const {
    return x == T{0};
  }
};
struct IsNan : OnComplex {
  template <class T>
  bool operator()(T x) const {
    if constexpr (is_complex<T>)
      return isnan_complex(x);
    else if constexpr (is_float<T>)
      return std::isnan(x);
    else
      return false;
  }
};
struct IsInf : OnComplex {
  template <class T>
  bool operator()(T x) const {
    if constexpr (is_complex<T>)
      return std::isinf(x.real()) || std::isinf(x.imag());
    else if constexpr (is_float<T>)
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

struct Exp : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::exp(z); });
    else
      return std::exp(x);
  }
};
struct Expm1 {
  template <class T>
  T operator()(T x) const {
    return std::expm1(x);
  }
};
struct Log : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::log(z); });
    else
      return std::log(x);
  }
};
struct Log2 : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::log(z) / 0.69314718055994530942; });
    else
      return std::log2(x);
  }
};
struct Log10 : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::log10(z); });
    else
      return std::log10(x);
  }
};
struct Log1p : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) {
        // log|1 + z| from |1 + z|^2 - 1, which keeps a small z.
        const double a = z.real(), b = z.imag();
        return std::complex<double>(0.5 * std::log1p(a * (2 + a) + b * b), std::atan2(b, 1 + a));
      });
    else
      return std::log1p(x);
  }
};
struct Sqrt : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::sqrt(z); });
    else
      return std::sqrt(x);
  }
};
struct Rsqrt : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return 1.0 / std::sqrt(z); });
    else
      return T{1} / std::sqrt(x);
  }
};
struct Reciprocal : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return 1.0 / z; });
    else
      return T{1} / x;
  }
};
struct Sin : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::sin(z); });
    else
      return std::sin(x);
  }
};
struct Cos : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::cos(z); });
    else
      return std::cos(x);
  }
};
struct Tan : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::tan(z); });
    else
      return std::tan(x);
  }
};
struct Arcsin : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::asin(z); });
    else
      return std::asin(x);
  }
};
struct Arccos : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::acos(z); });
    else
      return std::acos(x);
  }
};
struct Arctan : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::atan(z); });
    else
      return std::atan(x);
  }
};
struct Sinh : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::sinh(z); });
    else
      return std::sinh(x);
  }
};
struct Cosh : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::cosh(z); });
    else
      return std::cosh(x);
  }
};
struct Tanh : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::tanh(z); });
    else
      return std::tanh(x);
  }
};
struct Arcsinh : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::asinh(z); });
    else
      return std::asinh(x);
  }
};
struct Arccosh : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::acosh(z); });
    else
      return std::acosh(x);
  }
};
struct Arctanh : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return in_double(x, [](auto z) { return std::atanh(z); });
    else
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

// Parts of complex numbers; a real number is its own real part.
struct Conjugate : OnComplex {
  template <class T>
  T operator()(T x) const {
    if constexpr (is_complex<T>)
      return std::conj(x);
    else
      return x;
  }
};
struct Real : OnComplex {
  template <class T>
  auto operator()(T x) const {
    if constexpr (is_complex<T>)
      return x.real();
    else
      return x;
  }
};
struct Imag : OnComplex {
  template <class T>
  auto operator()(T x) const {
    if constexpr (is_complex<T>)
      return x.imag();
    else
      return T{0};
  }
};

// Binary.
struct Add : OnComplex {
  template <class T>
  T operator()(T x, T y) const {
    return wrapping(x, y, [](auto a, auto b) { return a + b; });
  }
};
struct Subtract : OnComplex {
  template <class T>
  T operator()(T x, T y) const {
    return wrapping(x, y, [](auto a, auto b) { return a - b; });
  }
};
struct Multiply : OnComplex {
  template <class T>
  T operator()(T x, T y) const {
    if constexpr (is_complex<T>)  // plainly: C++ looks for infinities behind NaN, ten times as slow
      return {x.real() * y.real() - x.imag() * y.imag(), x.real() * y.imag() + x.imag() * y.real()};
    else
      return wrapping(x, y, [](auto a, auto b) { return a * b; });
  }
};
struct Divide : OnComplex {
  template <class T>
  T operator()(T x, T y) const {
    if constexpr (is_complex<T>)
      return in_double(x, y, [](auto a, auto b) { return a / b; });
    else
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
struct Power : OnComplex {
  template <class T>
  T operator()(T x, T y) const {
    if constexpr (is_complex<T>) {
      if (y == T{0}) return T{1};
      if (x == T{0}) return y.real() > 0 && y.imag() == 0 ? x : T{std::numeric_limits<float>::quiet_NaN()};
      return in_double(x, y, [](auto a, auto b) { return std::pow(a, b); });
    } else if constexpr (is_float<T>) {
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
struct Maximum : OnComplex {  // NaN wins
  template <class T>
  T operator()(T x, T y) const {
    if constexpr (is_complex<T>) {
      return isnan_complex(x) || (!isnan_complex(y) && less_complex(y, x)) ? x : y;
    } else {
      if constexpr (is_float<T>)
        if (std::isnan(x)) return x;
      return x > y ? x : y;
    }
  }
};
struct Minimum : OnComplex {
  template <class T>
  T operator()(T x, T y) const {
    if constexpr (is_complex<T>) {
      return isnan_complex(x) || (!isnan_complex(y) && less_complex(x, y)) ? x : y;
    } else {
      if constexpr (is_float<T>)
        if (std::isnan(x)) return x;
      return x < y ? x : y;
    }
  }
};
struct Logaddexp : OnComplex {
  template <class T>
  T operator()(T x, T y) const {
    if constexpr (is_complex<T>)
      return in_double(x, y, [](auto a, auto b) {
        if (a.real() < b.real()) std::swap(a, b);
        return std::isinf(a.real()) && a.real() < 0 ? a : a + std::log(1.0 + std::exp(b - a));
      });
    else
      return real(x, y);
  }
  template <class T>
  static T real(T x, T y) {
    // Near a result of 0 both terms cancel, which leaves f32 no correct digit.
    if constexpr (std::is_same_v<T, float>) return static_cast<float>(real(double{x}, double{y}));
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

struct Equal : OnComplex {
  template <class T>
  bool operator()(T x, T y) const {
    return x == y;
  }
};
struct NotEqual : OnComplex {
  template <class T>
  bool operator()(T x, T y) const {
    return x != y;
  }
};
struct Less : OnComplex {
  template <class T>
  bool operator()(T x, T y) const {
    if constexpr (is_complex<T>)
      return less_complex(x, y);
    else
      return x < y;
  }
};
struct LessEqual : OnComplex {
  template <class T>
  bool operator()(T x, T y) const {
    if constexpr (is_complex<T>)
      return less_complex(x, y) || x == y;
    else
      return x <= y;
  }
};
struct Greater : OnComplex {
  template <class T>
  bool operator()(T x, T y) const {
    if constexpr (is_complex<T>)
      return less_complex(y, x);
    else
      return x > y;
  }
};
struct GreaterEqual : OnComplex {
  template <class T>
  bool operator()(T x, T y) const {
    if constexpr (is_complex<T>)
      return less_complex(y, x) || x == y;
    else
      return x >= y;
  }
};
struct LogicalAnd : OnComplex {
  template <class T>
  bool operator()(T x, T y) const {
    return x != T{0} && y != T{0};
  }
};
struct LogicalOr : OnComplex {
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
