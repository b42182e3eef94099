// Tile functions of the unary table: one template, folded over the rows.
#include <algorithm>

#include "backend/cpu/dispatch.h"

namespace uma::cpu {
namespace {

template <class F, class T, class Out>
void unary_tile(const void* const* in, void* out, int64_t n) {
  const T* x = static_cast<const T*>(in[0]);
  Out* y = static_cast<Out*>(out);
  [[maybe_unused]] compute_t<T> piece[is_half<T> ? kPiece : 1];
  const int64_t step = is_half<T> ? kPiece : n;
  for (int64_t i = 0; i < n; i += step) {
    const int64_t m = std::min(step, n - i);
    const compute_t<T>* a = widen(x + i, m, piece);
#pragma GCC ivdep  // y may be x, and then each element is read before it is written
    for (int64_t j = 0; j < m; ++j) y[i + j] = static_cast<Out>(F{}(a[j]));
  }
}

template <class R>
TileFn find_unary(const Node& node) {
  return dispatch<R::domain, on_complex<R>>(node.inputs[0].dtype(), *node.op, []<class T>() -> TileFn {
    return unary_tile<typename R::Functor, T, typename Result<R, T>::type>;
  });
}

template <class... R>
bool register_unary(const std::tuple<R...>& rows) {
  return std::apply(
      [](auto... row) { return (register_elementwise(*row.op, find_unary<decltype(row)>) && ...); }, rows);
}

}  // namespace

const bool unary_registered = register_unary(kUnaryOps);

}  // namespace uma::cpu
