// Portable kernels: weights are decoded by the definition of their format, a chunk at a time.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "backend/cpu/quant/kernels.h"
#include "core/quant_format.h"

namespace uma::cpu {
namespace {

// Sixteen sums at once, which compilers turn into vectors of any width.
float dot(const float* w, const float* x, int64_t n) {
  float sum[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int j = 0; j < 16; ++j) sum[j] += w[i + j] * x[i + j];
  for (; i < n; ++i) sum[0] += w[i] * x[i];
  for (int half = 8; half; half /= 2)
    for (int j = 0; j < half; ++j) sum[j] += sum[j + half];
  return sum[0];
}

template <QuantFormat kFormat>
void direct(const WeightRows& w, const ActChunk* act, int64_t stride, int m, float* out, int64_t ld_out) {
  constexpr QuantTraits kRow = traits(kFormat);
  float weights[kChunk], x[kChunk];
  for (int64_t r = 0; r < w.rows; ++r) {
    for (int i = 0; i < m; ++i) out[i * ld_out + r] = 0;
    for (int64_t c = 0; c * kChunk < w.k; ++c) {
      const int64_t n = std::min<int64_t>(w.k - c * kChunk, kChunk);
      decode_reference(kFormat, w.data + r * w.row_bytes + c * (kChunk / kRow.block) * kRow.block_bytes, n,
                       weights);
      for (int i = 0; i < m; ++i) {
        const ActChunk& a = act[c * stride + i];
        for (int j = 0; j < n; ++j) x[j] = static_cast<float>(a.q[j]) * a.d32[lane32(j / 32)];
        out[i * ld_out + r] += dot(weights, x, n);
      }
    }
  }
}

template <QuantFormat kFormat>
void exact(const WeightRows& w, const float* x, int64_t ldx, int64_t m, float* out, int64_t ld_out,
           float* scratch) {
  constexpr QuantTraits kRow = traits(kFormat);
  for (int64_t r = 0; r < w.rows; ++r)
    for (int64_t k = 0; k < w.k; k += kExactDepth) {
      const int64_t n = std::min<int64_t>(w.k - k, kExactDepth);
      decode_reference(kFormat, w.data + r * w.row_bytes + k / kRow.block * kRow.block_bytes, n, scratch);
      for (int64_t i = 0; i < m; ++i) {
        float& to = out[i * ld_out + r];
        to = (k ? to : 0.0f) + dot(scratch, x + i * ldx + k, n);
      }
    }
}

void quantize_group(const float* x, int n, int g, ActChunk& out) {
  float amax = 0;
  bool odd = false;
  for (int i = 0; i < n; ++i) {
    amax = std::max(amax, std::fabs(x[i]));
    odd |= !std::isfinite(x[i]);
  }
  // Below this the reciprocal overflows; such a group is zero beside any other.
  const bool tiny = !(amax > 1e-36f);
  const float d = odd ? std::numeric_limits<float>::quiet_NaN() : tiny ? 0.0f : amax * (1.0f / 127.0f);
  const float inverse = odd || tiny ? 0.0f : 127.0f / amax;
  int sums[2] = {};
  for (int i = 0; i < 32; ++i) {
    const int q = i < n && !odd ? static_cast<int>(std::nearbyint(x[i] * inverse)) : 0;
    out.q[32 * g + i] = static_cast<int8_t>(q);
    sums[i / 16] += q;
  }
  store_group(&out, g, d, sums[0], sums[1]);
}

void quantize(const float* x, int64_t k, ActChunk* out, int64_t stride) {
  for (int64_t at = 0; at < k; at += kChunk, out += stride)
    for (int g = 0; g < kGroups; ++g)
      quantize_group(x + std::min(at + 32 * g, k),
                     static_cast<int>(std::clamp<int64_t>(k - at - 32 * g, 0, 32)), g, *out);
}

template <size_t... kIndex>
constexpr Kernels make_table(std::index_sequence<kIndex...>) {
  return {{(kIndex < 3 ? nullptr : direct<static_cast<QuantFormat>(kIndex)>)...},
          {},
          {},
          {exact<static_cast<QuantFormat>(kIndex)>...},
          quantize};
}

constexpr Kernels kTable = make_table(std::make_index_sequence<kFormats>());

}  // namespace

const Kernels* generic_kernels() {
  return &kTable;
}

}  // namespace uma::cpu
