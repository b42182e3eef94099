// Kernels of ops/cumulative.h, row by row.
#include "ops/cumulative.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/thread_pool.h"
#include "core/kernel.h"

namespace uma::cpu {
namespace {

constexpr int64_t kGrain = 4096;  // elements that are worth a thread

template <class T>
bool is_nan(T v) {
  return v != v;
}

// NaN wins and stays.
template <class A>
A larger(A total, A v) {
  return is_nan(total) || !(v > total || is_nan(v)) ? total : v;
}
template <class A>
A smaller(A total, A v) {
  return is_nan(total) || !(v < total || is_nan(v)) ? total : v;
}

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
    return std::isinf(shift) && !is_nan(factor) ? shift : shift + std::log(factor);
  }
};

template <class T>
void row(Cumulation kind, const T* in, T* out, int64_t n) {
  using A = accumulator_t<T>;
  if constexpr (std::is_floating_point_v<A>) {
    if (kind == Cumulation::logsumexp) {
      LogSum<A> sum;
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(sum.add(static_cast<A>(in[i])));
      return;
    }
  }
  A total = n ? static_cast<A>(in[0]) : A{};
  for (int64_t i = 0; i < n; ++i) {
    const auto v = static_cast<A>(in[i]);
    total = kind == Cumulation::max ? larger(total, v) : smaller(total, v);
    out[i] = static_cast<T>(total);
  }
}

void cumulative_kernel(KernelArgs& args) {
  const auto kind = args.params<CumulativeParams>().kind;
  const array x = row_contiguous(args.in(0));
  args.allocate();
  const int64_t n = x.shape().back(), rows = n == 0 ? 0 : x.size() / n;
  const auto run = [&]<class T>() {
    const T* in = x.data<T>();
    T* out = args.out().mutable_data<T>();
    parallel_ranges(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, n)),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t i = begin; i < end; ++i) row(kind, in + i * n, out + i * n, n);
                    });
  };
  if (x.dtype() == DType::bool_)
    run.template operator()<bool>();
  else if (is_floating(x.dtype()))
    dispatch_float(x.dtype(), "cumulative", run);
  else
    dispatch_integer(x.dtype(), "cumulative", run);
}

}  // namespace

const bool cumulative_registered = register_kernel(kCumulative, DeviceType::cpu, cumulative_kernel);

}  // namespace uma::cpu
