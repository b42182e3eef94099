// Kernels of ops/random.h. Word i of a key's numbers and word i + n/2 come from one block of the generator,
// so that any range can be drawn alone: threads and vectors change nothing. Compiled without contraction of
// products and sums, which would change the last bit of uniform().
#include "ops/random.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/random.cc"
#include "backend/cpu/simd_targets.h"

#include <hwy/foreach_target.h>

#include <hwy/contrib/math/math-inl.h>

#include "backend/cpu/simd_dispatch.h"
#include "base/thread_pool.h"
#include "core/kernel.h"
#include "ops/functors.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using DU = hn::ScalableTag<uint32_t>;
using DF = hn::ScalableTag<float>;
using DD = hn::ScalableTag<double>;
using VU = hn::Vec<DU>;
using VF = hn::Vec<DF>;
using VD = hn::Vec<DD>;

// Two vectors of blocks: each is one long chain, and two of them keep the units of a core busy.
struct Blocks {
  VU x0, y0, x1, y1;
};
template <int kLeft>
HWY_INLINE void mix(Blocks& b) {
  b.x0 = b.x0 + b.y0;
  b.x1 = b.x1 + b.y1;
  b.y0 = hn::RotateRight<32 - kLeft>(b.y0) ^ b.x0;
  b.y1 = hn::RotateRight<32 - kLeft>(b.y1) ^ b.x1;
}
HWY_INLINE void mix_even(Blocks& b) {
  mix<13>(b);
  mix<15>(b);
  mix<26>(b);
  mix<6>(b);
}
HWY_INLINE void mix_odd(Blocks& b) {
  mix<17>(b);
  mix<29>(b);
  mix<16>(b);
  mix<24>(b);
}

// Threefry-2x32 of 20 rounds. source  Salmon et al., SC 2011
HWY_INLINE void threefry(uint32_t key0, uint32_t key1, Blocks& b) {
  const DU d;
  const uint32_t key2 = key0 ^ key1 ^ 0x1BD11BDAu;
  const auto inject = [&](uint32_t x, uint32_t y) {
    b.x0 = b.x0 + hn::Set(d, x);
    b.x1 = b.x1 + hn::Set(d, x);
    b.y0 = b.y0 + hn::Set(d, y);
    b.y1 = b.y1 + hn::Set(d, y);
  };
  inject(key0, key1);
  mix_even(b);
  inject(key1, key2 + 1);
  mix_odd(b);
  inject(key2, key0 + 2);
  mix_even(b);
  inject(key0, key1 + 3);
  mix_odd(b);
  inject(key1, key2 + 4);
  mix_even(b);
  inject(key2, key0 + 5);
}

// low + range u. A word becomes a float in two exact halves and one rounding.
HWY_INLINE VF uniform(VU words, float low, float range) {
  const DF d;
  const DU du;
  const hn::RebindToSigned<DF> di;
  const VF hi = hn::ConvertTo(d, hn::BitCast(di, hn::ShiftRight<16>(words)));
  const VF lo = hn::ConvertTo(d, hn::BitCast(di, hn::And(words, hn::Set(du, 0xffff))));
  const VF u = hn::Min((hi * hn::Set(d, 65536.0f) + lo) * hn::Set(d, 0x1p-32f), hn::Set(d, 0x1.fffffep-1f));
  return hn::Set(d, range) * u + hn::Set(d, low);
}

template <size_t N>
HWY_INLINE VD polynomial(const double (&c)[N], VD t) {
  const DD d;
  VD p = hn::Set(d, c[N - 1]);
  for (size_t i = N - 1; i-- > 0;) p = hn::MulAdd(p, t, hn::Set(d, c[i]));
  return p;
}

// sqrt(2) erfinv(x) for |x| < 1 of 24 bits; functor::Erfinv in vectors.
HWY_INLINE VD normal_of(VD x) {
  const DD d;
  const VD one = hn::Set(d, 1.0);
  const VD w = hn::Neg(hn::Log(d, (one - x) * (one + x)));
  VD p = polynomial(functor::kErfinvCentral, w - hn::Set(d, 2.5));
  const auto tail = hn::Ge(w, hn::Set(d, 5.0));
  if (HWY_UNLIKELY(!hn::AllFalse(d, tail)))
    p = hn::IfThenElse(tail, polynomial(functor::kErfinvTail, hn::Sqrt(w) - hn::Set(d, 3.2)), p);
  return p * x * hn::Set(d, std::numbers::sqrt2);
}

HWY_INLINE VF normal(VU words) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  const DF df;
  alignas(64) float lanes[hn::MaxLanes(DF())];
  hn::Store(uniform(words, -0x1.fffffep-1f, 2.0f), df, lanes);
  for (size_t i = 0; i < hn::Lanes(df); ++i)
    lanes[i] = static_cast<float>(std::numbers::sqrt2 * functor::Erfinv{}(lanes[i]));
  return hn::Load(df, lanes);
#else
  const DF df;
  const DD dd;
  const hn::Half<DF> dh;
  const VF u = uniform(words, -0x1.fffffep-1f, 2.0f);
  const auto lower = hn::DemoteTo(dh, normal_of(hn::PromoteTo(dd, hn::LowerHalf(dh, u))));
  const auto upper = hn::DemoteTo(dh, normal_of(hn::PromoteTo(dd, hn::UpperHalf(dh, u))));
  return hn::Combine(df, upper, lower);
#endif
}

// What a stream becomes: bits, uniform numbers (low, range) or normal ones.
enum Form { kBits, kUniform, kNormal };

HWY_INLINE VU drawn(int form, float low, float range, VU words) {
  if (form == kBits) return words;
  return hn::BitCast(DU(), form == kUniform ? uniform(words, low, range) : normal(words));
}

// n blocks of a key, from the counters c and d on: their first words to a, their second ones to b.
void draw_on_target(int form, float low, float range, const uint32_t* key, uint32_t c, uint32_t d, int64_t n,
                    uint32_t* a, uint32_t* b) {
  const DU du;
  const auto lanes = static_cast<int64_t>(hn::Lanes(du));
  const auto from = [&](uint32_t counter, int64_t i) {
    return hn::Iota(du, counter + static_cast<uint32_t>(i));
  };
  for (int64_t i = 0; i < n; i += 2 * lanes) {
    Blocks v{from(c, i), from(d, i), from(c, i + lanes), from(d, i + lanes)};
    threefry(key[0], key[1], v);
    v = {drawn(form, low, range, v.x0), drawn(form, low, range, v.y0), drawn(form, low, range, v.x1),
         drawn(form, low, range, v.y1)};
    if (i + 2 * lanes <= n) {
      hn::StoreU(v.x0, du, a + i);
      hn::StoreU(v.x1, du, a + i + lanes);
      hn::StoreU(v.y0, du, b + i);
      hn::StoreU(v.y1, du, b + i + lanes);
    } else {
      uint32_t last[4 * hn::MaxLanes(DU())];
      hn::StoreU(v.x0, du, last);
      hn::StoreU(v.x1, du, last + lanes);
      hn::StoreU(v.y0, du, last + 2 * lanes);
      hn::StoreU(v.y1, du, last + 3 * lanes);
      std::copy_n(last, n - i, a + i);
      std::copy_n(last + 2 * lanes, n - i, b + i);
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uma::cpu {
namespace {
HWY_EXPORT(draw_on_target);

// Blocks that are worth another thread.
constexpr int64_t kGrain = 4096;

struct Stream {
  int form;
  float low = 0, range = 0;
};

// All that one key gives: `bytes` at `out`.
void draw_key(const Stream& s, const uint32_t* key, int64_t bytes, uint8_t* out, bool parallel) {
  const auto draw = simd_choose(HWY_DISPATCH_TABLE(draw_on_target));
  const int64_t words = (bytes + 3) / 4, half = words / 2, second = half + words % 2;
  // Narrow words need not fill the last 32 bits, nor start where 32 bits may.
  const bool direct = bytes % 4 == 0 && reinterpret_cast<uintptr_t>(out) % 4 == 0;
  std::shared_ptr<Buffer> spare;
  if (!direct) spare = Buffer::allocate(static_cast<size_t>(words) * 4, Device{});
  auto* to = reinterpret_cast<uint32_t*>(direct ? out : spare->data());
  const auto range = [&](int64_t begin, int64_t end) {
    draw(s.form, s.low, s.range, key, static_cast<uint32_t>(begin), static_cast<uint32_t>(second + begin),
         end - begin, to + begin, to + second + begin);
  };
  if (parallel)
    parallel_ranges(half, kGrain, range);
  else
    range(0, half);
  uint32_t unused;
  if (words % 2)  // the word in the middle has a block of its own
    draw(s.form, s.low, s.range, key, static_cast<uint32_t>(half), 0, 1, to + half, &unused);
  if (!direct) std::memcpy(out, to, static_cast<size_t>(bytes));
}

void draw_kernel(KernelArgs& args, const Stream& s) {
  const array keys = row_contiguous(args.in(0));
  array& out = args.allocate();
  const int64_t count = keys.size() / 2;
  if (out.size() == 0) return;
  const int64_t bytes = out.nbytes() / count;
  auto* to = out.mutable_data<uint8_t>();
  if (count == 1) return draw_key(s, keys.data<uint32_t>(), bytes, to, true);
  parallel_ranges(count, std::max<int64_t>(1, kGrain * 8 / bytes), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      draw_key(s, keys.data<uint32_t>() + 2 * i, bytes, to + i * bytes, false);
  });
}

void bits_kernel(KernelArgs& args) {
  draw_kernel(args, {0});
}
void uniform_kernel(KernelArgs& args) {
  const auto& p = args.params<random::UniformParams>();
  draw_kernel(args, {1, p.low, p.range});
}
void normal_kernel(KernelArgs& args) {
  draw_kernel(args, {2});
}

const bool registered = register_kernel(kRandomBits, DeviceType::cpu, bits_kernel) &&
                        register_kernel(kRandomUniform, DeviceType::cpu, uniform_kernel) &&
                        register_kernel(kRandomNormal, DeviceType::cpu, normal_kernel);

}  // namespace
}  // namespace uma::cpu
#endif
