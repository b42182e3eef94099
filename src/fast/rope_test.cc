// rope against loops in f64.
#include "fast/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/thread_pool.h"
#include "fast/testing.h"
#include "ops/indexing.h"
#include "ops/shape.h"

namespace uma {
namespace {

using testing::as_doubles;
using testing::expect_close;
using testing::expect_error;
using testing::random_array;

struct Case {
  Shape shape{1, 3, 5, 64};
  int dims = 64;
  bool traditional = false;
  float base = 10000, scale = 1;
  int64_t offset = 0;
  bool freqs = false;
  DType dtype = DType::float32;

  std::string name() const {
    return fmt::format("{} {} dims {} traditional {} base {} scale {} offset {} freqs {}", to_string(shape),
                       name_of(dtype), dims, traditional, base, scale, offset, freqs);
  }
  std::optional<array> denominators() const {
    if (!freqs) return std::nullopt;
    return add(random_array({dims / 2}, 5, DType::float32, 40.0f), array(41.0f));
  }
};

array run(const array& x, const Case& c) {
  return rope(x, c.dims, c.traditional, c.base, c.scale, c.offset, c.denominators());
}

std::vector<double> naive(const array& x, const Case& c) {
  std::vector<double> v = as_doubles(x), freqs;
  if (c.freqs) freqs = as_doubles(*c.denominators());
  const int64_t length = x.shape(-2), dim = x.shape(-1), half = c.dims / 2;
  for (int64_t row = 0; row < x.size() / dim; ++row)
    for (int64_t i = 0; i < half; ++i) {
      const double at = static_cast<double>(c.offset + row % length) * static_cast<double>(c.scale);
      const double angle =
          c.freqs ? at / freqs[static_cast<size_t>(i)]
                  : at * std::pow(static_cast<double>(c.base), -2.0 * static_cast<double>(i) / c.dims);
      double& a = v[static_cast<size_t>(row * dim + (c.traditional ? 2 * i : i))];
      double& b = v[static_cast<size_t>(row * dim + (c.traditional ? 2 * i + 1 : i + half))];
      const double a0 = a, b0 = b;
      a = a0 * std::cos(angle) - b0 * std::sin(angle);
      b = a0 * std::sin(angle) + b0 * std::cos(angle);
    }
  return v;
}

double tolerance(DType d) {
  return d == DType::float32 ? 3e-7 : d == DType::float16 ? 6e-4 : 5e-3;
}

void check_case(const Case& c) {
  SCOPED_TRACE(c.name());
  const array x = random_array(c.shape, 1, c.dtype);
  const auto expected = naive(x, c);
  testing::for_each_isa([&] { expect_close(as_doubles(run(x, c)), expected, tolerance(c.dtype)); });
}

TEST(Rope, BothPairingsAndPartialDims) {
  for (const bool traditional : {false, true})
    for (const int64_t dim : {2, 6, 33, 64, 80, 256})
      for (const int dims : {2, 4, 6, 32, 34, 64, 80, 256})
        if (dims <= dim)
          for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16})
            check_case({.shape = {2, 5, dim},
                        .dims = dims,
                        .traditional = traditional,
                        .offset = 3,
                        .dtype = dtype});
}

TEST(Rope, PositionsBasesScalesAndFreqs) {
  for (const int64_t offset : {0, 1, 511, 32767, 1000000})
    for (const float base : {10000.0f, 1e6f})
      for (const float scale : {1.0f, 0.25f, -1.0f})
        for (const bool freqs : {false, true})
          check_case({.base = base, .scale = scale, .offset = offset, .freqs = freqs});
}

TEST(Rope, LongSequencesOnAnyNumberOfThreads) {
  const Case c{.shape = {2, 4, 400, 64}};
  const array x = random_array(c.shape, 1);
  const auto expected = naive(x, c);
  std::vector<double> first;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    const auto got = as_doubles(run(x, c));
    expect_close(got, expected, 3e-7);
    if (threads == 1) first = got;
    EXPECT_EQ(got, first);
  }
  set_num_threads(0);
}

TEST(Rope, FirstPositionChangesNothing) {
  const array x = random_array({4, 1, 64}, 2);
  EXPECT_EQ(rope(x, 64, false, 10000, 1, 0).to_vector<float>(), x.to_vector<float>());
}

TEST(Rope, ViewsAndEmptyArrays) {
  const Case c{.shape = {1, 5, 7, 64}, .dims = 32, .offset = 9};
  // Heads and positions swapped, as in a model; then features that are not neighbours; then a broadcast.
  const array swapped = swapaxes(random_array({1, 7, 5, 64}, 1), 1, 2);
  expect_close(as_doubles(run(swapped, c)), naive(swapped, c), 3e-7);
  const array spread = swapaxes(random_array({1, 5, 64, 7}, 1), 2, 3);
  expect_close(as_doubles(run(spread, c)), naive(spread, c), 3e-7);
  const array same = broadcast_to(random_array({1, 1, 7, 64}, 1), {1, 5, 7, 64});
  expect_close(as_doubles(run(same, c)), naive(same, c), 3e-7);
  EXPECT_EQ(rope(random_array({0, 3, 8}, 1), 8, false, 10000, 1, 0).size(), 0);
  EXPECT_EQ(rope(random_array({3, 0, 8}, 1), 8, true, 10000, 1, 0).size(), 0);
}

TEST(Rope, TurnsInPlaceWhereNobodyElseHoldsTheInput) {
  const Case c{.shape = {1, 5, 7, 64}, .dims = 32, .offset = 9};
  const array base = random_array({1, 7, 5, 64}, 1);
  const auto expected = naive(swapaxes(base, 1, 2), c);
  array x = add(base, array(0.0f));
  x.eval();
  const void* memory = x.bytes();
  array y = run(swapaxes(x, 1, 2), c);
  x = array(0.0f);
  y.eval();
  EXPECT_EQ(y.bytes(), memory);
  expect_close(as_doubles(y), expected, 3e-7);
  // And never where someone does.
  const array kept = add(base, array(0.0f));
  const auto before = kept.to_vector<float>();
  run(swapaxes(kept, 1, 2), c).eval();
  EXPECT_EQ(kept.to_vector<float>(), before);
}

TEST(Rope, EachSequenceHasAnOffsetOfItsOwn) {
  const array x = random_array({3, 2, 5, 64}, 1), swapped = swapaxes(random_array({3, 5, 2, 64}, 2), 1, 2);
  const array freqs = Case{.freqs = true}.denominators().value();
  const int64_t offsets[] = {7, 0, 100000};
  const array at = array({int32_t{7}, 0, 100000});
  for (const bool traditional : {false, true})
    for (const array& in : {x, swapped})
      for (const std::optional<array>& f : {std::optional<array>(), std::optional<array>(freqs)}) {
        const array y = rope(in, 64, traditional, 1e4f, 1, at, f);
        const auto composed = rope_fallback(*y.node(), y.node()->inputs);
        expect_close(as_doubles(composed[0]), as_doubles(y), 3e-7);
        for (int64_t b = 0; b < 3; ++b) {
          const array one = slice(in, {b, 0, 0, 0}, {b + 1, 2, 5, 64});
          EXPECT_EQ(as_doubles(slice(y, {b, 0, 0, 0}, {b + 1, 2, 5, 64})),
                    as_doubles(rope(one, 64, traditional, 1e4f, 1, offsets[b], f)));
        }
        // One for all.
        EXPECT_EQ(as_doubles(rope(in, 64, traditional, 1e4f, 1, array(7), f)),
                  as_doubles(rope(in, 64, traditional, 1e4f, 1, 7, f)));
      }
}

TEST(Rope, FallbackGivesTheSame) {
  for (const bool traditional : {false, true})
    for (const bool freqs : {false, true})
      for (const int dims : {8, 20})
        for (const DType dtype : {DType::float32, DType::bfloat16}) {
          const Case c{.shape = {2, 3, 6, 20},
                       .dims = dims,
                       .traditional = traditional,
                       .scale = 0.5f,
                       .offset = 17,
                       .freqs = freqs,
                       .dtype = dtype};
          SCOPED_TRACE(c.name());
          const array y = run(random_array(c.shape, 1, dtype), c);
          const auto composed = rope_fallback(*y.node(), y.node()->inputs);
          EXPECT_EQ(composed[0].dtype(), dtype);
          expect_close(as_doubles(y), as_doubles(composed[0]), tolerance(dtype));
        }
}

TEST(Rope, RefusesWhatDoesNotFit) {
  const array x = random_array({2, 3, 8}, 1);
  const auto refuse = [&](ErrorCode code, const array& a, int dims, float base, float scale, int64_t offset,
                          const std::optional<array>& freqs = {}) {
    expect_error(code, [&] { rope(a, dims, false, base, scale, offset, freqs); });
  };
  refuse(ErrorCode::kShape, random_array({8}, 1), 8, 1e4f, 1, 0);
  refuse(ErrorCode::kDType, random_array({3, 8}, 1, DType::int32), 8, 1e4f, 1, 0);
  refuse(ErrorCode::kDType, random_array({3, 8}, 1, DType::float64), 8, 1e4f, 1, 0);
  for (const int dims : {-2, 0, 3, 10}) refuse(ErrorCode::kInvalidArgument, x, dims, 1e4f, 1, 0);
  refuse(ErrorCode::kInvalidArgument, x, 8, 0.0f, 1, 0);
  refuse(ErrorCode::kInvalidArgument, x, 8, std::nanf(""), 1, 0);
  refuse(ErrorCode::kInvalidArgument, x, 8, 1e4f, INFINITY, 0);
  refuse(ErrorCode::kInvalidArgument, x, 8, 1e4f, 1, -1);
  refuse(ErrorCode::kInvalidArgument, x, 8, 1e4f, 1, INT64_MAX - 2);
  refuse(ErrorCode::kShape, x, 8, 1e4f, 1, 0, random_array({3}, 1));
  refuse(ErrorCode::kShape, x, 8, 1e4f, 1, 0, random_array({1, 4}, 1));
  refuse(ErrorCode::kDType, x, 8, 1e4f, 1, 0, random_array({4}, 1, DType::int32));
  const auto refuse_offset = [&](ErrorCode code, const array& a, const array& offset) {
    expect_error(code, [&] { rope(a, 8, false, 1e4f, 1, offset); });
  };
  refuse_offset(ErrorCode::kDType, x, array(1.0f));
  refuse_offset(ErrorCode::kShape, x, array({1, 2, 3}));
  refuse_offset(ErrorCode::kShape, x, array({1, 2}, {2, 1}));
  refuse_offset(ErrorCode::kShape, random_array({3, 8}, 1), array({1, 2, 3}));
}

}  // namespace
}  // namespace uma
