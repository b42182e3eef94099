// Matrix products: every layout goes to gemm as it lies.
#include "ops/matmul.h"

#include "backend/cpu/gemm.h"
#include "backend/cpu/widen.h"
#include "base/thread_pool.h"
#include "core/kernel.h"

namespace uma::cpu {
namespace {

// Products too small to be split are spread over the threads whole.
constexpr int64_t kSmallProduct = 1 << 20;

GemmMatrix matrix_of(const array& x) {
  const size_t n = x.ndim();
  return {x.bytes(), x.dtype(), x.strides()[n - 2], x.strides()[n - 1]};
}

// Bytes from the beginning of x to matrix `index` of its batch.
int64_t batch_offset(const array& x, int64_t index) {
  int64_t offset = 0;
  for (size_t i = x.ndim() - 2; i-- > 0; index /= x.shape()[i])
    offset += index % x.shape()[i] * x.strides()[i];
  return offset * size_of(x.dtype());
}

template <class T>
void products(const array& x, const array& y, T* out, int64_t batch, int64_t m, int64_t n, int64_t k) {
  const auto one = [&](int64_t i) {
    GemmMatrix a = matrix_of(x), b = matrix_of(y);
    a.data = static_cast<const char*>(a.data) + batch_offset(x, i);
    b.data = static_cast<const char*>(b.data) + batch_offset(y, i);
    gemm(a, b, m, n, k, out + i * m * n, n);
  };
  if (m * n * k < kSmallProduct) return parallel_for(batch, one);
  for (int64_t i = 0; i < batch; ++i) one(i);
}

void matmul_kernel(KernelArgs& args) {
  array& out = args.allocate();
  const array &x = args.in(0), &y = args.in(1);
  const size_t d = out.ndim();
  const int64_t m = out.shape()[d - 2], n = out.shape()[d - 1], k = x.shape().back();
  if (out.size() == 0) return;
  const int64_t batch = out.size() / (m * n);
  if (out.dtype() == DType::float64) {
    products(x, y, out.mutable_data<double>(), batch, m, n, k);
  } else {
    fill_from_f32(out, "matmul", [&](float* sums) { products(x, y, sums, batch, m, n, k); });
  }
}

}  // namespace

const bool matmul_registered = register_kernel(kMatmul, DeviceType::cpu, matmul_kernel);

}  // namespace uma::cpu
