#pragma once
// Arrays without gaps whose last axis need not be the innermost in memory: what moveaxis() and flip() make
// for ops along another axis. A kernel that walks such lines where they lie saves two transpositions.
#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/thread_pool.h"
#include "core/kernel.h"
#include "core/layout.h"

namespace uma::cpu {

/// In memory (outer, n, inner), the middle being the last axis.
struct Lines {
  int64_t outer = 1, n = 1, inner = 1;
  bool reversed = false;  // the last axis runs backwards, and its first element lies last

  /// Elements from the first in memory to the first by index.
  int64_t first() const { return reversed ? (n - 1) * inner : 0; }
};

inline std::optional<Lines> lines_of(const array& x) {
  const size_t last = x.ndim() - 1;
  const int64_t n = x.shape()[last], step = std::abs(x.strides()[last]);
  if (x.size() == 0 || n == 1) return {};
  size_t split = last;
  Lines lines{.n = n, .reversed = x.strides()[last] < 0};
  while (split > 0 && lines.inner < step) lines.inner *= x.shape()[--split];
  if (lines.inner != step) return {};
  lines.outer = x.size() / n / step;
  Shape shape = x.shape();
  Strides strides = x.strides();
  strides[last] = step;
  std::rotate(shape.begin() + split, shape.end() - 1, shape.end());
  std::rotate(strides.begin() + split, strides.end() - 1, strides.end());
  return is_row_contiguous(shape, strides) ? std::optional(lines) : std::nullopt;
}

/// An input as lines, and memory for an output that lies as it does.
struct LinesArgs {
  array x;
  Lines lines;

  explicit LinesArgs(KernelArgs& args) : x(args.in(0)) {
    const auto found = lines_of(x);
    if (!found) x = row_contiguous(x);
    const int64_t n = std::max<int64_t>(1, x.shape().back());
    lines = found.value_or(Lines{.outer = x.size() / n, .n = n});
    args.allocate();
    Tensor& out = *args.out().tensor();
    out.strides = x.strides();
    out.offset = lines.first() * size_of(out.dtype);
  }
  /// The first element in memory, which walks go through upwards.
  template <class T>
  const T* in() const {
    return x.data<T>() - lines.first();
  }
  template <class T>
  T* out(KernelArgs& args) const {
    return args.out().mutable_data<T>() - lines.first();
  }
};

/// A running total along each line: f(total, value) is the next one. Inclusive results count their own
/// element.
template <class T, class F>
void accumulate_lines(KernelArgs& args, bool backwards, bool inclusive, accumulator_t<T> first, F f) {
  using A = accumulator_t<T>;
  constexpr int64_t kColumns = 1024;  // lines that go side by side, at most
  constexpr int64_t kGrain = 4096;    // elements that are worth a thread
  const LinesArgs a(args);
  const Lines l = a.lines;
  // Wide tiles read memory in order; narrower ones feed all threads.
  const int64_t width = std::clamp<int64_t>(l.outer * l.inner / num_threads(), 64, kColumns);
  const int64_t tiles = (l.inner + width - 1) / width;
  const int64_t step = backwards != l.reversed ? -l.inner : l.inner;
  const T* const in = a.in<T>();
  T* const out = a.out<T>(args);
  const auto one = [=](const T* x, T* y) {
    A total = first;
    for (int64_t i = 0; i < l.n; ++i, x += step, y += step) {
      const A next = f(total, static_cast<A>(*x));
      *y = static_cast<T>(inclusive ? next : total);
      total = next;
    }
  };
  const auto many = [=](const T* x, T* y, int64_t m) {
    A totals[kColumns];
    std::fill_n(totals, m, first);
    for (int64_t i = 0; i < l.n; ++i, x += step, y += step) {
#pragma GCC ivdep  // the output has memory of its own
      for (int64_t j = 0; j < m; ++j) {
        const A next = f(totals[j], static_cast<A>(x[j]));
        y[j] = static_cast<T>(inclusive ? next : totals[j]);
        totals[j] = next;
      }
    }
  };
  const int64_t grain = kGrain / (l.n * std::min(l.inner, width));
  parallel_ranges(l.outer * tiles, std::max<int64_t>(1, grain), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t column = t % tiles * width, m = std::min(width, l.inner - column);
      const int64_t at = t / tiles * l.n * l.inner + column + (step < 0 ? (l.n - 1) * l.inner : 0);
      m == 1 ? one(in + at, out + at) : many(in + at, out + at, m);
    }
  });
}

}  // namespace uma::cpu
