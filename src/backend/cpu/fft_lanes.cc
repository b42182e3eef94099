#include "backend/cpu/fft_lanes.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/fft_lanes.cc"
#include "backend/cpu/simd_targets.h"

#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backend/cpu/simd_dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, kMostLanes>;
using V = hn::Vec<D>;
// Element j of all lanes: real parts, then imaginary ones.
constexpr size_t kWidth = hn::MaxLanes(D());

struct C {
  V re, im;
};
HWY_INLINE C operator+(C a, C b) {
  return {a.re + b.re, a.im + b.im};
}
HWY_INLINE C operator-(C a, C b) {
  return {a.re - b.re, a.im - b.im};
}
HWY_INLINE C load(const float* p, int64_t j) {
  const D d;
  p += static_cast<size_t>(j) * 2 * kWidth;
  return {hn::LoadU(d, p), hn::LoadU(d, p + kWidth)};
}
HWY_INLINE void store(C v, float* p, int64_t j) {
  const D d;
  p += static_cast<size_t>(j) * 2 * kWidth;
  hn::StoreU(v.re, d, p);
  hn::StoreU(v.im, d, p + kWidth);
}
HWY_INLINE C set(std::complex<float> w) {
  const D d;
  return {hn::Set(d, w.real()), hn::Set(d, w.imag())};
}
HWY_INLINE C mul(C a, C w) {
  return {hn::MulSub(a.re, w.re, a.im * w.im), hn::MulAdd(a.re, w.im, a.im * w.re)};
}
HWY_INLINE C scaled(C a, V s) {
  return {a.re * s, a.im * s};
}
HWY_INLINE C minus_i(C a) {
  return {a.im, hn::Neg(a.re)};
}
HWY_INLINE C plus(C a, V s, C b) {  // a + s b
  return {hn::MulAdd(s, b.re, a.re), hn::MulAdd(s, b.im, a.im)};
}

HWY_INLINE void butterfly2(C (&a)[2]) {
  const C t = a[0];
  a[0] = t + a[1];
  a[1] = t - a[1];
}
HWY_INLINE void butterfly3(C (&a)[3]) {
  const D d;
  const C sum = a[1] + a[2], turned = scaled(minus_i(a[1] - a[2]), hn::Set(d, 0.86602540378443865f));
  const C middle = plus(a[0], hn::Set(d, -0.5f), sum);
  a[0] = a[0] + sum;
  a[1] = middle + turned;
  a[2] = middle - turned;
}
HWY_INLINE void butterfly4(C (&a)[4]) {
  const C s02 = a[0] + a[2], d02 = a[0] - a[2], s13 = a[1] + a[3], d13 = minus_i(a[1] - a[3]);
  a[0] = s02 + s13;
  a[1] = d02 + d13;
  a[2] = s02 - s13;
  a[3] = d02 - d13;
}
HWY_INLINE void butterfly5(C (&a)[5]) {
  const D d;
  const V c1 = hn::Set(d, 0.30901699437494742f), c2 = hn::Set(d, -0.80901699437494742f);
  const V s1 = hn::Set(d, 0.95105651629515357f), s2 = hn::Set(d, 0.58778525229247313f);
  const C s14 = a[1] + a[4], s23 = a[2] + a[3], d14 = minus_i(a[1] - a[4]), d23 = minus_i(a[2] - a[3]);
  const C m1 = plus(plus(a[0], c1, s14), c2, s23), m2 = plus(plus(a[0], c2, s14), c1, s23);
  const C t1 = plus(scaled(d14, s1), s2, d23), t2 = plus(scaled(d14, s2), hn::Neg(s1), d23);
  a[0] = a[0] + s14 + s23;
  a[1] = m1 + t1;
  a[2] = m2 + t2;
  a[3] = m2 - t2;
  a[4] = m1 - t1;
}

template <int R>
HWY_INLINE void butterfly(C (&a)[R]) {
  if constexpr (R == 2) butterfly2(a);
  if constexpr (R == 3) butterfly3(a);
  if constexpr (R == 4) butterfly4(a);
  if constexpr (R == 5) butterfly5(a);
}

template <int R>
void run_pass(const FftPass& pass, const float* x, float* y) {
  for (int64_t p = 0; p < pass.m; ++p) {
    C w[R - 1];
    for (int k = 0; k < R - 1; ++k) w[k] = set(pass.twiddles[static_cast<size_t>(p * (R - 1) + k)]);
    for (int64_t q = 0; q < pass.s; ++q) {
      C a[R];
      for (int k = 0; k < R; ++k) a[k] = load(x, q + pass.s * (p + k * pass.m));
      butterfly<R>(a);
      store(a[0], y, q + pass.s * R * p);
      for (int k = 1; k < R; ++k) store(p == 0 ? a[k] : mul(a[k], w[k - 1]), y, q + pass.s * (R * p + k));
    }
  }
}

// Any radix, by the definition.
void run_pass_of(const FftPass& pass, const float* x, float* y) {
  const int64_t r = pass.radix;
  C a[kLargestRadix];
  for (int64_t p = 0; p < pass.m; ++p)
    for (int64_t q = 0; q < pass.s; ++q) {
      C total = load(x, q + pass.s * p);
      a[0] = total;
      for (int64_t k = 1; k < r; ++k) {
        a[k] = load(x, q + pass.s * (p + k * pass.m));
        total = total + a[k];
      }
      store(total, y, q + pass.s * r * p);
      for (int64_t k = 1; k < r; ++k) {
        C sum = a[0];
        for (int64_t j = 1, e = k; j < r; ++j, e = e + k < r ? e + k : e + k - r)
          sum = sum + mul(a[j], set(pass.roots[static_cast<size_t>(e)]));
        store(mul(sum, set(pass.twiddles[static_cast<size_t>(p * (r - 1) + k - 1)])), y,
              q + pass.s * (r * p + k));
      }
    }
}

bool are_neighbours(const int64_t* at, int64_t lanes) {
  for (int64_t l = 1; l < lanes; ++l)
    if (at[l] != at[0] + l) return false;
  return lanes == static_cast<int64_t>(kWidth);
}

void gather(const FftLanes& job, float* x) {
  const D d;
  const int64_t n = job.plan->n;
  const bool whole = are_neighbours(job.in_at, job.lanes);
  const size_t re = job.swap_in ? kWidth : 0, im = kWidth - re;
  for (int64_t j = 0; j < n; ++j, x += 2 * kWidth) {
    const std::complex<float>* from = job.in + j * job.in_step;
    if (whole) {
      V a, b;
      hn::LoadInterleaved2(d, reinterpret_cast<const float*>(from + job.in_at[0]), a, b);
      hn::StoreU(a, d, x + re);
      hn::StoreU(b, d, x + im);
      continue;
    }
    for (int64_t l = 0; l < static_cast<int64_t>(kWidth); ++l) {
      // Lanes without work repeat the last one.
      const std::complex<float> v = from[job.in_at[std::min(l, job.lanes - 1)]];
      x[re + static_cast<size_t>(l)] = v.real();
      x[im + static_cast<size_t>(l)] = v.imag();
    }
  }
}

void scatter(const FftLanes& job, const float* y) {
  const D d;
  const int64_t n = job.plan->n;
  const bool whole = are_neighbours(job.out_at, job.lanes);
  const V scale = hn::Set(d, job.scale);
  for (int64_t k = 0; k < n; ++k) {
    C v = load(y, k);
    if (job.twiddles) {
      const std::complex<float>* w = job.twiddles + k * job.twiddle_step;
      C t;
      if (job.lanes == static_cast<int64_t>(kWidth)) {
        hn::LoadInterleaved2(d, reinterpret_cast<const float*>(w), t.re, t.im);
      } else {
        float parts[2][kWidth] = {};
        for (int64_t l = 0; l < job.lanes; ++l) {
          parts[0][l] = w[l].real();
          parts[1][l] = w[l].imag();
        }
        t = {hn::LoadU(d, parts[0]), hn::LoadU(d, parts[1])};
      }
      v = mul(v, t);
    }
    v = scaled(v, scale);
    if (job.swap_out) std::swap(v.re, v.im);
    std::complex<float>* to = job.out + k * job.out_step;
    if (whole) {
      hn::StoreInterleaved2(v.re, v.im, d, reinterpret_cast<float*>(to + job.out_at[0]));
      continue;
    }
    float parts[2][kWidth];
    hn::StoreU(v.re, d, parts[0]);
    hn::StoreU(v.im, d, parts[1]);
    for (int64_t l = 0; l < job.lanes; ++l) to[job.out_at[l]] = {parts[0][l], parts[1][l]};
  }
}

void lanes_on_target(const FftLanes& job, float* work) {
  float *x = work, *y = work + static_cast<size_t>(job.plan->n) * 2 * kWidth;
  gather(job, x);
  for (const FftPass& pass : job.plan->passes) {
    switch (pass.radix) {
      case 2:
        run_pass<2>(pass, x, y);
        break;
      case 3:
        run_pass<3>(pass, x, y);
        break;
      case 4:
        run_pass<4>(pass, x, y);
        break;
      case 5:
        run_pass<5>(pass, x, y);
        break;
      default:
        run_pass_of(pass, x, y);
    }
    std::swap(x, y);
  }
  scatter(job, x);
}

int64_t width_on_target() {
  return kWidth;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uma::cpu {
namespace {
HWY_EXPORT(lanes_on_target);
HWY_EXPORT(width_on_target);
}  // namespace

int64_t fft_lane_count() {
  return simd_choose(HWY_DISPATCH_TABLE(width_on_target))();
}
void run_fft_lanes(const FftLanes& job, float* work) {
  simd_choose(HWY_DISPATCH_TABLE(lanes_on_target))(job, work);
}

}  // namespace uma::cpu
#endif
