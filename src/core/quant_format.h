#pragma once
// Weight formats of GGUF files: one row a format, in the file's own layout.
#include <array>
#include <cstdint>
#include <string_view>

namespace uma {

enum class QuantFormat : uint8_t {
  F32,
  F16,
  BF16,
  Q8_0,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K
};

struct QuantTraits {
  QuantFormat format;
  std::string_view name;
  uint32_t ggml_type;   // the number that GGUF files store
  int32_t block;        // weights in a block; a row is a whole number of blocks
  int32_t block_bytes;  // bytes of a block
};

inline constexpr std::array<QuantTraits, 13> kQuantTraits{{
    {QuantFormat::F32, "F32", 0, 1, 4},
    {QuantFormat::F16, "F16", 1, 1, 2},
    {QuantFormat::BF16, "BF16", 30, 1, 2},
    {QuantFormat::Q8_0, "Q8_0", 8, 32, 34},
    {QuantFormat::Q4_0, "Q4_0", 2, 32, 18},
    {QuantFormat::Q4_1, "Q4_1", 3, 32, 20},
    {QuantFormat::Q5_0, "Q5_0", 6, 32, 22},
    {QuantFormat::Q5_1, "Q5_1", 7, 32, 24},
    {QuantFormat::Q2_K, "Q2_K", 10, 256, 84},
    {QuantFormat::Q3_K, "Q3_K", 11, 256, 110},
    {QuantFormat::Q4_K, "Q4_K", 12, 256, 144},
    {QuantFormat::Q5_K, "Q5_K", 13, 256, 176},
    {QuantFormat::Q6_K, "Q6_K", 14, 256, 210},
}};

constexpr const QuantTraits& traits(QuantFormat format) {
  return kQuantTraits[static_cast<size_t>(format)];
}

/// The row of a GGUF type number, or nullptr where this build has none.
constexpr const QuantTraits* traits_from_ggml(uint32_t ggml_type) {
  for (const QuantTraits& row : kQuantTraits)
    if (row.ggml_type == ggml_type) return &row;
  return nullptr;
}

/// Bytes of a row of `cols` weights; cols must be a multiple of the block.
constexpr int64_t row_bytes(QuantFormat format, int64_t cols) {
  return cols / traits(format).block * traits(format).block_bytes;
}

/// Decodes `n` weights (a multiple of the block) to f32, bit for bit as the formula of the format gives
/// them in f32 arithmetic. The oracle of every kernel, and the path of a machine without one.
void decode_reference(QuantFormat format, const uint8_t* blocks, int64_t n, float* out);

}  // namespace uma
