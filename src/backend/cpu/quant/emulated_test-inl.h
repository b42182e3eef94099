#pragma once
// The kernels with 64-byte vectors, emulated, beside those for AVX2: the same bits (kernels.h). The file that
// includes this has included emulated512-inl.h and the kernels.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "backend/cpu/isa/isa.h"
#include "core/quant_format.h"

namespace uma::cpu {
namespace {

struct Rows {
  std::vector<uint8_t> bytes;
  WeightRows rows;

  Rows(QuantFormat format, int64_t n, int64_t k) {
    const int64_t size = n * row_bytes(format, k);
    std::mt19937 rng(7);
    bytes.resize(static_cast<size_t>(size) + 64);                     // kernels read whole vectors
    for (uint8_t& b : bytes) b = static_cast<uint8_t>(rng() & 0xbf);  // halves stay finite wherever they lie
    rows = {bytes.data(), row_bytes(format, k), n, k};
  }
};

std::vector<ActChunk> quantized(const Kernels& table, int64_t m, int64_t k) {
  std::mt19937 rng(8);
  const int64_t chunks = (k + kChunk - 1) / kChunk;
  std::vector<ActChunk> acts(static_cast<size_t>(m * chunks));
  std::memset(static_cast<void*>(acts.data()), 0, acts.size() * sizeof(ActChunk));
  for (int64_t i = 0; i < m; ++i) {
    std::vector<float> x(static_cast<size_t>(k));
    for (float& v : x) v = static_cast<float>(rng() >> 8) / 8388608.0f - 1.0f;
    if (i == 2) x.back() = __builtin_nanf("");
    table.quantize(x.data(), k, acts.data() + i, m);
  }
  return acts;
}

std::vector<float> direct_products(const Kernels& table, QuantFormat format, const WeightRows& w,
                                   const std::vector<ActChunk>& acts, int m) {
  std::vector<float> out(static_cast<size_t>(m * w.rows));
  const auto stride = static_cast<int64_t>(acts.size()) / ((w.k + kChunk - 1) / kChunk);
  table.direct[static_cast<size_t>(format)](w, acts.data(), stride, m, out.data(), w.rows);
  return out;
}

std::vector<float> tile_products(const Kernels& table, QuantFormat format, const WeightRows& w,
                                 const std::vector<ActChunk>& acts, int m) {
  const QuantTraits& row = traits(format);
  alignas(64) static Panel panel;
  alignas(64) float sums[kTileRows][kPanelRows] = {};
  const int64_t chunks = (w.k + kChunk - 1) / kChunk, stride = static_cast<int64_t>(acts.size()) / chunks;
  for (int64_t c = 0; c < chunks; ++c) {
    const int groups = static_cast<int>(std::min<int64_t>(kGroups, (w.k - c * kChunk) / 32));
    table.unpack[static_cast<size_t>(format)](w.data + c * (kChunk / row.block) * row.block_bytes,
                                              w.row_bytes, static_cast<int>(w.rows), groups, &panel);
    table.tile[static_cast<size_t>(format)](&panel, acts.data() + c * stride, groups, m, c ? sums : nullptr,
                                            sums[0], kPanelRows);
  }
  std::vector<float> out;
  for (int i = 0; i < m; ++i) out.insert(out.end(), sums[i], sums[i] + w.rows);
  return out;
}

// NaN is one value here: which of its bits a sum keeps is the machine's choice.
std::vector<float> with_one_nan(std::vector<float> v) {
  for (float& x : v)
    if (x != x) x = -12345.0f;
  return v;
}

void expect_same_as_avx2(QuantFormat format) {
  const Kernels& avx2 = *avx2_kernels();
  SCOPED_TRACE(std::string(traits(format).name));
  for (const int64_t k : traits(format).block == 256
                             ? std::vector<int64_t>{256, 768}
                             : std::vector<int64_t>{32, 96, 160, 224, 256, 480, 896}) {
    SCOPED_TRACE(k);
    const Rows w(format, 19, k);
    const auto acts = quantized(kTable, kTileRows, k), theirs = quantized(avx2, kTileRows, k);
    for (size_t i = 0; i < acts.size(); ++i) {
      EXPECT_EQ(std::memcmp(acts[i].q, theirs[i].q, sizeof acts[i].q), 0);
      EXPECT_EQ(std::memcmp(acts[i].n32, theirs[i].n32, sizeof acts[i].n32), 0);
      EXPECT_EQ(std::memcmp(acts[i].n16, theirs[i].n16, sizeof acts[i].n16), 0);
    }
    for (const int m : {1, 2, 3, 4})
      EXPECT_EQ(with_one_nan(direct_products(kTable, format, w.rows, acts, m)),
                with_one_nan(direct_products(avx2, format, w.rows, theirs, m)))
          << m << " rows";
    for (const int m : {1, 2, 3, 4, 5, 6})
      EXPECT_EQ(with_one_nan(tile_products(kTable, format, w.rows, acts, m)),
                with_one_nan(tile_products(avx2, format, w.rows, theirs, m)))
          << m << " rows of a tile";
  }
}

}  // namespace
}  // namespace uma::cpu
