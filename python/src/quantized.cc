// Quantized weights in MLX's layouts.
#include "bind.h"
#include "fast/packed.h"

namespace uma::python {

void bind_quantized(nb::module_& m) {
  const auto kw = nb::kw_only();
  using MaybeInt = std::optional<int>;
  m.def(
      "quantize",
      [](const array& w, MaybeInt group, MaybeInt bits, const std::string& mode,
         const std::optional<array>& global, const StreamArg& s) {
        StreamScope scope(s);
        check(!global, ErrorCode::kUnsupported, "quantize", "takes no global_scale yet");
        const auto parts = quantize(w, PackedFormat::make(mode, group, bits));
        nb::list out;
        for (const array& part : parts) out.append(part);
        return nb::tuple(out);
      },
      nb::arg("w"), "group_size"_a.none() = nb::none(), "bits"_a.none() = nb::none(), "mode"_a = "affine", kw,
      "global_scale"_a.none() = nb::none(), "stream"_a = nb::none(),
      "Packed codes, scales and, for affine, biases of a matrix.");
  m.def(
      "dequantize",
      [](const array& w, const array& scales, const std::optional<array>& biases, MaybeInt group,
         MaybeInt bits, const std::string& mode, const std::optional<array>& global, std::optional<Dtype> d,
         const StreamArg& s) {
        StreamScope scope(s);
        check(!global, ErrorCode::kUnsupported, "dequantize", "takes no global_scale yet");
        return dequantize(w, scales, biases, PackedFormat::make(mode, group, bits),
                          d ? std::optional(d->value) : std::nullopt);
      },
      nb::arg("w"), "scales"_a, "biases"_a.none() = nb::none(), "group_size"_a.none() = nb::none(),
      "bits"_a.none() = nb::none(), "mode"_a = "affine", "global_scale"_a.none() = nb::none(),
      "dtype"_a.none() = nb::none(), kw, "stream"_a = nb::none(), "The matrix that was quantized.");
  m.def(
      "quantized_matmul",
      [](const array& x, const array& w, const array& scales, const std::optional<array>& biases,
         bool transpose, MaybeInt group, MaybeInt bits, const std::string& mode, const StreamArg& s) {
        StreamScope scope(s);
        return quantized_matmul(x, w, scales, biases, transpose, PackedFormat::make(mode, group, bits));
      },
      nb::arg("x"), nb::arg("w"), "scales"_a, "biases"_a.none() = nb::none(), "transpose"_a = true,
      "group_size"_a.none() = nb::none(), "bits"_a.none() = nb::none(), "mode"_a = "affine", kw,
      "stream"_a = nb::none(), "x w^T, or x w, for a quantized matrix.");
  m.def(
      "gather_qmm",
      [](const array& x, const array& w, const array& scales, const std::optional<array>& biases,
         const std::optional<array>& lhs, const std::optional<array>& rhs, bool transpose, MaybeInt group,
         MaybeInt bits, const std::string& mode, bool, const StreamArg& s) {
        StreamScope scope(s);
        return gather_qmm(x, w, scales, biases, lhs, rhs, transpose, PackedFormat::make(mode, group, bits));
      },
      nb::arg("x"), nb::arg("w"), "scales"_a, "biases"_a.none() = nb::none(),
      "lhs_indices"_a.none() = nb::none(), "rhs_indices"_a.none() = nb::none(), "transpose"_a = true,
      "group_size"_a.none() = nb::none(), "bits"_a.none() = nb::none(), "mode"_a = "affine", kw,
      "sorted_indices"_a = false, "stream"_a = nb::none(), "Products with chosen quantized matrices.");
}

}  // namespace uma::python
