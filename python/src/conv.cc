// Convolutions.
#include "ops/conv.h"

#include "bind.h"

namespace uma::python {
namespace {

using Ints = std::vector<int64_t>;
using IntsArg = std::variant<int64_t, Ints>;
// Padding may differ at the two ends: ([lo, ...], [hi, ...]).
using PaddingArg = std::variant<int64_t, Ints, std::pair<Ints, Ints>>;

Ints ints_of(const IntsArg& v) {
  return v.index() ? std::get<Ints>(v) : Ints{std::get<int64_t>(v)};
}

void check_axes(const array& input, size_t axes, const char* op) {
  check(input.ndim() == axes + 2, ErrorCode::kShape, op, "takes an input of {} dimensions, not {}", axes + 2,
        input.ndim());
}

// conv1d, conv2d, conv3d and their transposes.
void def_conv(Module& m, const char* name, size_t axes) {
  m.def(
      name,
      [axes, name](const array& input, const array& weight, const IntsArg& stride, const IntsArg& padding,
                   const IntsArg& dilation, int64_t groups, const StreamArg& s) {
        StreamScope scope(s);
        check_axes(input, axes, name);
        const Ints pad = ints_of(padding);
        return conv_general(input, weight,
                            {.stride = ints_of(stride),
                             .padding_lo = pad,
                             .padding_hi = pad,
                             .kernel_dilation = ints_of(dilation),
                             .groups = groups});
      },
      nb::arg("input"), nb::arg("weight"), "stride"_a = 1, "padding"_a = 0, "dilation"_a = 1, "groups"_a = 1,
      nb::kw_only(), "stream"_a = nb::none(),
      "Cross-correlation with channels last: (N, spatial..., C) with (O, kernel..., C / groups).");
}

void def_transpose(Module& m, const char* name, size_t axes) {
  m.def(
      name,
      [axes, name](const array& input, const array& weight, const IntsArg& stride, const IntsArg& padding,
                   const IntsArg& dilation, const IntsArg& output_padding, int64_t groups,
                   const StreamArg& s) {
        StreamScope scope(s);
        check_axes(input, axes, name);
        return conv_transpose(input, weight, ints_of(stride), ints_of(padding), ints_of(dilation),
                              ints_of(output_padding), groups);
      },
      nb::arg("input"), nb::arg("weight"), "stride"_a = 1, "padding"_a = 0, "dilation"_a = 1,
      "output_padding"_a = 0, "groups"_a = 1, nb::kw_only(), "stream"_a = nb::none(),
      "The transpose of a convolution with these options.");
}

}  // namespace

void bind_conv(Module& m) {
  def_conv(m, "conv1d", 1);
  def_conv(m, "conv2d", 2);
  def_conv(m, "conv3d", 3);
  def_transpose(m, "conv_transpose1d", 1);
  def_transpose(m, "conv_transpose2d", 2);
  def_transpose(m, "conv_transpose3d", 3);
  m.def(
      "conv_general",
      [](const array& input, const array& weight, const IntsArg& stride, const PaddingArg& padding,
         const IntsArg& kernel_dilation, const IntsArg& input_dilation, int64_t groups, bool flip,
         const StreamArg& s) {
        StreamScope scope(s);
        ConvOptions o{.stride = ints_of(stride),
                      .kernel_dilation = ints_of(kernel_dilation),
                      .input_dilation = ints_of(input_dilation),
                      .groups = groups,
                      .flip = flip};
        if (padding.index() == 2)
          std::tie(o.padding_lo, o.padding_hi) = std::get<2>(padding);
        else
          o.padding_lo = o.padding_hi =
              padding.index() ? std::get<Ints>(padding) : Ints{std::get<int64_t>(padding)};
        return conv_general(input, weight, o);
      },
      nb::arg("input"), nb::arg("weight"), "stride"_a = 1, "padding"_a = 0, "kernel_dilation"_a = 1,
      "input_dilation"_a = 1, "groups"_a = 1, "flip"_a = false, nb::kw_only(), "stream"_a = nb::none(),
      "Cross-correlation over any number of axes.");
  m.def(
      "convolve",
      [](const array& a, const array& v, const std::string& mode, const StreamArg& s) {
        StreamScope scope(s);
        return convolve(a, v, mode);
      },
      nb::arg("a"), nb::arg("v"), "mode"_a = "full", nb::kw_only(), "stream"_a = nb::none(),
      "NumPy's convolve of two vectors.");
}

}  // namespace uma::python
