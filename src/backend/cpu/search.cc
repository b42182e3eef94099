// Kernel of ops/search.h: a binary search a value.
#include "ops/search.h"

#include <algorithm>

#include "base/thread_pool.h"
#include "core/kernel.h"

namespace uma::cpu {
namespace {

constexpr int64_t kGrain = 1024;  // values that are worth a thread

// NaN is larger than everything, as in sort.
template <class T>
bool before(T a, T b) {
  const auto x = static_cast<accumulator_t<T>>(a), y = static_cast<accumulator_t<T>>(b);
  return x < y || (x == x && y != y);
}

void searchsorted_kernel(KernelArgs& args) {
  const bool right = args.params<SearchParams>().right;
  const array sorted = row_contiguous(args.in(0)), values = row_contiguous(args.in(1));
  args.allocate();
  auto* out = args.out().mutable_data<uint32_t>();
  const auto run = [&]<class T>() {
    const T *first = sorted.data<T>(), *last = first + sorted.size(), *wanted = values.data<T>();
    parallel_ranges(values.size(), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* at = right ? std::upper_bound(first, last, wanted[i], before<T>)
                            : std::lower_bound(first, last, wanted[i], before<T>);
        out[i] = static_cast<uint32_t>(at - first);
      }
    });
  };
  if (sorted.dtype() == DType::bool_)
    run.template operator()<bool>();
  else if (is_floating(sorted.dtype()))
    dispatch_float(sorted.dtype(), "searchsorted", run);
  else
    dispatch_integer(sorted.dtype(), "searchsorted", run);
}

}  // namespace

const bool searchsorted_registered = register_kernel(kSearchsorted, DeviceType::cpu, searchsorted_kernel);

}  // namespace uma::cpu
