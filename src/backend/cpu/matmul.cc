// Matrix products. f32 goes to oneDNN, whose own threads are switched off: the rows are split over our pool.
#include "ops/matmul.h"

#include <dnnl.h>
#include <omp.h>

#include <algorithm>
#include <cstring>

#include "base/thread_pool.h"
#include "core/kernel.h"
#include "core/layout.h"

namespace uma::cpu {
namespace {

// Work below this many multiply-adds stays on one thread.
constexpr int64_t kGrain = 1 << 16;

// One matrix as BLAS sees it: a leading dimension, and which way round it lies.
struct Operand {
  array values;
  bool transposed;
  int64_t ld;
  Shape batch_shape;
  Strides batch_strides;
};

Operand as_operand(const array& in) {
  const size_t n = in.ndim();
  const int64_t rows = in.shape()[n - 2], cols = in.shape()[n - 1];
  const auto describe = [&](const array& a, bool transposed) {
    const Strides& s = a.strides();
    return Operand{a, transposed,
                   std::max<int64_t>(transposed ? s[n - 1] : s[n - 2], transposed ? rows : cols),
                   Shape(a.shape().begin(), a.shape().end() - 2), Strides(s.begin(), s.end() - 2)};
  };
  const int64_t row = in.strides()[n - 2], col = in.strides()[n - 1];
  if ((col == 1 || cols == 1) && (row >= cols || rows == 1)) return describe(in, false);
  if ((row == 1 || rows == 1) && (col >= rows || cols == 1)) return describe(in, true);
  return describe(row_contiguous(in), false);
}

int64_t batch_offset(const Operand& o, int64_t index) {
  int64_t offset = 0;
  for (size_t i = o.batch_shape.size(); i-- > 0; index /= o.batch_shape[i])
    offset += index % o.batch_shape[i] * o.batch_strides[i];
  return offset;
}

void gemm_f32(const float* a, const Operand& x, const float* b, const Operand& y, float* c, int64_t m,
              int64_t n, int64_t k) {
  const dnnl_status_t status = dnnl_sgemm(x.transposed ? 'T' : 'N', y.transposed ? 'T' : 'N', m, n, k, 1.0f,
                                          a, x.ld, b, y.ld, 0.0f, c, n);
  check(status == dnnl_success, ErrorCode::kDevice, "matmul", "oneDNN refused {} x {} x {}", m, n, k);
}

// f64: no library of ours has it; rows of y are added up, which the compiler turns into vectors.
void gemm_f64(const double* a, const Operand& x, const double* b, const Operand& y, double* c, int64_t m,
              int64_t n, int64_t k) {
  std::fill(c, c + m * n, 0.0);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t l = 0; l < k; ++l) {
      const double s = x.transposed ? a[l * x.ld + i] : a[i * x.ld + l];
      if (y.transposed) {
        for (int64_t j = 0; j < n; ++j) c[i * n + j] += s * b[j * y.ld + l];
      } else {
        for (int64_t j = 0; j < n; ++j) c[i * n + j] += s * b[l * y.ld + j];
      }
    }
}

template <class T, class Gemm>
void run(const Operand& x, const Operand& y, T* out, int64_t batch, int64_t m, int64_t n, int64_t k,
         Gemm gemm) {
  // Rows in panels of a fixed height, so that the result does not depend on the number of threads.
  const int64_t work = n * k;
  const int64_t height = std::clamp<int64_t>(work > 0 ? kGrain / work : m, 32, 512);
  const int64_t panels = (m + height - 1) / height;
  parallel_for(batch * panels, [&](int64_t task) {
    omp_set_num_threads(1);  // a setting of this thread: the library must not start a second pool
    const int64_t i = task / panels, begin = task % panels * height, rows = std::min(height, m - begin);
    const T* a = x.values.data<T>() + batch_offset(x, i) + begin * (x.transposed ? 1 : x.ld);
    gemm(a, x, y.values.data<T>() + batch_offset(y, i), y, out + (i * m + begin) * n, rows, n, k);
  });
}

array to_f32(const array& x) {
  auto buffer = Buffer::allocate(static_cast<size_t>(x.size()) * 4, Device{});
  const array in = row_contiguous(x);
  float* out = reinterpret_cast<float*>(buffer->data());
  dispatch_float(x.dtype(), "matmul", [&]<class T>() {
    const T* values = in.data<T>();
    parallel_ranges(x.size(), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = static_cast<float>(values[i]);
    });
  });
  return array::from_buffer(std::move(buffer), 0, x.shape(), DType::float32);
}

void matmul_kernel(KernelArgs& args) {
  array& out = args.allocate();
  const size_t d = out.ndim();
  const int64_t m = out.shape()[d - 2], n = out.shape()[d - 1], k = args.in(0).shape().back();
  if (out.size() == 0) return;
  if (k == 0) {
    std::memset(out.mutable_data<uint8_t>(), 0, static_cast<size_t>(out.nbytes()));
    return;
  }
  const int64_t batch = out.size() / (m * n);
  if (out.dtype() == DType::float64) {
    run(as_operand(args.in(0)), as_operand(args.in(1)), out.mutable_data<double>(), batch, m, n, k, gemm_f64);
  } else if (out.dtype() == DType::float32) {
    run(as_operand(args.in(0)), as_operand(args.in(1)), out.mutable_data<float>(), batch, m, n, k, gemm_f32);
  } else {
    const auto wide = Buffer::allocate(static_cast<size_t>(out.size()) * 4, Device{});
    float* sums = reinterpret_cast<float*>(wide->data());
    run(as_operand(to_f32(args.in(0))), as_operand(to_f32(args.in(1))), sums, batch, m, n, k, gemm_f32);
    dispatch_float(out.dtype(), "matmul", [&]<class T>() {
      T* rounded = out.mutable_data<T>();
      for (int64_t i = 0; i < out.size(); ++i) rounded[i] = static_cast<T>(sums[i]);
    });
  }
}

}  // namespace

const bool matmul_registered = register_kernel(kMatmul, DeviceType::cpu, matmul_kernel);

}  // namespace uma::cpu
