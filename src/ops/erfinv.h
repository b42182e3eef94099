#pragma once
// The functor of erfinv; ops/functors.h has the others.
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>

namespace uma::functor {

/// erfinv(x) = x p(w), w = -log(1 - x^2): minimax polynomials of our own, for |x| of 24 bits, that is w < 16;
/// relative error below 7e-9. The first in w - 2.5 up to w = 5, the second in sqrt(w) - 3.2 above.
inline constexpr double kErfinvCentral[] = {
    1.5014093517481764,    0.24664027674858424,     -0.004177325080457763,  -0.0012527079573557702,
    0.0002182641252155226, -4.996000110143956e-06,  -3.426266209734268e-06, 4.786897084558858e-07,
    1.650364404121373e-08, -1.0861761271594343e-08, 4.340626803853993e-10,  1.2346577114502573e-10};
inline constexpr double kErfinvTail[] = {
    3.033636574409232,      1.0046924192764213,     0.0059732560587489325,  -0.0042937549671700145,
    0.0029490943328354955,  -0.0019947017271665242, 0.001088044847238051,   -0.00035677235779096183,
    -3.380000640920567e-05, 9.905671204604277e-05,  -3.3050261356152415e-05};
struct Erfinv {
  template <class T>
  T operator()(T x) const {
    const T a = std::fabs(x);
    if (a == 1) return std::copysign(std::numeric_limits<T>::infinity(), x);
    if (!(a < 1)) return std::numeric_limits<T>::quiet_NaN();
    if constexpr (std::is_same_v<T, float>) {
      const double d = x, w = -std::log((1 - d) * (1 + d));
      return static_cast<float>(
          d * (w < 5 ? polynomial(kErfinvCentral, w - 2.5) : polynomial(kErfinvTail, std::sqrt(w) - 3.2)));
    } else {
      return refined(x, a);
    }
  }

  template <size_t N>
  static double polynomial(const double (&c)[N], double t) {
    double p = c[N - 1];
    for (size_t i = N - 1; i-- > 0;) p = p * t + c[i];
    return p;
  }
  // Winitzki's formula, right to 2e-3, and three steps of Halley's method, each of which triples the digits.
  static double refined(double x, double a) {
    if (a < 1e-8) return x * 0.88622692545275801365;  // the next term is below the last bit
    const double l = std::log((1 - a) * (1 + a)), b = 4.330746750799873 + l / 2;
    double y = std::sqrt(std::sqrt(b * b - l / 0.147) - b);
    for (int i = 0; i < 3; ++i) {
      // In the tail erf(y) would keep no digits of what is missing to 1.
      const double miss = a < 0.5 ? std::erf(y) - a : (1 - a) - std::erfc(y);
      const double step = miss / (1.1283791670955125739 * std::exp(-y * y));
      y -= step / (1 + y * step);
    }
    return std::copysign(y, x);
  }
};

}  // namespace uma::functor
