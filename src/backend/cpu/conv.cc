// Convolution: a product of windows, which gemm reads where they lie, and kernels.
#include "ops/conv.h"

#include "backend/cpu/gemm.h"
#include "backend/cpu/widen.h"
#include "core/kernel.h"

namespace uma::cpu {
namespace {

GemmWindows windows_of(const array& x, const array& weight, const Shape& out, const ConvParams& p) {
  GemmWindows w;
  const size_t axes = p.stride.size();
  w.rows.add_axis(x.shape(0), x.strides()[0]);
  for (size_t i = 0; i < axes; ++i) w.rows.add_axis(out[i + 1], x.strides()[i + 1] * p.stride[i]);
  for (size_t i = 0; i < axes; ++i)
    w.terms.add_axis(weight.shape()[i + 1], x.strides()[i + 1] * p.dilation[i]);
  w.terms.add_axis(x.shape(-1), 1);
  return w;
}

void conv_kernel(KernelArgs& args) {
  array& out = args.allocate();
  const array kernels = row_contiguous(args.in(1));
  // Terms are copied in runs, which are short where channels do not lie side by side.
  const array x = args.in(0).strides().back() == 1 ? args.in(0) : row_contiguous(args.in(0));
  const GemmWindows windows = windows_of(x, kernels, out.shape(), args.params<ConvParams>());
  const int64_t n = kernels.shape(0), k = kernels.size() / n, m = out.size() / n;
  const GemmMatrix a{.data = x.bytes(), .dtype = x.dtype(), .windows = &windows};
  const GemmMatrix b{.data = kernels.bytes(), .dtype = kernels.dtype(), .row = 1, .col = k};
  if (out.dtype() == DType::float64)
    gemm(a, b, m, n, k, out.mutable_data<double>(), n);
  else
    fill_from_f32(out, "conv", [&](float* sums) { gemm(a, b, m, n, k, sums, n); });
}

}  // namespace

const bool conv_registered = register_kernel(kConv, DeviceType::cpu, conv_kernel);

}  // namespace uma::cpu
