#include "fast/activation.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/activation.cc"
#include "backend/cpu/simd_targets.h"

#include <hwy/foreach_target.h>

#include "backend/cpu/fast_math-inl.h"
#include "backend/cpu/simd_dispatch.h"
#include "base/thread_pool.h"
#include "core/kernel.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {
namespace {

struct Silu {
  static HWY_INLINE VF of(DF d, VF g) {
    // Below that even the smallest subnormal is too large; and -inf * 0 would be NaN.
    return hn::IfThenZeroElse(hn::Lt(g, hn::Set(d, -110.0f)), sigmoid_times(d, g, g));
  }
};
struct GeluTanh {
  static HWY_INLINE VF of(DF d, VF g) {
    // 2 sqrt(2/pi) and its product with 0.044715
    const VF slope = hn::MulAdd(hn::Set(d, 0.0713548163f), g * g, hn::Set(d, 1.59576912f));
    const VF y = sigmoid_times(d, g * slope, g);
    // -inf * 0 where the curve is 0 already.
    return hn::IfThenZeroElse(hn::Lt(g, hn::Set(d, -20.0f)), y);
  }
};

template <class F, class T>
void gated(const T* gate, const T* up, T* out, int64_t n) {
  const DF d;
  const int64_t lanes = lanes_f32();
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    store_f32(d, F::of(d, load_f32(d, gate + i)) * load_f32(d, up + i), out + i);
  if (const int64_t m = n - i; m > 0)
    store_some(d, F::of(d, load_some(d, gate + i, m)) * load_some(d, up + i, m), out + i, m);
}

template <class F>
void gated_of(DType dtype, const void* gate, const void* up, void* out, int64_t n) {
  const auto run = [&]<class T>() {
    gated<F>(static_cast<const T*>(gate), static_cast<const T*>(up), static_cast<T*>(out), n);
  };
  if (dtype == DType::float16) return run.template operator()<float16>();
  if (dtype == DType::bfloat16) return run.template operator()<bfloat16>();
  run.template operator()<float>();
}

}  // namespace
void silu_mul_on_target(DType dtype, const void* gate, const void* up, void* out, int64_t n) {
  gated_of<Silu>(dtype, gate, up, out, n);
}
void gelu_tanh_mul_on_target(DType dtype, const void* gate, const void* up, void* out, int64_t n) {
  gated_of<GeluTanh>(dtype, gate, up, out, n);
}
}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uma::cpu {
namespace {
HWY_EXPORT(silu_mul_on_target);
HWY_EXPORT(gelu_tanh_mul_on_target);

// Elements a thread must get before it is worth waking: about 2 us of work.
constexpr int64_t kGrain = 4096;

using Gated = void (*)(DType, const void*, const void*, void*, int64_t);

template <class F>
void gated_f64(const double* gate, const double* up, double* out, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i) out[i] = f(gate[i]) * up[i];
}

// Both inputs are read at i before out is written there, so out may be either of them.
template <class F>
void gated_kernel(KernelArgs& args, Gated on_target, F on_f64) {
  // Which input is given up is asked before further handles on it exist.
  args.donate_any_or_allocate();
  const array gate = row_contiguous(args.in(0)), up = row_contiguous(args.in(1));
  array& out = args.out();
  const int64_t bytes = size_of(gate.dtype());
  uint8_t* to = out.mutable_data<uint8_t>();
  parallel_ranges(gate.size(), kGrain, [&](int64_t begin, int64_t end) {
    if (gate.dtype() == DType::float64)
      return gated_f64(gate.data<double>() + begin, up.data<double>() + begin,
                       reinterpret_cast<double*>(to) + begin, end - begin, on_f64);
    on_target(gate.dtype(), gate.bytes() + begin * bytes, up.bytes() + begin * bytes, to + begin * bytes,
              end - begin);
  });
}

void silu_mul_kernel(KernelArgs& args) {
  gated_kernel(args, simd_choose(HWY_DISPATCH_TABLE(silu_mul_on_target)),
               [](double g) { return g < -800 ? 0.0 : g / (1 + std::exp(-g)); });
}
void gelu_tanh_mul_kernel(KernelArgs& args) {
  gated_kernel(args, simd_choose(HWY_DISPATCH_TABLE(gelu_tanh_mul_on_target)), [](double g) {
    constexpr double kSlope = 1.5957691216057308;  // 2 sqrt(2/pi)
    return g < -20 ? 0.0 : g / (1 + std::exp(-kSlope * (g + 0.044715 * g * g * g)));
  });
}

const bool registered = register_kernel(kSiluMul, DeviceType::cpu, silu_mul_kernel) &&
                        register_kernel(kGeluTanhMul, DeviceType::cpu, gelu_tanh_mul_kernel);

}  // namespace
}  // namespace uma::cpu
#endif
