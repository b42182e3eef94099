// The ops on quantized weights: shapes, dtypes, views and errors. The arithmetic itself is tested beside
// the kernels.
#include "fast/quantized.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/thread_pool.h"
#include "fast/testing.h"
#include "ops/indexing.h"
#include "ops/matmul.h"
#include "ops/shape.h"

namespace uma {
namespace {

using testing::as_doubles;
using testing::expect_close;
using testing::expect_error;
using testing::random_array;

// Bytes that make finite weights in every format: the f16 scales of a block get small exponents.
std::vector<uint8_t> random_blocks(QuantFormat format, int64_t rows, int64_t cols, uint32_t seed) {
  const int64_t n = rows * row_bytes(format, cols);
  std::mt19937 generator(seed);
  std::vector<uint8_t> bytes(static_cast<size_t>(n));
  std::vector<float> decoded(static_cast<size_t>(traits(format).block));
  const int64_t block = traits(format).block_bytes;
  for (int64_t at = 0; at < n; at += block)
    for (bool fine = false; !fine;) {
      for (int64_t i = at; i < at + block; ++i)
        bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(generator());
      decode_reference(format, bytes.data() + at, traits(format).block, decoded.data());
      fine = true;
      for (const float x : decoded) fine &= std::abs(x) < 100;  // false for NaN as well
    }
  return bytes;
}

QuantizedMatrix matrix(QuantFormat format, int64_t rows, int64_t cols, uint32_t seed = 1) {
  const auto bytes = random_blocks(format, rows, cols, seed);
  return {array(std::span<const uint8_t>(bytes), {rows, row_bytes(format, cols)}), format, rows, cols};
}

std::vector<double> decoded(const QuantizedMatrix& w) {
  const auto bytes = w.data.to_vector<uint8_t>();
  std::vector<float> out(static_cast<size_t>(w.rows * w.cols));
  decode_reference(w.format, bytes.data(), w.rows * w.cols, out.data());
  return {out.begin(), out.end()};
}

std::vector<double> product(const array& x, const QuantizedMatrix& w) {
  const auto a = as_doubles(x), b = decoded(w);
  std::vector<double> out;
  for (int64_t i = 0; i < x.size() / w.cols; ++i)
    for (int64_t j = 0; j < w.rows; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < w.cols; ++k)
        sum += a[static_cast<size_t>(i * w.cols + k)] * b[static_cast<size_t>(j * w.cols + k)];
      out.push_back(sum);
    }
  return out;
}

// Largest difference, as a part of the root mean square of what was expected.
double relative_error(const std::vector<double>& got, const std::vector<double>& expected) {
  double worst = 0, squares = 0;
  EXPECT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const double d = std::abs(got[i] - expected[i]);
    worst = d > worst || std::isnan(d) ? d : worst;
    squares += expected[i] * expected[i];
  }
  return worst / std::sqrt(squares / static_cast<double>(expected.size()) + 1e-30);
}

TEST(Quantized, ProductsOfEveryFormat) {
  for (const QuantTraits& format : kQuantTraits) {
    const QuantizedMatrix w = matrix(format.format, 37, 512);
    for (const int64_t m : {1, 2, 5, 40}) {
      SCOPED_TRACE(fmt::format("{} m {}", format.name, m));
      const array x = random_array({m, 512}, 2);
      const auto expected = product(x, w);
      EXPECT_LT(relative_error(as_doubles(quantized_matmul(x, w, true)), expected), 1e-5);
      EXPECT_LT(relative_error(as_doubles(quantized_matmul(x, w)), expected), 0.05);
    }
  }
}

TEST(Quantized, LeadingAxesDtypesAndEmptyInputs) {
  const QuantizedMatrix w = matrix(QuantFormat::Q8_0, 5, 64);
  EXPECT_EQ(quantized_matmul(random_array({64}, 1), w).shape(), (Shape{5}));
  EXPECT_EQ(quantized_matmul(random_array({2, 3, 64}, 1), w).shape(), (Shape{2, 3, 5}));
  EXPECT_EQ(quantized_matmul(random_array({0, 64}, 1), w).to_vector<float>().size(), 0u);
  const QuantizedMatrix none = matrix(QuantFormat::Q8_0, 0, 64);
  EXPECT_EQ(quantized_matmul(random_array({3, 64}, 1), none).to_vector<float>().size(), 0u);
  for (const DType dtype : {DType::float16, DType::bfloat16}) {
    const array x = random_array({3, 64}, 2, dtype), y = quantized_matmul(x, w, true);
    EXPECT_EQ(y.dtype(), DType::float32);
    EXPECT_EQ(y.to_vector<float>(), quantized_matmul(astype(x, DType::float32), w, true).to_vector<float>());
  }
  const array strided = swapaxes(random_array({64, 3}, 3), 0, 1);
  EXPECT_EQ(quantized_matmul(strided, w).to_vector<float>(),
            quantized_matmul(contiguous(strided), w).to_vector<float>());
}

TEST(Quantized, SeveralMatricesShareTheirInput) {
  const QuantizedMatrix ws[] = {matrix(QuantFormat::Q4_K, 7, 256, 1), matrix(QuantFormat::Q6_K, 3, 256, 2),
                                matrix(QuantFormat::F16, 9, 256, 3)};
  for (const bool exact : {false, true}) {
    const array x = random_array({2, 2, 256}, 4);
    const auto together = quantized_matmul(x, ws, exact);
    ASSERT_EQ(together.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(together[i].shape(), (Shape{2, 2, ws[i].rows}));
      EXPECT_EQ(together[i].to_vector<float>(), quantized_matmul(x, ws[i], exact).to_vector<float>());
    }
    // Only one of them is asked for.
    EXPECT_EQ(quantized_matmul(x, ws, exact)[1].to_vector<float>(), together[1].to_vector<float>());
  }
}

TEST(Quantized, WeightsMayLieAnywhere) {
  const auto bytes = random_blocks(QuantFormat::Q4_0, 6, 96, 5);
  const array aligned(std::span<const uint8_t>(bytes), {6, 54});
  const array x = random_array({2, 96}, 6);
  const auto expected = quantized_matmul(x, {aligned, QuantFormat::Q4_0, 6, 96}).to_vector<float>();
  for (const size_t shift : {size_t{1}, size_t{3}, size_t{17}}) {
    auto owner = std::make_shared<std::vector<uint8_t>>(bytes.size() + shift);
    std::copy(bytes.begin(), bytes.end(), owner->begin() + static_cast<std::ptrdiff_t>(shift));
    const auto buffer = Buffer::view(owner->data(), owner->size(), owner);
    const array data = array::from_buffer(buffer, static_cast<int64_t>(shift), {6, 54}, DType::uint8);
    EXPECT_EQ(quantized_matmul(x, {data, QuantFormat::Q4_0, 6, 96}).to_vector<float>(), expected);
  }
  // Every other row of a larger matrix.
  const QuantizedMatrix big = matrix(QuantFormat::Q8_0, 8, 32);
  const array half = slice(big.data, {0, 0}, {8, 34}, {2, 1});
  EXPECT_EQ(quantized_matmul(random_array({32}, 7), {half, QuantFormat::Q8_0, 4, 32}).to_vector<float>(),
            quantized_matmul(random_array({32}, 7), {contiguous(half), QuantFormat::Q8_0, 4, 32})
                .to_vector<float>());
}

TEST(Quantized, EmbeddingAndDequantizeAreExact) {
  for (const QuantTraits& format : kQuantTraits) {
    SCOPED_TRACE(std::string(format.name));
    const QuantizedMatrix w = matrix(format.format, 11, 256);
    const auto all = decoded(w);
    EXPECT_EQ(as_doubles(dequantize(w)), all);
    const array ids({10, 0, 3, 3}, Shape{2, 2});
    const array rows = quantized_embedding(w, ids);
    EXPECT_EQ(rows.shape(), (Shape{2, 2, 256}));
    const auto got = as_doubles(rows);
    const int64_t wanted[] = {10, 0, 3, 3};
    for (size_t i = 0; i < 4; ++i)
      for (size_t j = 0; j < 256; ++j)
        ASSERT_EQ(got[i * 256 + j], all[static_cast<size_t>(wanted[i]) * 256 + j]);
  }
}

TEST(Quantized, FallbackGivesTheSame) {
  const QuantizedMatrix w = matrix(QuantFormat::Q5_1, 6, 64);
  const array x = random_array({3, 64}, 1);
  const array ids({5, 0}, Shape{2});
  for (const array& y : {quantized_matmul(x, w, true), quantized_embedding(w, ids), dequantize(w)}) {
    const auto composed = y.node()->op->fallback(*y.node(), y.node()->inputs);
    EXPECT_EQ(composed[0].shape(), y.shape());
    expect_close(as_doubles(y), as_doubles(composed[0]), 1e-4);
  }
}

TEST(Quantized, RefusesWhatDoesNotFit) {
  const QuantizedMatrix w = matrix(QuantFormat::Q8_0, 4, 64);
  const array x = random_array({2, 64}, 1);
  expect_error(ErrorCode::kShape, [&] { quantized_matmul(array(1.0f), w); });
  expect_error(ErrorCode::kShape, [&] { quantized_matmul(random_array({2, 32}, 1), w); });
  expect_error(ErrorCode::kDType, [&] { quantized_matmul(random_array({64}, 1, DType::int32), w); });
  expect_error(ErrorCode::kDType, [&] { quantized_matmul(random_array({64}, 1, DType::float64), w); });
  expect_error(ErrorCode::kInvalidArgument, [&] { quantized_matmul(x, std::span<const QuantizedMatrix>()); });

  const auto refuse = [&](ErrorCode code, const QuantizedMatrix& bad) {
    expect_error(code, [&] { quantized_matmul(x, bad); });
    expect_error(code, [&] { quantized_embedding(bad, array({0}, Shape{1})); });
    expect_error(code, [&] { dequantize(bad); });
  };
  refuse(ErrorCode::kShape, {w.data, QuantFormat::Q8_0, 5, 64});
  refuse(ErrorCode::kShape, {w.data, QuantFormat::Q4_0, 4, 64});
  refuse(ErrorCode::kInvalidArgument, {w.data, QuantFormat::Q8_0, 4, 60});
  refuse(ErrorCode::kInvalidArgument, {w.data, QuantFormat::Q8_0, -4, 64});
  refuse(ErrorCode::kInvalidArgument, {w.data, QuantFormat::Q4_K, 4, 64});
  refuse(ErrorCode::kDType, {random_array({4, 68}, 1), QuantFormat::Q8_0, 4, 64});

  expect_error(ErrorCode::kDType, [&] { quantized_embedding(w, random_array({2}, 1)); });
  for (const int id : {-1, 4, 1 << 30})
    expect_error(ErrorCode::kInvalidArgument, [&] {
      quantized_embedding(w, array({0, id}, Shape{2})).eval();
    });
}

}  // namespace
}  // namespace uma
