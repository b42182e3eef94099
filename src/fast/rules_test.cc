// Derivatives and vmap of the fused ops: through their fallbacks, or by rules of their own.
#include <algorithm>

#include "fast/activation.h"
#include "fast/attention.h"
#include "fast/layer_norm.h"
#include "fast/packed.h"
#include "fast/quantized.h"
#include "fast/rms_norm.h"
#include "fast/rope.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using namespace uma::testing;

array f32(const Shape& shape, uint32_t seed) {
  return random_array(shape, seed, -1, 1, DType::float32);
}

// The kernels of these take f32 at most: their gradients are compared with differences of the f64 argument
// that is rounded, so only to the accuracy of f32.
void expect_f32_derivatives(const Fn& f, const std::vector<array>& x) {
  const array y = f(x);
  const std::vector<double> weights = random_values(y.size(), 5, 0.5, 1.5);
  const auto g = vjp(many(f), x, {astype(f64(weights, y.shape()), y.dtype())}).second;
  std::vector<array> tangents;
  double backward = 0, along = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    tangents.push_back(f32(x[i].shape(), 6 + static_cast<uint32_t>(i)));
    const auto a = values_of(g[i]), b = values_of(tangents[i]);
    for (size_t k = 0; k < a.size(); ++k) backward += a[k] * b[k];
  }
  const auto dy = values_of(jvp(many(f), x, tangents).second[0]);
  for (size_t k = 0; k < dy.size(); ++k) along += dy[k] * weights[k];
  EXPECT_NEAR(along, backward, 1e-4 * (1 + std::abs(backward)));
  const auto moved = [&](double h) {
    std::vector<array> at;
    for (size_t i = 0; i < x.size(); ++i)
      at.push_back(
          astype(astype(x[i], DType::float64) + astype(tangents[i], DType::float64) * h, DType::float32));
    const auto v = values_of(f(at));
    double total = 0;
    for (size_t k = 0; k < v.size(); ++k) total += v[k] * weights[k];
    return total;
  };
  EXPECT_NEAR((moved(1e-2) - moved(-1e-2)) / 2e-2, backward, 2e-3 * (1 + std::abs(backward)));
}

TEST(FastRules, NormsAndActivations) {
  const array x = random_array({2, 6}, 1), w = random_array({6}, 2, 0.5, 1.5), b = random_array({6}, 3);
  const array xs = random_array({2, 3, 6}, 4), ws = random_array({6, 3}, 5, 0.5, 1.5);
  const Fn rms = [](const std::vector<array>& v) { return rms_norm(v[0], v[1], 1e-5f); };
  const Fn layer = [](const std::vector<array>& v) { return layer_norm(v[0], v[1], v[2], 1e-5f); };
  const Fn plain = [](const std::vector<array>& v) { return rms_norm(v[0], {}, 1e-5f); };
  const Fn silu = [](const std::vector<array>& v) { return silu_mul(v[0], v[1]); };
  const Fn gelu = [](const std::vector<array>& v) { return gelu_tanh_mul(v[0], v[1]); };
  expect_derivatives(rms, {x, w}, 1e-5);
  expect_derivatives(layer, {x, w, b}, 1e-5);
  expect_derivatives(plain, {x}, 1e-5);
  expect_derivatives(silu, {x, random_array({2, 6}, 7)}, 1e-5);
  expect_derivatives(gelu, {x, random_array({2, 6}, 7)}, 1e-5);
  expect_vmap(rms, {xs, w}, {1, -1}, 1e-12);
  expect_vmap(rms, {xs, ws}, {1, 1}, 1e-12);
  expect_vmap(rms, {x, ws}, {-1, 1}, 1e-12);
  expect_vmap(layer, {xs, w, b}, {1, -1, -1}, 1e-12);
  expect_vmap(layer, {xs, ws, b}, {1, 1, -1}, 1e-12);
  expect_vmap(silu, {xs, x}, {1, -1}, 1e-12);
  expect_vmap(gelu, {xs, xs}, {1, 1}, 1e-12);
}

TEST(FastRules, Rope) {
  for (const bool traditional : {false, true}) {
    const Fn f = [=](const std::vector<array>& v) { return rope(v[0], 4, traditional, 1e4f, 1.0f, 3); };
    expect_f32_derivatives(f, {f32({2, 3, 6}, 1)});
    expect_vmap(f, {f32({2, 3, 4, 6}, 2)}, {2}, 1e-6);
  }
}

TEST(FastRules, RopeOfSequences) {
  const Fn f = [=](const std::vector<array>& v) { return rope(v[0], 4, false, 1e4f, 1.0f, array({3, 9})); };
  expect_f32_derivatives(f, {f32({2, 3, 6}, 1)});
  expect_vmap(f, {f32({2, 3, 4, 6}, 2)}, {2}, 1e-6);
  // Over the offsets themselves.
  const Fn at = [](const std::vector<array>& v) { return rope(v[0], 4, false, 1e4f, 1.0f, v[1]); };
  expect_vmap(at, {f32({1, 2, 3, 6}, 1), array({3, 0, 9})}, {-1, 0}, 1e-6);
}

TEST(FastRules, Attention) {
  const auto f = [](AttentionOptions options) {
    return Fn(
        [=](const std::vector<array>& v) { return scaled_dot_product_attention(v[0], v[1], v[2], options); });
  };
  const std::vector<array> x{f32({1, 4, 3, 8}, 1), f32({1, 2, 5, 8}, 2), f32({1, 2, 5, 8}, 3)};
  const AttentionOptions all[] = {
      {.scale = 0.3f}, {.scale = 0.3f, .causal = true}, {.scale = 1, .softcap = 2}};
  for (const AttentionOptions& options : all) {
    expect_f32_derivatives(f(options), x);
    expect_vmap(f(options), {f32({1, 4, 2, 3, 8}, 4), x[1], f32({1, 2, 5, 8, 2}, 5)}, {2, -1, 4}, 1e-5);
  }
}

TEST(FastRules, AttentionSinks) {
  const Fn f = [](const std::vector<array>& v) {
    return scaled_dot_product_attention(v[0], v[1], v[2], {.scale = 0.3f, .sinks = v[3]});
  };
  expect_f32_derivatives(f, {f32({1, 4, 3, 8}, 1), f32({1, 2, 5, 8}, 2), f32({1, 2, 5, 8}, 3), f32({4}, 4)});
}

TEST(FastRules, PackedMatrices) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    SCOPED_TRACE(bits);
    const PackedFormat format{PackedMode::affine, 32, bits};
    const array full = f32({3, 64}, 1), x = f32({2, 64}, 2);
    const std::vector<array> packed = quantize(full, format);
    const Fn unpack = [&](const std::vector<array>& v) { return dequantize(packed[0], v[0], v[1], format); };
    expect_f32_derivatives(unpack, {packed[1], packed[2]});
    expect_f32_derivatives(
        [&](const std::vector<array>& v) {
          return quantized_matmul(v[0], packed[0], v[1], v[2], true, format);
        },
        {x, packed[1], packed[2]});
    // The compositions are the kernels' values: of codes and scales, and of the matrix again.
    const array lazy = quantize(full, format)[0];
    const auto composed = packed_quantize_fallback(*lazy.node(), lazy.node()->inputs);
    EXPECT_EQ(composed[0].to_vector<uint32_t>(), packed[0].to_vector<uint32_t>());
    EXPECT_EQ(values_of(composed[1]), values_of(packed[1]));
    EXPECT_EQ(values_of(composed[2]), values_of(packed[2]));
    // A scale follows the ends of its group, and no other element.
    const array g =
        vjp([&](const std::vector<array>& v) { return std::vector<array>{quantize(v[0], format)[1]}; },
            {full}, {broadcast_to(array(1.f), {3, 2})})
            .second[0];
    const auto slopes = values_of(g);
    EXPECT_EQ(std::count_if(slopes.begin(), slopes.end(), [](double v) { return v != 0; }), 3 * 2 * 1);

    const Fn pack = [&](const std::vector<array>& v) { return quantize(v[0], format)[0]; };
    expect_vmap(pack, {f32({3, 5, 64}, 3)}, {1});
    expect_vmap([&](const std::vector<array>& v) { return dequantize(v[0], v[1], packed[2], format); },
                {broadcast_to(expand_dims(packed[0], {1}), {3, 4, 2 * bits}), f32({4, 3, 2}, 4)}, {1, 0},
                1e-6);
    expect_vmap(
        [&](const std::vector<array>& v) {
          return quantized_matmul(v[0], packed[0], v[1], packed[2], true, format);
        },
        {f32({2, 64, 4}, 5), f32({4, 3, 2}, 4)}, {2, 0}, 1e-5);
  }
}

TEST(FastRules, QuantizedProducts) {
  // Q8_0: a scale of 1 (float16) and 32 values in each block.
  std::vector<uint8_t> bytes;
  for (int row = 0; row < 3; ++row) {
    bytes.insert(bytes.end(), {0x00, 0x3c});
    for (int i = 0; i < 32; ++i) bytes.push_back(static_cast<uint8_t>((row * 7 + i * 5) % 11));
  }
  const QuantizedMatrix w{array(std::span<const uint8_t>(bytes), {3, 34}), QuantFormat::Q8_0, 3, 32};
  const Fn f = [&](const std::vector<array>& v) { return quantized_matmul(v[0], w, true); };
  const array x = f32({2, 32}, 1);
  const array g = vjp(many(f), {x}, {broadcast_to(array(1.f), {2, 3})}).second[0];
  expect_near(values_of(g), values_of(broadcast_to(sum(dequantize(w), {0}), {2, 32})), 1e-6);
  expect_vmap(f, {f32({2, 32, 5}, 2)}, {2}, 1e-5);
  expect_vmap([&](const std::vector<array>& v) { return quantized_embedding(w, v[0]); },
              {array({0, 1, 2, 2, 1, 0}, {3, 2})}, {1});
  expect_error(ErrorCode::kUnsupported, [&] {
    vmap(many([&](const std::vector<array>& v) {
      return quantized_embedding({v[0], w.format, 3, 32}, array({0}));
    }))({broadcast_to(w.data, {2, 3, 34})});
  });
}

}  // namespace
}  // namespace uma
