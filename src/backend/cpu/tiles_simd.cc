// Vector tile functions for f32, f16 and bf16: the ops that models and training spend their time in. Halves
// are widened, computed in f32 and rounded, op by op, so that a group gives what its ops give one by one.
#include <iterator>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/tiles_simd.cc"
#include "backend/cpu/simd_targets.h"

#include <hwy/foreach_target.h>

#include "backend/cpu/fast_math-inl.h"
#include "backend/cpu/simd_dispatch.h"
#include "backend/cpu/tiles.h"
#include "ops/elementwise.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {
namespace {

struct Abs {
  static HWY_INLINE VF of(DF, VF x) { return hn::Abs(x); }
};
struct Negative {
  static HWY_INLINE VF of(DF, VF x) { return hn::Neg(x); }
};
struct Square {
  static HWY_INLINE VF of(DF, VF x) { return x * x; }
};
struct Sqrt {
  static HWY_INLINE VF of(DF, VF x) { return hn::Sqrt(x); }
};
struct Rsqrt {
  static HWY_INLINE VF of(DF d, VF x) { return hn::Set(d, 1.0f) / hn::Sqrt(x); }
};
struct Reciprocal {
  static HWY_INLINE VF of(DF d, VF x) { return hn::Set(d, 1.0f) / x; }
};
struct Exp {
  static HWY_INLINE VF of(DF d, VF x) { return exp(d, x); }
};
struct Log {
  static HWY_INLINE VF of(DF d, VF x) { return log(d, x); }
};
struct Tanh {
  static HWY_INLINE VF of(DF d, VF x) { return tanh(d, x); }
};
struct Sigmoid {
  static HWY_INLINE VF of(DF d, VF x) { return sigmoid_times(d, x, hn::Set(d, 1.0f)); }
};

struct Erf {
  static HWY_INLINE VF of(DF d, VF x) { return erf(d, x); }
};
struct Floor {
  static HWY_INLINE VF of(DF, VF x) { return hn::Floor(x); }
};
struct Ceil {
  static HWY_INLINE VF of(DF, VF x) { return hn::Ceil(x); }
};
struct Round {
  static HWY_INLINE VF of(DF, VF x) { return hn::Round(x); }
};

struct Add {
  static HWY_INLINE VF of(DF, VF x, VF y) { return x + y; }
};
struct Subtract {
  static HWY_INLINE VF of(DF, VF x, VF y) { return x - y; }
};
struct Multiply {
  static HWY_INLINE VF of(DF, VF x, VF y) { return x * y; }
};
struct Divide {
  static HWY_INLINE VF of(DF, VF x, VF y) { return x / y; }
};
struct Maximum {
  static HWY_INLINE VF of(DF, VF x, VF y) { return maximum(x, y); }
};
struct Minimum {
  static HWY_INLINE VF of(DF, VF x, VF y) { return minimum(x, y); }
};

// The functor lane by lane: where vectors have no fused product, and for quotients that no float holds.
template <class Functor>
VF lane_by_lane(DF d, VF x, VF y) {
  alignas(64) float a[hn::MaxLanes(DF())], b[hn::MaxLanes(DF())];
  hn::Store(x, d, a);
  hn::Store(y, d, b);
  for (size_t i = 0; i < hn::Lanes(d); ++i) a[i] = Functor{}(a[i], b[i]);
  return hn::Load(d, a);
}

/// The quotient rounded down and what it leaves. Rounding x / y can only lift it to the next whole number;
/// then the remainder, which a fused product gives the right sign, has not the sign of y. Up to 2^21 the
/// functors give the same bits.
struct Division {
  VF quotient, rest;
  bool whole;  // every lane is so
};
HWY_INLINE Division divide_down(DF d, VF x, VF y) {
  const VF zero = hn::Zero(d), q = x / y;
  VF down = hn::Floor(q), rest = hn::NegMulAdd(down, y, x);
  const bool whole = hn::AllTrue(d, hn::And(hn::Lt(hn::Abs(q), hn::Set(d, 0x1p21f)), hn::Eq(rest, rest)));
  const auto lifted = hn::Lt(hn::CopySign(rest, hn::Xor(rest, y)), zero);
  down = hn::IfThenElse(lifted, down - hn::Set(d, 1.0f), down);
  rest = hn::NegMulAdd(down, y, x);
  return {down, hn::IfThenElse(hn::Eq(rest, zero), hn::CopySign(zero, y), rest), whole};
}
struct FloorDivide {
  static HWY_INLINE VF of(DF d, VF x, VF y) {
    if (HWY_NATIVE_FMA)
      if (const Division z = divide_down(d, x, y); HWY_LIKELY(z.whole)) return z.quotient;
    return lane_by_lane<functor::FloorDivide>(d, x, y);
  }
};
struct Remainder {
  static HWY_INLINE VF of(DF d, VF x, VF y) {
    if (HWY_NATIVE_FMA)
      if (const Division z = divide_down(d, x, y); HWY_LIKELY(z.whole)) return z.rest;
    return lane_by_lane<functor::Remainder>(d, x, y);
  }
};

template <class F, class T>
void unary_tile(const void* const* in, void* out, int64_t n) {
  const DF d;
  const T* x = static_cast<const T*>(in[0]);
  T* y = static_cast<T*>(out);
  const int64_t lanes = lanes_f32();
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store_f32(d, F::of(d, load_f32(d, x + i)), y + i);
  if (const int64_t m = n - i; m > 0) store_some(d, F::of(d, load_some(d, x + i, m)), y + i, m);
}

template <class F, class T>
void binary_tile(const void* const* in, void* out, int64_t n) {
  const DF d;
  const T *x = static_cast<const T*>(in[0]), *y = static_cast<const T*>(in[1]);
  T* z = static_cast<T*>(out);
  const int64_t lanes = lanes_f32();
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store_f32(d, F::of(d, load_f32(d, x + i), load_f32(d, y + i)), z + i);
  if (const int64_t m = n - i; m > 0)
    store_some(d, F::of(d, load_some(d, x + i, m), load_some(d, y + i, m)), z + i, m);
}

struct SimdRow {
  const OpInfo* op;
  TileFn f32, f16, bf16;
};
template <class F>
constexpr SimdRow unary(const OpInfo& op) {
  return {&op, unary_tile<F, float>, unary_tile<F, float16>, unary_tile<F, bfloat16>};
}
template <class F>
constexpr SimdRow binary(const OpInfo& op) {
  return {&op, binary_tile<F, float>, binary_tile<F, float16>, binary_tile<F, bfloat16>};
}

constexpr SimdRow kRows[] = {
    unary<Abs>(kAbs),
    unary<Negative>(kNegative),
    unary<Square>(kSquare),
    unary<Sqrt>(kSqrt),
    unary<Rsqrt>(kRsqrt),
    unary<Reciprocal>(kReciprocal),
    unary<Exp>(kExp),
    unary<Log>(kLog),
    unary<Tanh>(kTanh),
    unary<Sigmoid>(kSigmoid),
    unary<Erf>(kErf),
    unary<Floor>(kFloor),
    unary<Ceil>(kCeil),
    unary<Round>(kRound),
    binary<Add>(kAdd),
    binary<Subtract>(kSubtract),
    binary<Multiply>(kMultiply),
    binary<Divide>(kDivide),
    binary<Maximum>(kMaximum),
    binary<Minimum>(kMinimum),
    binary<FloorDivide>(kFloorDivide),
    binary<Remainder>(kRemainder),
};

}  // namespace

TileFn tile_on_target(int row, DType dtype) {
  const SimdRow& found = kRows[row];
  if (dtype == DType::float32) return found.f32;
  if (dtype == DType::float16) return found.f16;
  return dtype == DType::bfloat16 ? found.bf16 : nullptr;
}

}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uma::cpu {
HWY_EXPORT(tile_on_target);

int simd_row(const OpInfo& op) {
  for (size_t i = 0; i < std::size(HWY_NAMESPACE::kRows); ++i)
    if (HWY_NAMESPACE::kRows[i].op == &op) return static_cast<int>(i);
  return -1;
}

TileFn simd_tile_function(int row, DType dtype) {
  return simd_choose(HWY_DISPATCH_TABLE(tile_on_target))(row, dtype);
}

}  // namespace uma::cpu
#endif
