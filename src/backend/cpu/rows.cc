#include "backend/cpu/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/rows.cc"
#include "backend/cpu/simd_targets.h"

#include <hwy/foreach_target.h>

#include "backend/cpu/fast_math-inl.h"
#include "backend/cpu/simd_dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {
namespace {

// Added plainly, in lanes; above that, halves are summed and added.
constexpr int64_t kBlock = 1024;

template <class F>
auto with_type(DType dtype, F f) {
  if (dtype == DType::float16) return f.template operator()<float16>();
  if (dtype == DType::bfloat16) return f.template operator()<bfloat16>();
  return f.template operator()<float>();
}

template <class T>
float sum_block(const T* x, int64_t n) {
  const DF d;
  const int64_t lanes = lanes_f32();
  VF a = hn::Zero(d), b = a, c = a, e = a;
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    a = a + load_f32(d, x + i);
    b = b + load_f32(d, x + i + lanes);
    c = c + load_f32(d, x + i + 2 * lanes);
    e = e + load_f32(d, x + i + 3 * lanes);
  }
  for (; i + lanes <= n; i += lanes) a = a + load_f32(d, x + i);
  if (n > i) b = b + load_some(d, x + i, n - i);
  return hn::GetLane(hn::SumOfLanes(d, (a + b) + (c + e)));
}

template <class T>
float sum(const T* x, int64_t n) {
  if (n <= kBlock) return sum_block(x, n);
  const int64_t half = n / 2 / kBlock * kBlock, cut = half > 0 ? half : kBlock;
  return sum(x, cut) + sum(x + cut, n - cut);
}

struct Larger {
  static HWY_INLINE VF of(VF x, VF y) { return maximum(x, y); }
  static float of(float x, float y) { return x > y || x != x ? x : y; }
};
struct Smaller {
  static HWY_INLINE VF of(VF x, VF y) { return minimum(x, y); }
  static float of(float x, float y) { return x < y || x != x ? x : y; }
};

template <class F, class T>
float extreme(const T* x, int64_t n) {
  const DF d;
  const int64_t lanes = lanes_f32();
  float best = static_cast<float>(x[0]);
  int64_t i = 0;
  if (n >= 2 * lanes) {
    VF a = load_f32(d, x), b = load_f32(d, x + lanes);
    for (i = 2 * lanes; i + 2 * lanes <= n; i += 2 * lanes) {
      a = F::of(a, load_f32(d, x + i));
      b = F::of(b, load_f32(d, x + i + lanes));
    }
    float of_lane[hn::MaxLanes(DF())];
    hn::StoreU(F::of(a, b), d, of_lane);
    for (int64_t l = 0; l < lanes; ++l) best = F::of(best, of_lane[l]);
  }
  for (; i < n; ++i) best = F::of(best, static_cast<float>(x[i]));
  return best;
}

// exp(x - top). What the subtraction rounds away is as large as the difference itself in units of the last
// place of the result, so it is put back: exp(v + e) = exp(v) (1 + e).
HWY_INLINE VF exp_of_difference(DF d, VF x, VF top) {
  const VF v = x - top, b = v - x;
  const VF e = (x - (v - b)) - (top + b);
  const VF y = exp(d, v);
  return hn::MulAdd(y, hn::IfThenElseZero(hn::IsFinite(e), e), y);
}

template <class T>
void softmax(const T* x, T* y, int64_t n, float* piece) {
  const DF d;
  const int64_t lanes = lanes_f32();
  const VF top = hn::Set(d, extreme<Larger>(x, n));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(exp_of_difference(d, load_f32(d, x + i), top), d, piece + i);
  if (const int64_t m = n - i; m > 0)
    store_some(d, exp_of_difference(d, load_some(d, x + i, m), top), piece + i, m);
  const VF scale = hn::Set(d, 1.0f / sum(piece, n));
  for (i = 0; i + lanes <= n; i += lanes) store_f32(d, load_f32(d, piece + i) * scale, y + i);
  if (const int64_t m = n - i; m > 0) store_some(d, load_some(d, piece + i, m) * scale, y + i, m);
}

}  // namespace

float sum_on_target(DType dtype, const void* x, int64_t n) {
  return with_type(dtype, [&]<class T>() { return sum(static_cast<const T*>(x), n); });
}
float max_on_target(DType dtype, const void* x, int64_t n) {
  return with_type(dtype, [&]<class T>() { return extreme<Larger>(static_cast<const T*>(x), n); });
}
float min_on_target(DType dtype, const void* x, int64_t n) {
  return with_type(dtype, [&]<class T>() { return extreme<Smaller>(static_cast<const T*>(x), n); });
}
void softmax_on_target(DType dtype, const void* x, void* y, int64_t n, float* piece) {
  with_type(dtype, [&]<class T>() { softmax(static_cast<const T*>(x), static_cast<T*>(y), n, piece); });
}

}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uma::cpu {
HWY_EXPORT(sum_on_target);
HWY_EXPORT(max_on_target);
HWY_EXPORT(min_on_target);
HWY_EXPORT(softmax_on_target);

float sum_of_row(DType dtype, const void* x, int64_t n) {
  return simd_choose(HWY_DISPATCH_TABLE(sum_on_target))(dtype, x, n);
}
float max_of_row(DType dtype, const void* x, int64_t n) {
  return simd_choose(HWY_DISPATCH_TABLE(max_on_target))(dtype, x, n);
}
float min_of_row(DType dtype, const void* x, int64_t n) {
  return simd_choose(HWY_DISPATCH_TABLE(min_on_target))(dtype, x, n);
}
void softmax_of_row(DType dtype, const void* x, void* y, int64_t n, float* piece) {
  simd_choose(HWY_DISPATCH_TABLE(softmax_on_target))(dtype, x, y, n, piece);
}

}  // namespace uma::cpu
#endif
