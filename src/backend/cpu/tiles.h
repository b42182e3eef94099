#pragma once
// Elementwise ops on the CPU: what each does to a tile of contiguous elements, and how tiles are cut from
// arrays of any layout. One op by itself is a group of one.
#include <array>
#include <span>

#include "core/fusion.h"
#include "core/kernel.h"

namespace uma::cpu {

/// n elements of each operand, contiguous, to n of the result. The result may lie exactly where an operand of
/// the same element size does.
using TileFn = void (*)(const void* const* in, void* out, int64_t n);

/// How an op finds its function for the dtypes of a node.
using TileLookup = TileFn (*)(const Node& node);

/// Enters an elementwise op, and its kernel with it; the last line of a file of tile functions.
bool register_elementwise(const OpInfo& op, TileLookup lookup);
bool is_elementwise(const OpInfo& op);
/// Of an op that is_elementwise.
TileFn tile_function(const Node& node);
/// tiles_simd.cc: its row for an op, or -1; the row's function for a dtype, or nullptr.
int simd_row(const OpInfo& op);
TileFn simd_tile_function(int row, DType dtype);

/// Backend::fused.
void fused_kernel(FusedArgs& args);

template <class T>
inline constexpr bool is_half = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;
template <class T>
using compute_t = std::conditional_t<is_half<T>, float, T>;

}  // namespace uma::cpu
