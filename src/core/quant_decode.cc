#include <cstring>
#include <iterator>

#include "base/half.h"
#include "core/quant_format.h"

// One function a format, written straight from its layout. Every product and sum is a separate f32
// operation (this file is compiled without contraction), because the results are compared bit for bit.
namespace uma {
namespace {

float half_at(const uint8_t* p) {
  uint16_t bits;
  std::memcpy(&bits, p, 2);
  return f16_bits_to_f32(bits);
}

uint32_t word_at(const uint8_t* p) {
  uint32_t word;
  std::memcpy(&word, p, 4);
  return word;
}

void decode_f32(const uint8_t* p, float* out) {
  std::memcpy(out, p, 4);
}
void decode_f16(const uint8_t* p, float* out) {
  *out = half_at(p);
}

void decode_bf16(const uint8_t* p, float* out) {
  uint16_t bits;
  std::memcpy(&bits, p, 2);
  *out = bfloat16::from_bits(bits);
}

// f16 scale, 32 signed bytes.
void decode_q8_0(const uint8_t* p, float* out) {
  const float d = half_at(p);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<int8_t>(p[2 + i])) * d;
}

// f16 scale, 16 bytes: low nibbles are weights 0-15, high nibbles 16-31; stored with 8 added.
void decode_q4_0(const uint8_t* p, float* out) {
  const float d = half_at(p);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((p[2 + i] & 15) - 8);
    out[i + 16] = d * static_cast<float>((p[2 + i] >> 4) - 8);
  }
}

// As Q4_0, unsigned, with an f16 minimum after the scale.
void decode_q4_1(const uint8_t* p, float* out) {
  const float d = half_at(p), m = half_at(p + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(p[4 + i] & 15) + m;
    out[i + 16] = d * static_cast<float>(p[4 + i] >> 4) + m;
  }
}

// f16 scale, 32 fifth bits, nibbles as Q4_0; stored with 16 added.
void decode_q5_0(const uint8_t* p, float* out) {
  const float d = half_at(p);
  const uint32_t high = word_at(p + 2);
  for (int i = 0; i < 16; ++i) {
    const int lower = (p[6 + i] & 15) | static_cast<int>((high >> i & 1) << 4);
    const int upper = (p[6 + i] >> 4) | static_cast<int>((high >> (i + 16) & 1) << 4);
    out[i] = d * static_cast<float>(lower - 16);
    out[i + 16] = d * static_cast<float>(upper - 16);
  }
}

void decode_q5_1(const uint8_t* p, float* out) {
  const float d = half_at(p), m = half_at(p + 2);
  const uint32_t high = word_at(p + 4);
  for (int i = 0; i < 16; ++i) {
    const int lower = (p[8 + i] & 15) | static_cast<int>((high >> i & 1) << 4);
    const int upper = (p[8 + i] >> 4) | static_cast<int>((high >> (i + 16) & 1) << 4);
    out[i] = d * static_cast<float>(lower) + m;
    out[i + 16] = d * static_cast<float>(upper) + m;
  }
}

// 16 bytes of 4-bit scale and minimum, 64 bytes of 2-bit weights, f16 d and dmin. In each half of 128
// weights the four pairs of bits of a byte are 32 weights apart.
void decode_q2_k(const uint8_t* p, float* out) {
  const float d = half_at(p + 80), dmin = half_at(p + 82);
  for (int i = 0; i < 256; ++i) {
    const uint8_t scale = p[i / 16];
    const float dl = d * static_cast<float>(scale & 15), ml = dmin * static_cast<float>(scale >> 4);
    const int q = p[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    out[i] = dl * static_cast<float>(q) - ml;
  }
}

// 32 bytes of third bits (bit i of byte l: weight 32 i + l; set means no -4), 64 bytes of 2-bit weights as
// Q2_K, 16 scales of 6 bits with 32 added in 12 bytes, f16 d.
void decode_q3_k(const uint8_t* p, float* out) {
  const uint8_t* scales = p + 96;
  const float d = half_at(p + 108);
  for (int i = 0; i < 256; ++i) {
    const int g = i / 16;
    const int low = scales[g % 8] >> (g / 8 * 4) & 15;
    const int high = scales[8 + g % 4] >> (g / 4 * 2) & 3;
    const float dl = d * static_cast<float>((low | high << 4) - 32);
    const int q = p[32 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    const int third = p[i % 32] >> (i / 32) & 1;
    out[i] = dl * static_cast<float>(q - (third ? 0 : 4));
  }
}

// The 6-bit scale and minimum of 32 weights, g = 0..7, in 12 bytes (Q4_K and Q5_K).
void scale_and_min(const uint8_t* s, int g, int& scale, int& min) {
  if (g < 4) {
    scale = s[g] & 63;
    min = s[g + 4] & 63;
  } else {
    scale = (s[g + 4] & 15) | (s[g - 4] >> 6) << 4;
    min = (s[g + 4] >> 4) | (s[g] >> 6) << 4;
  }
}

// f16 d and dmin, 12 bytes of scales, 128 bytes: low nibbles of 32 bytes are one group, high the next.
void decode_q4_k(const uint8_t* p, float* out) {
  const float d = half_at(p), dmin = half_at(p + 2);
  for (int g = 0; g < 8; ++g) {
    int scale, min;
    scale_and_min(p + 4, g, scale, min);
    const float dl = d * static_cast<float>(scale), ml = dmin * static_cast<float>(min);
    const uint8_t* q = p + 16 + g / 2 * 32;
    for (int l = 0; l < 32; ++l) out[32 * g + l] = dl * static_cast<float>(q[l] >> (g % 2 * 4) & 15) - ml;
  }
}

// As Q4_K with 32 bytes of fifth bits (bit g of byte l: weight 32 g + l) before the nibbles.
void decode_q5_k(const uint8_t* p, float* out) {
  const float d = half_at(p), dmin = half_at(p + 2);
  for (int g = 0; g < 8; ++g) {
    int scale, min;
    scale_and_min(p + 4, g, scale, min);
    const float dl = d * static_cast<float>(scale), ml = dmin * static_cast<float>(min);
    const uint8_t* q = p + 48 + g / 2 * 32;
    for (int l = 0; l < 32; ++l) {
      const int code = (q[l] >> (g % 2 * 4) & 15) | (p[16 + l] >> g & 1) << 4;
      out[32 * g + l] = dl * static_cast<float>(code) - ml;
    }
  }
}

// 128 bytes of low nibbles, 64 bytes of upper pairs of bits, 16 signed scales, f16 d; stored with 32 added.
// In each half of 128 weights: nibbles are 64 weights apart, pairs of bits 32.
void decode_q6_k(const uint8_t* p, float* out) {
  const float d = half_at(p + 208);
  for (int i = 0; i < 256; ++i) {
    const float dl = d * static_cast<float>(static_cast<int8_t>(p[192 + i / 16]));
    const int low = p[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15;
    const int high = p[128 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    out[i] = dl * static_cast<float>((low | high << 4) - 32);
  }
}

using DecodeBlock = void (*)(const uint8_t*, float*);
constexpr DecodeBlock kDecode[] = {decode_f32,  decode_f16,  decode_bf16, decode_q8_0, decode_q4_0,
                                   decode_q4_1, decode_q5_0, decode_q5_1, decode_q2_k, decode_q3_k,
                                   decode_q4_k, decode_q5_k, decode_q6_k};
static_assert(std::size(kDecode) == kQuantTraits.size());

}  // namespace

void decode_reference(QuantFormat format, const uint8_t* blocks, int64_t n, float* out) {
  const QuantTraits& row = traits(format);
  const DecodeBlock decode = kDecode[static_cast<size_t>(format)];
  for (int64_t i = 0; i < n; i += row.block, blocks += row.block_bytes) decode(blocks, out + i);
}

}  // namespace uma
