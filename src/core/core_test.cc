// Core by itself: a device and three ops made here, so that nothing above core takes part.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <numeric>
#include <thread>

#include "core/eval.h"
#include "core/kernel.h"
#include "core/layout.h"
#include "core/memory.h"

namespace uma {
namespace {

const Backend kTestBackend{DeviceType::cpu,
                           "test",
                           [](size_t bytes) { return static_cast<uint8_t*>(std::aligned_alloc(64, bytes)); },
                           [](uint8_t* data, size_t) { std::free(data); },
                           nullptr,
                           true};
const bool installed = (register_backend(kTestBackend), true);

std::atomic<int> runs = 0;  // kernels of several threads count

bool transpose_view(KernelArgs& args) {
  const Strides& s = args.in(0).strides();
  args.view(0, {s[1], s[0]});
  return true;
}
std::vector<array> twice_fallback(const Node& node, std::span<const array> inputs);
std::vector<array> no_fallback(const Node&, std::span<const array>) {
  fail(ErrorCode::kDevice, "broken", "as planned");
}

constexpr OpInfo kSum{.name = "test_sum", .args = "x, y", .fusion = Fusion::elementwise};
constexpr OpInfo kTranspose{
    .name = "test_transpose", .args = "x", .fusion = Fusion::view, .view = transpose_view};
constexpr OpInfo kTwice{.name = "test_twice", .args = "x", .fallback = twice_fallback};
constexpr OpInfo kHalves{.name = "test_halves", .args = "x"};
constexpr OpInfo kBroken{.name = "test_broken", .args = "x", .fallback = no_fallback};
constexpr OpInfo kMissing{.name = "test_missing", .args = "x"};

void sum_kernel(KernelArgs& args) {
  ++runs;
  const array x = row_contiguous(args.in(0)), y = row_contiguous(args.in(1));
  const float *a = x.data<float>(), *b = y.data<float>();
  // x and y are further handles here, so the memory of an input is asked for first.
  std::vector<float> total(static_cast<size_t>(x.size()));
  for (size_t i = 0; i < total.size(); ++i) total[i] = a[i] + b[i];
  std::copy(total.begin(), total.end(), args.allocate().mutable_data<float>());
}
void halves_kernel(KernelArgs& args) {
  ++runs;
  const array x = row_contiguous(args.in(0));
  const int64_t half = x.size() / 2;
  for (int o = 0; o < 2; ++o)
    std::copy_n(x.data<float>() + o * half, half,
                args.allocate(static_cast<size_t>(o)).mutable_data<float>());
}
const bool registered = register_kernel(kSum, DeviceType::cpu, sum_kernel) &&
                        register_kernel(kHalves, DeviceType::cpu, halves_kernel);

array sum(const array& x, const array& y) {
  return array::make(x.shape(), x.dtype(), kSum, {x, y});
}
array transpose(const array& x) {
  return array::make({x.shape(1), x.shape(0)}, x.dtype(), kTranspose, {x});
}
array twice(const array& x) {
  return array::make(x.shape(), x.dtype(), kTwice, {x});
}
std::vector<array> halves(const array& x) {
  return array::make_many({{{x.size() / 2}, x.dtype(), {}}, {{x.size() / 2}, x.dtype(), {}}},
                          std::make_shared<Node>(kHalves, default_stream(), std::vector<array>{x}));
}
std::vector<array> twice_fallback(const Node&, std::span<const array> inputs) {
  return {sum(inputs[0], inputs[0])};
}

std::vector<float> iota(int n) {
  std::vector<float> v(static_cast<size_t>(n));
  std::iota(v.begin(), v.end(), 0.f);
  return v;
}

TEST(Array, HoldsValuesScalarsAndRefusesWrongSizes) {
  EXPECT_EQ(array({1.f, 2.f, 3.f}).to_vector<float>(), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(array(3).dtype(), DType::int32);
  EXPECT_EQ(array(2.5f, DType::bfloat16).dtype(), DType::bfloat16);
  EXPECT_EQ(static_cast<float>(array(2.5f, DType::bfloat16).item<bfloat16>()), 2.5f);
  EXPECT_EQ(array(true).item<bool>(), true);
  EXPECT_EQ(array(uint64_t{0xffffffffffffffffu}).item<uint64_t>(), 0xffffffffffffffffu);
  EXPECT_THROW(array({1.f, 2.f}, Shape{3}), Error);
  EXPECT_THROW(array({1.f, 2.f}).item<float>(), Error);
  EXPECT_THROW(array(1.f).item<int32_t>(), Error);
  EXPECT_THROW(array(1.f).shape(0), Error);
}

TEST(Eval, RunsEachOpOnceAndOnlyWhenAsked) {
  runs = 0;
  const array x({1.f, 2.f});
  const array y = sum(x, x), z = sum(y, y);
  EXPECT_EQ(runs, 0);
  EXPECT_FALSE(z.is_ready());
  EXPECT_EQ(z.to_vector<float>(), (std::vector<float>{4, 8}));
  EXPECT_EQ(runs, 2);
  y.eval();
  EXPECT_EQ(runs, 2);
  eval({sum(x, x), y});  // a braced list is one of arrays, not the values of one
  EXPECT_EQ(runs, 3);
}

TEST(Eval, PlanListsOpsInputsFirst) {
  const array x({1.f, 2.f, 3.f, 4.f}, {2, 2});
  const array y = sum(transpose(sum(x, x)), x);
  const auto plan = plan_of(std::vector<array>{y});
  ASSERT_EQ(plan.size(), 3u);
  EXPECT_EQ(plan[0].op, &kSum);
  EXPECT_EQ(plan[1].op, &kTranspose);
  EXPECT_EQ(plan[2].op, &kSum);
  EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{3, 8, 7, 12}));
}

TEST(Eval, ViewsShareMemory) {
  const array x(std::span<const float>(iota(6)), {2, 3});
  const array t = transpose(x);
  EXPECT_TRUE(t.is_ready()) << "a view of what is ready is ready at once";
  EXPECT_EQ(t.buffer(), x.buffer());
  EXPECT_FALSE(t.is_row_contiguous());
  EXPECT_EQ(t.to_vector<float>(), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(transpose(t).to_vector<float>(), iota(6));
}

TEST(Eval, FallbackStandsInForAKernel) {
  EXPECT_EQ(twice(array({1.f, 5.f})).to_vector<float>(), (std::vector<float>{2, 10}));
}

TEST(Eval, SeveralOutputsRunOnceEvenWhenOneIsGone) {
  runs = 0;
  const array x({1.f, 2.f, 3.f, 4.f});
  auto parts = halves(x);
  const array second = parts[1];
  parts.clear();
  EXPECT_EQ(second.to_vector<float>(), (std::vector<float>{3, 4}));
  auto both = halves(x);
  EXPECT_EQ(sum(both[0], both[1]).to_vector<float>(), (std::vector<float>{4, 6}));
  EXPECT_EQ(runs, 3);
}

TEST(Eval, ErrorsReachTheCallerAndEveryLaterReader) {
  const array x({1.f});
  const array bad = array::make(x.shape(), x.dtype(), kBroken, {x});
  const array after = sum(bad, x);
  EXPECT_THROW(after.eval(), Error);
  EXPECT_THROW(after.eval(), Error);
  EXPECT_THROW(sum(bad, x).eval(), Error);
  try {
    array::make(x.shape(), x.dtype(), kMissing, {x}).eval();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kNoKernel);
    EXPECT_STREQ(e.what(), "[test_missing] has no kernel on cpu for float32");
  }
}

TEST(Eval, LongChainsNeedNoStack) {
  array x({1.f});
  const array zero({0.f});
  for (int i = 0; i < 200000; ++i) x = sum(x, zero);
  EXPECT_EQ(x.item<float>(), 1.f);
  array never = x;
  for (int i = 0; i < 200000; ++i) never = sum(never, zero);  // destroyed unevaluated
}

TEST(Eval, AsyncRunsAndHandsErrorsToTheReader) {
  const array x({1.f, 2.f});
  array y = sum(x, x);
  async_eval(std::vector<array>{y});
  const array z = sum(y, x);  // built on a value that may still be under way
  EXPECT_EQ(z.to_vector<float>(), (std::vector<float>{3, 6}));
  const array bad = array::make(x.shape(), x.dtype(), kBroken, {x});
  async_eval(std::vector<array>{bad});
  EXPECT_THROW(bad.eval(), Error);
  synchronize();
}

TEST(Eval, SeveralThreadsMayShareAGraph) {
  for (int round = 0; round < 50; ++round) {
    const array x({1.f, 2.f});
    array shared = x;
    for (int i = 0; i < 20; ++i) shared = sum(shared, x);
    std::vector<std::thread> threads;
    std::atomic<int> right{0};
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        right += sum(shared, x).to_vector<float>() == std::vector<float>({22, 44});
      });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(right, 4);
  }
}

TEST(Memory, IsCountedCachedAndLimited) {
  clear_cache();
  const size_t before = get_active_memory();
  {
    const auto buffer = Buffer::allocate(100000, Device{});
    EXPECT_GE(get_active_memory(), before + 100000);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % kBufferAlignment, 0u);
    EXPECT_GE(get_peak_memory(), before + 100000);
  }
  EXPECT_EQ(get_active_memory(), before);
  EXPECT_GE(get_cache_memory(), 100000u);
  clear_cache();
  EXPECT_EQ(get_cache_memory(), 0u);
  const size_t old = set_memory_limit(before + 1000);
  EXPECT_THROW(Buffer::allocate(4096, Device{}), Error);
  set_memory_limit(old);
  EXPECT_EQ(get_active_memory(), before);
  EXPECT_THROW(Buffer::allocate(SIZE_MAX, Device{}), Error);
}

TEST(Memory, IntermediateResultsAreFreedAtTheirLastUse) {
  const array x(std::span<const float>(std::vector<float>(1 << 16, 1.f)), {1 << 16});
  array y = x;
  for (int i = 0; i < 50; ++i) y = sum(y, x);
  reset_peak_memory();
  const size_t before = get_active_memory();
  y.eval();
  EXPECT_LE(get_peak_memory() - before, 3u << 18);  // not 50 of 256 KiB
  EXPECT_EQ(y.to_vector<float>()[0], 51.f);
}

TEST(Memory, ViewsOfForeignMemoryKeepItsOwner) {
  auto owner = std::make_shared<std::vector<float>>(iota(4));
  std::weak_ptr<std::vector<float>> watch = owner;
  {
    const array x = array::from_buffer(Buffer::view(owner->data(), 16, owner), 4, {3}, DType::float32);
    owner.reset();
    EXPECT_FALSE(watch.expired());
    EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{1, 2, 3}));
    EXPECT_FALSE(x.buffer()->writable());
    EXPECT_THROW(array::from_buffer(x.buffer(), 4, {4}, DType::float32), Error);
  }
  EXPECT_TRUE(watch.expired());
}

TEST(Layout, CollapsesWhatIsEvenAndWalksTheRest) {
  const Strides a{12, 4, 1}, b{0, 0, 1};
  const Strides one[] = {a};
  EXPECT_EQ(collapse({2, 3, 4}, one).shape, (Shape{24}));
  const Strides two[] = {a, b};
  const Layout layout = collapse({2, 3, 4}, two);
  EXPECT_EQ(layout.shape, (Shape{6, 4}));
  OuterWalk walk(layout, 4);
  EXPECT_EQ(walk.offset(0), 16);
  EXPECT_EQ(walk.offset(1), 0);
  walk.next();
  EXPECT_EQ(walk.offset(0), 20);
  EXPECT_EQ(collapse({}, one).shape, (Shape{1}));
}

TEST(Device, NamesAreReadAndRefused) {
  EXPECT_EQ(device_from_name("cpu").type, DeviceType::cpu);
  EXPECT_THROW(device_from_name("tpu"), Error);
  EXPECT_THROW(device_from_name("cpu:x"), Error);
  EXPECT_THROW(device_from_name("cuda"), Error);
}

}  // namespace
}  // namespace uma
