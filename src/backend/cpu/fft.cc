// Kernels of ops/fft.h. Real transforms of even length are complex ones of half the length.
#include "ops/fft.h"

#include <algorithm>

#include "backend/cpu/fft_transform.h"
#include "base/thread_pool.h"
#include "core/kernel.h"
#include "ops/functors.h"

namespace uma::cpu {
namespace {

using cfloat = std::complex<float>;
constexpr functor::Multiply times;

// Rows that go through scratch memory together: about 8 MiB of it.
constexpr int64_t kChunk = 1 << 20;
constexpr int64_t kGrain = 16384;

void complex_kernel(KernelArgs& args, const fft::FftParams& p) {
  const array x = row_contiguous(args.in(0));
  const Shape& shape = x.shape();
  FftShape lines{1, 1, p.kind == fft::Kind::inverse, static_cast<float>(p.scale)};
  for (size_t i = 0; i < shape.size(); ++i) {
    if (static_cast<int>(i) < p.axis) lines.outer *= shape[i];
    if (static_cast<int>(i) > p.axis) lines.inner *= shape[i];
  }
  auto* out = args.allocate().mutable_data<cfloat>();
  if (x.size() > 0) fft_transform(*fft_plan(p.n), x.data<cfloat>(), out, lines);
}

template <class Row>
void for_each_row(int64_t rows, int64_t n, Row row) {
  parallel_ranges(rows, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) row(r);
  });
}

// X from Z, the transform of even samples + i odd samples: X_k = E_k + w^k O_k.
void split_halves(const cfloat* z, const cfloat* w, int64_t h, cfloat* out) {
  out[0] = z[0].real() + z[0].imag();
  out[h] = z[0].real() - z[0].imag();
  for (int64_t k = 1; k < h; ++k) {
    const cfloat a = z[k], b = std::conj(z[h - k]);
    const cfloat odd = a - b;  // 2i O_k
    out[k] = 0.5f * (a + b + times(w[k], cfloat(odd.imag(), -odd.real())));
  }
}

// 2 Z from X: the inverse of split_halves.
void join_halves(const cfloat* x, const cfloat* w, int64_t h, cfloat* z) {
  z[0] = {x[0].real() + x[h].real(), x[0].real() - x[h].real()};
  for (int64_t k = 1; k < h; ++k) {
    const cfloat a = x[k], b = std::conj(x[h - k]), odd = times(a - b, std::conj(w[k]));
    z[k] = a + b + cfloat(-odd.imag(), odd.real());
  }
}

void real_rows(const float* in, cfloat* out, int64_t rows, const fft::FftParams& p) {
  const int64_t n = p.n, m = n / 2 + 1, h = n % 2 == 0 ? n / 2 : n;
  const auto plan = fft_plan(h);
  const auto w = half_roots(n);
  const auto buffer = Buffer::allocate(static_cast<size_t>(rows * h) * sizeof(cfloat), Device{});
  auto* z = reinterpret_cast<cfloat*>(buffer->data());
  if (n % 2 == 1) std::copy(in, in + rows * n, z);
  const auto* from = n % 2 == 1 ? z : reinterpret_cast<const cfloat*>(in);
  fft_transform(*plan, from, z, {rows, 1, false, static_cast<float>(p.scale)});
  for_each_row(rows, n, [&](int64_t r) {
    if (n % 2 == 1)
      std::copy(z + r * n, z + r * n + m, out + r * m);
    else
      split_halves(z + r * h, w->data(), h, out + r * m);
  });
}

void inverse_real_rows(const cfloat* in, float* out, int64_t rows, const fft::FftParams& p) {
  const int64_t n = p.n, m = n / 2 + 1, h = n % 2 == 0 ? n / 2 : n;
  const auto plan = fft_plan(h);
  const auto w = half_roots(n);
  const auto buffer = Buffer::allocate(static_cast<size_t>(rows * h) * sizeof(cfloat), Device{});
  auto* z = reinterpret_cast<cfloat*>(buffer->data());
  for_each_row(rows, n, [&](int64_t r) {
    const cfloat* x = in + r * m;
    cfloat* row = z + r * h;
    if (n % 2 == 0) return join_halves(x, w->data(), h, row);
    row[0] = x[0].real();
    for (int64_t k = 1; k < m; ++k) {
      row[k] = x[k];
      row[n - k] = std::conj(x[k]);
    }
  });
  auto* to = n % 2 == 1 ? z : reinterpret_cast<cfloat*>(out);
  fft_transform(*plan, z, to, {rows, 1, true, static_cast<float>(p.scale)});
  if (n % 2 == 1)
    for (int64_t i = 0; i < rows * n; ++i) out[i] = z[i].real();
}

void fft_kernel(KernelArgs& args) {
  const auto p = args.params<fft::FftParams>();
  if (p.kind == fft::Kind::forward || p.kind == fft::Kind::inverse) return complex_kernel(args, p);
  const array x = row_contiguous(args.in(0));
  array& out = args.allocate();
  const int64_t m = p.n / 2 + 1, step = std::max<int64_t>(1, kChunk / p.n);
  const bool forward = p.kind == fft::Kind::real;
  const int64_t rows = out.size() / (forward ? m : p.n);
  for (int64_t r = 0; r < rows; r += step) {
    const int64_t count = std::min(step, rows - r);
    if (forward)
      real_rows(x.data<float>() + r * p.n, out.mutable_data<cfloat>() + r * m, count, p);
    else
      inverse_real_rows(x.data<cfloat>() + r * m, out.mutable_data<float>() + r * p.n, count, p);
  }
}

}  // namespace

const bool fft_registered = register_kernel(kFft, DeviceType::cpu, fft_kernel);

}  // namespace uma::cpu
