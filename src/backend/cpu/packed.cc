// Kernels of fast/packed.h: packing, unpacking, and products that unpack a panel of rows at a time.
#include "fast/packed.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/packed.cc"
#include "backend/cpu/simd_targets.h"

#include <hwy/foreach_target.h>

#include "backend/cpu/fast_math-inl.h"
#include "backend/cpu/gemm.h"
#include "backend/cpu/simd_dispatch.h"
#include "backend/cpu/widen.h"
#include "base/thread_pool.h"
#include "core/kernel.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {

// out = scale * code + bias
void scale_codes_on_target(const uint8_t* codes, int64_t n, float scale, float bias, float* out) {
  const DF d;
  const hn::Rebind<uint8_t, DF> d8;
  const hn::Rebind<int32_t, DF> d32;
  const VF s = hn::Set(d, scale), b = hn::Set(d, bias);
  const int64_t lanes = lanes_f32();  // divides every group
  for (int64_t i = 0; i < n; i += lanes)
    hn::StoreU(hn::MulAdd(hn::ConvertTo(d, hn::PromoteTo(d32, hn::LoadU(d8, codes + i))), s, b), d, out + i);
}

// Low nibbles first.
void split_nibbles_on_target(const uint8_t* bytes, int64_t n, uint8_t* codes) {
  const hn::ScalableTag<uint8_t> d;
  const auto mask = hn::Set(d, uint8_t{15});
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto raw = hn::LoadU(d, bytes + i);
    hn::StoreInterleaved2(hn::And(raw, mask), hn::And(hn::ShiftRight<4>(raw), mask), d, codes + 2 * i);
  }
  for (; i < n; ++i) {
    codes[2 * i] = bytes[i] & 15;
    codes[2 * i + 1] = bytes[i] >> 4;
  }
}

float dot_on_target(const float* x, const float* y, int64_t n) {
  const DF d;
  const int64_t lanes = lanes_f32();
  VF a = hn::Zero(d), b = a, c = a, e = a;
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    a = hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, y + i), a);
    b = hn::MulAdd(hn::LoadU(d, x + i + lanes), hn::LoadU(d, y + i + lanes), b);
    c = hn::MulAdd(hn::LoadU(d, x + i + 2 * lanes), hn::LoadU(d, y + i + 2 * lanes), c);
    e = hn::MulAdd(hn::LoadU(d, x + i + 3 * lanes), hn::LoadU(d, y + i + 3 * lanes), e);
  }
  for (; i + lanes <= n; i += lanes) a = hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, y + i), a);
  float sum = hn::GetLane(hn::SumOfLanes(d, (a + b) + (c + e)));
  for (; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uma::cpu {
namespace {
HWY_EXPORT(scale_codes_on_target);
HWY_EXPORT(split_nibbles_on_target);
HWY_EXPORT(dot_on_target);

// Weight rows unpacked at a time: with 4096 columns they stay in the second-level cache.
constexpr int64_t kPanel = 32;
// Rows of x from which a matrix product of the panel beats one dot product a row.
constexpr int64_t kGemmRows = 4;
constexpr int64_t kGrain = 1 << 14;

// ---- small floats ----

constexpr float kE2M1[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

float from_e4m3(uint8_t v) {
  const int exponent = v >> 3 & 15, mantissa = v & 7;
  if (exponent == 15 && mantissa == 7) return std::nanf("");
  const float m = exponent ? std::ldexp(1.0f + static_cast<float>(mantissa) / 8, exponent - 7)
                           : std::ldexp(static_cast<float>(mantissa) / 8, -6);
  return v & 0x80 ? -m : m;
}

// Nearest, ties to even; what is too large becomes the largest, 448.
uint8_t to_e4m3(float x) {
  const auto sign = static_cast<uint8_t>(std::signbit(x) ? 0x80 : 0);
  const float a = std::abs(x);
  if (std::isnan(x)) return 0x7f | sign;
  if (a >= 448) return 0x7e | sign;
  const int exponent = std::max(a > 0 ? std::ilogb(a) : -6, -6);
  // Units of the last place; a carry into the exponent adds up by itself.
  const auto units = static_cast<int>(std::nearbyint(std::ldexp(a, 3 - exponent)));
  return static_cast<uint8_t>(sign | (exponent == -6 ? units : ((exponent + 7) << 3) + units - 8));
}

// Nearest of 0, 0.5, 1, 1.5, 2, 3, 4, 6; ties to the smaller.
uint8_t to_e2m1(float x) {
  constexpr float kMiddles[] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5};
  const float a = std::abs(x);
  uint8_t code = 0;
  for (const float middle : kMiddles) code = static_cast<uint8_t>(code + (a > middle));
  return code && std::signbit(x) ? code | 8 : code;  // no negative zero
}

float from_e8m0(uint8_t v) {
  return std::ldexp(1.0f, v - 127);
}

// ---- codes of a row ----

/// Codes [first, first + n) of a packed row, a byte each.
void unpack_codes(const uint8_t* row, int bits, int64_t first, int64_t n, uint8_t* codes) {
  if (bits == 8) {
    std::memcpy(codes, row + first, static_cast<size_t>(n));
  } else if (bits == 4) {
    simd_choose(HWY_DISPATCH_TABLE(split_nibbles_on_target))(row + first / 2, n / 2, codes);
  } else {
    // Eight codes take `bits` bytes.
    for (int64_t i = 0; i < n; i += 8) {
      uint64_t eight = 0;
      std::memcpy(&eight, row + (first + i) / 8 * bits, static_cast<size_t>(bits));
      for (int k = 0; k < 8; ++k)
        codes[i + k] = static_cast<uint8_t>(eight >> (k * bits) & ((1u << bits) - 1));
    }
  }
}

void pack_codes(const uint8_t* codes, int bits, int64_t n, uint8_t* row) {
  for (int64_t i = 0; i < n; i += 8) {
    uint64_t eight = 0;
    for (int k = 0; k < 8; ++k) eight |= static_cast<uint64_t>(codes[i + k]) << (k * bits);
    std::memcpy(row + i / 8 * bits, &eight, static_cast<size_t>(bits));
  }
}

/// A packed matrix in memory; scales and biases widened to f32 row by row.
struct Packed {
  PackedFormat format;
  int64_t rows, columns, row_bytes, groups;
  const uint8_t* codes;
  array scales;
  std::optional<array> biases;

  float scale(int64_t row, int64_t g) const {
    const int64_t i = row * groups + g;
    if (format.mode == PackedMode::nvfp4) return from_e4m3(scales.data<uint8_t>()[i]);
    if (format.mode != PackedMode::affine) return from_e8m0(scales.data<uint8_t>()[i]);
    return value(scales, i);
  }
  float bias(int64_t row, int64_t g) const { return biases ? value(*biases, row * groups + g) : 0; }

  void decode(int64_t row, float* out) const {
    uint8_t group_codes[128];
    const auto scale_codes = simd_choose(HWY_DISPATCH_TABLE(scale_codes_on_target));
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t first = g * format.group;
      unpack_codes(codes + row * row_bytes, format.bits, first, format.group, group_codes);
      const float s = scale(row, g);
      if (format.mode == PackedMode::affine) {
        scale_codes(group_codes, format.group, s, bias(row, g), out + first);
      } else {
        for (int i = 0; i < format.group; ++i)
          out[first + i] = s * (format.bits == 4 ? kE2M1[group_codes[i]] : from_e4m3(group_codes[i]));
      }
    }
  }

 private:
  static float value(const array& a, int64_t i) {
    if (a.dtype() == DType::float32) return a.data<float>()[i];
    if (a.dtype() == DType::float16) return static_cast<float>(a.data<float16>()[i]);
    return static_cast<float>(a.data<bfloat16>()[i]);
  }
};

Packed packed_from(const KernelArgs& args, size_t first) {
  const PackedFormat format = args.params<PackedParams>().format;
  const array w = row_contiguous(args.in(first)), scales = row_contiguous(args.in(first + 1));
  std::optional<array> biases;
  if (args.num_inputs() > first + 2) biases = row_contiguous(args.in(first + 2));
  const int64_t words = w.shape(-1), columns = words * 32 / format.bits;
  return {format, words ? w.size() / words : 0, columns, words * 4, columns / format.group, w.bytes(), scales,
          biases};
}

void dequantize_kernel(KernelArgs& args) {
  const Packed w = packed_from(args, 0);
  const array held = row_contiguous(args.in(0));  // w.codes points into it
  float* out = args.allocate().mutable_data<float>();
  parallel_ranges(w.rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, w.columns)),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t r = begin; r < end; ++r) w.decode(r, out + r * w.columns);
                  });
}

// ---- packing ----

struct Group {
  float scale, bias;
};

// The end of larger magnitude gets a whole code, so it is exact; 1-bit codes are the two ends.
Group affine_group(const float* x, int n, int bits, uint8_t* codes) {
  const auto [lo, hi] = std::minmax_element(x, x + n);
  const float most = static_cast<float>((1 << bits) - 1), low = *lo, high = *hi;
  float scale, bias;
  if (bits == 1) {
    scale = std::max(high - low, 1e-7f);
    bias = low;
  } else {
    const bool low_end = std::abs(low) > std::abs(high);
    scale = std::max((high - low) / most, 1e-7f);
    if (!low_end) scale = -scale;
    const float edge = low_end ? low : high, zero = std::nearbyint(edge / scale);
    bias = zero == 0 ? 0 : edge;
    if (zero != 0) scale = edge / zero;
  }
  for (int i = 0; i < n; ++i)
    codes[i] = static_cast<uint8_t>(std::clamp(std::nearbyint((x[i] - bias) / scale), 0.0f, most));
  return {scale, bias};
}

// Scales of the float modes, and codes under the scale as it is stored.
uint8_t float_group(const float* x, int n, PackedMode mode, uint8_t* codes) {
  float most = 0;
  for (int i = 0; i < n; ++i) most = std::max(most, std::abs(x[i]));
  uint8_t stored;
  float scale;
  if (mode == PackedMode::nvfp4) {
    stored = to_e4m3(most / 6);
    scale = from_e4m3(stored);
  } else {
    const float wanted = most / (mode == PackedMode::mxfp4 ? 6.0f : 448.0f);
    // Upwards, so that the largest is not cut off.
    const float power = wanted > 0 ? std::ceil(std::log2(wanted)) : 0;
    stored = static_cast<uint8_t>(std::clamp(power + 127, 0.0f, 254.0f));
    scale = from_e8m0(stored);
  }
  for (int i = 0; i < n; ++i) {
    const float q = scale == 0 ? 0 : x[i] / scale;
    codes[i] = mode == PackedMode::mxfp8 ? to_e4m3(q) : to_e2m1(q);
  }
  return stored;
}

void quantize_kernel(KernelArgs& args) {
  const PackedFormat format = args.params<PackedParams>().format;
  const array w = row_contiguous(args.in(0));
  const int64_t columns = w.shape(-1), rows = columns ? w.size() / columns : 0,
                groups = columns / format.group;
  for (size_t i = 0; i < args.num_outputs(); ++i) args.allocate(i);
  uint8_t* packed = args.out(0).mutable_data<uint8_t>();
  const int64_t row_bytes = columns * format.bits / 8;
  dispatch_float(w.dtype(), "quantize", [&]<class T>() {
    const T* from = w.data<T>();
    parallel_ranges(
        rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, columns)), [&](int64_t begin, int64_t end) {
          float x[128];
          uint8_t codes[128];
          for (int64_t r = begin; r < end; ++r)
            for (int64_t g = 0; g < groups; ++g) {
              for (int i = 0; i < format.group; ++i)
                x[i] = static_cast<float>(from[r * columns + g * format.group + i]);
              const int64_t at = r * groups + g;
              if (format.mode == PackedMode::affine) {
                const Group group = affine_group(x, format.group, format.bits, codes);
                args.out(1).mutable_data<T>()[at] = static_cast<T>(group.scale);
                args.out(2).mutable_data<T>()[at] = static_cast<T>(group.bias);
              } else {
                args.out(1).mutable_data<uint8_t>()[at] = float_group(x, format.group, format.mode, codes);
              }
              pack_codes(codes, format.bits, format.group,
                         packed + r * row_bytes + g * format.group * format.bits / 8);
            }
        });
  });
}

// ---- products ----

int64_t checked(int64_t index, int64_t extent) {
  const int64_t at = index < 0 ? index + extent : index;
  check(at >= 0 && at < extent, ErrorCode::kInvalidArgument, "quantized_matmul",
        "index {} is out of range for {} matrices", index, extent);
  return at;
}

/// Columns [first, first + count) of x w^T: (m, count) into out with rows ld apart.
void panel_product(const float* x, int64_t m, const Packed& w, int64_t row, int64_t count, float* panel,
                   float* out, int64_t ld) {
  const int64_t k = w.columns;
  for (int64_t r = 0; r < count; ++r) w.decode(row + r, panel + r * k);
  if (m < kGemmRows) {
    const auto dot = simd_choose(HWY_DISPATCH_TABLE(dot_on_target));
    for (int64_t i = 0; i < m; ++i)
      for (int64_t r = 0; r < count; ++r) out[i * ld + r] = dot(x + i * k, panel + r * k, k);
    return;
  }
  gemm({x, DType::float32, k, 1}, {panel, DType::float32, 1, k}, m, count, k, out, ld);
}

void matmul_kernel(KernelArgs& args) {
  const array x = as_f32(args.in(0), "quantized_matmul"), lhs = row_contiguous(args.in(1)),
              rhs = row_contiguous(args.in(2));
  const Packed w = packed_from(args, 3);
  const array held = row_contiguous(args.in(3));
  array& out = args.allocate();
  const int64_t batch = out.shape(0), m = out.shape(1), n = out.shape(2);
  if (out.size() == 0) return;
  const int64_t panels = (n + kPanel - 1) / kPanel;
  fill_from_f32(out, "quantized_matmul", [&](float* sums) {
    parallel_for(batch * panels, [&](int64_t task) {
      static thread_local std::vector<float> panel;
      panel.resize(static_cast<size_t>(kPanel * w.columns));
      const int64_t b = task / panels, first = task % panels * kPanel;
      const int64_t from = checked(lhs.data<int64_t>()[b], x.shape(0)),
                    which = checked(rhs.data<int64_t>()[b], args.in(3).shape(0));
      panel_product(x.data<float>() + from * m * w.columns, m, w, which * n + first,
                    std::min(kPanel, n - first), panel.data(), sums + b * m * n + first, n);
    });
  });
}

const bool registered = register_kernel(kPackedQuantize, DeviceType::cpu, quantize_kernel) &&
                        register_kernel(kPackedDequantize, DeviceType::cpu, dequantize_kernel) &&
                        register_kernel(kPackedMatmul, DeviceType::cpu, matmul_kernel);

}  // namespace
}  // namespace uma::cpu
#endif
