// Kernels of the elementwise tables: one template for unary ops, one for binary ones, folded over the rows.
#include "ops/elementwise.h"

#include <algorithm>
#include <array>

#include "base/thread_pool.h"
#include "core/kernel.h"
#include "core/layout.h"

namespace uma::cpu {
namespace {

// Below this many elements waking another thread costs more than it saves.
constexpr int64_t kGrain = 16384;
// Halves are widened in pieces of this many, which stay in L1.
constexpr int64_t kPiece = 512;
// where() has the most.
constexpr size_t kMaxOperands = 3;

template <class T>
inline constexpr bool is_half = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;
template <class T>
using compute_t = std::conditional_t<is_half<T>, float, T>;

// Elements [0, n) of a strided row as compute type: in place where they already are, else through `piece`.
template <class T>
const compute_t<T>* load(const T* x, int64_t step, int64_t n, compute_t<T>* piece) {
  if constexpr (!is_half<T>)
    if (step == 1) return x;
  for (int64_t i = 0; i < n; ++i) piece[i] = static_cast<compute_t<T>>(x[i * step]);
  return piece;
}

template <class F, class T, class Out>
void unary_row(const T* x, int64_t step, Out* y, int64_t n) {
  compute_t<T> piece[kPiece];
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t m = std::min(kPiece, n - i);
    const compute_t<T>* in = load(x + i * step, step, m, piece);
    for (int64_t j = 0; j < m; ++j) y[i + j] = static_cast<Out>(F{}(in[j]));
  }
}

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

// Calls row(offsets..., out offset, n) over the rows of the collapsed layout, in parallel.
template <class Row>
void for_rows(const Shape& shape, std::span<const Strides> strides, Row row) {
  const Layout layout = collapse(shape, strides);
  const int64_t inner = layout.shape.back(), rows = outer_size(layout);
  if (inner == 0 || rows == 0) return;
  std::array<int64_t, kMaxOperands> steps{};
  for (size_t k = 0; k < layout.strides.size(); ++k) steps[k] = layout.strides[k].back();
  if (rows == 1) {
    parallel_ranges(inner, kGrain, [&](int64_t begin, int64_t end) {
      std::array<int64_t, kMaxOperands> offsets{};
      for (size_t k = 0; k < kMaxOperands; ++k) offsets[k] = begin * steps[k];
      row(offsets, steps, begin, end - begin);
    });
    return;
  }
  parallel_ranges(rows, std::max<int64_t>(1, kGrain / inner), [&](int64_t begin, int64_t end) {
    OuterWalk walk(layout, begin);
    std::array<int64_t, kMaxOperands> offsets{};
    for (int64_t i = begin; i < end; ++i, walk.next()) {
      for (size_t k = 0; k < layout.strides.size(); ++k) offsets[k] = walk.offset(k);
      row(offsets, steps, i * inner, inner);
    }
  });
}

// Dtypes that a row's functor is compiled for.
template <Domain kDomain, bool kComplex, class F>
void dispatch(DType dtype, const OpInfo& op, F&& f) {
  if constexpr (kComplex)
    if (dtype == DType::complex64) return f.template operator()<complex64>();
  if constexpr (kDomain == Domain::inexact) {
    dispatch_float(dtype, op.name, f);
  } else if constexpr (kDomain == Domain::integral) {
    if (dtype == DType::bool_)
      f.template operator()<bool>();
    else
      dispatch_integer(dtype, op.name, f);
  } else {
    if (dtype == DType::bool_)
      f.template operator()<bool>();
    else if (is_floating(dtype))
      dispatch_float(dtype, op.name, f);
    else
      dispatch_integer(dtype, op.name, f);
  }
}

template <class R>
inline constexpr bool on_complex = functor::takes_complex<typename R::Functor>;

// Parts of complex numbers are floats; whatever else is no test stays what it was.
template <class R, class T>
struct Result {
  using type = std::conditional_t<R::rule == DTypeRule::boolean, bool, T>;
};
template <class R>
struct Result<R, complex64> {
  using type = std::invoke_result_t<typename R::Functor, complex64>;
};

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

template <class... R>
bool register_unary(const std::tuple<R...>& rows) {
  return std::apply(
      [](auto... row) {
        return (register_kernel(*row.op, DeviceType::cpu, unary_kernel<decltype(row)>) && ...);
      },
      rows);
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

const bool elementwise_registered = register_unary(kUnaryOps) && register_binary(kBinaryOps) &&
                                    register_kernel(kMakeComplex, DeviceType::cpu, make_complex_kernel) &&
                                    register_kernel(kSelect, DeviceType::cpu, select_kernel);

}  // namespace uma::cpu
