// Vector exp, log and tanh for elementwise ops, norms, activations and attention. Included once a target by
// Highway's rules.
#if defined(UMA_FAST_MATH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef UMA_FAST_MATH_INL_H
#undef UMA_FAST_MATH_INL_H
#else
#define UMA_FAST_MATH_INL_H
#endif

#include <hwy/highway.h>

#include "base/half.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;

/// N floats from f32, f16 or bf16 memory of any alignment.
HWY_INLINE VF load_f32(DF d, const float* p) {
  return hn::LoadU(d, p);
}
HWY_INLINE VF load_f32(DF d, const bfloat16* p) {
  const hn::Rebind<uint16_t, DF> du16;
  const hn::RebindToUnsigned<DF> du32;
  return hn::BitCast(
      d, hn::ShiftLeft<16>(hn::PromoteTo(du32, hn::LoadU(du16, reinterpret_cast<const uint16_t*>(p)))));
}
HWY_INLINE VF load_f32([[maybe_unused]] DF d, const float16* p) {
#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
  // Highway's emulation knows no infinities in f16.
  alignas(16) float lanes[hn::MaxLanes(DF())];
  for (size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = f16_bits_to_f32(p[i].bits);
  return hn::Load(d, lanes);
#else
  const hn::Rebind<hwy::float16_t, DF> dh;
  return hn::PromoteTo(d, hn::LoadU(dh, reinterpret_cast<const hwy::float16_t*>(p)));
#endif
}

/// Rounds N floats to f32, f16 or bf16 memory of any alignment.
HWY_INLINE void store_f32(DF d, VF v, float* p) {
  hn::StoreU(v, d, p);
}
HWY_INLINE void store_f32([[maybe_unused]] DF d, VF v, bfloat16* p) {
  const hn::RebindToUnsigned<DF> du;
  const hn::RebindToSigned<DF> di;
  const hn::Rebind<int16_t, DF> di16;
  const auto bits = hn::BitCast(du, v);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto rounded = bits + hn::Set(du, 0x7fff) + odd;
  const auto quiet = hn::Or(bits, hn::Set(du, 0x400000));
  const auto kept = hn::IfThenElse(hn::RebindMask(du, hn::Eq(v, v)), rounded, quiet);
  // An arithmetic shift leaves what fits 16 signed bits, so the demotion does not saturate.
  hn::StoreU(hn::DemoteTo(di16, hn::ShiftRight<16>(hn::BitCast(di, kept))), di16,
             reinterpret_cast<int16_t*>(p));
}
HWY_INLINE void store_f32([[maybe_unused]] DF d, VF v, float16* p) {
#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
  alignas(16) float lanes[hn::MaxLanes(DF())];
  hn::Store(v, d, lanes);
  for (size_t i = 0; i < hn::Lanes(d); ++i) p[i].bits = f32_to_f16_bits(lanes[i]);
#else
  const hn::Rebind<hwy::float16_t, DF> dh;
  hn::StoreU(hn::DemoteTo(dh, v), dh, reinterpret_cast<hwy::float16_t*>(p));
#endif
}

/// The first n < N elements; the other lanes are zero, and their memory is not touched.
template <class T>
HWY_INLINE VF load_some(DF d, const T* p, int64_t n) {
  T lanes[hn::MaxLanes(DF())] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load_f32(d, lanes);
}
template <class T>
HWY_INLINE void store_some(DF d, VF v, T* p, int64_t n) {
  T lanes[hn::MaxLanes(DF())];
  store_f32(d, v, lanes);
  for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
}

HWY_INLINE int64_t lanes_f32() {
  return static_cast<int64_t>(hn::Lanes(DF()));
}

/// The larger and the smaller one. NaN wins: of x by the second condition, of y because no comparison with it
/// is true.
HWY_INLINE VF maximum(VF x, VF y) {
  return hn::IfThenElse(hn::Or(hn::Gt(x, y), hn::IsNaN(x)), x, y);
}
HWY_INLINE VF minimum(VF x, VF y) {
  return hn::IfThenElse(hn::Or(hn::Lt(x, y), hn::IsNaN(x)), x, y);
}

/// 2^n for integral n in [-126, 127].
HWY_INLINE VF power_of_two(DF d, hn::Vec<hn::RebindToSigned<DF>> n) {
  const hn::RebindToSigned<DF> di;
  return hn::BitCast(d, hn::ShiftLeft<23>(n + hn::Set(di, 127)));
}

/// exp(r) for |r| <= ln(2) / 2: minimax polynomial, relative error below 2^-24.
HWY_INLINE VF exp_reduced(DF d, VF r) {
  VF p = hn::Set(d, 1.9875691500e-4f);
  p = hn::MulAdd(p, r, hn::Set(d, 1.3981999507e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3334519073e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1665795894e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666665459e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.0000001201e-1f));
  return hn::MulAdd(p, r * r, r + hn::Set(d, 1.0f));
}

/// What exp(x) is made of: exp(x) = exp_reduced(rest) * 2^power. NaN goes into the rest.
struct ExpParts {
  VF rest;
  hn::Vec<hn::RebindToSigned<DF>> power;
};
HWY_INLINE ExpParts split_exp(DF d, VF x) {
  const VF n = hn::Round(x * hn::Set(d, 1.44269504f));
  // ln(2) in two parts, the first with so few bits that its product with n is exact.
  const VF r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  // What a NaN becomes as an integer is not defined.
  const VF power = hn::IfThenElseZero(hn::Eq(n, n), n);
  return {hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r), hn::ConvertTo(hn::RebindToSigned<DF>(), power)};
}

/// exp(x) for x <= 0, at most 2 ULP; below -87.3 zero. NaN stays NaN.
HWY_INLINE VF exp_nonpositive(DF d, VF x) {
  const VF lowest = hn::Set(d, -87.3f);
  // Not Max: what that makes of NaN differs from machine to machine.
  const auto gone = hn::Lt(x, lowest);
  const ExpParts e = split_exp(d, hn::IfThenElse(gone, lowest, x));
  return hn::IfThenZeroElse(gone, exp_reduced(d, e.rest) * power_of_two(d, e.power));
}

/// exp(x), at most 2 ULP, subnormal results too; 0 and infinity where f32 ends. NaN stays NaN.
HWY_INLINE VF exp(DF d, VF x) {
  // Past these all is 0 or infinity; the powers then fit.
  const VF lowest = hn::Set(d, -105.0f), highest = hn::Set(d, 89.0f);
  const VF low = hn::IfThenElse(hn::Lt(x, lowest), lowest, x);
  const ExpParts e = split_exp(d, hn::IfThenElse(hn::Gt(low, highest), highest, low));
  // The power in two factors: one of them alone may not be a number of f32.
  const auto half = hn::ShiftRight<1>(e.power);
  return exp_reduced(d, e.rest) * power_of_two(d, half) * power_of_two(d, e.power - half);
}

/// log(x), at most 2 ULP; -infinity at 0, NaN below. NaN stays NaN.
HWY_INLINE VF log(DF d, VF x) {
  const hn::RebindToSigned<DF> di;
  const VF one = hn::Set(d, 1.0f);
  // Subnormal numbers have no exponent to read until they are scaled.
  const auto tiny = hn::Lt(x, hn::Set(d, 1.17549435e-38f));
  const auto bits = hn::BitCast(di, hn::IfThenElse(tiny, x * hn::Set(d, 8388608.0f), x));
  // x = m 2^e with m from sqrt(1/2) to sqrt(2).
  const auto offset = bits - hn::Set(di, 0x3f3504f3);
  const VF m = hn::BitCast(d, hn::And(offset, hn::Set(di, 0x007fffff)) + hn::Set(di, 0x3f3504f3));
  const VF e = hn::ConvertTo(d, hn::ShiftRight<23>(offset)) - hn::IfThenElseZero(tiny, hn::Set(d, 23.0f));
  const VF f = m - one, z = f * f;
  VF p = hn::Set(d, 7.0376836292e-2f);
  p = hn::MulAdd(p, f, hn::Set(d, -1.1514610310e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.1676998740e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, -1.2420140846e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.4249322787e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, -1.6668057665e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 2.0000714765e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, -2.4999993993e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 3.3333331174e-1f));
  // ln(2) in two parts, the first with so few bits that its product with e is exact.
  VF small = hn::MulAdd(e, hn::Set(d, -2.12194440e-4f), p * f * z);
  small = hn::NegMulAdd(hn::Set(d, 0.5f), z, small);
  VF y = hn::MulAdd(e, hn::Set(d, 0.693359375f), f + small);
  const VF infinity = hn::Inf(d);
  y = hn::IfThenElse(hn::Eq(x, infinity), infinity, y);
  y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(infinity), y);
  return hn::IfThenElse(hn::Ge(x, hn::Zero(d)), y, hn::NaN(d));
}

/// y / (1 + exp(-x)), at most 3 ULP down to where f32 turns subnormal. NaN stays NaN.
HWY_INLINE VF sigmoid_times(DF d, VF x, VF y) {
  const VF lowest = hn::Set(d, -120.0f);
  const VF a = hn::Neg(hn::Abs(x));
  const ExpParts e = split_exp(d, hn::IfThenElse(hn::Lt(a, lowest), lowest, a));
  // The power in two factors, the last after y has come in: exp(x) may be too small where the product is not.
  const auto half = hn::ShiftRight<1>(e.power);
  const VF most = exp_reduced(d, e.rest) * power_of_two(d, half), scale = power_of_two(d, e.power - half);
  const VF below = most * y * scale;
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), below, y) / hn::MulAdd(most, scale, hn::Set(d, 1.0f));
}

/// tanh(x), at most 3 ULP. NaN stays NaN.
HWY_INLINE VF tanh(DF d, VF x) {
  const VF a = hn::Abs(x);
  const VF one = hn::Set(d, 1.0f);
  const VF e = exp_nonpositive(d, hn::Set(d, -2.0f) * a);
  const VF large = (one - e) / (one + e);
  // Below 0.625 that would cancel: an odd polynomial instead.
  const VF s = x * x;
  VF p = hn::Set(d, -5.70498872745e-3f);
  p = hn::MulAdd(p, s, hn::Set(d, 2.06390887954e-2f));
  p = hn::MulAdd(p, s, hn::Set(d, -5.37397155531e-2f));
  p = hn::MulAdd(p, s, hn::Set(d, 1.33314422036e-1f));
  p = hn::MulAdd(p, s, hn::Set(d, -3.33332819422e-1f));
  const VF small = hn::MulAdd(p * s, x, x);
  return hn::IfThenElse(hn::Lt(a, hn::Set(d, 0.625f)), small, hn::CopySign(large, x));
}

/// erf(x), at most 2 ULP. NaN stays NaN. Both polynomials are minimax fits to the relative error.
HWY_INLINE VF erf(DF d, VF x) {
  const VF a = hn::Abs(x);
  const VF s = x * x;
  VF p = hn::Set(d, -5.94918383e-4f);
  p = hn::MulAdd(p, s, hn::Set(d, 4.98504331e-3f));
  p = hn::MulAdd(p, s, hn::Set(d, -2.67611071e-2f));
  p = hn::MulAdd(p, s, hn::Set(d, 1.12816654e-1f));
  p = hn::MulAdd(p, s, hn::Set(d, -3.76124799e-1f));
  p = hn::MulAdd(p, s, hn::Set(d, 1.28379151e-1f));
  const VF small = hn::MulAdd(p, x, x);
  // From 0.93 on 1 - exp(-q(|x|)); past 3.93 that is 1.
  const VF end = hn::Set(d, 3.93f);
  const VF t = hn::IfThenElse(hn::Gt(a, end), end, a);
  VF q = hn::Set(d, 1.08381628e-5f);
  q = hn::MulAdd(q, t, hn::Set(d, -3.18881241e-4f));
  q = hn::MulAdd(q, t, hn::Set(d, 3.62656405e-3f));
  q = hn::MulAdd(q, t, hn::Set(d, -2.37285681e-2f));
  q = hn::MulAdd(q, t, hn::Set(d, 1.06198147e-1f));
  q = hn::MulAdd(q, t, hn::Set(d, 6.35174632e-1f));
  q = hn::MulAdd(q, t, hn::Set(d, 1.28642768e-1f));
  const VF large = hn::Set(d, 1.0f) - exp_nonpositive(d, hn::NegMulSub(q, t, t));
  return hn::IfThenElse(hn::Lt(a, hn::Set(d, 0.93f)), small, hn::CopySign(large, x));
}

}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#endif
