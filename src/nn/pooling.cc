#include "nn/pooling.h"

#include <limits>

#include "nn/linear.h"
#include "ops/indexing.h"
#include "ops/manipulate.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "ops/view.h"

namespace uma::nn {
namespace {

/// What is below every value of the dtype.
array lowest(DType dtype) {
  if (is_floating(dtype)) return array(-std::numeric_limits<double>::infinity(), dtype);
  if (!is_signed_integer(dtype)) return array(0, dtype);
  const int64_t bits = 8 * size_of(dtype);
  return array(static_cast<int64_t>(~uint64_t{0} << (bits - 1)), dtype);
}

}  // namespace

template <size_t N>
Pool<N>::Pool(bool maximum, PerAxis<N> kernel_size, const PoolOptions<N>& options)
    : maximum_(maximum),
      kernel_(kernel_size),
      stride_(options.stride.value_or(kernel_size)),
      padding_(options.padding) {
  for (size_t i = 0; i < N; ++i) {
    check_positive("Pool", "kernel_size", kernel_.values[i]);
    check_positive("Pool", "stride", stride_.values[i]);
    check(padding_.values[i] >= 0, ErrorCode::kInvalidArgument, "Pool",
          "padding must not be negative, it is {}", padding_.values[i]);
  }
  std::string text = fmt::format("kernel_size={}, stride={}, padding={}", kernel_.tuple(), stride_.tuple(),
                                 padding_.tuple());
  this->traits().name = fmt::format("{}Pool{}d", maximum ? "Max" : "Avg", N);
  this->traits().details = [text = std::move(text)](const Module&) { return text; };
}

/// (N, windows..., kernel..., C), without a copy where x lies row-major.
template <size_t N>
array Pool<N>::windows(const array& x) const {
  const auto& kernel = kernel_.values;
  const auto& stride = stride_.values;
  Shape out;
  for (size_t i = 0; i < N; ++i) {
    check(x.shape()[i + 1] >= kernel[i], ErrorCode::kShape, "Pool",
          "a window of {} is larger than the padded input's {}", kernel[i], x.shape()[i + 1]);
    out.push_back((x.shape()[i + 1] - kernel[i]) / stride[i] + 1);
  }
  if (kernel == stride) {
    // Windows that touch and do not overlap are a reshape, whose gradient is one too.
    Shape stop = x.shape(), cut{x.shape(0)};
    std::vector<int> order{0};
    for (size_t i = 0; i < N; ++i) {
      stop[i + 1] = out[i] * kernel[i];
      cut.push_back(out[i]);
      cut.push_back(kernel[i]);
      order.push_back(static_cast<int>(2 * i + 1));
    }
    for (size_t i = 0; i < N; ++i) order.push_back(static_cast<int>(2 * i + 2));
    cut.push_back(x.shape(-1));
    order.push_back(2 * N + 1);
    return transpose(reshape(slice(x, Shape(x.ndim(), 0), stop), cut), order);
  }
  const Strides steps = row_major_strides(x.shape());
  Shape shape{x.shape(0)};
  Strides strides{steps[0]};
  for (size_t i = 0; i < N; ++i) {
    shape.push_back(out[i]);
    strides.push_back(steps[i + 1] * stride[i]);
  }
  for (size_t i = 0; i < N; ++i) {
    shape.push_back(kernel[i]);
    strides.push_back(steps[i + 1]);
  }
  shape.push_back(x.shape(-1));
  strides.push_back(1);
  return as_strided(x, shape, strides);
}

template <size_t N>
array Pool<N>::operator()(const array& given) const {
  check(given.ndim() == N + 2, ErrorCode::kShape, "Pool", "needs (N, {} spatial axes, C), not shape {}", N,
        given.shape());
  array x = given;
  PadWidths widths{{0, 0}};
  bool padded = false;
  for (const int64_t p : padding_.values) {
    widths.emplace_back(p, p);
    padded |= p > 0;
  }
  widths.emplace_back(0, 0);
  if (padded) x = pad(x, widths, maximum_ ? lowest(x.dtype()) : array(0, x.dtype()));
  Axes axes;
  for (int i = 0; i < static_cast<int>(N); ++i) axes.push_back(i + 1 + static_cast<int>(N));
  return maximum_ ? max(windows(x), axes) : mean(windows(x), axes);
}

template struct Pool<1>;
template struct Pool<2>;
template struct Pool<3>;

}  // namespace uma::nn
