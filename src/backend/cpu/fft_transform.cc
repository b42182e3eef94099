#include "backend/cpu/fft_transform.h"

#include <algorithm>

#include "backend/cpu/fft_lanes.h"
#include "base/thread_pool.h"
#include "core/memory.h"
#include "ops/functors.h"

namespace uma::cpu {
namespace {

using cfloat = std::complex<float>;

// Points that are worth another thread.
constexpr int64_t kGrain = 8192;

struct Scratch {
  explicit Scratch(int64_t floats)
      : buffer(Buffer::allocate(static_cast<size_t>(floats) * sizeof(float), Device{})) {}
  float* floats() { return reinterpret_cast<float*>(buffer->data()); }
  cfloat* numbers() { return reinterpret_cast<cfloat*>(buffer->data()); }
  std::shared_ptr<Buffer> buffer;
};

cfloat swapped(cfloat x, bool swap) {
  return swap ? cfloat(x.imag(), x.real()) : x;
}

/// Blocks of lanes over `count` transforms: block(first, lanes, work).
template <class Block>
void for_lanes(int64_t n, int64_t count, Block block) {
  const int64_t width = fft_lane_count(), blocks = (count + width - 1) / width;
  parallel_ranges(blocks, std::max<int64_t>(1, kGrain / (n * width)), [&](int64_t begin, int64_t end) {
    Scratch work(fft_work_size(n));
    for (int64_t b = begin; b < end; ++b) block(b * width, std::min(width, count - b * width), work.floats());
  });
}

// On all threads, or one after the other where each is a parallel loop itself and few would leave threads
// idle.
template <class Body>
void for_each(int64_t count, Body body) {
  if (count >= num_threads()) return parallel_for(count, body);
  for (int64_t i = 0; i < count; ++i) body(i);
}

// One transform a lane.
void direct(const FftPlan& plan, const cfloat* in, cfloat* out, const FftShape& shape) {
  for_lanes(plan.n, shape.outer * shape.inner, [&](int64_t first, int64_t lanes, float* work) {
    int64_t at[kMostLanes];
    for (int64_t l = 0; l < lanes; ++l) {
      const int64_t line = first + l;
      at[l] = line / shape.inner * plan.n * shape.inner + line % shape.inner;
    }
    run_fft_lanes({.plan = &plan,
                   .lanes = lanes,
                   .in = in,
                   .in_at = at,
                   .in_step = shape.inner,
                   .out = out,
                   .out_at = at,
                   .out_step = shape.inner,
                   .scale = shape.scale,
                   .swap_in = shape.inverse,
                   .swap_out = shape.inverse},
                  work);
  });
}

// One line as a matrix (n1, n2) of its elements: down the columns, then along the rows. A factor that is too
// long for lanes is such a line itself.
void two_steps(const FftPlan& plan, const cfloat* in, cfloat* out, int64_t step, const FftShape& shape) {
  const FftPlan &first = *plan.first, &second = *plan.second;
  const int64_t n1 = first.n, n2 = second.n;
  Scratch middle(2 * plan.n);
  for_lanes(n1, n2, [&](int64_t column, int64_t lanes, float* work) {
    int64_t from[kMostLanes], to[kMostLanes];
    for (int64_t l = 0; l < lanes; ++l) {
      from[l] = (column + l) * step;
      to[l] = column + l;
    }
    run_fft_lanes({.plan = &first,
                   .lanes = lanes,
                   .in = in,
                   .in_at = from,
                   .in_step = n2 * step,
                   .out = middle.numbers(),
                   .out_at = to,
                   .out_step = n2,
                   .twiddles = plan.twiddles.data() + column,
                   .twiddle_step = n2,
                   .swap_in = shape.inverse},
                  work);
  });
  for_lanes(n2, n1, [&](int64_t row, int64_t lanes, float* work) {
    int64_t from[kMostLanes], to[kMostLanes];
    for (int64_t l = 0; l < lanes; ++l) {
      from[l] = (row + l) * n2;
      to[l] = (row + l) * step;
    }
    run_fft_lanes({.plan = &second,
                   .lanes = lanes,
                   .in = middle.numbers(),
                   .in_at = from,
                   .in_step = 1,
                   .out = out,
                   .out_at = to,
                   .out_step = n1 * step,
                   .scale = shape.scale,
                   .swap_out = shape.inverse},
                  work);
  });
}

// Lines [begin, end) by Bluestein's algorithm: a convolution with a chirp.
void chirped(const FftPlan& plan, const cfloat* in, cfloat* out, const FftShape& shape, int64_t begin,
             int64_t end) {
  const FftPlan& convolution = *plan.convolution;
  const int64_t n = plan.n, m = convolution.n, lines = end - begin;
  Scratch scratch(2 * m * lines);
  cfloat* a = scratch.numbers();
  constexpr functor::Multiply times;
  const auto base = [&](int64_t line) { return line / shape.inner * n * shape.inner + line % shape.inner; };
  for (int64_t l = 0; l < lines; ++l) {
    const cfloat* x = in + base(begin + l);
    cfloat* row = a + l * m;
    for (int64_t j = 0; j < n; ++j)
      row[j] = times(swapped(x[j * shape.inner], shape.inverse), plan.chirp[static_cast<size_t>(j)]);
    std::fill(row + n, row + m, cfloat(0));
  }
  fft_transform(convolution, a, a, {lines, 1});
  for (int64_t l = 0; l < lines; ++l)
    for (int64_t j = 0; j < m; ++j)
      a[l * m + j] = times(a[l * m + j], plan.chirp_transform[static_cast<size_t>(j)]);
  fft_transform(convolution, a, a, {lines, 1, true});
  for (int64_t l = 0; l < lines; ++l) {
    cfloat* y = out + base(begin + l);
    for (int64_t k = 0; k < n; ++k)
      y[k * shape.inner] =
          swapped(times(a[l * m + k], plan.chirp[static_cast<size_t>(k)]) * shape.scale, shape.inverse);
  }
}

}  // namespace

void fft_transform(const FftPlan& plan, const cfloat* in, cfloat* out, const FftShape& shape) {
  const int64_t lines = shape.outer * shape.inner;
  if (lines == 0) return;
  if (plan.convolution) {
    const int64_t chunk = fft_lane_count(), chunks = (lines + chunk - 1) / chunk;
    return for_each(chunks, [&](int64_t c) {
      chirped(plan, in, out, shape, c * chunk, std::min(lines, (c + 1) * chunk));
    });
  }
  const bool fits = plan.n <= kLongestInLanes;
  if (!plan.first || (fits && lines * 2 > fft_lane_count())) return direct(plan, in, out, shape);
  for_each(lines, [&](int64_t line) {
    const int64_t at = line / shape.inner * plan.n * shape.inner + line % shape.inner;
    two_steps(plan, in + at, out + at, shape.inner, shape);
  });
}

}  // namespace uma::cpu
