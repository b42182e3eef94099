// The gated delta rule: rows of a state are independent, so each is taken through all of time at once.
#include "fast/gated_delta.h"

#include <algorithm>
#include <cstring>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/gated_delta.cc"
#include "backend/cpu/simd_targets.h"

#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backend/cpu/gated_delta.h"
#include "backend/cpu/simd_dispatch.h"
#include "base/thread_pool.h"
#include "core/kernel.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

/// row *= gamma, and the product of the row with k.
template <class T>
HWY_INLINE T decay_and_dot(T* row, const T* gamma, bool vector_gamma, const T* k, int64_t n) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto one_gamma = hn::Set(d, gamma[0]);
  auto a = hn::Zero(d), b = a;
  int64_t i = 0;
  const auto step = [&](int64_t at, auto& sum) {
    const auto factor = vector_gamma ? hn::LoadU(d, gamma + at) : one_gamma;
    const auto value = hn::LoadU(d, row + at) * factor;
    hn::StoreU(value, d, row + at);
    sum = hn::MulAdd(value, hn::LoadU(d, k + at), sum);
  };
  for (; i + 2 * lanes <= n; i += 2 * lanes) step(i, a), step(i + lanes, b);
  for (; i + lanes <= n; i += lanes) step(i, a);
  T sum = hn::GetLane(hn::SumOfLanes(d, a + b));
  for (; i < n; ++i) {
    row[i] *= gamma[vector_gamma ? i : 0];
    sum += row[i] * k[i];
  }
  return sum;
}

/// row += delta k, and the product of the row with q.
template <class T>
HWY_INLINE T correct_and_dot(T* row, T delta, const T* k, const T* q, int64_t n) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto factor = hn::Set(d, delta);
  auto a = hn::Zero(d), b = a;
  int64_t i = 0;
  const auto step = [&](int64_t at, auto& sum) {
    const auto value = hn::MulAdd(factor, hn::LoadU(d, k + at), hn::LoadU(d, row + at));
    hn::StoreU(value, d, row + at);
    sum = hn::MulAdd(value, hn::LoadU(d, q + at), sum);
  };
  for (; i + 2 * lanes <= n; i += 2 * lanes) step(i, a), step(i + lanes, b);
  for (; i + lanes <= n; i += lanes) step(i, a);
  T sum = hn::GetLane(hn::SumOfLanes(d, a + b));
  for (; i < n; ++i) {
    row[i] += delta * k[i];
    sum += row[i] * q[i];
  }
  return sum;
}

template <class T>
void delta_rows(const DeltaSteps<T>& s) {
  for (int64_t t = 0; t < s.tokens; ++t) {
    const T *q = s.q + t * s.key_step, *k = s.k + t * s.key_step, *v = s.v + t * s.value_step;
    const T *gamma = s.gamma + t * s.gamma_step, beta = s.beta[t * s.beta_step];
    T* out = s.out + t * s.value_step;
    for (int64_t r = 0; r < s.rows; ++r) {
      T* row = s.state + r * s.columns;
      const T found = decay_and_dot(row, gamma, s.vector_gamma, k, s.columns);
      out[r] = correct_and_dot(row, (v[r] - found) * beta, k, q, s.columns);
    }
  }
}

}  // namespace
void delta_rows_f32_on_target(const DeltaSteps<float>& steps) {
  delta_rows(steps);
}
void delta_rows_f64_on_target(const DeltaSteps<double>& steps) {
  delta_rows(steps);
}
}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uma::cpu {
namespace {
HWY_EXPORT(delta_rows_f32_on_target);
HWY_EXPORT(delta_rows_f64_on_target);

// Rows that go through time together: with 256 columns of f32 they stay in the first-level cache.
constexpr int64_t kRows = 16;

template <class T>
void run(KernelArgs& args, void (*delta_rows)(const DeltaSteps<T>&)) {
  std::vector<array> in;
  for (size_t i = 0; i < 5; ++i) in.push_back(row_contiguous(args.in(i)));
  array &out = args.out(0), &state = args.out(1);
  const int64_t batch = state.shape(0), heads = state.shape(1), values = state.shape(2),
                columns = state.shape(3), tokens = in[0].shape(1), keys = in[0].shape(2);
  const bool vector_gamma = in[3].ndim() == 4;
  const int64_t width = vector_gamma ? columns : 1, blocks = (values + kRows - 1) / kRows;
  parallel_for(batch * heads * blocks, [&](int64_t task) {
    const int64_t block = task % blocks, head = task / blocks % heads, b = task / blocks / heads;
    const int64_t first = block * kRows, key = head / (heads / keys), start = b * tokens;
    delta_rows({in[0].data<T>() + (start * keys + key) * columns,
                in[1].data<T>() + (start * keys + key) * columns,
                in[2].data<T>() + (start * heads + head) * values + first,
                in[3].data<T>() + (start * heads + head) * width, in[4].data<T>() + start * heads + head,
                out.mutable_data<T>() + (start * heads + head) * values + first,
                state.mutable_data<T>() + ((b * heads + head) * values + first) * columns, tokens,
                std::min(kRows, values - first), columns, keys * columns, heads * values, heads * width,
                heads, vector_gamma});
  });
}

void gated_delta_kernel(KernelArgs& args) {
  args.allocate(0);
  if (args.in(5).size() == 0) {  // nothing to multiply with
    args.allocate(1);
    std::memset(args.out(0).mutable_data<uint8_t>(), 0, static_cast<size_t>(args.out(0).nbytes()));
    return;
  }
  if (!args.donate_or_allocate(5, 1)) {
    const array before = row_contiguous(args.in(5));
    std::memcpy(args.out(1).mutable_data<uint8_t>(), before.bytes(), static_cast<size_t>(before.nbytes()));
  }
  if (args.out(0).size() == 0) return;
  if (args.out(0).dtype() == DType::float64)
    run<double>(args, simd_choose(HWY_DISPATCH_TABLE(delta_rows_f64_on_target)));
  else
    run<float>(args, simd_choose(HWY_DISPATCH_TABLE(delta_rows_f32_on_target)));
}

const bool registered = register_kernel(kGatedDelta, DeviceType::cpu, gated_delta_kernel);

}  // namespace
}  // namespace uma::cpu
#endif
