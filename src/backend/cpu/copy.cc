// Kernels that move or convert elements without arithmetic: astype, contiguous, reshape of odd layouts,
// arange.
#include <algorithm>
#include <bit>
#include <cmath>

#include "backend/cpu/tiles.h"
#include "core/kernel.h"
#include "core/layout.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/shape.h"

namespace uma::cpu {
namespace {

// To f32 with an odd last bit wherever it is inexact: rounding that to a half gives what rounding once would
// (Boldo and Melquiond 2008).
float to_odd(double value) {
  const float nearest = static_cast<float>(value);
  if (nearest == value || value != value) return nearest;
  const uint32_t away = std::abs(static_cast<double>(nearest)) > std::abs(value);
  return std::bit_cast<float>((std::bit_cast<uint32_t>(nearest) - away) | 1);
}

template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<From, complex64>) {
    if constexpr (std::is_same_v<To, complex64>)
      return value;
    else if constexpr (std::is_same_v<To, bool>)
      return value != complex64(0);
    else
      return convert<To>(value.real());
  } else if constexpr (std::is_same_v<From, float16> || std::is_same_v<From, bfloat16>) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, complex64>) {
    return complex64(static_cast<float>(value), 0);
  } else if constexpr (std::is_same_v<To, float16> || std::is_same_v<To, bfloat16>) {
    if constexpr (std::is_same_v<From, float> || sizeof(From) < 4)
      return To(static_cast<float>(value));
    else
      return To(to_odd(static_cast<double>(value)));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From{0};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // What does not fit is undefined in NumPy; here it is the nearest bound, and NaN is 0, so that a cast
    // never is undefined behaviour.
    if (!(value == value)) return 0;
    constexpr From lo = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From hi = static_cast<From>(std::numeric_limits<To>::max());
    if (value <= lo) return std::numeric_limits<To>::min();
    if (value >= hi) return std::numeric_limits<To>::max();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

template <class From, class To>
void astype_tile(const void* const* in, void* out, int64_t n) {
  const From* x = static_cast<const From*>(in[0]);
  To* y = static_cast<To*>(out);
#pragma GCC ivdep  // y may be x, and then each element is read before it is written
  for (int64_t i = 0; i < n; ++i) y[i] = convert<To>(x[i]);
}

TileFn find_astype(const Node& node) {
  return dispatch_all(node.inputs[0].dtype(), [&]<class From>() {
    return dispatch_all(node.params<CastParams>().dtype,
                        []<class To>() -> TileFn { return astype_tile<From, To>; });
  });
}

void copy_kernel(KernelArgs& args) {
  const array& x = args.in(0);
  array& out = args.allocate();
  copy_strided(x.bytes(), x.strides(), out.mutable_data<uint8_t>(), row_major_strides(x.shape()), x.shape(),
               size_of(x.dtype()));
}

void arange_kernel(KernelArgs& args) {
  const auto& p = args.params<ArangeParams>();
  array& out = args.allocate();
  dispatch_all(out.dtype(), [&]<class T>() {
    T* values = out.mutable_data<T>();
    for (int64_t i = 0; i < out.size(); ++i)
      values[i] = convert<T>(p.start + static_cast<double>(i) * p.step);
  });
}

}  // namespace

const bool copy_registered = register_elementwise(kAstype, find_astype) &&
                             register_kernel(kContiguous, DeviceType::cpu, copy_kernel) &&
                             register_kernel(kReshape, DeviceType::cpu, copy_kernel) &&
                             register_kernel(kArange, DeviceType::cpu, arange_kernel);

}  // namespace uma::cpu
