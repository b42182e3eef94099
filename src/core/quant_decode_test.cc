#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/quant_format.h"

namespace uma {
namespace {

struct Golden {
  uint32_t blocks = 0, block_bytes = 0, block = 0;
  std::vector<uint8_t> data;
  std::vector<float> values;
};

Golden read_golden(std::string_view name) {
  std::ifstream file(std::string(UMA_SOURCE_DIR "/tests/golden/quant/") + std::string(name) + ".bin",
                     std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  Golden g;
  if (bytes.size() < 12) return g;
  std::memcpy(&g.blocks, bytes.data(), 4);
  std::memcpy(&g.block_bytes, bytes.data() + 4, 4);
  std::memcpy(&g.block, bytes.data() + 8, 4);
  const size_t data = size_t{g.blocks} * g.block_bytes, values = size_t{g.blocks} * g.block;
  EXPECT_EQ(bytes.size(), 12 + data + 4 * values);
  g.data.assign(bytes.begin() + 12, bytes.begin() + 12 + data);
  g.values.resize(values);
  std::memcpy(g.values.data(), bytes.data() + 12 + data, 4 * values);
  return g;
}

class QuantDecode : public testing::TestWithParam<QuantTraits> {};

// Goldens are what the Python package gguf decodes (tools/make_quant_goldens.py).
TEST_P(QuantDecode, EqualsGgufBitForBit) {
  const QuantTraits row = GetParam();
  if (row.format == QuantFormat::F32) return;  // a copy: below
  const Golden g = read_golden(row.name);
  ASSERT_GT(g.blocks, 0u) << "no golden file for " << row.name;
  ASSERT_EQ(static_cast<int>(g.block), row.block);
  ASSERT_EQ(static_cast<int>(g.block_bytes), row.block_bytes);
  std::vector<float> out(g.values.size());
  decode_reference(row.format, g.data.data(), static_cast<int64_t>(out.size()), out.data());
  int finite = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    const uint32_t a = std::bit_cast<uint32_t>(out[i]), b = std::bit_cast<uint32_t>(g.values[i]);
    finite += (b & 0x7f800000u) != 0x7f800000u;
    // The sign and payload of a NaN that arithmetic made are the processor's choice.
    const bool both_nan = (a & 0x7fffffffu) > 0x7f800000u && (b & 0x7fffffffu) > 0x7f800000u;
    ASSERT_TRUE(a == b || (both_nan && row.block > 1))
        << row.name << " weight " << i << ": " << out[i] << " not " << g.values[i];
  }
  EXPECT_GT(finite, static_cast<int>(out.size()) / 2);
}

TEST_P(QuantDecode, TraitsFitTheFileFormat) {
  const QuantTraits row = GetParam();
  EXPECT_EQ(&traits(row.format), &kQuantTraits[static_cast<size_t>(row.format)]);
  EXPECT_EQ(traits_from_ggml(row.ggml_type), &traits(row.format));
  EXPECT_EQ(row_bytes(row.format, 512), 512 / row.block * row.block_bytes);
}

INSTANTIATE_TEST_SUITE_P(All, QuantDecode, testing::ValuesIn(kQuantTraits),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(QuantDecodeF32, IsACopy) {
  const float in[] = {1.5f, -0.0f, 3e38f};
  float out[3];
  decode_reference(QuantFormat::F32, reinterpret_cast<const uint8_t*>(in), 3, out);
  EXPECT_EQ(std::memcmp(in, out, sizeof in), 0);
}

TEST(QuantDecodeF32, UnknownNumberHasNoTraits) {
  EXPECT_EQ(traits_from_ggml(9), nullptr);
}

}  // namespace
}  // namespace uma
