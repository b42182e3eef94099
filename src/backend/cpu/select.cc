// Tile functions of where(), and of complex numbers from their parts.
#include "backend/cpu/tiles.h"
#include "ops/elementwise.h"

namespace uma::cpu {
namespace {

void make_complex_tile(const void* const* in, void* out, int64_t n) {
  const auto *re = static_cast<const float*>(in[0]), *im = static_cast<const float*>(in[1]);
  auto* z = static_cast<complex64*>(out);
  for (int64_t i = 0; i < n; ++i) z[i] = {re[i], im[i]};
}

template <class T>
void select_tile(const void* const* in, void* out, int64_t n) {
  const bool* c = static_cast<const bool*>(in[0]);
  const T *x = static_cast<const T*>(in[1]), *y = static_cast<const T*>(in[2]);
  T* z = static_cast<T*>(out);
#pragma GCC ivdep  // z may be x or y, and then each element is read before it is written
  for (int64_t i = 0; i < n; ++i) {
    const T a = x[i], b = y[i];  // both read, so that the choice is no branch
    z[i] = c[i] ? a : b;
  }
}

TileFn find_select(const Node& node) {
  switch (size_of(node.inputs[1].dtype())) {  // only bits move
    case 1:
      return select_tile<uint8_t>;
    case 2:
      return select_tile<uint16_t>;
    case 4:
      return select_tile<uint32_t>;
    default:
      return select_tile<uint64_t>;
  }
}

}  // namespace

const bool select_registered =
    register_elementwise(kMakeComplex, [](const Node&) -> TileFn { return make_complex_tile; }) &&
    register_elementwise(kSelect, find_select);

}  // namespace uma::cpu
