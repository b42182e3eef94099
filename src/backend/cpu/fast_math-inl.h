// Vector exp and tanh for norms, activations and attention. Included once a target by Highway's rules.
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

}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#endif
