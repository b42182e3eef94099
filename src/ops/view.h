#pragma once
// Other readings of the same memory: another dtype, other strides; 8-bit floats; order of evaluation.
#include <string_view>
#include <vector>

#include "core/array.h"
#include "core/op.h"

namespace uma {

/// The bytes of x as another dtype. Where the sizes differ, the last axis grows or shrinks; no copy if x's
/// last axis lies without gaps. throws Shape where it does not divide, or x is 0-d and the sizes differ
array view(const array& x, DType dtype);

/// Element (i, j, ...) is number offset + i strides[0] + j strides[1] + ... of x in row-major order; no copy
/// if x is row-major. Empty strides: those of a row-major array. throws Shape where an element would lie
/// outside x
array as_strided(const array& x, const Shape& shape, Strides strides = {}, int64_t offset = 0);

/// x, computed not before `dependencies` are.
std::vector<array> depends(const std::vector<array>& inputs, const std::vector<array>& dependencies);

/// 8-bit floats (1 sign, 4 exponent, 3 mantissa bits; no infinity, 127 is NaN) as uint8, rounded to nearest,
/// ties to even. What is over 448, the largest, becomes 448. throws DType
array to_fp8(const array& x);
array from_fp8(const array& x, DType dtype = DType::bfloat16);

struct ViewParams {
  DType dtype;
};
struct AsStridedParams {
  Shape shape;
  Strides strides;
  int64_t offset;
};

std::vector<array> view_vjp(const Node&, std::span<const array>, std::span<const array>,
                            std::span<const int>);
std::vector<array> view_jvp(const Node&, std::span<const array>, std::span<const array>,
                            std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> view_vmap(const Node&, std::span<const array>,
                                                          std::span<const int>);
bool view_view(KernelArgs&);
std::vector<array> as_strided_vjp(const Node&, std::span<const array>, std::span<const array>,
                                  std::span<const int>);
std::vector<array> as_strided_jvp(const Node&, std::span<const array>, std::span<const array>,
                                  std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> as_strided_vmap(const Node&, std::span<const array>,
                                                                std::span<const int>);
bool as_strided_view(KernelArgs&);
std::vector<array> depends_vjp(const Node&, std::span<const array>, std::span<const array>,
                               std::span<const int>);
std::vector<array> depends_jvp(const Node&, std::span<const array>, std::span<const array>,
                               std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> depends_vmap(const Node&, std::span<const array>,
                                                             std::span<const int>);
bool depends_view(KernelArgs&);

// Of an input whose last axis lies without gaps, or whose elements have the result's size.
inline constexpr OpInfo kView{.name = "view",
                              .args = "x",
                              .doc = "The bytes of x as another dtype.",
                              .dtype = DTypeRule::custom,
                              .fusion = Fusion::view,
                              .vjp = view_vjp,
                              .jvp = view_jvp,
                              .vmap = view_vmap,
                              .view = view_view};
// Of a row-major input.
inline constexpr OpInfo kAsStrided{.name = "as_strided",
                                   .args = "x",
                                   .doc = "Elements of x at multiples of strides.",
                                   .fusion = Fusion::view,
                                   .vjp = as_strided_vjp,
                                   .jvp = as_strided_jvp,
                                   .vmap = as_strided_vmap,
                                   .view = as_strided_view};
inline constexpr OpInfo kDepends{.name = "depends",
                                 .args = "x, dependencies",
                                 .doc = "x, computed after others.",
                                 .fusion = Fusion::view,
                                 .vjp = depends_vjp,
                                 .jvp = depends_jvp,
                                 .vmap = depends_vmap,
                                 .view = depends_view};

}  // namespace uma
