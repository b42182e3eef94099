#include "fast/rms_norm.h"

#include <cfloat>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/rms_norm.cc"
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

template <class T>
HWY_INLINE float sum_of_squares(const T* x, int64_t n) {
  const DF d;
  const int64_t lanes = lanes_f32();
  VF a = hn::Zero(d), b = a, c = a, e = a;
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const VF x0 = load_f32(d, x + i), x1 = load_f32(d, x + i + lanes);
    const VF x2 = load_f32(d, x + i + 2 * lanes), x3 = load_f32(d, x + i + 3 * lanes);
    a = hn::MulAdd(x0, x0, a);
    b = hn::MulAdd(x1, x1, b);
    c = hn::MulAdd(x2, x2, c);
    e = hn::MulAdd(x3, x3, e);
  }
  for (; i < n; i += lanes) {
    const VF v = i + lanes <= n ? load_f32(d, x + i) : load_some(d, x + i, n - i);
    a = hn::MulAdd(v, v, a);
  }
  return hn::GetLane(hn::SumOfLanes(d, (a + b) + (c + e)));
}

template <class T>
void rms_norm_rows(const T* x, const float* weight, T* out, int64_t rows, int64_t dim, float eps) {
  const DF d;
  const int64_t lanes = lanes_f32();
  for (int64_t r = 0; r < rows; ++r, x += dim, out += dim) {
    double sum = sum_of_squares(x, dim);
    // Squares that left the range of f32, upwards or downwards.
    if (!(sum > 1e-30 && sum <= FLT_MAX)) {
      sum = 0;
      for (int64_t i = 0; i < dim; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    const double factor = 1.0 / std::sqrt(sum / static_cast<double>(dim) + static_cast<double>(eps));
    const VF scale = hn::Set(d, static_cast<float>(factor));
    int64_t i = 0;
    for (; i + lanes <= dim; i += lanes) {
      const VF y = load_f32(d, x + i) * scale;
      store_f32(d, weight ? y * hn::LoadU(d, weight + i) : y, out + i);
    }
    if (i < dim) {
      const VF y = load_some(d, x + i, dim - i) * scale;
      store_some(d, weight ? y * load_some(d, weight + i, dim - i) : y, out + i, dim - i);
    }
  }
}

}  // namespace
void rms_norm_on_target(DType dtype, const void* x, const float* weight, void* out, int64_t rows, int64_t dim,
                        float eps) {
  const auto run = [&]<class T>() {
    rms_norm_rows(static_cast<const T*>(x), weight, static_cast<T*>(out), rows, dim, eps);
  };
  if (dtype == DType::float16) return run.template operator()<float16>();
  if (dtype == DType::bfloat16) return run.template operator()<bfloat16>();
  run.template operator()<float>();
}
}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uma::cpu {
namespace {
HWY_EXPORT(rms_norm_on_target);

// Elements a thread must get before it is worth waking: about 2 us of work.
constexpr int64_t kGrain = 16384;

void rms_norm_f64(const double* x, const double* weight, double* out, int64_t rows, int64_t dim, float eps) {
  for (int64_t r = 0; r < rows; ++r, x += dim, out += dim) {
    double sum = 0;
    for (int64_t i = 0; i < dim; ++i) sum += x[i] * x[i];
    const double factor = 1.0 / std::sqrt(sum / static_cast<double>(dim) + static_cast<double>(eps));
    for (int64_t i = 0; i < dim; ++i) out[i] = x[i] * factor * (weight ? weight[i] : 1.0);
  }
}

void rms_norm_kernel(KernelArgs& args) {
  args.donate_or_allocate(0);
  array& out = args.out();
  if (out.size() == 0) return;
  const array x = row_contiguous(args.in(0));
  const std::optional<array> w =
      args.num_inputs() > 1 ? std::optional<array>(row_contiguous(args.in(1))) : std::nullopt;
  const int64_t dim = x.shape(-1), rows = x.size() / dim;
  const float eps = args.params<RmsNormParams>().eps;
  const auto norm = simd_choose(HWY_DISPATCH_TABLE(rms_norm_on_target));
  const int64_t row_bytes = dim * size_of(x.dtype());
  uint8_t* to = out.mutable_data<uint8_t>();
  parallel_ranges(rows, std::max<int64_t>(1, kGrain / dim), [&](int64_t begin, int64_t end) {
    const uint8_t* from = x.bytes() + begin * row_bytes;
    if (x.dtype() == DType::float64)
      return rms_norm_f64(reinterpret_cast<const double*>(from), w ? w->data<double>() : nullptr,
                          reinterpret_cast<double*>(to + begin * row_bytes), end - begin, dim, eps);
    norm(x.dtype(), from, w ? w->data<float>() : nullptr, to + begin * row_bytes, end - begin, dim, eps);
  });
}

const bool registered = register_kernel(kRmsNorm, DeviceType::cpu, rms_norm_kernel);

}  // namespace
}  // namespace uma::cpu
#endif
