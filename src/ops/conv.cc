#include "ops/conv.h"

#include <algorithm>

#include "ops/cast.h"
#include "ops/indexing.h"
#include "ops/manipulate.h"
#include "ops/matmul.h"
#include "ops/shape.h"
#include "ops/view.h"

namespace uma {
namespace {

std::vector<int64_t> per_axis(const std::vector<int64_t>& values, size_t axes, int64_t least,
                              const char* what) {
  check(values.size() == 1 || values.size() == axes, ErrorCode::kInvalidArgument, "conv",
        "there are {} numbers of {} for {} spatial axes", values.size(), what, axes);
  std::vector<int64_t> out = values;
  out.resize(axes, values[0]);
  for (const int64_t v : out)
    check(v >= least, ErrorCode::kInvalidArgument, "conv", "{} must be {} or more, not {}", what, least, v);
  return out;
}

// Zeros between the elements of an axis.
array dilated(const array& x, int axis, int64_t by) {
  if (by == 1 || x.shape(axis) == 0) return x;
  const int64_t extent = x.shape(axis);
  const array apart = expand_dims(x, {axis + 1});
  PadWidths widths(apart.ndim(), {0, 0});
  widths[static_cast<size_t>(axis) + 1] = {0, by - 1};
  return slice_axis(flatten(pad(apart, widths), axis, axis + 1), axis, 0, (extent - 1) * by + 1);
}

/// (N, out..., kernel..., C): a view.
array windows(const array& x, const array& weight, const ConvParams& p) {
  const Shape out = conv_shape(x, weight, p);
  const size_t axes = p.stride.size();
  const Strides strides = row_major_strides(x.shape());
  Shape shape(out.begin(), out.end() - 1);
  Strides steps{strides[0]};
  for (size_t i = 0; i < axes; ++i) steps.push_back(strides[i + 1] * p.stride[i]);
  for (size_t i = 0; i < axes; ++i) {
    shape.push_back(weight.shape()[i + 1]);
    steps.push_back(strides[i + 1] * p.dilation[i]);
  }
  shape.push_back(x.shape(-1));
  steps.push_back(1);
  return as_strided(contiguous(x), shape, steps);
}

// By a product with patches that are made first.
array composed(const array& x, const array& weight, const ConvParams& p) {
  const array patches = windows(x, weight, p);
  const Shape out = conv_shape(x, weight, p);
  const int64_t columns = num_elements(weight.shape()) / std::max<int64_t>(1, weight.shape(0));
  const array product =
      matmul(reshape(patches, {num_elements(patches.shape()) / std::max<int64_t>(1, columns), columns}),
             transpose(reshape(weight, {weight.shape(0), columns})));
  return reshape(product, out);
}

void check_shapes(const array& input, const array& weight, int64_t groups) {
  check(input.ndim() >= 3 && weight.ndim() == input.ndim(), ErrorCode::kShape, "conv",
        "input {} and weight {} must have a batch, spatial axes and channels, equally many", input.shape(),
        weight.shape());
  check(groups >= 1, ErrorCode::kInvalidArgument, "conv", "groups must be 1 or more, not {}", groups);
  check(input.shape(-1) == weight.shape(-1) * groups && weight.shape(0) % groups == 0, ErrorCode::kShape,
        "conv", "{} input channels and {} outputs do not fit kernels of {} channels in {} groups",
        input.shape(-1), weight.shape(0), weight.shape(-1), groups);
}

// Kernels below which most of a tile's columns would be empty.
constexpr int64_t kFewKernels = 8;

}  // namespace

Shape conv_shape(const array& input, const array& weight, const ConvParams& p) {
  Shape out{input.shape(0)};
  for (size_t i = 0; i < p.stride.size(); ++i) {
    const int64_t reach = (weight.shape()[i + 1] - 1) * p.dilation[i] + 1;
    out.push_back((input.shape()[i + 1] - reach) / p.stride[i] + 1);
  }
  out.push_back(weight.shape(0));
  return out;
}

array correlate(const array& input, const array& weight, const ConvParams& params) {
  const bool empty = num_elements(input.shape()) == 0 || num_elements(weight.shape()) == 0;
  if (empty || weight.shape(0) < kFewKernels) return composed(input, weight, params);
  return array::make(conv_shape(input, weight, params), input.dtype(), kConv, params, {input, weight});
}

std::vector<array> conv_fallback(const Node& node, std::span<const array> inputs) {
  return {composed(inputs[0], inputs[1], node.params<ConvParams>())};
}

array conv_general(const array& input, const array& weight, const ConvOptions& o) {
  check_shapes(input, weight, o.groups);
  const DType d = promote(input.dtype(), weight.dtype());
  check(is_floating(d), ErrorCode::kDType, "conv", "takes floats, not {} and {}", name_of(input.dtype()),
        name_of(weight.dtype()));
  const size_t axes = input.ndim() - 2;
  const auto lo = per_axis(o.padding_lo, axes, 0, "padding"), hi = per_axis(o.padding_hi, axes, 0, "padding");
  const auto apart = per_axis(o.input_dilation, axes, 1, "input_dilation");
  const ConvParams params{.stride = per_axis(o.stride, axes, 1, "stride"),
                          .dilation = per_axis(o.kernel_dilation, axes, 1, "kernel_dilation")};
  array x = astype(input, d), kernels = astype(weight, d);
  PadWidths widths(input.ndim(), {0, 0});
  std::vector<int> spatial;
  for (size_t i = 0; i < axes; ++i) {
    spatial.push_back(static_cast<int>(i) + 1);
    x = dilated(x, static_cast<int>(i) + 1, apart[i]);
    widths[i + 1] = {lo[i], hi[i]};
    const int64_t kernel = weight.shape()[i + 1], extent = x.shape()[i + 1] + lo[i] + hi[i];
    const int64_t reach = (kernel - 1) * params.dilation[i] + 1;
    check(kernel > 0 && reach <= extent, ErrorCode::kShape, "conv",
          "a kernel that reaches over {} does not fit {} of a padded input", reach, extent);
  }
  if (o.flip) kernels = flip(kernels, spatial);
  x = pad(x, widths);
  if (o.groups == 1) return correlate(x, kernels, params);
  const auto inputs = split(x, o.groups, -1), parts = split(kernels, o.groups, 0);
  std::vector<array> out;
  for (size_t g = 0; g < parts.size(); ++g) out.push_back(correlate(inputs[g], parts[g], params));
  return concatenate(out, -1);
}

array conv_transpose(const array& input, const array& weight, const std::vector<int64_t>& stride,
                     const std::vector<int64_t>& padding, const std::vector<int64_t>& dilation,
                     const std::vector<int64_t>& output_padding, int64_t groups) {
  check_shapes(input, weight, groups);
  const size_t axes = input.ndim() - 2;
  ConvOptions o{.kernel_dilation = per_axis(dilation, axes, 1, "dilation"),
                .input_dilation = per_axis(stride, axes, 1, "stride"),
                .groups = groups,
                .flip = true};
  const auto cut = per_axis(padding, axes, 0, "padding"),
             more = per_axis(output_padding, axes, 0, "output_padding");
  o.padding_lo.assign(axes, 0);
  o.padding_hi.assign(axes, 0);
  for (size_t i = 0; i < axes; ++i) {
    const int64_t reach = (weight.shape()[i + 1] - 1) * o.kernel_dilation[i];
    o.padding_lo[i] = reach - cut[i];
    o.padding_hi[i] = reach - cut[i] + more[i];
    check(o.padding_lo[i] >= 0 && o.padding_hi[i] >= 0, ErrorCode::kInvalidArgument, "conv",
          "padding {} is more than a kernel that reaches over {} can take away", cut[i], reach + 1);
  }
  return conv_general(input, weight, o);
}

array convolve(const array& a, const array& v, const std::string& mode) {
  check(a.ndim() == 1 && v.ndim() == 1 && a.size() > 0 && v.size() > 0, ErrorCode::kShape, "convolve",
        "takes two vectors that are not empty, not shapes {} and {}", a.shape(), v.shape());
  check(mode == "full" || mode == "same" || mode == "valid", ErrorCode::kInvalidArgument, "convolve",
        "knows the modes full, same and valid, not '{}'", mode);
  const array &longer = a.size() < v.size() ? v : a, &shorter = a.size() < v.size() ? a : v;
  const int64_t reach = shorter.size() - 1;
  ConvOptions o{.flip = true};
  if (mode == "full") o.padding_lo = o.padding_hi = {reach};
  if (mode == "same") o.padding_lo = {reach - reach / 2}, o.padding_hi = {reach / 2};
  return flatten(
      conv_general(reshape(longer, {1, longer.size(), 1}), reshape(shorter, {1, shorter.size(), 1}), o));
}

}  // namespace uma
