// Kernels of ops/cumulative.h.
#include "ops/cumulative.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/cpu/lines.h"
#include "base/thread_pool.h"
#include "core/kernel.h"

namespace uma::cpu {
namespace {

constexpr int64_t kGrain = 4096;  // elements that are worth a thread

/// The sum of exponentials as a shift and a factor: exp(shift) * factor, so that adding costs one exp and the
/// logarithm's rounding is not fed back.
template <class A>
struct LogSum {
  A shift = -std::numeric_limits<A>::infinity(), factor = 0;
  A add(A v) {
    if (v > shift) {
      factor = factor * std::exp(shift - v) + 1;  // exp(-inf) is 0 at the first
      shift = v;
    } else if (v == shift) {
      factor += 1;  // also where both are infinite: their difference is NaN
    } else {
      factor += std::exp(v - shift);  // NaN comes here, and stays
    }
    return std::isinf(shift) && factor == factor ? shift : shift + std::log(factor);
  }
};

// The logarithms keep more than a total, and their time is that of exp and log.
template <class T>
void log_sums(KernelArgs& args) {
  using A = accumulator_t<T>;
  const array x = row_contiguous(args.in(0));
  const int64_t n = std::max<int64_t>(1, x.shape().back());
  const T* in = x.data<T>();
  T* out = args.allocate().mutable_data<T>();
  parallel_ranges(x.size() / n, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      LogSum<A> sum;
      for (int64_t j = i * n; j < (i + 1) * n; ++j) out[j] = static_cast<T>(sum.add(static_cast<A>(in[j])));
    }
  });
}

void cumulative_kernel(KernelArgs& args) {
  const auto kind = args.params<CumulativeParams>().kind;
  const auto run = [&]<class T>() {
    using A = accumulator_t<T>;
    using Limits = std::numeric_limits<A>;
    if constexpr (std::is_floating_point_v<A>) {
      if (kind == Cumulation::logsumexp) return log_sums<T>(args);
    }
    // NaN wins and stays.
    constexpr auto kLarger = [](A total, A v) { return v > total || v != v ? v : total; };
    constexpr auto kSmaller = [](A total, A v) { return v < total || v != v ? v : total; };
    constexpr bool kInfinite = Limits::has_infinity;
    if (kind == Cumulation::max)
      accumulate_lines<T>(args, false, true, kInfinite ? -Limits::infinity() : Limits::lowest(), kLarger);
    else
      accumulate_lines<T>(args, false, true, kInfinite ? Limits::infinity() : Limits::max(), kSmaller);
  };
  const DType dtype = args.in(0).dtype();
  if (dtype == DType::bool_)
    run.template operator()<bool>();
  else if (is_floating(dtype))
    dispatch_float(dtype, "cumulative", run);
  else
    dispatch_integer(dtype, "cumulative", run);
}

}  // namespace

const bool cumulative_registered = register_kernel(kCumulative, DeviceType::cpu, cumulative_kernel);

}  // namespace uma::cpu
