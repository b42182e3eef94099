#pragma once
// The maximum or mean of a window that slides over N spatial axes.
#include <optional>

#include "nn/conv.h"
#include "nn/module.h"

namespace uma::nn {

template <size_t N>
struct PoolOptions {
  std::optional<PerAxis<N>> stride = {};  // the window's size
  PerAxis<N> padding = 0;
};

/// shapes  x (N, L..., C) -> (N, (L + 2 padding - kernel_size) / stride + 1 ..., C)
/// throws  InvalidArgument for sizes below 1; Shape for another number of dimensions, or a window larger than
/// the
///         padded input
template <size_t N>
struct Pool : Module {
  array operator()(const array& x) const;

 protected:
  Pool(bool maximum, PerAxis<N> kernel_size, const PoolOptions<N>& options);

 private:
  array windows(const array& x) const;
  bool maximum_;  // padding is then the lowest value
  PerAxis<N> kernel_, stride_, padding_;
};
extern template struct Pool<1>;
extern template struct Pool<2>;
extern template struct Pool<3>;

template <size_t N>
struct MaxPool : Pool<N> {
  explicit MaxPool(PerAxis<N> kernel_size, const PoolOptions<N>& options = {})
      : Pool<N>(true, kernel_size, options) {}
};
/// Padding counts as zeros.
template <size_t N>
struct AvgPool : Pool<N> {
  explicit AvgPool(PerAxis<N> kernel_size, const PoolOptions<N>& options = {})
      : Pool<N>(false, kernel_size, options) {}
};
using MaxPool1d = MaxPool<1>;
using MaxPool2d = MaxPool<2>;
using MaxPool3d = MaxPool<3>;
using AvgPool1d = AvgPool<1>;
using AvgPool2d = AvgPool<2>;
using AvgPool3d = AvgPool<3>;

}  // namespace uma::nn
