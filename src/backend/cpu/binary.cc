// Tile functions of the binary table: one template, folded over the rows.
#include <algorithm>

#include "backend/cpu/dispatch.h"

namespace uma::cpu {
namespace {

template <class F, class T, class Out>
void binary_tile(const void* const* in, void* out, int64_t n) {
  const T *x = static_cast<const T*>(in[0]), *y = static_cast<const T*>(in[1]);
  Out* z = static_cast<Out*>(out);
  [[maybe_unused]] compute_t<T> x_piece[is_half<T> ? kPiece : 1], y_piece[is_half<T> ? kPiece : 1];
  const int64_t step = is_half<T> ? kPiece : n;
  for (int64_t i = 0; i < n; i += step) {
    const int64_t m = std::min(step, n - i);
    const compute_t<T>* a = widen(x + i, m, x_piece);
    const compute_t<T>* b = widen(y + i, m, y_piece);
#pragma GCC ivdep  // z may be x or y, and then each element is read before it is written
    for (int64_t j = 0; j < m; ++j) z[i + j] = static_cast<Out>(F{}(a[j], b[j]));
  }
}

template <class R>
TileFn find_binary(const Node& node) {
  return dispatch<R::domain, on_complex<R>>(node.inputs[0].dtype(), *node.op, []<class T>() -> TileFn {
    using Out = std::conditional_t<R::rule == DTypeRule::boolean, bool, T>;
    return binary_tile<typename R::Functor, T, Out>;
  });
}

template <class... R>
bool register_binary(const std::tuple<R...>& rows) {
  return std::apply(
      [](auto... row) { return (register_elementwise(*row.op, find_binary<decltype(row)>) && ...); }, rows);
}

}  // namespace

const bool binary_registered = register_binary(kBinaryOps);

}  // namespace uma::cpu
