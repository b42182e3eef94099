// where(), and complex numbers from their parts.
#include "backend/cpu/elementwise-inl.h"

namespace uma::cpu {
namespace {

void make_complex_kernel(KernelArgs& args) {
  const Strides strides[] = {args.in(0).strides(), args.in(1).strides()};
  const auto *re = args.in(0).data<float>(), *im = args.in(1).data<float>();
  auto* out = args.allocate().mutable_data<complex64>();
  for_rows(args.out().shape(), strides, [&](const auto& o, const auto& s, int64_t at, int64_t n) {
    for (int64_t i = 0; i < n; ++i) out[at + i] = {re[o[0] + i * s[0]], im[o[1] + i * s[1]]};
  });
}

void select_kernel(KernelArgs& args) {
  const Strides strides[] = {args.in(0).strides(), args.in(1).strides(), args.in(2).strides()};
  args.allocate();
  const auto copy = [&]<class T>() {
    const bool* c = args.in(0).data<bool>();
    const T *x = args.in(1).data<T>(), *y = args.in(2).data<T>();
    T* out = args.out().mutable_data<T>();
    for_rows(args.out().shape(), strides, [&](const auto& o, const auto& s, int64_t at, int64_t n) {
      for (int64_t i = 0; i < n; ++i)
        out[at + i] = c[o[0] + i * s[0]] ? x[o[1] + i * s[1]] : y[o[2] + i * s[2]];
    });
  };
  switch (size_of(args.out().dtype())) {  // only bits move
    case 1:
      return copy.operator()<uint8_t>();
    case 2:
      return copy.operator()<uint16_t>();
    case 4:
      return copy.operator()<uint32_t>();
    default:
      return copy.operator()<uint64_t>();
  }
}

}  // namespace

const bool select_registered = register_kernel(kMakeComplex, DeviceType::cpu, make_complex_kernel) &&
                               register_kernel(kSelect, DeviceType::cpu, select_kernel);

}  // namespace uma::cpu
