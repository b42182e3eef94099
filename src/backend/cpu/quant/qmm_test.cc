#include "backend/cpu/quant/qmm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/isa/isa.h"
#include "base/error.h"
#include "base/half.h"
#include "base/thread_pool.h"

namespace uma::cpu {
namespace {

using testing::HasSubstr;

// Byte offsets of the f16 fields of a block.
std::vector<int> halves_of(QuantFormat format) {
  switch (format) {
    case QuantFormat::Q4_1:
    case QuantFormat::Q5_1:
    case QuantFormat::Q4_K:
    case QuantFormat::Q5_K:
      return {0, 2};
    case QuantFormat::Q2_K:
      return {80, 82};
    case QuantFormat::Q3_K:
      return {108};
    case QuantFormat::Q6_K:
      return {208};
    default:
      return {0};
  }
}

// Random weights whose rows start at an odd address, as they may in a file.
struct Weights {
  std::vector<uint8_t> bytes;
  QuantMatrix matrix;
  std::vector<float> values;  // decoded by the definition

  Weights(QuantFormat format, int64_t rows, int64_t cols, uint32_t seed) {
    std::mt19937 rng(seed);
    const QuantTraits& row = traits(format);
    const int64_t size = rows * row_bytes(format, cols);
    bytes.resize(static_cast<size_t>(size) + 1);
    uint8_t* data = bytes.data() + 1;
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < size; ++i) data[i] = static_cast<uint8_t>(rng());
    for (int64_t block = 0; block < size / row.block_bytes; ++block) {
      uint8_t* p = data + block * row.block_bytes;
      if (format == QuantFormat::F32) {
        const float value = normal(rng);
        std::memcpy(p, &value, 4);
      } else if (format == QuantFormat::BF16) {
        const uint16_t bits = f32_to_bf16_bits(normal(rng));
        std::memcpy(p, &bits, 2);
      } else {
        for (const int offset : halves_of(format)) {
          const uint16_t bits = f32_to_f16_bits(0.02f * normal(rng));
          std::memcpy(p + offset, &bits, 2);
        }
      }
    }
    matrix = {data, format, rows, cols};
    values.resize(static_cast<size_t>(rows * cols));
    decode_reference(format, data, rows * cols, values.data());
  }
};

std::vector<float> random_floats(int64_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = normal(rng);
  return x;
}

std::vector<float> product(const std::vector<float>& x, int64_t m, const Weights& w, bool exact) {
  std::vector<float> out(static_cast<size_t>(m * w.matrix.rows), -1.0f);
  float* const outs[] = {out.data()};
  const int64_t ld[] = {w.matrix.rows};
  quantized_matmul(x.data(), m, w.matrix.cols, w.matrix.cols, {&w.matrix, 1}, outs, ld, exact);
  return out;
}

// Error of `out` against f64, relative to the size that a product of independent terms has.
double relative_error(const std::vector<float>& out, const std::vector<float>& x, int64_t m,
                      const Weights& w) {
  const int64_t n = w.matrix.rows, k = w.matrix.cols;
  double error = 0, size = 0;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t r = 0; r < n; ++r) {
      double sum = 0, squares = 0;
      for (int64_t j = 0; j < k; ++j) {
        const double term = double{x[i * k + j]} * double{w.values[r * k + j]};
        sum += term;
        squares += term * term;
      }
      const double difference = out[i * n + r] - sum;
      error += difference * difference;
      size += squares;
    }
  return size > 0 ? std::sqrt(error / size) : std::sqrt(error);
}

// What the int8 path makes of x, from its definition: one scale for 32, the nearest of 127 steps each way.
std::vector<float> rounded_activations(const std::vector<float>& x, int64_t m, int64_t k) {
  std::vector<float> out(x.size());
  for (int64_t i = 0; i < m; ++i)
    for (int64_t g = 0; g < k; g += 32) {
      const int64_t at = i * k + g;
      float amax = 0;
      for (int64_t j = at; j < at + 32; ++j) amax = std::max(amax, std::fabs(x[j]));
      for (int64_t j = at; j < at + 32; ++j)
        out[j] = amax > 0 ? std::nearbyint(x[j] * (127.0f / amax)) * (amax * (1.0f / 127.0f)) : 0.0f;
    }
  return out;
}

constexpr double kExactError = 1e-6;
constexpr double kRoundedError = 2e-6;  // against the rounded activations: only f32 sums are left
constexpr double kInt8Error = 8e-3;     // against the activations themselves

struct Case {
  QuantTraits row;
  Isa isa;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Isa isa : available_isas())
    for (const QuantTraits& row : kQuantTraits) all.push_back({row, isa});
  return all;
}

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.row.name << " " << to_string(c.isa);
}

class QuantizedMatmul : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    before_ = current_isa();
    set_isa(GetParam().isa);
  }
  void TearDown() override {
    set_isa(before_);
    set_num_threads(0);
  }
  bool is_float() const { return GetParam().row.format <= QuantFormat::BF16; }
  // Error of a product against f64 on the activations that this path works with.
  double error(const std::vector<float>& x, int64_t m, const Weights& w, bool exact) const {
    const auto out = product(x, m, w, exact);
    return exact || is_float() ? relative_error(out, x, m, w)
                               : relative_error(out, rounded_activations(x, m, w.matrix.cols), m, w);
  }
  double bound(bool exact) const { return exact || is_float() ? kExactError : kRoundedError; }
  // Lengths of a row that the format can have: one block to several, odd numbers of blocks of 32.
  std::vector<int64_t> depths() const {
    if (GetParam().row.block == 256) return {256, 512, 1280};
    if (GetParam().row.block == 32) return {32, 64, 96, 160, 224, 256, 288, 480, 640, 896};
    return {1, 3, 15, 16, 17, 100, 256, 513, 896, 1100};
  }

 private:
  Isa before_ = Isa::generic;
};

TEST_P(QuantizedMatmul, EqualsTheProductInDoublePrecision) {
  const QuantFormat format = GetParam().row.format;
  for (const int64_t m : {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33})
    for (const int64_t n : {1, 3, 31, 33, 100}) {
      const int64_t k = depths()[static_cast<size_t>(m + n) % depths().size()];
      const Weights w(format, n, k, static_cast<uint32_t>(m * 1000 + n));
      const auto x = random_floats(m * k, static_cast<uint32_t>(m + n));
      for (const bool exact : {false, true})
        EXPECT_LT(error(x, m, w, exact), bound(exact))
            << "m " << m << " n " << n << " k " << k << (exact ? " exact" : "");
    }
}

TEST_P(QuantizedMatmul, RoundedActivationsCostLittle) {
  const int64_t k = 1280, n = 64;
  const Weights w(GetParam().row.format, n, k, 12);
  for (const int64_t m : {4, 32}) {
    const auto x = random_floats(m * k, 13);
    EXPECT_LT(relative_error(product(x, m, w, false), x, m, w), kInt8Error) << m;
  }
}

TEST_P(QuantizedMatmul, EveryDepth) {
  for (const int64_t k : depths())
    for (const int64_t m : {1, 3, 12}) {
      const Weights w(GetParam().row.format, 35, k, static_cast<uint32_t>(k));
      const auto x = random_floats(m * k, static_cast<uint32_t>(k + m));
      for (const bool exact : {false, true})
        EXPECT_LT(error(x, m, w, exact), bound(exact)) << "m " << m << " k " << k;
    }
}

TEST_P(QuantizedMatmul, DoesNotDependOnThreads) {
  const int64_t k = GetParam().row.block == 256 ? 1024 : 896, n = 333;
  const Weights w(GetParam().row.format, n, k, 5);
  for (const int64_t m : {1, 3, 6, 40})
    for (const bool exact : {false, true}) {
      const auto x = random_floats(m * k, 6);
      set_num_threads(1);
      const auto one = product(x, m, w, exact);
      for (const int threads : {2, 3}) {
        set_num_threads(threads);
        EXPECT_EQ(product(x, m, w, exact), one) << threads << " threads, m " << m;
      }
    }
}

// What a model answers must not depend on who else asks.
TEST_P(QuantizedMatmul, ARowDoesNotDependOnItsCompany) {
  const int64_t n = 70, m = 40;
  for (const int64_t k : depths()) {
    const Weights w(GetParam().row.format, n, k, 7);
    const auto x = random_floats(m * k, 8);
    for (const bool exact : {false, true}) {
      std::vector<float> alone;
      for (int64_t i = 0; i < m; ++i) {
        const auto row = product({x.begin() + i * k, x.begin() + (i + 1) * k}, 1, w, exact);
        alone.insert(alone.end(), row.begin(), row.end());
      }
      for (const int64_t batch : {2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 22, 40})
        EXPECT_EQ(product(x, batch, w, exact), std::vector<float>(alone.begin(), alone.begin() + batch * n))
            << batch << " rows of " << k;
    }
  }
}

// Nor on the machine's vectors; the portable kernels work in floats and have an order of their own.
TEST_P(QuantizedMatmul, EveryVectorGivesTheSameBits) {
  if (current_isa() == Isa::generic || is_float()) return;
  for (const int64_t k : depths()) {
    const Weights w(GetParam().row.format, 35, k, 7);
    const auto x = random_floats(9 * k, 8);
    for (const int64_t m : {1, 3, 9}) {
      set_isa(GetParam().isa);
      const auto here = product(x, m, w, false);
      set_isa(Isa::avx2);
      EXPECT_EQ(product(x, m, w, false), here) << m << " rows of " << k;
    }
  }
}

TEST_P(QuantizedMatmul, OddActivations) {
  const int64_t k = GetParam().row.block == 256 ? 512 : 320, n = 40;
  const Weights w(GetParam().row.format, n, k, 9);
  for (const int64_t m : {3, 14})
    for (const bool exact : {false, true}) {
      auto x = random_floats(m * k, 10);
      x[k + 5] = std::numeric_limits<float>::quiet_NaN();
      x[2 * k + 300] = std::numeric_limits<float>::infinity();
      const auto out = product(x, m, w, exact);
      for (int64_t i = 0; i < m; ++i)
        for (int64_t r = 0; r < n; ++r) {
          if (i == 1) {
            EXPECT_TRUE(std::isnan(out[i * n + r])) << r;
          } else if (i != 2) {
            EXPECT_TRUE(std::isfinite(out[i * n + r])) << i << " " << r;
          } else if (w.values[r * k + 300] != 0) {
            EXPECT_FALSE(std::isfinite(out[i * n + r])) << r;
          }
        }
      for (const float size : {0.0f, 1e-42f, 1e-30f, 1e30f}) {
        auto scaled = random_floats(m * k, 11);
        for (float& v : scaled) v *= size;
        const auto big = product(scaled, m, w, exact);
        for (const float v : big) ASSERT_TRUE(std::isfinite(v)) << size;
        if (size == 0.0f) {
          EXPECT_THAT(big, testing::Each(0.0f));
        }
        if (size == 1e30f || size == 1e-30f) {
          EXPECT_LT(error(scaled, m, w, exact), bound(exact)) << size;
        }
      }
    }
}

std::string case_name(const testing::TestParamInfo<Case>& info) {
  return std::string(info.param.row.name) + "_" + std::string(to_string(info.param.isa));
}
INSTANTIATE_TEST_SUITE_P(All, QuantizedMatmul, testing::ValuesIn(cases()), case_name);

// ---- what does not depend on the format ----

TEST(QuantizedMatmulCall, WeightsOfAnyFormatShareOneInput) {
  const int64_t k = 512, m = 13;
  const Weights a(QuantFormat::Q5_0, 64, k, 1), b(QuantFormat::Q8_0, 7, k, 2), c(QuantFormat::F16, 9, k, 3),
      d(QuantFormat::Q4_K, 33, k, 4);
  const auto x = random_floats(m * k, 5);
  const QuantMatrix list[] = {a.matrix, b.matrix, c.matrix, d.matrix};
  const Weights* all[] = {&a, &b, &c, &d};
  // One wide array holds all four outputs side by side.
  const int64_t width = 64 + 7 + 9 + 33, offsets[] = {0, 64, 71, 80};
  for (const int64_t rows : {1, 13}) {
    std::vector<float> wide(static_cast<size_t>(m * width), -1.0f);
    float* const out[] = {wide.data(), wide.data() + 64, wide.data() + 71, wide.data() + 80};
    const int64_t ld[] = {width, width, width, width};
    quantized_matmul(x.data(), rows, k, k, list, out, ld, false);
    for (int i = 0; i < 4; ++i) {
      const auto alone = product(std::vector<float>(x.begin(), x.begin() + rows * k), rows, *all[i], false);
      const int64_t n = all[i]->matrix.rows;
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < n; ++j) ASSERT_EQ(wide[r * width + offsets[i] + j], alone[r * n + j]) << i;
    }
    for (int64_t j = rows * width; j < m * width; ++j) ASSERT_EQ(wide[j], -1.0f);
  }
}

TEST(QuantizedMatmulCall, ReadsRowsThatLieApart) {
  const int64_t k = 96, m = 11, ldx = 131;
  const Weights w(QuantFormat::Q4_0, 5, k, 1);
  const auto tight = random_floats(m * k, 2);
  std::vector<float> apart(static_cast<size_t>(m * ldx), std::numeric_limits<float>::quiet_NaN());
  for (int64_t i = 0; i < m; ++i) std::copy_n(tight.begin() + i * k, k, apart.begin() + i * ldx);
  for (const bool exact : {false, true}) {
    std::vector<float> out(5 * m);
    float* const outs[] = {out.data()};
    const int64_t ld[] = {5};
    quantized_matmul(apart.data(), m, k, ldx, {&w.matrix, 1}, outs, ld, exact);
    EXPECT_EQ(out, product(tight, m, w, exact));
  }
}

TEST(QuantizedMatmulCall, EmptySizes) {
  const Weights w(QuantFormat::Q4_0, 3, 32, 1);
  EXPECT_TRUE(product({}, 0, w, false).empty());
  const Weights none(QuantFormat::Q4_0, 0, 32, 1);
  EXPECT_TRUE(product(random_floats(32, 1), 1, none, false).empty());
  const Weights thin(QuantFormat::Q4_0, 3, 0, 1);
  EXPECT_EQ(product({}, 2, thin, false), std::vector<float>(6, 0.0f));
}

std::string error_of(auto&& call, ErrorCode code) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "no error";
}

TEST(QuantizedMatmulCall, RefusesWhatDoesNotFit) {
  const Weights w(QuantFormat::Q4_0, 3, 64, 1);
  const std::vector<float> x(256);
  std::vector<float> out(64);
  float* const outs[] = {out.data()};
  const int64_t ld[] = {3}, short_ld[] = {2};
  const auto call = [&](int64_t m, int64_t k, int64_t ldx, const QuantMatrix& q,
                        std::span<const int64_t> leading) {
    return [=, &q, &x, &outs] { quantized_matmul(x.data(), m, k, ldx, {&q, 1}, outs, leading, false); };
  };
  const QuantMatrix odd{w.matrix.data, QuantFormat::Q4_0, 3, 40},
      negative{w.matrix.data, QuantFormat::Q4_0, -1, 64};
  EXPECT_THAT(error_of(call(1, 32, 32, w.matrix, ld), ErrorCode::kInvalidArgument),
              HasSubstr("64 columns, the input 32"));
  EXPECT_THAT(error_of(call(1, 40, 40, odd, ld), ErrorCode::kInvalidArgument), HasSubstr("block of 32"));
  EXPECT_THAT(error_of(call(1, 64, 64, negative, ld), ErrorCode::kShape), HasSubstr("negative size"));
  EXPECT_THAT(error_of(call(-1, 64, 64, w.matrix, ld), ErrorCode::kShape), HasSubstr("negative size"));
  EXPECT_THAT(error_of(call(2, 64, 63, w.matrix, ld), ErrorCode::kShape), HasSubstr("cannot lie 63 apart"));
  EXPECT_THAT(error_of(call(2, 64, 64, w.matrix, short_ld), ErrorCode::kShape),
              HasSubstr("cannot lie 2 apart"));
  EXPECT_THAT(error_of(call(2, 64, 64, w.matrix, {}), ErrorCode::kInvalidArgument), HasSubstr("got 1 and 0"));
}

TEST(DecodeRows, AreTheDefinition) {
  for (const QuantTraits& row : kQuantTraits) {
    const Weights w(row.format, 50, 512, 3);
    const std::vector<int64_t> wide{49, 0, 7, 7};
    const std::vector<int32_t> narrow{49, 0, 7, 7};
    std::vector<float> a(4 * 512), b(4 * 512), all(50 * 512);
    decode_rows(w.matrix, wide, a.data());
    decode_rows(w.matrix, narrow, b.data());
    std::vector<float> expected;
    for (const int64_t r : wide)
      expected.insert(expected.end(), w.values.begin() + r * 512, w.values.begin() + (r + 1) * 512);
    ASSERT_EQ(std::memcmp(a.data(), expected.data(), a.size() * 4), 0) << row.name;
    ASSERT_EQ(std::memcmp(a.data(), b.data(), a.size() * 4), 0);
    decode_matrix(w.matrix, all.data());
    ASSERT_EQ(std::memcmp(all.data(), w.values.data(), all.size() * 4), 0) << row.name;
  }
}

TEST(DecodeRows, RefuseRowsThatAreNotThere) {
  const Weights w(QuantFormat::Q8_0, 4, 32, 1);
  std::vector<float> out(32);
  for (const int64_t row : {int64_t{-1}, int64_t{4}})
    EXPECT_THAT(
        error_of([&] { decode_rows(w.matrix, std::span(&row, 1), out.data()); }, ErrorCode::kInvalidArgument),
        HasSubstr("outside the 4 rows"));
}

}  // namespace
}  // namespace uma::cpu
