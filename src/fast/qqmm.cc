#include "fast/qqmm.h"

#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/products.h"
#include "ops/shape.h"

namespace uma {
namespace {

void check_format(const PackedFormat& format, const std::optional<array>& scale_x,
                  const std::optional<array>& scale_w, std::string_view op) {
  check(format.mode != PackedMode::affine, ErrorCode::kInvalidArgument, op,
        "knows the modes nvfp4, mxfp8 and mxfp4, not affine");
  check(scale_x.has_value() == scale_w.has_value(), ErrorCode::kInvalidArgument, op,
        "takes both global scales or none");
  if (!scale_x) return;
  check_global_scale(*scale_x, format, op);
  check_global_scale(*scale_w, format, op);
}

void check_float(const array& a, std::string_view name, std::string_view op) {
  check(is_floating(a.dtype()) && a.dtype() != DType::float64, ErrorCode::kDType, op,
        "takes float16, bfloat16 or float32, and {} is {}", name, name_of(a.dtype()));
}

/// What the format makes of x, at least a matrix, in f32.
array rounded(const array& x, const PackedFormat& format, const std::optional<array>& global) {
  if (!global) return fake_quantize(x, format);
  return fake_quantize(multiply(astype(x, DType::float32), global_encoding(*global)), format) *
         global_decoding(*global);
}

/// True for packed w; checks that scales come with packed weights and with no others.
bool is_packed(const array& w, const std::optional<array>& scales, std::string_view op) {
  const bool packed = w.dtype() == DType::uint32;
  if (!packed) check_float(w, "w", op);
  check(packed || !scales, ErrorCode::kInvalidArgument, op, "takes scales for packed w only, and w is {}",
        name_of(w.dtype()));
  check(!packed || scales, ErrorCode::kInvalidArgument, op, "needs the scales of packed w");
  return packed;
}

void check_columns(const array& x, int64_t columns, std::string_view op) {
  check(x.shape(-1) == columns, ErrorCode::kShape, op, "{} columns of x do not meet {} of w", x.shape(-1),
        columns);
}

}  // namespace

array fake_quantize(const array& x, const PackedFormat& format) {
  check_packable(x, format, kFakeQuantize.name);
  return array::make(x.shape(), DType::float32, kFakeQuantize, PackedParams{format}, {x});
}

array qqmm(const array& x, const array& w, const std::optional<array>& scales, const PackedFormat& format,
           const std::optional<array>& global_scale_x, const std::optional<array>& global_scale_w) {
  constexpr std::string_view kName = "qqmm";
  check_format(format, global_scale_x, global_scale_w, kName);
  check_float(x, "x", kName);
  check(x.ndim() >= 1 && w.ndim() == 2, ErrorCode::kShape, kName,
        "takes rows x and one matrix w, not shapes {} and {}", x.shape(), w.shape());
  const bool packed = is_packed(w, scales, kName);
  check_columns(x, packed ? w.shape(-1) * 32 / format.bits : w.shape(-1), kName);
  const array rows = rounded(x.ndim() == 1 ? expand_dims(x, {0}) : x, format, global_scale_x);
  array out = rows;
  if (packed) {
    out = quantized_matmul(rows, w, *scales, {}, true, format);
    if (global_scale_w) out = out * global_decoding(*global_scale_w);
  } else {
    out = matmul(rows, swapaxes(rounded(w, format, global_scale_w), -1, -2));
  }
  return astype(x.ndim() == 1 ? squeeze(out, {0}) : out, x.dtype());
}

array gather_qqmm(const array& x, const array& w, const std::optional<array>& scales,
                  const std::optional<array>& lhs_indices, const std::optional<array>& rhs_indices,
                  const PackedFormat& format, const std::optional<array>& global_scale_x,
                  const std::optional<array>& global_scale_w) {
  constexpr std::string_view kName = "gather_qqmm";
  check_format(format, global_scale_x, global_scale_w, kName);
  check_float(x, "x", kName);
  check(x.ndim() >= 2 && w.ndim() >= 2, ErrorCode::kShape, kName, "needs matrices, not shapes {} and {}",
        x.shape(), w.shape());
  const bool packed = is_packed(w, scales, kName);
  check_columns(x, packed ? w.shape(-1) * 32 / format.bits : w.shape(-1), kName);
  const array rows = rounded(x, format, global_scale_x);
  array out = rows;
  if (packed) {
    out = gather_qmm(rows, w, *scales, {}, lhs_indices, rhs_indices, true, format);
    if (global_scale_w) out = out * global_decoding(*global_scale_w);
  } else {
    out = gather_mm(rows, swapaxes(rounded(w, format, global_scale_w), -1, -2), lhs_indices, rhs_indices);
  }
  return astype(out, x.dtype());
}

std::vector<array> fake_quantize_fallback(const Node& node, std::span<const array> inputs) {
  const PackedFormat& format = node.params<PackedParams>().format;
  const std::vector<array> parts = quantize(inputs[0], format);
  return {dequantize(parts[0], parts[1], parts.size() > 2 ? std::optional(parts[2]) : std::nullopt, format,
                     DType::float32)};
}

std::vector<array> fake_quantize_vjp(const Node& node, std::span<const array>,
                                     std::span<const array> cotangents, std::span<const int>) {
  return {astype(cotangents[0], node.inputs[0].dtype())};
}

std::vector<array> fake_quantize_jvp(const Node&, std::span<const array>, std::span<const array> tangents,
                                     std::span<const int>) {
  return {astype(tangents[0], DType::float32)};
}

std::pair<std::vector<array>, std::vector<int>> fake_quantize_vmap(const Node& node,
                                                                   std::span<const array> inputs,
                                                                   std::span<const int> axes) {
  // Rows are rounded one by one, so another leading axis changes nothing.
  return {{fake_quantize(moveaxis(inputs[0], axes[0], 0), node.params<PackedParams>().format)}, {0}};
}

}  // namespace uma
