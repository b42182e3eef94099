#pragma once
// Inside graph/ only: parameters of ops as bytes. A row of rules*.cc names the members of its struct; each is
// written as 64-bit words, little-endian: integers, bools and enums as numbers, floats as f64, lists behind
// their length. The reader trusts nothing but the row.
#include <bit>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "core/quant_format.h"
#include "fast/packed.h"
#include "fast/quantized.h"
#include "ops/cumulative.h"
#include "ops/fft.h"
#include "ops/linalg.h"
#include "ops/reduce.h"
#include "ops/scatter.h"

namespace uma::params {

static_assert(std::endian::native == std::endian::little);

/// How many values an enum has, from 0 on.
template <class E>
inline constexpr int64_t kValues = 0;
template <>
inline constexpr int64_t kValues<DType> = kNumDTypes;
template <>
inline constexpr int64_t kValues<Cumulation> = 3;
template <>
inline constexpr int64_t kValues<fft::Kind> = 4;
template <>
inline constexpr int64_t kValues<Reduction> = 6;
template <>
inline constexpr int64_t kValues<ScatterMode> = 5;
template <>
inline constexpr int64_t kValues<PackedMode> = 4;
template <>
inline constexpr int64_t kValues<linalg::SvdMode> = 3;
template <>
inline constexpr int64_t kValues<QuantFormat> = static_cast<int64_t>(kQuantTraits.size());

/// Takes the parameters of an op one by one: as bytes (Writer), or as values for somebody to look at.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void integer(int64_t value) = 0;
  virtual void real(double value) = 0;
  virtual void boolean(bool value) { integer(value); }
  virtual void dtype(DType value) { integer(static_cast<int64_t>(value)); }
  virtual void list(size_t items) = 0;  // so many follow
  virtual void group(size_t) {}         // a struct: so many members follow

  template <class T>
  void put(const T& value) {
    if constexpr (std::is_floating_point_v<T>) {
      real(static_cast<double>(value));
    } else if constexpr (std::is_same_v<T, bool>) {
      boolean(value);
    } else if constexpr (std::is_same_v<T, DType>) {
      dtype(value);
    } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      integer(static_cast<int64_t>(value));
    } else if constexpr (std::is_same_v<T, PackedFormat>) {
      group(3), put(value.mode), put(value.group), put(value.bits);
    } else if constexpr (std::is_same_v<T, QuantizedMatmulParams::Weight>) {
      group(3), put(value.format), put(value.rows), put(value.cols);
    } else {
      list(value.size());
      for (const auto& item : value) put(item);
    }
  }
};

class Writer final : public Sink {
 public:
  void integer(int64_t value) override { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void real(double value) override { integer(std::bit_cast<int64_t>(value)); }
  void list(size_t items) override { integer(static_cast<int64_t>(items)); }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  Reader(std::string_view bytes, std::string_view op) : bytes_(bytes), op_(op) {}

  template <class T>
  void get(T& value) {
    if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<T>(std::bit_cast<double>(word()));
    } else if constexpr (std::is_same_v<T, bool>) {
      value = number(0, 1) != 0;
    } else if constexpr (std::is_enum_v<T>) {
      static_assert(kValues<T> > 0);
      value = static_cast<T>(number(0, kValues<T> - 1));
    } else if constexpr (std::is_integral_v<T>) {
      value = static_cast<T>(number(std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
    } else if constexpr (std::is_same_v<T, PackedFormat>) {
      get(value.mode), get(value.group), get(value.bits);
    } else if constexpr (std::is_same_v<T, QuantizedMatmulParams::Weight>) {
      get(value.format), get(value.rows), get(value.cols);
    } else {
      const int64_t count = number(0, static_cast<int64_t>(bytes_.size() / sizeof(int64_t)));
      for (int64_t i = 0; i < count; ++i) {
        typename T::value_type item{};
        get(item);
        value.push_back(item);
      }
    }
  }
  /// Throws Format unless it is in [lo, hi].
  int64_t number(int64_t lo, int64_t hi) {
    const int64_t value = word();
    check(value >= lo && value <= hi, ErrorCode::kFormat, op_, "a parameter is {}, not {} to {}", value, lo,
          hi);
    return value;
  }
  void end() const {
    check(bytes_.empty(), ErrorCode::kFormat, op_, "has {} bytes of parameters too many", bytes_.size());
  }

 private:
  int64_t word() {
    int64_t value;
    check(bytes_.size() >= sizeof value, ErrorCode::kFormat, op_, "its parameters end too early");
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  std::string_view bytes_, op_;
};

}  // namespace uma::params
