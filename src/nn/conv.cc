#include "nn/conv.h"

#include <algorithm>
#include <cmath>

#include "nn/linear.h"
#include "ops/creation.h"
#include "ops/elementwise.h"

namespace uma::nn {
namespace {

/// Filters and a bias, under their names.
template <size_t N>
void add_weights(Module& layer, std::string_view name, int64_t in, int64_t out, const PerAxis<N>& kernel,
                 bool bias) {
  check_positive(name, "in_channels", in);
  check_positive(name, "out_channels", out);
  Shape shape{out};
  double inputs = static_cast<double>(in);
  for (const int64_t extent : kernel.values) {
    check_positive(name, "kernel_size", extent);
    shape.push_back(extent);
    inputs *= static_cast<double>(extent);
  }
  shape.push_back(in);
  layer.add("weight", uniform_weights(std::sqrt(1 / inputs), shape));
  if (bias) layer.add("bias", zeros({out}));
}

/// As Python prints a size: 3, or (3, 5).
template <size_t N>
std::string text_of(const PerAxis<N>& sizes) {
  if constexpr (N == 1) return std::to_string(sizes.values[0]);
  return sizes.tuple();
}

/// "4, 6, kernel_size=3, stride=2, padding=1, dilation=1, <more>, bias=True"
template <size_t N>
void describe(Module& layer, std::string_view name, int64_t in, int64_t out, const PerAxis<N>& kernel,
              const auto& options, const std::string& more) {
  // Python keeps a dilation as it was given, mostly as one number.
  const auto& [first, last] =
      std::minmax_element(options.dilation.values.begin(), options.dilation.values.end());
  const std::string dilation = *first == *last ? std::to_string(*first) : text_of(options.dilation);
  std::string text = fmt::format("{}, {}, kernel_size={}, stride={}, padding={}, dilation={}, {}bias={}", in,
                                 out, text_of(kernel), text_of(options.stride), text_of(options.padding),
                                 dilation, more, spelled(options.bias));
  layer.traits().name = fmt::format("{}{}d", name, N);
  layer.traits().details = [text = std::move(text)](const Module&) { return text; };
}

array with_bias(const Module& layer, const array& y) {
  const array* bias = layer.find("bias");
  return bias ? y + *bias : y;
}

}  // namespace

template <size_t N>
Conv<N>::Conv(int64_t in_channels, int64_t out_channels, PerAxis<N> kernel_size, const Options& options)
    : options_(options) {
  check(options.groups > 0 && in_channels % options.groups == 0, ErrorCode::kInvalidArgument, "Conv",
        "in_channels ({}) must be divisible by groups ({})", in_channels, options.groups);
  add_weights(*this, "Conv", in_channels / options.groups, out_channels, kernel_size, options.bias);
  // MLX's Conv3d has no groups.
  const std::string groups = N < 3 ? fmt::format("groups={}, ", options.groups) : "";
  describe(*this, "Conv", in_channels, out_channels, kernel_size, options, groups);
}

template <size_t N>
array Conv<N>::operator()(const array& x) const {
  const ConvOptions how{.stride = options_.stride.vector(),
                        .padding_lo = options_.padding.vector(),
                        .padding_hi = options_.padding.vector(),
                        .kernel_dilation = options_.dilation.vector(),
                        .groups = options_.groups};
  return with_bias(*this, conv_general(x, parameter("weight"), how));
}

template <size_t N>
ConvTranspose<N>::ConvTranspose(int64_t in_channels, int64_t out_channels, PerAxis<N> kernel_size,
                                const Options& options)
    : options_(options) {
  add_weights(*this, "ConvTranspose", in_channels, out_channels, kernel_size, options.bias);
  describe(*this, "ConvTranspose", in_channels, out_channels, kernel_size, options,
           fmt::format("output_padding={}, ", text_of(options.output_padding)));
}

template <size_t N>
array ConvTranspose<N>::operator()(const array& x) const {
  return with_bias(*this,
                   conv_transpose(x, parameter("weight"), options_.stride.vector(), options_.padding.vector(),
                                  options_.dilation.vector(), options_.output_padding.vector()));
}

template struct Conv<1>;
template struct Conv<2>;
template struct Conv<3>;
template struct ConvTranspose<1>;
template struct ConvTranspose<2>;
template struct ConvTranspose<3>;

}  // namespace uma::nn
