#pragma once
// Convolutions with the channels last.
#include <algorithm>
#include <array>
#include <initializer_list>

#include "nn/module.h"
#include "ops/conv.h"

namespace uma::nn {

/// A number for each of N axes, or one for all: 3, {3, 5}. throws InvalidArgument for another number of them
template <size_t N>
struct PerAxis {
  std::array<int64_t, N> values{};
  PerAxis(int value) { values.fill(value); }
  PerAxis(std::initializer_list<int64_t> list) {
    check(list.size() == N, ErrorCode::kInvalidArgument, "PerAxis", "needs {} numbers, not {}", N,
          list.size());
    std::copy_n(list.begin(), std::min(N, list.size()), values.begin());
  }
  std::vector<int64_t> vector() const { return {values.begin(), values.end()}; }
  /// As Python prints it: "(3, 5)".
  std::string tuple() const { return to_string(Shape(values.begin(), values.end())); }
};

/// Cross-correlation over N spatial axes.
/// shapes  x (N, spatial..., in_channels) -> (N, spatial'..., out_channels); weight (out_channels, kernel...,
///         in_channels / groups), bias (out_channels)
/// start   weight from U(-k, k) with k = 1 / sqrt(in_channels / groups * kernel's elements), bias zero
/// throws  InvalidArgument where groups does not divide in_channels or a size is below 1
template <size_t N>
struct Conv : Module {
  struct Options {
    PerAxis<N> stride = 1, padding = 0, dilation = 1;
    int64_t groups = 1;
    bool bias = true;
  };
  Conv(int64_t in_channels, int64_t out_channels, PerAxis<N> kernel_size, const Options& options);
  Conv(int64_t in_channels, int64_t out_channels, PerAxis<N> kernel_size)
      : Conv(in_channels, out_channels, kernel_size, Options{}) {}
  array operator()(const array& x) const;

 private:
  Options options_;
};
extern template struct Conv<1>;
extern template struct Conv<2>;
extern template struct Conv<3>;
using Conv1d = Conv<1>;
using Conv2d = Conv<2>;
using Conv3d = Conv<3>;

/// The transpose of a convolution: what its gradient with respect to the input does.
/// shapes  weight (out_channels, kernel..., in_channels); start and throws as Conv
template <size_t N>
struct ConvTranspose : Module {
  struct Options {
    PerAxis<N> stride = 1, padding = 0, dilation = 1, output_padding = 0;
    bool bias = true;
  };
  ConvTranspose(int64_t in_channels, int64_t out_channels, PerAxis<N> kernel_size, const Options& options);
  ConvTranspose(int64_t in_channels, int64_t out_channels, PerAxis<N> kernel_size)
      : ConvTranspose(in_channels, out_channels, kernel_size, Options{}) {}
  array operator()(const array& x) const;

 private:
  Options options_;
};
extern template struct ConvTranspose<1>;
extern template struct ConvTranspose<2>;
extern template struct ConvTranspose<3>;
using ConvTranspose1d = ConvTranspose<1>;
using ConvTranspose2d = ConvTranspose<2>;
using ConvTranspose3d = ConvTranspose<3>;

}  // namespace uma::nn
