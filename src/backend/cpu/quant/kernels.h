#pragma once
// What the driver (qmm.cc) and the kernels of each instruction set share: the layouts of quantized
// activations and of an unpacked weight panel, and a table of functions. Plain data and raw pointers only:
// the kernel files are compiled for one instruction set each and must not instantiate shared inline code.
//
// A row times a weight row is the same bits on every path (one row, a few, a panel; alone or in a batch), on
// any number of threads, and with any vectors: what a model answers does not depend on its company. So all
// kernels but the portable ones, which have one path, add in this order:
//   p[g] = float(dot of the group, in whole numbers) * (s * d) [+ b * x, fused]
//   P[h] = p[2h] + p[2h + 1] where groups are of 16, else p[h], for the eight groups of 32 in a chunk
//   out += ((P0 + P1) + (P4 + P5)) + ((P2 + P3) + (P6 + P7)), chunk after chunk
#include <cstdint>

namespace uma::cpu {

constexpr int kChunk = 256;     // weights of one step along k: a K-quant block, eight legacy blocks
constexpr int kGroups = 8;      // groups of 32 activations with one scale in a chunk
constexpr int kPanelRows = 32;  // weight rows unpacked together: two vectors of 16 lanes
constexpr int kTileRows = 6;    // activation rows of a tile: 6 x 2 sums and their f32 twins fill 32 registers
constexpr int kDirectRows = 4;  // most activation rows that share one pass over a weight row

/// Where an ActChunk has what belongs to group g of 32, or of 16: even groups first, then the odd ones; and
/// by their place in a 64. So the sums of neighbours lie in the same lane of two halves of a vector.
constexpr int lane32(int g) {
  return g % 2 * 4 + g / 2;
}
constexpr int lane16(int g) {
  return g % 4 * 4 + g / 4;
}

/// 256 activations of one row: x = d * q, one d for 32. Short rows are padded with zeros. A group with a NaN
/// or an infinity has d = NaN. Chunks lie [chunk][row], so that the rows of a tile are neighbours; kernels
/// broadcast from there, and nothing is packed a second time.
struct alignas(64) ActChunk {
  int8_t q[kChunk];  // -127..127
  float d32[8];      // [lane32(g)]: scale of a group of 32
  float x32[8];      // d * (sum of q) of a group of 32
  float d16[16];     // [lane16(g)]: the same for groups of 16
  float x16[16];
  int32_t n32[8];  // minus the sum of q: from there an int32 sum starts where weights carry an offset
  int32_t n16[16];
  // AVX2 only: minus the sums of those q whose place in a four is 0 or 1, and of the others, where sums of 16
  // bits start from.
  int16_t w32[8][2];
  int16_t w16[16][2];
};

/// What an ActChunk tells of group g of 32: its scale, and the sums of its halves. Always inlined: no copy of
/// it is left for the linker to choose from.
[[gnu::always_inline]] inline void store_group(ActChunk* out, int g, float d, int sum0, int sum1) {
  const int at = lane32(g), first = lane16(2 * g), second = lane16(2 * g + 1);
  out->d32[at] = out->d16[first] = out->d16[second] = d;
  out->x32[at] = d * static_cast<float>(sum0 + sum1);
  out->x16[first] = d * static_cast<float>(sum0);
  out->x16[second] = d * static_cast<float>(sum1);
  out->n32[at] = -sum0 - sum1;
  out->n16[first] = -sum0;
  out->n16[second] = -sum1;
}

/// 32 weight rows x 256, unpacked: weight = scale * (code - offset) + bias. Lanes are weight rows, so that
/// scales are plain vectors and no sum ever crosses lanes. Formats with one scale for 32 use scale[0..7].
struct alignas(64) Panel {
  uint8_t code[kChunk / 4][kPanelRows][4];
  float scale[16][kPanelRows];
  float bias[16][kPanelRows];  // formats with a minimum only
};

/// A run of weight rows of one matrix.
struct WeightRows {
  const uint8_t* data;
  int64_t row_bytes;
  int64_t rows;
  int64_t k;
};

/// out[i * ld_out + r] = act row i . weight row r, for m <= kDirectRows rows. A row's next chunk is `stride`
/// chunks on.
using DirectKernel = void (*)(const WeightRows& w, const ActChunk* act, int64_t stride, int m, float* out,
                              int64_t ld_out);
/// Unpacks `groups` groups of 32 weights of up to 32 rows, starting at `data` (rows row_bytes apart).
using UnpackKernel = void (*)(const uint8_t* data, int64_t row_bytes, int rows, int groups, Panel* panel);
/// to[i * ld + r] = from[i][r] + (tile row i . panel row r over `groups` groups of 32), for m <= kTileRows
/// rows and all 32 panel rows; from = null stands for zeros.
using TileKernel = void (*)(const Panel* panel, const ActChunk* act, int groups, int m,
                            const float (*from)[kPanelRows], float* to, int64_t ld);
/// out[i * ld_out + r] = x row i . weight row r, all in f32. scratch: kExactScratch floats, 64-byte aligned.
using ExactKernel = void (*)(const WeightRows& w, const float* x, int64_t ldx, int64_t m, float* out,
                             int64_t ld_out, float* scratch);
/// Quantizes a row of k activations into ceil(k / 256) chunks, `stride` chunks apart.
using QuantizeKernel = void (*)(const float* x, int64_t k, ActChunk* out, int64_t stride);

constexpr int kExactDepth = 1024;  // weights of a row decoded at a time, and summed lane by lane
constexpr int kExactFew = 12;      // rows of x for which float weights are converted anew each time
constexpr int kExactBlock = 48;    // rows of x that meet a decoded panel while in L2
constexpr int kExactStride = kExactDepth + 16;  // off the power of two: L1 has few ways
constexpr int kExactScratch = kPanelRows * kExactStride;

constexpr int kFormats = 13;
/// Indexed by QuantFormat. Null where the driver has another way: direct, unpack and tile for F32, F16, BF16.
struct Kernels {
  DirectKernel direct[kFormats];
  UnpackKernel unpack[kFormats];
  TileKernel tile[kFormats];
  ExactKernel exact[kFormats];
  QuantizeKernel quantize;
};

/// Null where the build has no kernels for that instruction set.
const Kernels* generic_kernels();
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* vnni_kernels();

}  // namespace uma::cpu
