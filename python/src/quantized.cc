// Quantized weights in MLX's layouts.
#include "bind.h"
#include "fast/packed.h"
#include "fast/qqmm.h"

namespace uma::python {

void bind_quantized(Module& m) {
  const auto kw = nb::kw_only();
  using MaybeInt = std::optional<int>;
  m.def(
      "quantize",
      [](const array& w, MaybeInt group, MaybeInt bits, const std::string& mode,
         const std::optional<array>& global, const StreamArg& s) {
        StreamScope scope(s);
        const auto parts = quantize(w, PackedFormat::make(mode, group, bits), global);
        nb::list out;
        for (const array& part : parts) out.append(part);
        return out;
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
        return dequantize(w, scales, biases, PackedFormat::make(mode, group, bits),
                          d ? std::optional(d->value) : std::nullopt, global);
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
         MaybeInt bits, const std::string& mode, const std::optional<array>& global, bool,
         const StreamArg& s) {
        StreamScope scope(s);
        check(!global, ErrorCode::kInvalidArgument, "gather_qmm", "has no global scale on the CPU");
        return gather_qmm(x, w, scales, biases, lhs, rhs, transpose, PackedFormat::make(mode, group, bits));
      },
      nb::arg("x"), nb::arg("w"), "scales"_a, "biases"_a.none() = nb::none(),
      "lhs_indices"_a.none() = nb::none(), "rhs_indices"_a.none() = nb::none(), "transpose"_a = true,
      "group_size"_a.none() = nb::none(), "bits"_a.none() = nb::none(), "mode"_a = "affine",
      "global_scale"_a.none() = nb::none(), kw, "sorted_indices"_a = false, "stream"_a = nb::none(),
      "Products with chosen quantized matrices.");
  m.def(
      "qqmm",
      [](const array& x, const array& w, const std::optional<array>& scales, MaybeInt group, MaybeInt bits,
         const std::string& mode, const std::optional<array>& global_x, const std::optional<array>& global_w,
         const StreamArg& s) {
        StreamScope scope(s);
        return qqmm(x, w, scales, PackedFormat::make(mode, group, bits), global_x, global_w);
      },
      nb::arg("x"), nb::arg("w"), "scales"_a.none() = nb::none(), "group_size"_a.none() = nb::none(),
      "bits"_a.none() = nb::none(), "mode"_a = "nvfp4", "global_scale_x"_a.none() = nb::none(),
      "global_scale_w"_a.none() = nb::none(), kw, "stream"_a = nb::none(),
      "x w^T with x, and w if it is not packed, quantized on the way.");
  m.def(
      "gather_qqmm",
      [](const array& x, const array& w, const std::optional<array>& scales, const std::optional<array>& lhs,
         const std::optional<array>& rhs, MaybeInt group, MaybeInt bits, const std::string& mode,
         const std::optional<array>& global_x, const std::optional<array>& global_w, bool,
         const StreamArg& s) {
        StreamScope scope(s);
        return gather_qqmm(x, w, scales, lhs, rhs, PackedFormat::make(mode, group, bits), global_x, global_w);
      },
      nb::arg("x"), nb::arg("w"), "scales"_a.none() = nb::none(), "lhs_indices"_a.none() = nb::none(),
      "rhs_indices"_a.none() = nb::none(), "group_size"_a.none() = nb::none(), "bits"_a.none() = nb::none(),
      "mode"_a = "nvfp4", "global_scale_x"_a.none() = nb::none(), "global_scale_w"_a.none() = nb::none(), kw,
      "sorted_indices"_a = false, "stream"_a = nb::none(),
      "Products with chosen matrices, both quantized on the way.");
}

}  // namespace uma::python
