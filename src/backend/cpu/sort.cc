// Kernels of ops/sort.h: stable sort, selection and scans.
#include "ops/sort.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "backend/cpu/lines.h"
#include "base/thread_pool.h"
#include "core/kernel.h"
#include "ops/functors.h"

namespace uma::cpu {
namespace {

constexpr int64_t kGrain = 4096;

template <class F>
void dispatch_any(DType dtype, F&& f) {
  if (dtype == DType::bool_) return f.template operator()<bool>();
  if (dtype == DType::complex64) return f.template operator()<complex64>();
  if (is_floating(dtype)) return dispatch_float(dtype, "sort", f);
  dispatch_integer(dtype, "sort", f);
}

// -- Keys: an element as an unsigned integer of the same order, above the place where it stood. --

// Whatever order sorts them, equal elements keep theirs, and no comparison is a branch on floats.
__extension__ using uint128_t = unsigned __int128;
template <class T>
using key_t = std::conditional_t<
    sizeof(T) == 8, uint64_t,
    std::conditional_t<sizeof(T) == 4, uint32_t, std::conditional_t<sizeof(T) == 2, uint16_t, uint8_t>>>;
template <class T>
using place_t = std::conditional_t<functor::is_complex<T>, uint32_t,
                                   std::conditional_t<sizeof(T) == 8, uint128_t, uint64_t>>;

// NaN is larger than everything, so that it ends up last; zeros are equal.
template <class T>
key_t<T> key_of(T v) {
  using K = key_t<T>;
  constexpr K kTop = K{1} << (sizeof(K) * 8 - 1);
  if constexpr (std::is_floating_point_v<accumulator_t<T>>) {
    const auto wide = static_cast<accumulator_t<T>>(v);
    const K bits = wide == 0 ? K{0} : std::bit_cast<K>(v);
    const K key = bits & kTop ? static_cast<K>(~bits) : static_cast<K>(bits | kTop);
    return wide == wide ? key : static_cast<K>(~K{0});
  } else {
    return static_cast<K>(static_cast<K>(v) ^ (std::is_signed_v<T> ? kTop : K{0}));
  }
}

// Byte by byte of the key, the lowest first. Returns where the result is: in `a` or in `other`.
template <class T, class P>
P* radix_sort(P* a, P* other, int64_t n) {
  constexpr int kPasses = sizeof(T);
  const auto digit = [](P v, int pass) { return static_cast<uint8_t>(v >> (32 + 8 * pass)); };
  uint32_t counts[kPasses][256] = {};
  for (int64_t i = 0; i < n; ++i)
    for (int pass = 0; pass < kPasses; ++pass) ++counts[pass][digit(a[i], pass)];
  for (int pass = 0; pass < kPasses; ++pass) {
    uint32_t* const count = counts[pass];
    if (count[digit(a[0], pass)] == n) continue;  // all the same
    uint32_t start = 0;
    for (int d = 0; d < 256; ++d) start += std::exchange(count[d], start);
    for (int64_t i = 0; i < n; ++i) other[count[digit(a[i], pass)]++] = a[i];
    std::swap(a, other);
  }
  return a;
}

// Puts the kth in its place: by the highest byte, then again among those that share it. No branch depends on
// a comparison.
template <class T, class P>
void radix_select(P* a, P* spare, int64_t n, int64_t kth) {
  constexpr int64_t kFew = 256;
  for (int pass = sizeof(T); pass-- > 0 && n > kFew;) {
    const auto digit = [pass](P v) { return static_cast<uint8_t>(v >> (32 + 8 * pass)); };
    int64_t counts[256] = {};
    for (int64_t i = 0; i < n; ++i) ++counts[digit(a[i])];
    int64_t before = 0;
    int chosen = 0;
    while (before + counts[chosen] <= kth) before += counts[chosen++];
    const int64_t same = counts[chosen];
    if (same == n) continue;
    int64_t to[3] = {0, before, before + same};
    for (int64_t i = 0; i < n; ++i) {
      const int d = digit(a[i]);
      spare[to[(d >= chosen) + (d > chosen)]++] = a[i];
    }
    std::copy_n(spare, n, a);
    a += before;
    n = same;
    kth -= before;
  }
  std::nth_element(a, a + kth, a + n);
}

// Up to here a few comparisons an element are less work than the counts of each byte.
constexpr int64_t kRadix = 128;

// The places of n elements in their order, or split by the kth if that is not negative; `a` has room for 2 n.
template <class T>
place_t<T>* ordered(const T* row, int64_t n, int64_t kth, place_t<T>* a) {
  if constexpr (functor::is_complex<T>) {
    const auto before = [row](uint32_t i, uint32_t j) {
      if (row[i] != row[i] || row[j] != row[j]) return row[i] == row[i];
      return functor::Less{}(row[i], row[j]);
    };
    std::iota(a, a + n, 0u);
    kth < 0 ? std::stable_sort(a, a + n, before) : std::nth_element(a, a + kth, a + n, before);
  } else {
    for (int64_t i = 0; i < n; ++i)
      a[i] = static_cast<place_t<T>>(key_of(row[i])) << 32 | static_cast<uint32_t>(i);
    if (kth < 0 && n > kRadix) return radix_sort<T>(a, a + n, n);
    kth < 0 ? std::sort(a, a + n) : radix_select<T>(a, a + n, n, kth);
  }
  return a;
}

// use(first element of the row, i, place of what comes i-th), for all rows of the last axis.
template <class T, class Use>
void order_rows(const array& x, int64_t kth, Use use) {
  const int64_t n = x.shape().back(), rows = n == 0 ? 0 : x.size() / n;
  check(n <= UINT32_MAX, ErrorCode::kLimit, "sort", "an axis of {} elements is too long", n);
  const T* const in = x.data<T>();
  parallel_ranges(
      rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, n)), [&](int64_t begin, int64_t end) {
        const auto space = Buffer::allocate(static_cast<size_t>(2 * n) * sizeof(place_t<T>), Device{});
        for (int64_t at = begin * n; at < end * n; at += n) {
          const place_t<T>* const places =
              ordered(in + at, n, kth, reinterpret_cast<place_t<T>*>(space->data()));
          for (int64_t i = 0; i < n; ++i) use(at, i, static_cast<uint32_t>(places[i]));
        }
      });
}

void sort_kernel(KernelArgs& args) {
  const array x = row_contiguous(args.in(0));
  args.allocate();
  dispatch_any(x.dtype(), [&]<class T>() {
    const T* in = x.data<T>();
    T* out = args.out().mutable_data<T>();
    order_rows<T>(x, -1, [=](int64_t at, int64_t i, uint32_t place) { out[at + i] = in[at + place]; });
  });
}

void order_kernel(KernelArgs& args, int64_t kth) {
  const array x = row_contiguous(args.in(0));
  uint32_t* out = args.allocate().mutable_data<uint32_t>();
  dispatch_any(x.dtype(), [&]<class T>() {
    order_rows<T>(x, kth, [=](int64_t at, int64_t i, uint32_t place) { out[at + i] = place; });
  });
}
void argsort_kernel(KernelArgs& args) {
  order_kernel(args, -1);
}
void argpartition_kernel(KernelArgs& args) {
  order_kernel(args, args.params<ArgpartitionParams>().kth);
}

void scan_kernel(KernelArgs& args) {
  const auto& p = args.params<ScanParams>();
  dispatch_any(args.in(0).dtype(), [&]<class T>() {
    using A = accumulator_t<T>;
    if (p.product)
      accumulate_lines<T>(args, p.reverse, p.inclusive, A{1}, functor::Multiply{});
    else
      accumulate_lines<T>(args, p.reverse, p.inclusive, A{}, functor::Add{});
  });
}

}  // namespace

const bool sort_registered = register_kernel(kSort, DeviceType::cpu, sort_kernel) &&
                             register_kernel(kArgsort, DeviceType::cpu, argsort_kernel) &&
                             register_kernel(kArgpartition, DeviceType::cpu, argpartition_kernel) &&
                             register_kernel(kScan, DeviceType::cpu, scan_kernel);

}  // namespace uma::cpu
