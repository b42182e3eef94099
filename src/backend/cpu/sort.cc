// Kernels of ops/sort.h: stable merge sort, selection and scans, row by row.
#include "ops/sort.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/thread_pool.h"
#include "core/kernel.h"
#include "ops/functors.h"

namespace uma::cpu {
namespace {

constexpr int64_t kGrain = 4096;

// NaN is larger than everything, so that it ends up last.
template <class T>
bool before(T a, T b) {
  const auto x = static_cast<accumulator_t<T>>(a), y = static_cast<accumulator_t<T>>(b);
  if constexpr (std::is_floating_point_v<accumulator_t<T>> || functor::is_complex<T>) {
    if (x != x) return false;
    if (y != y) return true;
  }
  return functor::Less{}(x, y);
}

template <class F>
void dispatch_any(DType dtype, F&& f) {
  if (dtype == DType::bool_) return f.template operator()<bool>();
  if (dtype == DType::complex64) return f.template operator()<complex64>();
  if (is_floating(dtype)) return dispatch_float(dtype, "sort", f);
  dispatch_integer(dtype, "sort", f);
}

template <class Row>
void for_rows(const array& x, Row row) {
  const int64_t n = x.shape().back(), rows = n == 0 ? 0 : x.size() / n;
  parallel_ranges(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, n)),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t i = begin; i < end; ++i) row(i * n, n);
                  });
}

void sort_kernel(KernelArgs& args) {
  const array x = row_contiguous(args.in(0));
  args.allocate();
  dispatch_any(x.dtype(), [&]<class T>() {
    const T* in = x.data<T>();
    T* out = args.out().mutable_data<T>();
    for_rows(x, [&](int64_t at, int64_t n) {
      std::copy(in + at, in + at + n, out + at);
      std::stable_sort(out + at, out + at + n, before<T>);
    });
  });
}

// order(begin, end, less) of the indices of each row.
template <class Order>
void order_indices(KernelArgs& args, Order order) {
  const array x = row_contiguous(args.in(0));
  args.allocate();
  dispatch_any(x.dtype(), [&]<class T>() {
    const T* in = x.data<T>();
    uint32_t* out = args.out().mutable_data<uint32_t>();
    for_rows(x, [&](int64_t at, int64_t n) {
      std::iota(out + at, out + at + n, 0u);
      order(out + at, out + at + n, [&](uint32_t a, uint32_t b) { return before(in[at + a], in[at + b]); });
    });
  });
}

void argsort_kernel(KernelArgs& args) {
  order_indices(args, [](uint32_t* begin, uint32_t* end, auto less) { std::stable_sort(begin, end, less); });
}

void argpartition_kernel(KernelArgs& args) {
  const int64_t kth = args.params<ArgpartitionParams>().kth;
  order_indices(args, [kth](uint32_t* begin, uint32_t* end, auto less) {
    std::nth_element(begin, begin + kth, end, less);
  });
}

void scan_kernel(KernelArgs& args) {
  const auto& p = args.params<ScanParams>();
  const array x = row_contiguous(args.in(0));
  args.allocate();
  dispatch_any(x.dtype(), [&]<class T>() {
    using A = accumulator_t<T>;
    const T* in = x.data<T>();
    T* out = args.out().mutable_data<T>();
    for_rows(x, [&](int64_t at, int64_t n) {
      A total = p.product ? A{1} : A{};
      for (int64_t i = 0; i < n; ++i) {
        const int64_t j = at + (p.reverse ? n - 1 - i : i);
        const A value = static_cast<A>(in[j]);
        const A next = p.product ? functor::Multiply{}(total, value) : functor::Add{}(total, value);
        out[j] = static_cast<T>(p.inclusive ? next : total);
        total = next;
      }
    });
  });
}

}  // namespace

const bool sort_registered = register_kernel(kSort, DeviceType::cpu, sort_kernel) &&
                             register_kernel(kArgsort, DeviceType::cpu, argsort_kernel) &&
                             register_kernel(kArgpartition, DeviceType::cpu, argpartition_kernel) &&
                             register_kernel(kScan, DeviceType::cpu, scan_kernel);

}  // namespace uma::cpu
