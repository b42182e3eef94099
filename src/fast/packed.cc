#include "fast/packed.h"

#include <algorithm>
#include <array>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/manipulate.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma {
namespace {

struct ModeRow {
  std::string_view name;
  int group, bits;  // defaults; for all but affine the only values
};
/// The largest value that a group of nvfp4 can hold: 448 (E4M3) times 6 (E2M1).
constexpr float kGlobalRange = 448 * 6;

constexpr ModeRow kModes[] = {{"affine", 64, 4}, {"mxfp4", 32, 4}, {"mxfp8", 32, 8}, {"nvfp4", 16, 4}};

template <size_t N>
bool is_one_of(int value, const std::array<int, N>& values) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

/// Columns of a packed matrix, after its parts were compared with each other.
int64_t columns_of(const array& w, const array& scales, const std::optional<array>& biases,
                   const PackedFormat& format, std::string_view op) {
  check(w.dtype() == DType::uint32 && w.ndim() >= 1, ErrorCode::kDType, op,
        "packed weights are uint32 of one dimension or more, not {} of shape {}", name_of(w.dtype()),
        w.shape());
  const int64_t columns = w.shape(-1) * 32 / format.bits;
  Shape wanted = w.shape();
  wanted.back() = columns / format.group;
  check(w.shape(-1) * 32 % format.bits == 0 && columns % format.group == 0 && scales.shape() == wanted,
        ErrorCode::kShape, op, "weights {} and scales {} do not fit {} bits in groups of {}", w.shape(),
        scales.shape(), format.bits, format.group);
  if (format.has_biases()) {
    check(biases.has_value(), ErrorCode::kInvalidArgument, op, "needs biases in the affine mode");
    check(
        biases->shape() == scales.shape() && biases->dtype() == scales.dtype() && is_floating(scales.dtype()),
        ErrorCode::kShape, op, "biases {} of {} do not fit scales {} of {}", biases->shape(),
        name_of(biases->dtype()), scales.shape(), name_of(scales.dtype()));
  } else {
    check(!biases.has_value(), ErrorCode::kInvalidArgument, op, "takes biases in the affine mode only");
    check(scales.dtype() == DType::uint8, ErrorCode::kDType, op, "scales of this mode are uint8, not {}",
          name_of(scales.dtype()));
  }
  return columns;
}

std::vector<array> with_biases(std::vector<array> inputs, const std::optional<array>& biases) {
  if (biases) inputs.push_back(*biases);
  return inputs;
}

Shape leading(const array& x) {
  return Shape(x.shape().begin(), x.shape().end() - 2);
}

/// (matrices, rows, columns) of anything with two dimensions or more.
array stacked(const array& x) {
  return reshape(x, {num_elements(leading(x)), x.shape(-2), x.shape(-1)});
}

array indices_of(const std::optional<array>& indices, const array& x) {
  if (indices) {
    check(is_integral(indices->dtype()) && indices->dtype() != DType::bool_, ErrorCode::kDType, "gather_qmm",
          "takes integer indices, not {}", name_of(indices->dtype()));
    return astype(*indices, DType::int64);
  }
  const Shape shape = leading(x);
  return reshape(arange(0, static_cast<double>(num_elements(shape)), 1, DType::int64), shape);
}

}  // namespace

std::string_view name_of(PackedMode mode) {
  return kModes[static_cast<size_t>(mode)].name;
}

PackedFormat PackedFormat::make(const std::string& mode, std::optional<int> group, std::optional<int> bits) {
  const auto row =
      std::find_if(std::begin(kModes), std::end(kModes), [&](const ModeRow& r) { return r.name == mode; });
  check(row != std::end(kModes), ErrorCode::kInvalidArgument, "quantize",
        "knows the modes affine, mxfp4, mxfp8 and nvfp4, not '{}'", mode);
  const PackedFormat format{static_cast<PackedMode>(row - kModes), group.value_or(row->group),
                            bits.value_or(row->bits)};
  if (format.mode == PackedMode::affine) {
    check(is_one_of(format.group, std::array{32, 64, 128}), ErrorCode::kInvalidArgument, "quantize",
          "groups are of 32, 64 or 128, not {}", format.group);
    check(is_one_of(format.bits, std::array{1, 2, 3, 4, 5, 6, 8}), ErrorCode::kInvalidArgument, "quantize",
          "codes have 1, 2, 3, 4, 5, 6 or 8 bits, not {}", format.bits);
  } else {
    check(format.group == row->group && format.bits == row->bits, ErrorCode::kInvalidArgument, "quantize",
          "{} has {} bits in groups of {}, not {} in {}", mode, row->bits, row->group, format.bits,
          format.group);
  }
  return format;
}

void check_packable(const array& w, const PackedFormat& format, std::string_view op) {
  check(w.ndim() >= 2, ErrorCode::kShape, op, "needs a matrix, not shape {}", w.shape());
  check(is_floating(w.dtype()) && w.dtype() != DType::float64, ErrorCode::kDType, op,
        "takes float16, bfloat16 or float32, not {}", name_of(w.dtype()));
  check(w.shape(-1) % format.group == 0 && w.shape(-1) * format.bits % 32 == 0, ErrorCode::kShape, op,
        "{} columns are no multiple of a group of {}", w.shape(-1), format.group);
}

void check_global_scale(const array& scale, const PackedFormat& format, std::string_view op) {
  check(format.mode == PackedMode::nvfp4, ErrorCode::kInvalidArgument, op,
        "takes a global scale in the mode nvfp4 only");
  check(scale.size() == 1, ErrorCode::kShape, op, "takes one global scale, not shape {}", scale.shape());
  check(scale.dtype() == DType::float32, ErrorCode::kDType, op, "takes a float32 global scale, not {}",
        name_of(scale.dtype()));
}

array global_encoding(const array& scale) {
  const array one = reshape(scale, {}), zero(0.0f);
  // A matrix of zeros has the largest magnitude 0, and stays what it is.
  return where(equal(one, zero), array(1.0f), divide(array(kGlobalRange), one));
}

array global_decoding(const array& scale) {
  return divide(reshape(scale, {}), array(kGlobalRange));
}

std::vector<array> quantize(const array& w, const PackedFormat& format,
                            const std::optional<array>& global_scale) {
  check_packable(w, format, "quantize");
  if (global_scale) {
    check_global_scale(*global_scale, format, "quantize");
    return quantize(multiply(astype(w, DType::float32), global_encoding(*global_scale)), format);
  }
  Shape codes = w.shape(), scales = w.shape();
  codes.back() = w.shape(-1) * format.bits / 32;
  scales.back() = w.shape(-1) / format.group;
  std::vector<Node::Output> outputs{{codes, DType::uint32, {}},
                                    {scales, format.has_biases() ? w.dtype() : DType::uint8, {}}};
  if (format.has_biases()) outputs.push_back({scales, w.dtype(), {}});
  return array::make_many(std::move(outputs), std::make_shared<NodeWith<PackedParams>>(
                                                  kPackedQuantize, default_stream(), std::vector<array>{w},
                                                  PackedParams{format}));
}

array dequantize(const array& w, const array& scales, const std::optional<array>& biases,
                 const PackedFormat& format, std::optional<DType> dtype,
                 const std::optional<array>& global_scale) {
  if (global_scale) {
    check_global_scale(*global_scale, format, "dequantize");
    const array full = dequantize(w, scales, biases, format, DType::float32);
    return astype(full * global_decoding(*global_scale), dtype.value_or(DType::float32));
  }
  const int64_t columns = columns_of(w, scales, biases, format, "dequantize");
  const DType d = dtype.value_or(format.has_biases() ? scales.dtype() : DType::bfloat16);
  check(is_floating(d), ErrorCode::kDType, "dequantize", "gives a float dtype, not {}", name_of(d));
  Shape shape = w.shape();
  shape.back() = columns;
  return astype(array::make(std::move(shape), DType::float32, kPackedDequantize, PackedParams{format},
                            with_biases({w, scales}, biases)),
                d);
}

namespace {

PackedFormat affine_format(const Node& node) {
  const PackedFormat& format = node.params<PackedParams>().format;
  check(format.mode == PackedMode::affine, ErrorCode::kNoKernel, node.op->name,
        "has a composition in the affine mode only, not in {}", name_of(format.mode));
  return format;
}

/// (..., K) -> (..., K / group, group), and back.
array split_groups(const array& x, int group) {
  return unflatten(x, -1, {x.shape(-1) / group, group});
}
array join_groups(const array& x) {
  return flatten(x, -2, -1);
}

/// The bits of 32-bit numbers, lowest first: (..., n) -> (..., n, count).
array split_bits(const array& x, int count) {
  const array places = arange(0, count, 1, DType::uint32);
  return bitwise_and(right_shift(expand_dims(x, {-1}), places), array(uint32_t{1}));
}
array join_bits(const array& bits) {
  const array places = arange(0, static_cast<double>(bits.shape(-1)), 1, DType::uint32);
  return astype(sum(left_shift(bits, places), {-1}), DType::uint32);
}
/// A row of codes is a stream of bits, and so is a row of words.
array restream(const array& x, int from, int to) {
  Shape shape = x.shape();
  shape.back() = x.shape(-1) * from / to;
  shape.push_back(to);
  return join_bits(reshape(split_bits(x, from), shape));
}

}  // namespace

std::vector<array> packed_quantize_fallback(const Node& node, std::span<const array> inputs) {
  const PackedFormat format = affine_format(node);
  const std::vector<int> last{-1};
  const auto most = static_cast<float>((1 << format.bits) - 1);
  const array zero(0.0f), top(most);
  const array w = split_groups(astype(inputs[0], DType::float32), format.group);
  const array low = min(w, last, true), high = max(w, last, true);
  const array low_is_larger = greater(abs(low), abs(high));
  array scale = maximum(divide(subtract(high, low), top), array(1e-7f));
  scale = where(low_is_larger, scale, negative(scale));
  // The end of a group that is larger in magnitude is a code's own value.
  const array edge = where(low_is_larger, low, high);
  const array code_of_edge = round(divide(edge, scale));
  const array at_zero = equal(code_of_edge, zero);
  scale = where(at_zero, scale, divide(edge, where(at_zero, array(1.0f), code_of_edge)));
  const array bias = where(at_zero, zero, edge);
  const array codes = clip(round(divide(subtract(w, bias), scale)), zero, top);
  const DType dtype = inputs[0].dtype();
  return {restream(join_groups(astype(codes, DType::uint32)), format.bits, 32),
          astype(squeeze(scale, {-1}), dtype), astype(squeeze(bias, {-1}), dtype)};
}

std::vector<array> packed_dequantize_fallback(const Node& node, std::span<const array> inputs) {
  const PackedFormat format = affine_format(node);
  const array codes = astype(restream(inputs[0], 32, format.bits), DType::float32);
  const array scales = expand_dims(astype(inputs[1], DType::float32), {-1});
  const array biases = expand_dims(astype(inputs[2], DType::float32), {-1});
  return {join_groups(add(multiply(split_groups(codes, format.group), scales), biases))};
}

std::pair<std::vector<array>, std::vector<int>> packed_quantize_vmap(const Node& node,
                                                                     std::span<const array> inputs,
                                                                     std::span<const int> axes) {
  std::vector<array> parts = quantize(moveaxis(inputs[0], axes[0], 0), node.params<PackedParams>().format);
  std::vector<int> out_axes(parts.size(), 0);
  return {std::move(parts), std::move(out_axes)};
}

std::pair<std::vector<array>, std::vector<int>> packed_dequantize_vmap(const Node& node,
                                                                       std::span<const array> inputs,
                                                                       std::span<const int> axes) {
  const std::vector<array> moved = batch_first(inputs, axes);
  std::optional<array> biases;
  if (moved.size() > 2) biases = moved[2];
  return {{dequantize(moved[0], moved[1], biases, node.params<PackedParams>().format, DType::float32)}, {0}};
}

array gather_qmm(const array& x, const array& w, const array& scales, const std::optional<array>& biases,
                 const std::optional<array>& lhs_indices, const std::optional<array>& rhs_indices,
                 bool transpose, const PackedFormat& format) {
  const int64_t columns = columns_of(w, scales, biases, format, "quantized_matmul");
  check(x.ndim() >= 2 && w.ndim() >= 2, ErrorCode::kShape, "quantized_matmul",
        "needs matrices, not shapes {} and {}", x.shape(), w.shape());
  check(is_floating(x.dtype()) && x.dtype() != DType::float64, ErrorCode::kDType, "quantized_matmul",
        "takes float16, bfloat16 or float32, not {}", name_of(x.dtype()));
  const int64_t inner = transpose ? columns : w.shape(-2);
  check(x.shape(-1) == inner, ErrorCode::kShape, "quantized_matmul", "{} columns of x do not meet {} of w",
        x.shape(-1), inner);
  array lhs = indices_of(lhs_indices, x), rhs = indices_of(rhs_indices, w);
  const Shape batch = broadcast_shapes(lhs.shape(), rhs.shape(), "quantized_matmul");
  lhs = broadcast_to(lhs, batch);
  rhs = broadcast_to(rhs, batch);
  Shape out = batch;
  out.push_back(x.shape(-2));
  out.push_back(transpose ? w.shape(-2) : columns);
  std::optional<array> all_biases;
  if (biases) all_biases = stacked(*biases);
  if (!transpose) {  // of use in gradients only, where the product is not what takes the time
    const array full = dequantize(stacked(w), stacked(scales), all_biases, format, DType::float32);
    const array product =
        matmul(take(astype(stacked(x), DType::float32), flatten(lhs), 0), take(full, flatten(rhs), 0));
    return astype(reshape(product, out), x.dtype());
  }
  const array product = array::make(
      {num_elements(batch), out[out.size() - 2], out.back()}, x.dtype(), kPackedMatmul, PackedParams{format},
      with_biases({stacked(x), flatten(lhs), flatten(rhs), stacked(w), stacked(scales)}, all_biases));
  return reshape(product, out);
}

array quantized_matmul(const array& x, const array& w, const array& scales,
                       const std::optional<array>& biases, bool transpose, const PackedFormat& format) {
  if (x.ndim() == 1)
    return squeeze(quantized_matmul(expand_dims(x, {0}), w, scales, biases, transpose, format), {-2});
  if (w.ndim() == 2 && x.ndim() != 2) {  // one matrix for all rows
    const array rows = reshape(x, {x.size() / std::max<int64_t>(x.shape(-1), 1), x.shape(-1)});
    const array product = gather_qmm(rows, w, scales, biases, {}, {}, transpose, format);
    Shape shape = x.shape();
    shape.back() = product.shape(-1);
    return reshape(product, shape);
  }
  return gather_qmm(x, w, scales, biases, {}, {}, transpose, format);
}

std::vector<array> packed_matmul_fallback(const Node& node, std::span<const array> inputs) {
  const PackedFormat& format = node.params<PackedParams>().format;
  const std::optional<array> biases = inputs.size() > 5 ? std::optional(inputs[5]) : std::nullopt;
  // Only the matrices that are wanted are unpacked.
  std::optional<array> chosen;
  if (biases) chosen = take(*biases, inputs[2], 0);
  const array w = dequantize(take(inputs[3], inputs[2], 0), take(inputs[4], inputs[2], 0), chosen, format,
                             DType::float32);
  const array x = take(astype(inputs[0], DType::float32), inputs[1], 0);
  return {astype(matmul(x, swapaxes(w, -1, -2)), inputs[0].dtype())};
}

}  // namespace uma
