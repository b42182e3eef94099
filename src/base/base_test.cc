#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "base/dtype.h"
#include "base/shape.h"
#include "base/thread.h"
#include "base/thread_pool.h"

namespace uma {
namespace {

TEST(Error, CarriesTagRuleAndValues) {
  try {
    normalize_axis(3, 2, "softmax");
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "[softmax] axis 3 is out of range for an array of 2 dimensions");
    EXPECT_EQ(e.code(), ErrorCode::kIndex);
    EXPECT_EQ(e.op(), "softmax");
    EXPECT_EQ(e.message(), "axis 3 is out of range for an array of 2 dimensions");
  }
}

TEST(Half, EveryFloat16SurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = f16_bits_to_f32(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f16_bits_to_f32(f32_to_f16_bits(value))));
    } else {
      EXPECT_EQ(f32_to_f16_bits(value), bits);
    }
  }
}

TEST(Half, RoundsToNearestEvenAsTheHardwareType) {
  for (uint32_t i = 0; i < 0x7f800000u; i += 4099) {
    const float value = std::bit_cast<float>(i);
#ifdef __FLT16_MANT_DIG__
    const _Float16 expected = static_cast<_Float16>(value);
    EXPECT_EQ(f32_to_f16_bits(value), std::bit_cast<uint16_t>(expected)) << value;
#endif
  }
  EXPECT_EQ(static_cast<float>(bfloat16(1.00390625f)), 1.0f);       // tie to even
  EXPECT_EQ(static_cast<float>(bfloat16(1.01171875f)), 1.015625f);  // tie to even, upwards
  EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(DType, PromotionFollowsMlx) {
  EXPECT_EQ(promote(DType::uint8, DType::int8), DType::int16);
  EXPECT_EQ(promote(DType::uint32, DType::int32), DType::int64);
  EXPECT_EQ(promote(DType::uint64, DType::int64), DType::float32);
  EXPECT_EQ(promote(DType::float16, DType::bfloat16), DType::float32);
  EXPECT_EQ(promote(DType::int64, DType::float16), DType::float16);
  EXPECT_EQ(promote(DType::bool_, DType::uint8), DType::uint8);
  EXPECT_EQ(promote(DType::float64, DType::complex64), DType::complex64);
  for (int i = 0; i < kNumDTypes; ++i)
    EXPECT_EQ(dtype_from_name(name_of(static_cast<DType>(i))), static_cast<DType>(i));
  EXPECT_THROW(dtype_from_name("float8"), Error);
}

TEST(Shape, BroadcastsAndRefuses) {
  EXPECT_EQ(broadcast_shapes({3, 1}, {2, 1, 4}, "add"), (Shape{2, 3, 4}));
  EXPECT_EQ(broadcast_shapes({0}, {1}, "add"), (Shape{0}));
  EXPECT_THROW(broadcast_shapes({2}, {3}, "add"), Error);
  EXPECT_EQ(num_elements({}), 1);
  EXPECT_THROW(num_elements({int64_t{1} << 40, int64_t{1} << 40}), Error);
  EXPECT_THROW(num_elements({-1}), Error);
  EXPECT_EQ(to_string(Shape{4}), "(4,)");
}

TEST(SmallVector, GrowsPastItsInlineRoomAndMoves) {
  Shape shape;
  for (int64_t i = 0; i < 20; ++i) shape.push_back(i);
  Shape moved = std::move(shape);
  EXPECT_TRUE(shape.empty());
  ASSERT_EQ(moved.size(), 20u);
  EXPECT_EQ(moved[19], 19);
  moved.insert(moved.begin(), 7);
  moved.erase(moved.begin() + 1);
  EXPECT_EQ(moved[0], 7);
  EXPECT_EQ(moved[1], 1);
}

TEST(Thread, TakesNoSignalsAndLeavesItsMakerThem) {
  sigset_t inside, outside;
  start_thread([&] { pthread_sigmask(SIG_BLOCK, nullptr, &inside); }).join();
  pthread_sigmask(SIG_BLOCK, nullptr, &outside);
  EXPECT_TRUE(sigismember(&inside, SIGINT) && sigismember(&inside, SIGWINCH));
  EXPECT_FALSE(sigismember(&outside, SIGINT) || sigismember(&outside, SIGWINCH));
  EXPECT_FALSE(sigismember(&inside, SIGSEGV));
}

TEST(ThreadPool, RunsEachTaskOnceAndRethrows) {
  for (int threads : {1, 2, 5}) {
    set_num_threads(threads);
    EXPECT_EQ(num_threads(), threads);
    std::vector<std::atomic<int>> runs(1000);
    parallel_for(1000, [&](int64_t i) { runs[i]++; });
    for (auto& n : runs) EXPECT_EQ(n, 1);
    EXPECT_THROW(parallel_for(10,
                              [](int64_t i) {
                                if (i == 7) throw std::runtime_error("seven");
                              }),
                 std::runtime_error);
    std::atomic<int64_t> sum{0};
    parallel_for(4, [&](int64_t) { parallel_for(10, [&](int64_t i) { sum += i; }); });
    EXPECT_EQ(sum, 180);
  }
  set_num_threads(0);
}

TEST(ThreadPool, RangesCoverWithoutGapsOrOverlap) {
  for (int64_t n : {0, 1, 7, 64, 1001}) {
    std::vector<std::atomic<int>> seen(n);
    parallel_ranges(n, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) seen[i]++;
    });
    for (auto& count : seen) EXPECT_EQ(count, 1);
  }
}

}  // namespace
}  // namespace uma
