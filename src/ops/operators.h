#pragma once
// Arrays and C++ numbers in one expression. A number is weak: it takes the array's dtype, unless it is a
// fraction and the array holds integers. Comparisons give bool arrays, == among them.
#include <ostream>

#include "core/print.h"
#include "ops/elementwise.h"

namespace uma {

inline array maximum(const array& x, double y) {
  return maximum(x, weak(y, x));
}
inline array minimum(const array& x, double y) {
  return minimum(x, weak(y, x));
}
inline array power(const array& x, double y) {
  return power(x, weak(y, x));
}
inline array power(double x, const array& y) {
  return power(weak(x, y), y);
}
inline array where(const array& condition, const array& x, double y) {
  return where(condition, x, weak(y, x));
}
inline array where(const array& condition, double x, const array& y) {
  return where(condition, weak(x, y), y);
}
inline array clip(const array& x, double lo, double hi) {
  return clip(x, weak(lo, x), weak(hi, x));
}

inline array operator==(const array& x, const array& y) {
  return equal(x, y);
}
inline array operator!=(const array& x, const array& y) {
  return not_equal(x, y);
}
inline array operator<(const array& x, const array& y) {
  return less(x, y);
}
inline array operator<=(const array& x, const array& y) {
  return less_equal(x, y);
}
inline array operator>(const array& x, const array& y) {
  return greater(x, y);
}
inline array operator>=(const array& x, const array& y) {
  return greater_equal(x, y);
}
inline array operator==(const array& x, double y) {
  return equal(x, weak(y, x));
}
inline array operator!=(const array& x, double y) {
  return not_equal(x, weak(y, x));
}
inline array operator<(const array& x, double y) {
  return less(x, weak(y, x));
}
inline array operator<=(const array& x, double y) {
  return less_equal(x, weak(y, x));
}
inline array operator>(const array& x, double y) {
  return greater(x, weak(y, x));
}
inline array operator>=(const array& x, double y) {
  return greater_equal(x, weak(y, x));
}

inline array& operator+=(array& x, const array& y) {
  return x = x + y;
}
inline array& operator-=(array& x, const array& y) {
  return x = x - y;
}
inline array& operator*=(array& x, const array& y) {
  return x = x * y;
}
inline array& operator/=(array& x, const array& y) {
  return x = x / y;
}
inline array& operator+=(array& x, double y) {
  return x = x + y;
}
inline array& operator-=(array& x, double y) {
  return x = x - y;
}
inline array& operator*=(array& x, double y) {
  return x = x * y;
}
inline array& operator/=(array& x, double y) {
  return x = x / y;
}

/// As MLX prints it; evaluates the array.
inline std::ostream& operator<<(std::ostream& out, const array& x) {
  return out << to_string(x);
}

}  // namespace uma
