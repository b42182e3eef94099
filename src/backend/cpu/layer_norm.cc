#include "fast/layer_norm.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/layer_norm.cc"
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
HWY_INLINE float sum_of(const T* x, int64_t n) {
  const DF d;
  const int64_t lanes = lanes_f32();
  VF a = hn::Zero(d), b = a;
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    a = a + load_f32(d, x + i);
    b = b + load_f32(d, x + i + lanes);
  }
  for (; i < n; i += lanes) a = a + (i + lanes <= n ? load_f32(d, x + i) : load_some(d, x + i, n - i));
  return hn::GetLane(hn::SumOfLanes(d, a + b));
}

struct Deviation {
  float sum, squares;  // of x - mean
};

template <class T>
HWY_INLINE Deviation deviation_of(const T* x, int64_t n, float mean) {
  const DF d;
  const int64_t lanes = lanes_f32();
  const VF m = hn::Set(d, mean);
  VF sum = hn::Zero(d), squares = sum;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const VF v = load_f32(d, x + i) - m;
    sum = sum + v;
    squares = hn::MulAdd(v, v, squares);
  }
  Deviation all{hn::GetLane(hn::SumOfLanes(d, sum)), hn::GetLane(hn::SumOfLanes(d, squares))};
  for (; i < n; ++i) {
    const float v = static_cast<float>(x[i]) - mean;
    all.sum += v;
    all.squares += v * v;
  }
  return all;
}

template <class T>
void layer_norm_rows(const T* x, const float* weight, const float* bias, T* out, int64_t rows, int64_t dim,
                     float eps) {
  const DF d;
  const int64_t lanes = lanes_f32();
  const double n = static_cast<double>(dim);
  for (int64_t r = 0; r < rows; ++r, x += dim, out += dim) {
    const float first = static_cast<float>(sum_of(x, dim) / n);
    // What the rounding of the mean left over corrects both the mean and the variance.
    const Deviation rest = deviation_of(x, dim, first);
    const double shift = rest.sum / n;
    const double variance = std::max(0.0, rest.squares / n - shift * shift);
    const double factor = 1.0 / std::sqrt(variance + static_cast<double>(eps));
    const VF mean = hn::Set(d, first), scale = hn::Set(d, static_cast<float>(factor));
    const VF left = hn::Set(d, static_cast<float>(-shift * factor));
    const auto normed = [&](VF v, VF w, VF b) {
      const VF y = hn::MulAdd(v - mean, scale, left);
      return hn::MulAdd(y, w, b);
    };
    const VF one = hn::Set(d, 1.0f), zero = hn::Zero(d);
    int64_t i = 0;
    for (; i + lanes <= dim; i += lanes)
      store_f32(d,
                normed(load_f32(d, x + i), weight ? hn::LoadU(d, weight + i) : one,
                       bias ? hn::LoadU(d, bias + i) : zero),
                out + i);
    if (const int64_t m = dim - i; m > 0)
      store_some(d,
                 normed(load_some(d, x + i, m), weight ? load_some(d, weight + i, m) : one,
                        bias ? load_some(d, bias + i, m) : zero),
                 out + i, m);
  }
}

}  // namespace
void layer_norm_on_target(DType dtype, const void* x, const float* weight, const float* bias, void* out,
                          int64_t rows, int64_t dim, float eps) {
  const auto run = [&]<class T>() {
    layer_norm_rows(static_cast<const T*>(x), weight, bias, static_cast<T*>(out), rows, dim, eps);
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
HWY_EXPORT(layer_norm_on_target);

// Elements a thread must get before it is worth waking: about 2 us of work.
constexpr int64_t kGrain = 16384;

void layer_norm_f64(const double* x, const double* weight, const double* bias, double* out, int64_t rows,
                    int64_t dim, float eps) {
  const double n = static_cast<double>(dim);
  for (int64_t r = 0; r < rows; ++r, x += dim, out += dim) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < dim; ++i) mean += x[i] / n;
    for (int64_t i = 0; i < dim; ++i) variance += (x[i] - mean) * (x[i] - mean) / n;
    const double factor = 1.0 / std::sqrt(variance + static_cast<double>(eps));
    for (int64_t i = 0; i < dim; ++i)
      out[i] = (x[i] - mean) * factor * (weight ? weight[i] : 1.0) + (bias ? bias[i] : 0.0);
  }
}

void layer_norm_kernel(KernelArgs& args) {
  args.donate_or_allocate(0);
  array& out = args.out();
  if (out.size() == 0) return;
  const LayerNormParams& params = args.params<LayerNormParams>();
  const array x = row_contiguous(args.in(0));
  std::optional<array> w, b;
  if (params.has_weight) w = row_contiguous(args.in(1));
  if (params.has_bias) b = row_contiguous(args.in(params.has_weight ? 2 : 1));
  const int64_t dim = x.shape(-1), rows = x.size() / dim;
  const auto norm = simd_choose(HWY_DISPATCH_TABLE(layer_norm_on_target));
  const int64_t row_bytes = dim * size_of(x.dtype());
  uint8_t* to = out.mutable_data<uint8_t>();
  parallel_ranges(rows, std::max<int64_t>(1, kGrain / dim), [&](int64_t begin, int64_t end) {
    const uint8_t* from = x.bytes() + begin * row_bytes;
    if (x.dtype() == DType::float64)
      return layer_norm_f64(reinterpret_cast<const double*>(from), w ? w->data<double>() : nullptr,
                            b ? b->data<double>() : nullptr,
                            reinterpret_cast<double*>(to + begin * row_bytes), end - begin, dim, params.eps);
    norm(x.dtype(), from, w ? w->data<float>() : nullptr, b ? b->data<float>() : nullptr,
         to + begin * row_bytes, end - begin, dim, params.eps);
  });
}

const bool registered = register_kernel(kLayerNorm, DeviceType::cpu, layer_norm_kernel);

}  // namespace
}  // namespace uma::cpu
#endif
