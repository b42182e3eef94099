#pragma once
// Convolutions over any number of spatial axes: a matrix product of windows of the input and kernels.
#include <vector>

#include "core/array.h"
#include "core/op.h"

namespace uma {

/// One number a spatial axis; a single one holds for all of them.
struct ConvOptions {
  std::vector<int64_t> stride = {1}, padding_lo = {0}, padding_hi = {0};
  std::vector<int64_t> kernel_dilation = {1}, input_dilation = {1};
  int64_t groups = 1;
  bool flip = false;  // of the kernel: convolution as mathematics has it, instead of correlation
};

/// Cross-correlation with channels last.
/// shapes  input (N, spatial..., C), weight (O, kernel..., C / groups) -> (N, spatial..., O)
/// dtype   promoted; halves accumulate in f32
/// throws  Shape where these do not fit together or a window is larger than the padded input; DType unless
///         float; InvalidArgument for a stride, dilation or number of groups below 1, a negative padding
array conv_general(const array& input, const array& weight, const ConvOptions& options = {});

/// The transpose of conv_general with these options: what its gradient with respect to the input does.
array conv_transpose(const array& input, const array& weight, const std::vector<int64_t>& stride,
                     const std::vector<int64_t>& padding, const std::vector<int64_t>& dilation,
                     const std::vector<int64_t>& output_padding, int64_t groups = 1);

/// NumPy's convolve of two vectors. mode: "full", "same" or "valid".
array convolve(const array& a, const array& v, const std::string& mode = "full");

/// One number a spatial axis.
struct ConvParams {
  std::vector<int64_t> stride, dilation;
};

/// Extents of the result of kConv, of inputs that fit.
Shape conv_shape(const array& input, const array& weight, const ConvParams& params);
/// What kConv computes, for inputs that fit.
array correlate(const array& input, const array& weight, const ConvParams& params);
std::vector<array> conv_fallback(const Node& node, std::span<const array> inputs);

// input (N, spatial..., C), padded; weight (O, kernel..., C) -> (N, spatial..., O), all of one dtype.
inline constexpr OpInfo kConv{.name = "conv",
                              .args = "input, weight",
                              .doc = "Cross-correlation with channels last, of one group.",
                              .dtype = DTypeRule::same,
                              .fallback = conv_fallback};

}  // namespace uma
