#pragma once
// Products with weights that stay in the layout of their file. The weights are read once, where they lie
// (usually a mapped file), and decoded in registers; nothing of the matrix is ever stored expanded.
#include <cstdint>
#include <span>

#include "core/quant_format.h"

namespace uma::cpu {

/// A matrix of `rows` x `cols` weights, one row after the other, each a whole number of blocks. The data
/// may have any alignment.
struct QuantMatrix {
  const uint8_t* data = nullptr;
  QuantFormat format = QuantFormat::F32;
  int64_t rows = 0;  // N: outputs
  int64_t cols = 0;  // K: inputs, a multiple of the format's block
};

/// out_i = x W_i^T for every W_i of `weights`: the projections that share one input (query, key, value;
/// gate, up) are one call, so the input is quantized once and the threads meet once.
/// shapes  x (m, k) with rows `ldx` floats apart; W_i (rows_i, k); out_i (m, rows_i), rows `ld_out[i]` floats
///         apart. Outputs must not overlap each other or x.
/// exact   true: activations stay f32 and every sum is f32 (error of an f32 matrix product). false: for
///         formats of 8 bits and less activations are rounded to int8, one scale for 32 of them (relative
///         rms error about 0.5 %); products within a block are then exact integers. F32, F16 and BF16
///         weights are always multiplied in f32.
/// order   A row has the same bits in any company and on any number of threads (kernels.h states the order of
///         sums; exact ones add lane by lane over 1024 weights, so their bits differ with the vectors'
///         width). A row holding a NaN or an infinity makes its own row of the outputs NaN (or inf) where the
///         formula says so, and touches no other row.
/// throws  InvalidArgument where cols of a weight differs from k or is no multiple of its block, or where
///         the spans differ in length; Shape for negative sizes or a leading dimension shorter than a row.
void quantized_matmul(const float* x, int64_t m, int64_t k, int64_t ldx, std::span<const QuantMatrix> weights,
                      std::span<float* const> out, std::span<const int64_t> ld_out, bool exact);

/// out[i] = row rows[i] of the matrix as f32, out (rows.size(), cols) contiguous: an embedding lookup.
/// Bit for bit what decode_reference gives. Throws InvalidArgument for an index outside [0, rows).
void decode_rows(const QuantMatrix& matrix, std::span<const int64_t> rows, float* out);
void decode_rows(const QuantMatrix& matrix, std::span<const int32_t> rows, float* out);

/// The whole matrix as f32, out (rows, cols) contiguous, in parallel; bit for bit decode_reference.
void decode_matrix(const QuantMatrix& matrix, float* out);

}  // namespace uma::cpu
