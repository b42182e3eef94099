// Products of two quantized matrices, and the cross entropy of class indices.
#include "fast/qqmm.h"

#include "fast/cross_entropy.h"
#include "ops/indexing.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using namespace testing;

array f32(const Shape& shape, uint32_t seed) {
  return random_array(shape, seed, -2, 2, DType::float32);
}
PackedFormat format_of(const std::string& mode) {
  return PackedFormat::make(mode, {}, {});
}
/// Through the packed form, by the ops that the format's own tests compare with other implementations.
array unpacked(const array& x, const PackedFormat& format, const std::optional<array>& global = {}) {
  const std::vector<array> parts = quantize(x, format, global);
  return dequantize(parts[0], parts[1], {}, format, DType::float32, global);
}

TEST(Qqmm, IsTheProductOfWhatTheFormsHold) {
  for (const char* mode : {"nvfp4", "mxfp8", "mxfp4"}) {
    SCOPED_TRACE(mode);
    const PackedFormat format = format_of(mode);
    const array x = f32({2, 3, 64}, 1), w = f32({5, 64}, 2);
    const std::vector<array> parts = quantize(w, format);
    const auto expected = values_of(matmul(unpacked(x, format), swapaxes(unpacked(w, format), -1, -2)));
    expect_close(values_of(qqmm(x, w, {}, format)), expected, 1e-6);
    expect_close(values_of(qqmm(x, parts[0], parts[1], format)), expected, 1e-6);
    const array row = reshape(slice_axis(slice_axis(x, 0, 0, 1), 1, 0, 1), {64});
    expect_close(values_of(qqmm(row, w, {}, format)), {expected.begin(), expected.begin() + 5}, 1e-6);
  }
}

TEST(Qqmm, HalvesStayHalvesAndDoNotOverflow) {
  // 60000 in float16 becomes 57344 * 2^0 or so in mxfp8; the sum of products is what overflows, if anything.
  const PackedFormat format = format_of("mxfp8");
  const array x = broadcast_to(array(60000.f), {1, 32}), w = broadcast_to(array(1.f / 32), {1, 32});
  const array out = qqmm(astype(x, DType::float16), w, {}, format);
  EXPECT_EQ(out.dtype(), DType::float16);
  EXPECT_NEAR(values_of(out)[0], 60000, 60000.0 / 16);
}

TEST(Qqmm, GlobalScalesUseTheWholeRange) {
  const PackedFormat format = format_of("nvfp4");
  // Groups whose own scales would be below what E4M3 can tell apart.
  const array x = f32({4, 32}, 3) * array(1e-4f), w = f32({6, 32}, 4) * array(1e-3f);
  const array gx = max(abs(x)), gw = max(abs(w));
  const auto exact = values_of(matmul(x, swapaxes(w, -1, -2)));
  const auto fine = values_of(qqmm(x, w, {}, format, gx, gw)), rough = values_of(qqmm(x, w, {}, format));
  double fine_error = 0, rough_error = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    fine_error += std::abs(fine[i] - exact[i]);
    rough_error += std::abs(rough[i] - exact[i]);
  }
  EXPECT_LT(4 * fine_error, rough_error);
  const std::vector<array> parts = quantize(w, format, gw);
  expect_close(values_of(qqmm(x, parts[0], parts[1], format, gx, gw)), fine, 1e-9);
  const array zero = broadcast_to(array(0.f), {2, 32});
  expect_close(values_of(unpacked(zero, format, array(0.f))), std::vector<double>(64, 0.0), 0);
}

TEST(Qqmm, GathersMatrices) {
  const PackedFormat format = format_of("nvfp4");
  const array x = f32({3, 2, 32}, 5), w = f32({4, 5, 32}, 6);
  const std::vector<array> parts = quantize(w, format);
  const array lhs({0, 2, 2}, {3, 1}), rhs({3, 1}, {1, 2});
  const array full =
      matmul(take(unpacked(x, format), lhs, 0), swapaxes(take(unpacked(w, format), rhs, 0), -1, -2));
  EXPECT_EQ(full.shape(), (Shape{3, 2, 2, 5}));
  expect_close(values_of(gather_qqmm(x, w, {}, lhs, rhs, format)), values_of(full), 1e-6);
  const array packed = gather_qqmm(x, parts[0], parts[1], lhs, rhs, format);
  EXPECT_EQ(packed.shape(), full.shape());
  expect_close(values_of(packed), values_of(full), 1e-6);
  expect_error(ErrorCode::kDType, [&] { gather_qqmm(x, w, {}, array({0.f}), {}, format); });
  expect_error(ErrorCode::kDType, [&] { gather_qqmm(x, parts[0], parts[1], {}, array({0.f}), format); });
}

TEST(Qqmm, GradientsPassTheRounding) {
  const PackedFormat format = format_of("mxfp8");
  const array x = f32({3, 32}, 7), w = f32({2, 32}, 8);
  const Fn f = [&](const std::vector<array>& v) { return qqmm(v[0], v[1], {}, format); };
  const array cotangent = f32({3, 2}, 9);
  const auto g = vjp(many(f), {x, w}, {cotangent}).second;
  expect_close(values_of(g[0]), values_of(matmul(cotangent, unpacked(w, format))), 1e-6);
  expect_close(values_of(g[1]), values_of(matmul(swapaxes(cotangent, 0, 1), unpacked(x, format))), 1e-6);
  const array dx = f32({3, 32}, 10), dw = f32({2, 32}, 11);
  const auto along = jvp(many(f), {x, w}, {dx, dw}).second[0];
  const array expected =
      matmul(dx, swapaxes(unpacked(w, format), 0, 1)) + matmul(unpacked(x, format), swapaxes(dw, 0, 1));
  expect_close(values_of(along), values_of(expected), 1e-6);
  expect_vmap(f, {f32({3, 4, 32}, 12), w}, {1, -1}, 1e-6);
  const std::vector<array> parts = quantize(w, format);
  expect_vmap([&](const std::vector<array>& v) { return qqmm(v[0], parts[0], parts[1], format); },
              {f32({3, 4, 32}, 12)}, {0}, 1e-6);
}

TEST(Qqmm, WhatDoesNotFit) {
  const PackedFormat nvfp4 = format_of("nvfp4");
  const array x = f32({3, 32}, 1), w = f32({2, 32}, 2), one(1.f);
  const std::vector<array> parts = quantize(w, nvfp4);
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  expect_error(kBad, [&] { qqmm(x, w, {}, format_of("affine")); });
  expect_error(kBad, [&] { qqmm(x, parts[0], {}, nvfp4); });
  expect_error(kBad, [&] { qqmm(x, w, parts[1], nvfp4); });
  expect_error(kBad, [&] { qqmm(x, w, {}, nvfp4, one); });
  expect_error(kBad, [&] { qqmm(x, w, {}, format_of("mxfp8"), one, one); });
  expect_error(ErrorCode::kShape, [&] { qqmm(x, w, {}, nvfp4, one, array({1.f, 2.f})); });
  expect_error(ErrorCode::kDType, [&] { qqmm(x, w, {}, nvfp4, one, array(1)); });
  expect_error(ErrorCode::kDType, [&] { qqmm(astype(x, DType::int32), w, {}, nvfp4); });
  expect_error(ErrorCode::kShape, [&] { qqmm(x, f32({2, 2, 32}, 3), {}, nvfp4); });
  expect_error(ErrorCode::kShape, [&] { qqmm(x, f32({2, 64}, 3), {}, nvfp4); });
  expect_error(ErrorCode::kShape, [&] { qqmm(f32({3, 24}, 3), f32({2, 24}, 3), {}, nvfp4); });
  expect_error(kBad, [&] { quantize(w, format_of("mxfp4"), one); });
  expect_error(kBad, [&] { dequantize(parts[0], parts[1], {}, format_of("mxfp4"), {}, one); });
}

TEST(CrossEntropy, IsTheLogOfTheTargetsShare) {
  const array logits = random_array({4, 7}, 1, -5, 5, DType::float64);
  const array targets({0, 6, 3, -1});
  const std::vector<double> l = values_of(logits);
  std::vector<double> expected;
  for (size_t row = 0; row < 4; ++row) {
    double total = 0;
    for (size_t i = 0; i < 7; ++i) total += std::exp(l[row * 7 + i]);
    expected.push_back(std::log(total) - l[row * 7 + (row == 0 ? 0 : row == 2 ? 3 : 6)]);
  }
  for (const DType dtype : {DType::float64, DType::float32, DType::float16}) {
    const array loss = cross_entropy(astype(logits, dtype), targets);
    EXPECT_EQ(loss.dtype(), dtype == DType::float64 ? dtype : DType::float32);
    expect_close(values_of(loss), expected, dtype == DType::float16 ? 5e-3 : 1e-6);
  }
  expect_derivatives([&](const std::vector<array>& v) { return cross_entropy(v[0], targets); }, {logits},
                     1e-5);
  EXPECT_EQ(
      cross_entropy(reshape(array(std::span<const float>(), {0}), {0, 3}), array(std::span<const int>(), {0}))
          .shape(),
      (Shape{0}));
}

TEST(CrossEntropy, WhatDoesNotFit) {
  const array logits = f32({2, 3}, 1);
  expect_error(ErrorCode::kShape, [&] { cross_entropy(array(1.f), array(0)); });
  expect_error(ErrorCode::kShape, [&] { cross_entropy(logits, array({0})); });
  expect_error(ErrorCode::kShape, [&] {
    cross_entropy(array(std::span<const float>(), {2, 0}), array({0, 0}));
  });
  expect_error(ErrorCode::kDType, [&] { cross_entropy(logits, array({0.f, 1.f})); });
  expect_error(ErrorCode::kDType, [&] { cross_entropy(astype(logits, DType::int32), array({0, 1})); });
}

}  // namespace
}  // namespace uma
