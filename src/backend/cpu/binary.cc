// Kernels of the binary table: one template, folded over the rows.
#include "backend/cpu/elementwise-inl.h"

namespace uma::cpu {
namespace {

template <class F, class T, class Out>
void binary_row(const T* x, int64_t x_step, const T* y, int64_t y_step, Out* z, int64_t n) {
  compute_t<T> x_piece[kPiece], y_piece[kPiece];
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t m = std::min(kPiece, n - i);
    const compute_t<T>* a = load(x + i * x_step, x_step, m, x_piece);
    const compute_t<T>* b = load(y + i * y_step, y_step, m, y_piece);
    for (int64_t j = 0; j < m; ++j) z[i + j] = static_cast<Out>(F{}(a[j], b[j]));
  }
}

template <class R>
void binary_kernel(KernelArgs& args) {
  using F = typename R::Functor;
  dispatch<R::domain, on_complex<R>>(args.in(0).dtype(), *args.node().op, [&]<class T>() {
    using Out = std::conditional_t<R::rule == DTypeRule::boolean, bool, T>;
    const auto x = args.in(0).strides(), y = args.in(1).strides();
    const T *a = args.in(0).data<T>(), *b = args.in(1).data<T>();
    // Either input may give its memory: each element is read before it is written.
    if (args.is_donatable(0) && args.in(0).is_row_contiguous())
      args.donate_or_allocate(0);
    else
      args.donate_or_allocate(1);
    const Strides strides[] = {x, y};
    Out* out = args.out().template mutable_data<Out>();
    for_rows(args.out().shape(), strides, [&](const auto& offsets, const auto& steps, int64_t at, int64_t n) {
      binary_row<F>(a + offsets[0], steps[0], b + offsets[1], steps[1], out + at, n);
    });
  });
}

template <class... R>
bool register_binary(const std::tuple<R...>& rows) {
  return std::apply(
      [](auto... row) {
        return (register_kernel(*row.op, DeviceType::cpu, binary_kernel<decltype(row)>) && ...);
      },
      rows);
}

}  // namespace

const bool binary_registered = register_binary(kBinaryOps);

}  // namespace uma::cpu
