#include "base/dtype.h"

#include <array>

namespace uma {
namespace {

struct Row {
  std::string_view name;
  int64_t bytes;
};
constexpr std::array<Row, kNumDTypes> kRows{{
    {"bool", 1},
    {"uint8", 1},
    {"uint16", 2},
    {"uint32", 4},
    {"uint64", 8},
    {"int8", 1},
    {"int16", 2},
    {"int32", 4},
    {"int64", 8},
    {"float16", 2},
    {"bfloat16", 2},
    {"float32", 4},
    {"float64", 8},
    {"complex64", 8},
}};

DType promote_integers(DType a, DType b) {
  if (a == DType::bool_) return b;
  if (b == DType::bool_) return a;
  const bool sa = is_signed_integer(a), sb = is_signed_integer(b);
  if (sa == sb) return size_of(a) >= size_of(b) ? a : b;
  const DType s = sa ? a : b, u = sa ? b : a;
  if (size_of(s) > size_of(u)) return s;
  switch (u) {  // the next wider signed type holds both
    case DType::uint8:
      return DType::int16;
    case DType::uint16:
      return DType::int32;
    case DType::uint32:
      return DType::int64;
    default:
      return DType::float32;
  }
}

}  // namespace

int64_t size_of(DType dtype) {
  return kRows[static_cast<size_t>(dtype)].bytes;
}
std::string_view name_of(DType dtype) {
  return kRows[static_cast<size_t>(dtype)].name;
}

DType dtype_from_name(std::string_view name) {
  for (int i = 0; i < kNumDTypes; ++i)
    if (kRows[i].name == name) return static_cast<DType>(i);
  fail(ErrorCode::kDType, "dtype", "'{}' names no dtype", name);
}

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (a == DType::complex64 || b == DType::complex64) return DType::complex64;
  const bool fa = is_floating(a), fb = is_floating(b);
  if (fa && fb) {
    if (size_of(a) == 2 && size_of(b) == 2) return DType::float32;
    return size_of(a) >= size_of(b) ? a : b;
  }
  if (fa) return a;
  if (fb) return b;
  return promote_integers(a, b);
}

}  // namespace uma
