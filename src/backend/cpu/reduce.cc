// Kernels of ops/reduce.h and ops/softmax.h.
#include "ops/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "backend/cpu/rows.h"
#include "base/thread_pool.h"
#include "core/kernel.h"
#include "core/layout.h"
#include "ops/functors.h"
#include "ops/shape.h"
#include "ops/softmax.h"

namespace uma::cpu {
namespace {

// Sums of this many elements are added plainly, in lanes; above that, halves are summed and added, so that
// the error grows with the logarithm of the length.
constexpr int64_t kBlock = 256;
constexpr int kLanes = 8;
constexpr int64_t kGrain = 16384;

template <class T>
using acc_t = accumulator_t<T>;

// Integers wrap.
template <class A>
A plus(A a, A b) {
  return functor::Add{}(a, b);
}

template <class T>
acc_t<T> sum_block(const T* x, int n) {
  using A = acc_t<T>;
  A lanes[kLanes] = {};
  int i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int l = 0; l < kLanes; ++l) lanes[l] = plus(lanes[l], static_cast<A>(x[i + l]));
  A rest{};
  for (; i < n; ++i) rest = plus(rest, static_cast<A>(x[i]));
  for (int l = 0; l < kLanes; ++l) rest = plus(rest, lanes[l]);
  return rest;
}

template <class T>
acc_t<T> sum_row(const T* x, int64_t n) {
  if constexpr (has_row_kernels(dtype_of<T>)) {
    return sum_of_row(dtype_of<T>, x, n);
  } else {
    if (n <= kBlock) return n > 0 ? sum_block(x, static_cast<int>(n)) : acc_t<T>{};
    const int64_t half = n / 2 / kBlock * kBlock;
    const int64_t cut = half > 0 ? half : kBlock;
    return plus(sum_row(x, cut), sum_row(x + cut, n - cut));
  }
}

// max(a, b) for which NaN wins, without a branch.
template <bool kMax, class A>
A better_real(A a, A b) {
  return (kMax ? b > a : b < a) | (b != b) ? b : a;
}
template <bool kMax, class A>
A better(A a, A b) {
  if constexpr (functor::is_complex<A>)
    return kMax ? functor::Maximum{}(a, b) : functor::Minimum{}(a, b);
  else
    return better_real<kMax>(a, b);
}

template <class T>
acc_t<T> reduce_row(Reduction kind, const T* x, int64_t n) {
  using A = acc_t<T>;
  if constexpr (has_row_kernels(dtype_of<T>)) {
    if (kind == Reduction::max) return max_of_row(dtype_of<T>, x, n);
    if (kind == Reduction::min) return min_of_row(dtype_of<T>, x, n);
  }
  A acc{};
  switch (kind) {
    case Reduction::sum:
      return sum_row(x, n);
    case Reduction::prod:
      acc = A{1};
      for (int64_t i = 0; i < n; ++i) acc = functor::Multiply{}(acc, static_cast<A>(x[i]));
      return acc;
    case Reduction::max:
      acc = static_cast<A>(x[0]);
      for (int64_t i = 1; i < n; ++i) acc = better<true>(acc, static_cast<A>(x[i]));
      return acc;
    case Reduction::min:
      acc = static_cast<A>(x[0]);
      for (int64_t i = 1; i < n; ++i) acc = better<false>(acc, static_cast<A>(x[i]));
      return acc;
    case Reduction::all:
      return static_cast<A>(std::all_of(x, x + n, [](T v) { return static_cast<A>(v) != A{}; }));
    case Reduction::any:
      return static_cast<A>(std::any_of(x, x + n, [](T v) { return static_cast<A>(v) != A{}; }));
  }
  return acc;
}

template <class F>
void dispatch_any(DType dtype, F&& f) {
  if (dtype == DType::bool_) return f.template operator()<bool>();
  if (dtype == DType::complex64) return f.template operator()<complex64>();
  if (is_floating(dtype)) return dispatch_float(dtype, "reduce", f);
  dispatch_integer(dtype, "reduce", f);
}

// x with the reduced axes last, row-major: then every result is one row.
array reduced_last(const array& x, const SmallVector<int, 8>& axes) {
  Shape shape;
  Strides strides;
  const auto reduced = [&](size_t i) {
    return std::find(axes.begin(), axes.end(), static_cast<int>(i)) != axes.end();
  };
  for (const bool second : {false, true})
    for (size_t i = 0; i < x.ndim(); ++i)
      if (reduced(i) == second) {
        shape.push_back(x.shape()[i]);
        strides.push_back(x.strides()[i]);
      }
  if (is_row_contiguous(shape, strides)) return x;
  auto buffer = Buffer::allocate(static_cast<size_t>(x.nbytes()), Device{});
  copy_strided(x.bytes(), x.strides().empty() ? Strides{} : strides, buffer->data(), row_major_strides(shape),
               shape, size_of(x.dtype()));
  return array::from_buffer(std::move(buffer), 0, shape, x.dtype());
}

// -- Reduced axes before kept ones, as in a sum over a batch: row after row into a tile of columns. --

// Columns whose accumulators stay in L1 beside the rows that go by.
constexpr int64_t kColumns = 1024;
// Rows that are added plainly; above that, halves are summed and added.
constexpr int64_t kColumnBlock = 64;

/// A row-major array as (outer, reduced, inner), the middle of which is reduced.
struct Middle {
  int64_t outer = 1, reduced = 1, inner = 1;
};
std::optional<Middle> middle_of(const array& x, const SmallVector<int, 8>& axes) {
  if (!x.is_row_contiguous() || x.size() == 0 || axes.empty()) return {};
  Middle m;
  bool begun = false, over = false;
  for (size_t i = 0; i < x.ndim(); ++i) {
    if (x.shape()[i] == 1) continue;
    const bool reduced = std::find(axes.begin(), axes.end(), static_cast<int>(i)) != axes.end();
    if (reduced && over) return {};
    begun |= reduced;
    over |= begun && !reduced;
    (reduced ? m.reduced : over ? m.inner : m.outer) *= x.shape()[i];
  }
  return m.inner > 1 && m.reduced > 1 ? std::optional(m) : std::nullopt;
}

template <class A, class T, class F>
void join_rows(const T* x, int64_t stride, int64_t rows, A* acc, int64_t n, F f) {
  for (int64_t j = 0; j < n; ++j) acc[j] = static_cast<A>(x[j]);
  for (int64_t i = 1; i < rows; ++i) {
    const T* row = x + i * stride;
    for (int64_t j = 0; j < n; ++j) acc[j] = f(acc[j], static_cast<A>(row[j]));
  }
}

// n <= kColumns columns of `rows` rows; `acc` has room for kColumns at every level of the halving.
template <class T>
void sum_columns(const T* x, int64_t stride, int64_t rows, acc_t<T>* acc, int64_t n) {
  if (rows <= kColumnBlock) return join_rows(x, stride, rows, acc, n, functor::Add{});
  const int64_t cut = std::max(kColumnBlock, rows / 2 / kColumnBlock * kColumnBlock);
  sum_columns(x, stride, cut, acc, n);
  acc_t<T>* const other = acc + kColumns;
  sum_columns(x + cut * stride, stride, rows - cut, other, n);
  for (int64_t j = 0; j < n; ++j) acc[j] = plus(acc[j], other[j]);
}

// Calls f with what joins two partial results.
template <class A, class F>
void with_join(Reduction kind, F f) {
  switch (kind) {
    case Reduction::sum:
      return f(functor::Add{});
    case Reduction::prod:
      return f(functor::Multiply{});
    case Reduction::max:
      return f([](A a, A b) { return better<true>(a, b); });
    case Reduction::min:
      return f([](A a, A b) { return better<false>(a, b); });
    case Reduction::all:
      return f([](A a, A b) { return static_cast<A>(a != A{} && b != A{}); });
    case Reduction::any:
      return f([](A a, A b) { return static_cast<A>(a != A{} || b != A{}); });
  }
}

template <class T>
void reduce_middle(Reduction kind, const T* x, T* y, const Middle& m) {
  using A = acc_t<T>;
  const int64_t tiles = (m.inner + kColumns - 1) / kColumns;
  // Few columns over many rows are cut by rows too: a number of parts that depends on the shape only.
  const int64_t fewest = m.outer * tiles;
  const int64_t parts =
      fewest >= 16 ? 1
                   : std::clamp<int64_t>(m.reduced * m.inner / kGrain, 1, std::min<int64_t>(16, m.reduced));
  int64_t levels = 4;  // the halves are not quite even
  for (int64_t rows = m.reduced; rows > kColumnBlock; rows = (rows + 1) / 2) ++levels;
  const auto partial = Buffer::allocate(static_cast<size_t>(m.outer * parts * m.inner) * sizeof(A), Device{});
  A* const sums = reinterpret_cast<A*>(partial->data());
  const int64_t work = std::min(m.inner, kColumns) * ((m.reduced + parts - 1) / parts);
  parallel_ranges(
      m.outer * parts * tiles, std::max<int64_t>(1, kGrain / work), [&](int64_t begin, int64_t end) {
        const auto scratch = Buffer::allocate(static_cast<size_t>(levels * kColumns) * sizeof(A), Device{});
        A* const acc = reinterpret_cast<A*>(scratch->data());
        for (int64_t i = begin; i < end; ++i) {
          const int64_t tile = i % tiles, part = i / tiles % parts, o = i / tiles / parts;
          const int64_t first = m.reduced * part / parts, last = m.reduced * (part + 1) / parts;
          const int64_t column = tile * kColumns, n = std::min(kColumns, m.inner - column);
          const T* from = x + (o * m.reduced + first) * m.inner + column;
          if (kind == Reduction::sum)
            sum_columns(from, m.inner, last - first, acc, n);
          else
            with_join<A>(kind, [&](auto f) { join_rows(from, m.inner, last - first, acc, n, f); });
          std::copy_n(acc, n, sums + (o * parts + part) * m.inner + column);
        }
      });
  // Rounded once, at the end.
  with_join<A>(kind, [&](auto f) {
    for (int64_t o = 0; o < m.outer; ++o)
      for (int64_t j = 0; j < m.inner; ++j) {
        A acc = sums[o * parts * m.inner + j];
        for (int64_t p = 1; p < parts; ++p) acc = f(acc, sums[(o * parts + p) * m.inner + j]);
        y[o * m.inner + j] = static_cast<T>(acc);
      }
  });
}

// -- Reduced axes around a kept, contiguous last one, as in the windows of a pooling layer. --

struct Windows {
  Layout kept;                   // all but the last axis, and a last of 1
  std::vector<int64_t> reduced;  // offsets of the rows that make one of the result
  int64_t inner = 0;
};
// Of few rows, which are added plainly.
std::optional<Windows> windows_of(const array& x, const SmallVector<int, 8>& axes) {
  const size_t last = x.ndim() - 1;
  if (x.size() == 0 || axes.empty() || x.strides()[last] != 1) return {};
  Windows w{.reduced = {0}, .inner = x.shape()[last]};
  Strides strides;
  for (size_t i = 0; i <= last; ++i) {
    const int64_t n = x.shape()[i];
    if (std::find(axes.begin(), axes.end(), static_cast<int>(i)) == axes.end()) {
      w.kept.shape.push_back(i == last ? 1 : n);
      strides.push_back(x.strides()[i]);
      continue;
    }
    if (i == last || n * static_cast<int64_t>(w.reduced.size()) > kColumnBlock) return {};
    const std::vector<int64_t> starts = std::exchange(w.reduced, {});
    for (const int64_t start : starts)
      for (int64_t k = 0; k < n; ++k) w.reduced.push_back(start + k * x.strides()[i]);
  }
  w.kept.strides.push_back(strides);
  return w.inner >= 4 ? std::optional(w) : std::nullopt;
}

template <class T>
void reduce_windows(Reduction kind, const T* x, T* y, const Windows& w) {
  using A = acc_t<T>;
  const int64_t grain = kGrain / (w.inner * static_cast<int64_t>(w.reduced.size()));
  with_join<A>(kind, [&](auto f) {
    parallel_ranges(outer_size(w.kept), std::max<int64_t>(1, grain), [&](int64_t begin, int64_t end) {
      A acc[kColumns];
      OuterWalk walk(w.kept, begin);
      for (int64_t i = begin; i < end; ++i, walk.next())
        for (int64_t first = 0; first < w.inner; first += kColumns) {
          const int64_t n = std::min(kColumns, w.inner - first);
          const T* const from = x + walk.offset(0) + first;
          for (int64_t j = 0; j < n; ++j) acc[j] = static_cast<A>(from[w.reduced[0] + j]);
          for (size_t k = 1; k < w.reduced.size(); ++k)
            for (int64_t j = 0; j < n; ++j) acc[j] = f(acc[j], static_cast<A>(from[w.reduced[k] + j]));
          for (int64_t j = 0; j < n; ++j) y[i * w.inner + first + j] = static_cast<T>(acc[j]);
        }
    });
  });
}

// Rows shorter than this cost more to begin than to go through: they are reduced side by side, as columns.
constexpr int64_t kShort = 16;

// f(columns, first row, m) for every m <= kColumns rows, transposed: column i, kColumns apart, is one row.
template <class T, class F>
void for_short_rows(const T* x, int64_t rows, int64_t n, F f) {
  parallel_ranges(rows, kGrain / n, [&](int64_t begin, int64_t end) {
    const auto columns = std::make_unique_for_overwrite<T[]>(static_cast<size_t>(n * kColumns));
    for (int64_t i = begin, m = 0; i < end; i += m) {
      m = std::min(kColumns, end - i);
      copy_block(reinterpret_cast<const uint8_t*>(x + i * n), {1, n},
                 reinterpret_cast<uint8_t*>(columns.get()), {kColumns, 1}, n, m, sizeof(T));
      f(columns.get(), i, m);
    }
  });
}

void reduce_kernel(KernelArgs& args) {
  const auto& p = args.params<ReduceParams>();
  if (const auto middle = middle_of(args.in(0), p.axes)) {
    array& out = args.allocate();
    return dispatch_any(out.dtype(), [&]<class T>() {
      reduce_middle(p.kind, args.in(0).data<T>(), out.mutable_data<T>(), *middle);
    });
  }
  if (const auto windows = args.in(0).ndim() ? windows_of(args.in(0), p.axes) : std::nullopt) {
    array& out = args.allocate();
    return dispatch_any(out.dtype(), [&]<class T>() {
      reduce_windows(p.kind, args.in(0).data<T>(), out.mutable_data<T>(), *windows);
    });
  }
  const array x = reduced_last(args.in(0), p.axes);
  array& out = args.allocate();
  const int64_t rows = out.size(), n = rows == 0 ? 0 : x.size() / rows;
  dispatch_any(x.dtype(), [&]<class T>() {
    const T* in = x.data<T>();
    T* y = out.mutable_data<T>();
    if (rows == 1 && p.kind == Reduction::sum && n > 4 * kGrain) {
      // A fixed number of parts, so that the sum does not depend on the number of threads.
      constexpr int64_t kParts = 64;
      acc_t<T> parts[kParts];
      parallel_for(kParts, [&](int64_t i) {
        const int64_t begin = n * i / kParts, end = n * (i + 1) / kParts;
        parts[i] = sum_row(in + begin, end - begin);
      });
      y[0] = static_cast<T>(sum_row(parts, kParts));
      return;
    }
    const bool stops_early = p.kind == Reduction::all || p.kind == Reduction::any;
    if (n > 0 && n < kShort && !stops_early)
      return for_short_rows(in, rows, n, [&](const T* columns, int64_t first, int64_t m) {
        acc_t<T> acc[kColumns];
        with_join<acc_t<T>>(p.kind, [&](auto f) { join_rows(columns, kColumns, n, acc, m, f); });
        for (int64_t i = 0; i < m; ++i) y[first + i] = static_cast<T>(acc[i]);
      });
    parallel_ranges(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, n)),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t i = begin; i < end; ++i)
                        y[i] = static_cast<T>(reduce_row(p.kind, in + i * n, n));
                    });
  });
}

// The first that equals the extreme, or the first NaN.
template <class T>
uint32_t arg_row(bool largest, const T* x, int64_t n) {
  using A = acc_t<T>;
  const A top = reduce_row(largest ? Reduction::max : Reduction::min, x, n);
  const bool nan = top != top;
  int64_t i = 0;
  while (!(nan ? static_cast<A>(x[i]) != static_cast<A>(x[i]) : static_cast<A>(x[i]) == top)) ++i;
  return static_cast<uint32_t>(i);
}

// The same of n <= kColumns columns, side by side.
template <bool kMax, class T>
void arg_columns(const T* x, int64_t stride, int64_t rows, uint32_t* y, int64_t n) {
  using A = acc_t<T>;
  A best[kColumns];
  uint32_t at[kColumns] = {};
  for (int64_t j = 0; j < n; ++j) best[j] = static_cast<A>(x[j]);
  for (int64_t i = 1; i < rows; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const A v = static_cast<A>(x[i * stride + j]), old = best[j];
      const bool beyond = kMax ? functor::Greater{}(v, old) : functor::Less{}(v, old);
      const bool wins = (beyond | (v != v)) & (old == old);  // no branches
      best[j] = wins ? v : old;
      at[j] = wins ? static_cast<uint32_t>(i) : at[j];
    }
  std::copy_n(at, n, y);
}

void arg_reduce_kernel(KernelArgs& args) {
  const auto& p = args.params<ArgReduceParams>();
  const auto middle = middle_of(args.in(0), {p.axis});
  const array x = middle ? args.in(0) : reduced_last(args.in(0), {p.axis});
  array& out = args.allocate();
  const int64_t rows = out.size(), n = rows == 0 ? 0 : x.size() / rows;
  dispatch_any(x.dtype(), [&]<class T>() {
    const T* in = x.data<T>();
    uint32_t* y = out.mutable_data<uint32_t>();
    const auto columns = p.largest ? arg_columns<true, T> : arg_columns<false, T>;
    if (middle) {
      const int64_t tiles = (middle->inner + kColumns - 1) / kColumns;
      const int64_t work = std::min(middle->inner, kColumns) * n;
      parallel_ranges(middle->outer * tiles, std::max<int64_t>(1, kGrain / work),
                      [&](int64_t begin, int64_t end) {
                        for (int64_t i = begin; i < end; ++i) {
                          const int64_t o = i / tiles, first = i % tiles * kColumns;
                          columns(in + o * n * middle->inner + first, middle->inner, n,
                                  y + o * middle->inner + first, std::min(kColumns, middle->inner - first));
                        }
                      });
    } else if (n > 0 && n < kShort) {
      for_short_rows(in, rows, n, [&](const T* transposed, int64_t first, int64_t m) {
        columns(transposed, kColumns, n, y + first, m);
      });
    } else {
      const int64_t grain = kGrain / std::max<int64_t>(1, n);  // no rows: n is not known
      parallel_ranges(rows, std::max<int64_t>(1, grain), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) y[i] = arg_row(p.largest, in + i * n, n);
      });
    }
  });
}

// exp(x - top). What the subtraction rounds away is as large as the difference itself in units of the last
// place of the result, so it is put back: exp(d + e) = exp(d) (1 + e).
template <class A>
A exp_of_difference(A x, A top) {
  const A d = x - top, y = std::exp(d);
  if (!std::isfinite(d)) return y;
  const A b = d - x, e = (x - (d - b)) - (top + b);
  return y + y * e;
}

template <class T>
void softmax_row(const T* x, T* y, int64_t n, acc_t<T>* piece) {
  using A = acc_t<T>;
  if constexpr (has_row_kernels(dtype_of<T>)) {
    softmax_of_row(dtype_of<T>, x, y, n, piece);
  } else {
    A top = -std::numeric_limits<A>::infinity();
    for (int64_t i = 0; i < n; ++i) top = better<true>(top, static_cast<A>(x[i]));
    for (int64_t i = 0; i < n; ++i) piece[i] = exp_of_difference(static_cast<A>(x[i]), top);
    const A scale = A{1} / sum_row(piece, n);
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(piece[i] * scale);
  }
}

void softmax_kernel(KernelArgs& args) {
  const int64_t n = args.in(0).shape().back(), rows = n == 0 ? 0 : args.in(0).size() / n;
  const array x = row_contiguous(args.in(0));
  args.allocate();
  dispatch_float(x.dtype(), "softmax", [&]<class T>() {
    const T* in = x.data<T>();
    T* out = args.out().mutable_data<T>();
    parallel_ranges(
        rows, std::max<int64_t>(1, kGrain / 4 / std::max<int64_t>(1, n)), [&](int64_t begin, int64_t end) {
          const auto piece = Buffer::allocate(static_cast<size_t>(n) * sizeof(acc_t<T>), Device{});
          for (int64_t i = begin; i < end; ++i)
            softmax_row(in + i * n, out + i * n, n, reinterpret_cast<acc_t<T>*>(piece->data()));
        });
  });
}

}  // namespace

const bool reduce_registered = register_kernel(kReduce, DeviceType::cpu, reduce_kernel) &&
                               register_kernel(kArgReduce, DeviceType::cpu, arg_reduce_kernel) &&
                               register_kernel(kSoftmax, DeviceType::cpu, softmax_kernel);

}  // namespace uma::cpu
