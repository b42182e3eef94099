#pragma once
// MLX's 14 dtypes, their promotion, and one place where a run-time dtype becomes a C++ type.
#include <complex>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/half.h"

namespace uma {

enum class DType : uint8_t {
  bool_,
  uint8,
  uint16,
  uint32,
  uint64,
  int8,
  int16,
  int32,
  int64,
  float16,
  bfloat16,
  float32,
  float64,
  complex64,
};
inline constexpr int kNumDTypes = 14;

using complex64 = std::complex<float>;

/// Bytes of one element.
int64_t size_of(DType dtype);
/// "float32", "bool", ...: as MLX and NumPy print it.
std::string_view name_of(DType dtype);
/// The inverse of name_of. Throws DType.
DType dtype_from_name(std::string_view name);

inline bool is_floating(DType d) {
  return d >= DType::float16 && d <= DType::float64;
}
inline bool is_inexact(DType d) {
  return d >= DType::float16;
}
inline bool is_integral(DType d) {
  return d <= DType::int64;
}  // bool counts, as in MLX
inline bool is_signed_integer(DType d) {
  return d >= DType::int8 && d <= DType::int64;
}

/// The dtype of a binary operation on two arrays: MLX's table (float16 with bfloat16 is float32, any
/// integer with a float is that float, int64 with uint64 is float32).
DType promote(DType a, DType b);

template <class T>
struct dtype_of_t;
template <>
struct dtype_of_t<bool> {
  static constexpr DType value = DType::bool_;
};
template <>
struct dtype_of_t<uint8_t> {
  static constexpr DType value = DType::uint8;
};
template <>
struct dtype_of_t<uint16_t> {
  static constexpr DType value = DType::uint16;
};
template <>
struct dtype_of_t<uint32_t> {
  static constexpr DType value = DType::uint32;
};
template <>
struct dtype_of_t<uint64_t> {
  static constexpr DType value = DType::uint64;
};
template <>
struct dtype_of_t<int8_t> {
  static constexpr DType value = DType::int8;
};
template <>
struct dtype_of_t<int16_t> {
  static constexpr DType value = DType::int16;
};
template <>
struct dtype_of_t<int32_t> {
  static constexpr DType value = DType::int32;
};
template <>
struct dtype_of_t<int64_t> {
  static constexpr DType value = DType::int64;
};
template <>
struct dtype_of_t<float16> {
  static constexpr DType value = DType::float16;
};
template <>
struct dtype_of_t<bfloat16> {
  static constexpr DType value = DType::bfloat16;
};
template <>
struct dtype_of_t<float> {
  static constexpr DType value = DType::float32;
};
template <>
struct dtype_of_t<double> {
  static constexpr DType value = DType::float64;
};
template <>
struct dtype_of_t<complex64> {
  static constexpr DType value = DType::complex64;
};
template <class T>
inline constexpr DType dtype_of = dtype_of_t<T>::value;

/// A C++ type that arrays have elements of.
template <class T>
concept Element = sizeof(dtype_of_t<T>) > 0;  // complete for those only

/// Calls f.template operator()<T>() with the C++ type of `dtype`.
template <class F>
decltype(auto) dispatch_all(DType dtype, F&& f) {
  switch (dtype) {
    case DType::bool_:
      return f.template operator()<bool>();
    case DType::uint8:
      return f.template operator()<uint8_t>();
    case DType::uint16:
      return f.template operator()<uint16_t>();
    case DType::uint32:
      return f.template operator()<uint32_t>();
    case DType::uint64:
      return f.template operator()<uint64_t>();
    case DType::int8:
      return f.template operator()<int8_t>();
    case DType::int16:
      return f.template operator()<int16_t>();
    case DType::int32:
      return f.template operator()<int32_t>();
    case DType::int64:
      return f.template operator()<int64_t>();
    case DType::float16:
      return f.template operator()<float16>();
    case DType::bfloat16:
      return f.template operator()<bfloat16>();
    case DType::float32:
      return f.template operator()<float>();
    case DType::float64:
      return f.template operator()<double>();
    case DType::complex64:
      break;
  }
  return f.template operator()<complex64>();
}

/// The four real float types; anything else throws DType naming `op`.
template <class F>
decltype(auto) dispatch_float(DType dtype, std::string_view op, F&& f) {
  switch (dtype) {
    case DType::float16:
      return f.template operator()<float16>();
    case DType::bfloat16:
      return f.template operator()<bfloat16>();
    case DType::float32:
      return f.template operator()<float>();
    case DType::float64:
      return f.template operator()<double>();
    default:
      fail(ErrorCode::kDType, op, "takes float16, bfloat16, float32 or float64, not {}", name_of(dtype));
  }
}

/// int32, int64, uint32 and their narrower and unsigned kin, without bool; anything else throws DType.
template <class F>
decltype(auto) dispatch_integer(DType dtype, std::string_view op, F&& f) {
  switch (dtype) {
    case DType::uint8:
      return f.template operator()<uint8_t>();
    case DType::uint16:
      return f.template operator()<uint16_t>();
    case DType::uint32:
      return f.template operator()<uint32_t>();
    case DType::uint64:
      return f.template operator()<uint64_t>();
    case DType::int8:
      return f.template operator()<int8_t>();
    case DType::int16:
      return f.template operator()<int16_t>();
    case DType::int32:
      return f.template operator()<int32_t>();
    case DType::int64:
      return f.template operator()<int64_t>();
    default:
      fail(ErrorCode::kDType, op, "takes an integer dtype, not {}", name_of(dtype));
  }
}

/// Half types accumulate in f32, f64 in f64, integers in themselves.
template <class T>
using accumulator_t = std::conditional_t<std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>, float, T>;

}  // namespace uma
