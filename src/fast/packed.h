#pragma once
// MLX's quantized weights: codes packed into uint32 words, with scales (and, in the affine mode, biases) a
// group. The layouts are those that MLX's model folders hold, bit for bit.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/array.h"

namespace uma {

enum class PackedMode : uint8_t { affine, mxfp4, mxfp8, nvfp4 };
/// "affine", "mxfp4", "mxfp8", "nvfp4".
std::string_view name_of(PackedMode mode);

/// How a matrix is packed. A row of codes is one little-endian bit stream: code i at bits [i b, (i + 1) b).
struct PackedFormat {
  PackedMode mode = PackedMode::affine;
  int group = 64;  // codes that share a scale
  int bits = 4;

  /// The mode by its name ("affine", "mxfp4", "mxfp8", "nvfp4") and its defaults for what is not given.
  /// throws InvalidArgument for another name, a group other than 32, 64 or 128 (32 for mx modes, 16 for
  /// nvfp4), bits outside 2, 3, 4, 5, 6 and 8 (4 or 8 as the mode says)
  static PackedFormat make(const std::string& mode, std::optional<int> group, std::optional<int> bits);
  bool has_biases() const { return mode == PackedMode::affine; }
};

/// Rows of w quantized: the packed codes (..., K bits / 32) uint32; scales (..., K / group) in w's dtype, or
/// uint8 (E8M0, E4M3 for nvfp4); and for affine biases like the scales.
/// affine  code = round((w - bias) / scale), the end of a group that is larger in magnitude exact
/// mxfp4, mxfp8  a power of two a group of 32; nvfp4  an E4M3 scale a group of 16
/// global_scale (nvfp4): the largest magnitude of w, one float32; the groups' scales are then of
///         w * 2688 / global_scale, so that they use the whole range of E4M3 (2688 = 448 * 6)
/// throws  DType unless w is float16, bfloat16 or float32; Shape where K is no multiple of the group;
///         InvalidArgument for a global scale in another mode
std::vector<array> quantize(const array& w, const PackedFormat& format,
                            const std::optional<array>& global_scale = {});

/// The matrix again: scale * code + bias.
/// shapes  w (..., K bits / 32), scales and biases (..., K / group) -> (..., K)
/// dtype   dtype, or the scales' (bfloat16 where they are uint8, float32 with a global scale)
/// throws  Shape, DType where these do not fit together
array dequantize(const array& w, const array& scales, const std::optional<array>& biases,
                 const PackedFormat& format, std::optional<DType> dtype = {},
                 const std::optional<array>& global_scale = {});

/// x w^T (transpose) or x w, for packed w; sums in f32 of unrounded weights.
/// shapes  x (..., M, K), w (..., N, K bits / 32) -> (..., M, N); leading axes broadcast
/// dtype   x's
array quantized_matmul(const array& x, const array& w, const array& scales,
                       const std::optional<array>& biases, bool transpose, const PackedFormat& format);

/// Products of chosen matrices: x[lhs_indices] w[rhs_indices]^T over flattened leading axes (a missing list
/// is 0, 1, 2, ...): the experts of a mixture. shapes  indices broadcast to (...); x (..., M, K), w (..., N,
/// K bits / 32) -> (..., M, N)
array gather_qmm(const array& x, const array& w, const array& scales, const std::optional<array>& biases,
                 const std::optional<array>& lhs_indices, const std::optional<array>& rhs_indices,
                 bool transpose, const PackedFormat& format);

/// Throws Shape, DType where quantize() could not pack w.
void check_packable(const array& w, const PackedFormat& format, std::string_view op);
/// Throws InvalidArgument, Shape, DType unless it is one float32, and the mode has global scales.
void check_global_scale(const array& scale, const PackedFormat& format, std::string_view op);
/// What a matrix is multiplied with before its groups are scaled, and after they are unpacked.
array global_encoding(const array& scale);
array global_decoding(const array& scale);

struct PackedParams {
  PackedFormat format;
};

// Compositions of the affine mode, which alone has derivatives: of scales and biases, and of what they are
// made from. throw NoKernel in another mode
std::vector<array> packed_quantize_fallback(const Node& node, std::span<const array> inputs);
std::vector<array> packed_dequantize_fallback(const Node& node, std::span<const array> inputs);
std::vector<array> packed_matmul_fallback(const Node& node, std::span<const array> inputs);
// Both work row by row, whatever the axes before.
std::pair<std::vector<array>, std::vector<int>> packed_quantize_vmap(const Node&, std::span<const array>,
                                                                     std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> packed_dequantize_vmap(const Node&, std::span<const array>,
                                                                       std::span<const int>);

inline constexpr OpInfo kPackedQuantize{.name = "quantize",
                                        .args = "w",
                                        .doc = "A matrix packed into codes and scales.",
                                        .dtype = DTypeRule::custom,
                                        .vmap = packed_quantize_vmap,
                                        .fallback = packed_quantize_fallback};
inline constexpr OpInfo kPackedDequantize{.name = "packed_dequantize",
                                          .args = "w, scales, biases",
                                          .doc = "A packed matrix as floats.",
                                          .dtype = DTypeRule::custom,
                                          .vmap = packed_dequantize_vmap,
                                          .fallback = packed_dequantize_fallback};
inline constexpr OpInfo kPackedMatmul{.name = "packed_matmul",
                                      .args = "x, lhs, rhs, w, scales, biases",
                                      .doc = "x[lhs] w[rhs]^T for packed matrices.",
                                      .dtype = DTypeRule::same,
                                      .fallback = packed_matmul_fallback};

}  // namespace uma
