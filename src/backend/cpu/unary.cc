// Kernels of the unary table: one template, folded over the rows.
#include "backend/cpu/elementwise-inl.h"

namespace uma::cpu {
namespace {

template <class F, class T, class Out>
void unary_row(const T* x, int64_t step, Out* y, int64_t n) {
  compute_t<T> piece[kPiece];
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t m = std::min(kPiece, n - i);
    const compute_t<T>* in = load(x + i * step, step, m, piece);
    for (int64_t j = 0; j < m; ++j) y[i + j] = static_cast<Out>(F{}(in[j]));
  }
}

template <class R>
void unary_kernel(KernelArgs& args) {
  using F = typename R::Functor;
  dispatch<R::domain, on_complex<R>>(args.in(0).dtype(), *args.node().op, [&]<class T>() {
    using Out = typename Result<R, T>::type;
    // No handle on the input is kept: a second one would stop its memory from being taken.
    const Strides strides[] = {args.in(0).strides()};
    const T* in = args.in(0).data<T>();
    args.donate_or_allocate(0);
    Out* out = args.out().template mutable_data<Out>();
    for_rows(args.out().shape(), strides, [&](const auto& offsets, const auto& steps, int64_t at, int64_t n) {
      unary_row<F>(in + offsets[0], steps[0], out + at, n);
    });
  });
}

template <class... R>
bool register_unary(const std::tuple<R...>& rows) {
  return std::apply(
      [](auto... row) {
        return (register_kernel(*row.op, DeviceType::cpu, unary_kernel<decltype(row)>) && ...);
      },
      rows);
}
}  // namespace

const bool unary_registered = register_unary(kUnaryOps);

}  // namespace uma::cpu
