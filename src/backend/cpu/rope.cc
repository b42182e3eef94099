#include "fast/rope.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/rope.cc"
#include "backend/cpu/simd_targets.h"

#include <hwy/foreach_target.h>

#include "backend/cpu/fast_math-inl.h"
#include "backend/cpu/simd_dispatch.h"
#include "base/thread_pool.h"
#include "core/kernel.h"
#include "core/layout.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {
namespace {

using DD = hn::ScalableTag<double>;

/// cos and sin of n angles position * frequency[i], in f64 up to the last rounding. n is rounded up to whole
/// vectors: the arrays have room for that.
void sines(double position, const double* frequency, int64_t n, float* cos, float* sin) {
  const DD d;
  const hn::Rebind<float, DD> df;
  const auto k = [&](double v) { return hn::Set(d, v); };
  for (int64_t i = 0; i < n; i += static_cast<int64_t>(hn::Lanes(d))) {
    const auto angle = k(position) * hn::LoadU(d, frequency + i);
    // Quarter turns; what is left is at most pi / 4. pi / 2 is taken off in two parts.
    const auto turns = hn::Round(angle * k(0.63661977236758134308));
    auto r = hn::NegMulAdd(turns, k(1.57079632679489655800), angle);
    r = hn::NegMulAdd(turns, k(6.12323399573676603587e-17), r);
    const auto z = r * r;
    // Taylor: the first term left out is below 1e-10 of the result.
    auto s = hn::MulAdd(k(-1.0 / 39916800), z, k(1.0 / 362880));
    s = hn::MulAdd(s, z, k(-1.0 / 5040));
    s = hn::MulAdd(s, z, k(1.0 / 120));
    s = hn::MulAdd(s, z, k(-1.0 / 6));
    s = hn::MulAdd(s * z, r, r);
    auto c = hn::MulAdd(k(-1.0 / 3628800), z, k(1.0 / 40320));
    c = hn::MulAdd(c, z, k(-1.0 / 720));
    c = hn::MulAdd(c, z, k(1.0 / 24));
    c = hn::MulAdd(c, z, k(-0.5));
    c = hn::MulAdd(c, z, k(1.0));
    const auto quadrant = turns - k(4.0) * hn::Floor(turns * k(0.25));  // 0, 1, 2 or 3
    const auto odd = hn::Or(hn::Eq(quadrant, k(1.0)), hn::Eq(quadrant, k(3.0)));
    const auto upper = hn::Ge(quadrant, k(2.0));  // sine below zero
    const auto left = hn::Or(hn::Eq(quadrant, k(1.0)), hn::Eq(quadrant, k(2.0)));
    const auto sine = hn::IfThenElse(odd, c, s), cosine = hn::IfThenElse(odd, s, c);
    hn::StoreU(hn::DemoteTo(df, hn::IfThenElse(upper, hn::Neg(sine), sine)), df, sin + i);
    hn::StoreU(hn::DemoteTo(df, hn::IfThenElse(left, hn::Neg(cosine), cosine)), df, cos + i);
  }
}

/// Turns the pairs of one row; x and y may be the same. Pairs are (i, i + half).
template <class T>
HWY_INLINE void turn_halves(const T* x, T* y, int64_t half, const float* cos, const float* sin) {
  const DF d;
  const int64_t lanes = lanes_f32();
  int64_t i = 0;
  for (; i + lanes <= half; i += lanes) {
    const VF c = hn::LoadU(d, cos + i), s = hn::LoadU(d, sin + i);
    const VF a = load_f32(d, x + i), b = load_f32(d, x + half + i);
    store_f32(d, hn::MulSub(a, c, b * s), y + i);
    store_f32(d, hn::MulAdd(a, s, b * c), y + half + i);
  }
  for (; i < half; ++i) {
    const float a = x[i], b = x[half + i];
    y[i] = static_cast<T>(static_cast<float>(a * cos[i] - b * sin[i]));
    y[half + i] = static_cast<T>(static_cast<float>(a * sin[i] + b * cos[i]));
  }
}

/// The same for the pairs (2i, 2i + 1).
template <class T>
HWY_INLINE void turn_neighbours(const T* x, T* y, int64_t half, const float* cos, const float* sin) {
  int64_t i = 0;
  if constexpr (std::is_same_v<T, float>) {
    const DF d;
    const int64_t lanes = lanes_f32();
    for (; i + lanes <= half; i += lanes) {
      const VF c = hn::LoadU(d, cos + i), s = hn::LoadU(d, sin + i);
      VF a, b;
      hn::LoadInterleaved2(d, x + 2 * i, a, b);
      hn::StoreInterleaved2(hn::MulSub(a, c, b * s), hn::MulAdd(a, s, b * c), d, y + 2 * i);
    }
  }
  for (; i < half; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    y[2 * i] = static_cast<T>(static_cast<float>(a * cos[i] - b * sin[i]));
    y[2 * i + 1] = static_cast<T>(static_cast<float>(a * sin[i] + b * cos[i]));
  }
}

template <class T>
void turn(const T* x, T* y, int64_t half, bool traditional, const float* cos, const float* sin) {
  if (traditional) return turn_neighbours(x, y, half, cos, sin);
  turn_halves(x, y, half, cos, sin);
}

}  // namespace
void sines_on_target(double position, const double* frequency, int64_t n, float* cos, float* sin) {
  sines(position, frequency, n, cos, sin);
}
void turn_on_target(DType dtype, const void* x, void* y, int64_t half, bool traditional, const float* cos,
                    const float* sin) {
  const auto run = [&]<class T>() {
    turn(static_cast<const T*>(x), static_cast<T*>(y), half, traditional, cos, sin);
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
HWY_EXPORT(sines_on_target);
HWY_EXPORT(turn_on_target);

// Elements a thread must get before it is worth waking: about 2 us of work.
constexpr int64_t kGrain = 16384;
// Room past the last pair for the widest vector of f64.
constexpr int64_t kPadding = 8;

/// What a position is multiplied with, for each pair; cached, as the layers of a model ask the same.
const double* frequencies(const RopeParams& p) {
  thread_local std::vector<double> cached;
  thread_local RopeParams of{};
  if (cached.empty() || of.dims != p.dims || of.base != p.base || of.scale != p.scale) {
    cached.assign(static_cast<size_t>(p.dims / 2 + kPadding), 0.0);
    for (int i = 0; i < p.dims / 2; ++i)
      cached[static_cast<size_t>(i)] = p.scale * std::pow(static_cast<double>(p.base), -2.0 * i / p.dims);
    of = p;
  }
  return cached.data();
}

std::vector<double> frequencies_of(const array& freqs, float scale) {
  const array f = row_contiguous(freqs);
  std::vector<double> out(static_cast<size_t>(f.size() + kPadding), 0.0);
  for (int64_t i = 0; i < f.size(); ++i)
    out[static_cast<size_t>(i)] = static_cast<double>(scale) / static_cast<double>(f.data<float>()[i]);
  return out;
}

// False where two positions may share memory, as after a broadcast.
bool elements_are_apart(const Shape& shape, const Strides& strides) {
  std::vector<size_t> axes(shape.size());
  std::iota(axes.begin(), axes.end(), size_t{0});
  std::sort(axes.begin(), axes.end(), [&](size_t a, size_t b) { return strides[a] < strides[b]; });
  int64_t reach = 0;  // furthest element of the axes so far
  for (const size_t axis : axes) {
    if (shape[axis] == 1) continue;
    if (strides[axis] <= reach) return false;
    reach += strides[axis] * (shape[axis] - 1);
  }
  return true;
}

// In place where x is not needed any more, whatever its layout: in a model x is a transposed view.
array prepare(KernelArgs& args) {
  const Shape& shape = args.in(0).shape();
  const bool rows = args.in(0).strides().back() == 1 || shape.back() == 1;
  if (rows && args.is_donatable(0) && elements_are_apart(shape, args.in(0).strides())) {
    args.view(0, args.in(0).strides());
    return args.in(0);
  }
  args.allocate();
  return rows ? args.in(0) : row_contiguous(args.in(0));
}

void rope_kernel(KernelArgs& args) {
  if (args.out().size() == 0) {
    args.allocate();
    return;
  }
  const array x = prepare(args);
  const array& out = args.out();
  const RopeParams& p = args.params<RopeParams>();
  const std::vector<double> own = p.has_freqs ? frequencies_of(args.in(1), p.scale) : std::vector<double>();
  const double* frequency = p.has_freqs ? own.data() : frequencies(p);
  const std::vector<int64_t> offsets =
      p.has_offset ? row_contiguous(args.in(args.num_inputs() - 1)).to_vector<int64_t>()
                   : std::vector<int64_t>{p.offset};

  const size_t time = x.ndim() - 2;
  const int64_t length = x.shape()[time], dim = x.shape().back(), half = p.dims / 2;
  const int64_t item = size_of(x.dtype()), x_step = x.strides()[time], y_step = out.strides()[time];
  // The rows that turn by one angle: all but time and, with an offset a sequence, the first axis. The last
  // axis is what OuterWalk leaves to its caller.
  Shape outer(x.shape());
  Strides from(x.strides()), to(out.strides());
  const auto leave_out = [&](size_t axis) {
    outer.erase(outer.begin() + axis);
    from.erase(from.begin() + axis);
    to.erase(to.begin() + axis);
  };
  const auto sequences = static_cast<int64_t>(offsets.size());
  const int64_t x_sequence = x.strides()[0], y_sequence = out.strides()[0];
  leave_out(time);
  if (sequences > 1) leave_out(0);
  const Layout layout{outer, {from, to}};
  const int64_t rows = outer_size(layout);

  const auto sines = simd_choose(HWY_DISPATCH_TABLE(sines_on_target));
  const auto turn = simd_choose(HWY_DISPATCH_TABLE(turn_on_target));
  const uint8_t* x_data = x.bytes();
  uint8_t* y_data = args.out().mutable_data<uint8_t>();
  const bool copy_rest = x_data != y_data && dim > p.dims;
  const int64_t grain = std::max<int64_t>(1, kGrain / (rows * dim));
  parallel_ranges(sequences * length, grain, [&](int64_t begin, int64_t end) {
    std::vector<float> table(static_cast<size_t>(2 * (half + kPadding)));
    float *cos = table.data(), *sin = cos + half + kPadding;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t s = i / length, t = i % length;
      sines(static_cast<double>(offsets[static_cast<size_t>(s)]) + static_cast<double>(t), frequency, half,
            cos, sin);
      const int64_t x_at = s * x_sequence + t * x_step, y_at = s * y_sequence + t * y_step;
      OuterWalk walk(layout, 0);
      for (int64_t r = 0; r < rows; ++r, walk.next()) {
        const uint8_t* in = x_data + (walk.offset(0) + x_at) * item;
        uint8_t* y = y_data + (walk.offset(1) + y_at) * item;
        turn(x.dtype(), in, y, half, p.traditional, cos, sin);
        if (copy_rest) std::copy(in + p.dims * item, in + dim * item, y + p.dims * item);
      }
    }
  });
}

const bool registered = register_kernel(kRope, DeviceType::cpu, rope_kernel);

}  // namespace
}  // namespace uma::cpu
#endif
