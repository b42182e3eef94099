// Groups of elementwise ops: what they give is what the ops give one by one, bit for bit.
#include <cstring>
#include <memory>
#include <random>

#include "core/eval.h"
#include "core/kernel.h"
#include "core/memory.h"
#include "core/plan.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "ops/testing.h"
#include "transforms/transforms.h"

namespace uma {
namespace {
using namespace testing;

struct FusionOff {
  FusionOff() { set_fusion(false); }
  ~FusionOff() { set_fusion(true); }
};

// A program of elementwise steps over arrays of one shape in any layout, mixed with scalars, casts, views and
// reductions; the same for the same seed.
class Program {
 public:
  Program(uint32_t seed, Shape shape) : random_(seed), shape_(std::move(shape)) {}

  std::vector<array> run() {
    std::vector<array> pool;
    for (uint32_t i = 0; i < 3; ++i)
      for (const array& x : layouts_of(random_array(shape_, 100 * i + 7, 0.1, 2)))
        pool.push_back(astype(x, dtype()));
    eval(pool);
    if (pick(2) == 0) pool.erase(pool.begin(), pool.begin() + static_cast<std::ptrdiff_t>(pool.size() / 2));
    std::vector<array> results;
    const uint32_t steps = 2 + pick(90);
    for (uint32_t i = 0; i < steps; ++i) {
      array next = step(pool);
      if (pick(12) == 0) results.push_back(next);
      pool[pick(static_cast<uint32_t>(pool.size()))] = next;  // its predecessor may have no other handle
    }
    results.push_back(pool[0]);
    results.push_back(pool.back());
    return results;
  }

 private:
  uint32_t pick(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  DType dtype() {
    constexpr DType kinds[] = {DType::float32, DType::float32, DType::float16, DType::bfloat16,
                               DType::float64, DType::int32,   DType::uint8,   DType::bool_};
    return kinds[pick(8)];
  }
  array step(const std::vector<array>& pool) {
    const auto any = [&] { return pool[pick(static_cast<uint32_t>(pool.size()))]; };
    switch (pick(14)) {
      case 0:
        return any() + any();
      case 1:
        return any() * array(0.5f);
      case 2:
        return maximum(any(), any());
      case 3:
        return tanh(any());
      case 4:
        return exp(minimum(any(), array(1.0f)));
      case 5:
        return where(greater(any(), any()), any(), any());
      case 6:
        return astype(any(), dtype());
      case 7:
        return any() - mean(astype(any(), DType::float32), {-1}, true);
      case 8:
        return sqrt(abs(any()));
      case 9:
        return broadcast_to(sum(any()), shape_) + any();
      case 10:
        return log(abs(any()) + array(1.0f));
      case 11:
        return astype(less(any(), any()), DType::float32) * any();
      case 12:
        return sigmoid(any());
      default:
        return square(any()) - any();
    }
  }

  std::mt19937 random_;
  Shape shape_;
};

void expect_same_bits(const array& a, const array& b) {
  ASSERT_EQ(a.dtype(), b.dtype());
  ASSERT_EQ(a.shape(), b.shape());
  const array x = row_contiguous(a), y = row_contiguous(b);
  EXPECT_EQ(std::memcmp(x.bytes(), y.bytes(), static_cast<size_t>(a.nbytes())), 0);
}

TEST(Fusion, GivesTheSameBitsAsOneOpAfterTheOther) {
  const Shape shapes[] = {{1},      {7},          {1024},   {1025},     {3, 5},
                          {33, 65}, {2, 3, 4, 5}, {5, 700}, {200, 300}, {1, 9, 1, 130}};
  for (uint32_t seed = 0; seed < 120; ++seed) {
    SCOPED_TRACE(seed);
    const Shape& shape = shapes[seed % std::size(shapes)];
    std::vector<array> fused = Program(seed, shape).run();
    eval(fused);
    const FusionOff off;
    std::vector<array> single = Program(seed, shape).run();
    eval(single);
    ASSERT_EQ(fused.size(), single.size());
    for (size_t i = 0; i < fused.size(); ++i) expect_same_bits(fused[i], single[i]);
  }
}

TEST(Fusion, EmptyAndScalarArrays) {
  const array nothing = zeros({4, 0, 3}, DType::float32);
  EXPECT_EQ(exp(nothing * array(2.0f) + nothing).to_vector<float>().size(), 0u);
  EXPECT_EQ(exp(array(0.0f) * array(2.0f) + array(0.0f)).item<float>(), 1);
}

TEST(Fusion, OnlyWhatSomebodyReadsTakesMemory) {
  const array x = full({1 << 20}, 1.0, DType::float32);
  eval(x);
  synchronize();
  const size_t before = get_active_memory();
  reset_peak_memory();
  array y = x;
  for (int i = 0; i < 20; ++i) y = y * array(1.5f) - x;
  eval(y);
  EXPECT_LE(get_peak_memory() - before, size_t{5} << 20);
  EXPECT_LE(get_active_memory() - before, size_t{5} << 20);
}

TEST(Fusion, AnInnerResultWithAHandleIsStored) {
  const array x = full({3000}, 2.0, DType::float32);
  const array inner = x * x, other = inner + x, last = exp(inner) - other;
  eval(last);
  EXPECT_TRUE(inner.is_ready() && other.is_ready());
  EXPECT_EQ(inner.to_vector<float>()[2999], 4);
  EXPECT_EQ(other.to_vector<float>()[0], 6);
}

TEST(Fusion, AnInnerResultThatAnUnevaluatedGraphReadsIsStored) {
  const array x = full({3000}, 2.0, DType::float32);
  array later = x, last = x;
  {
    const array inner = x * x + x;
    later = sqrt(inner);
    last = inner * x;
  }
  eval(last);
  EXPECT_EQ(later.to_vector<float>()[17], std::sqrt(6.0f));
}

TEST(Fusion, InputsInUseAreNotOverwritten) {
  array x = full({5000}, 3.0, DType::float32);
  eval(x);
  const array kept = x;
  x = x * x;
  x = x + kept;
  eval(x);
  EXPECT_EQ(kept.to_vector<float>()[4999], 3);
  EXPECT_EQ(x.to_vector<float>()[4999], 12);
}

TEST(Fusion, AnInputIsTakenOnlyAfterItsLastReader) {
  // The first result could lie in x's memory but for the second, which reads x again.
  array x = full({5000}, 3.0, DType::float32), first = x, second = x;
  eval(x);
  {
    array moved = std::move(x);
    first = moved * moved;
    second = first + moved;
  }
  x = array(0.0f);
  eval(std::vector<array>{first, second});
  EXPECT_EQ(first.to_vector<float>()[4999], 9);
  EXPECT_EQ(second.to_vector<float>()[4999], 12);
}

TEST(Fusion, TransformationsReadWhatGroupsMade) {
  const auto f = [](const array& x) {
    array y = x;
    for (int i = 0; i < 3; ++i) y = tanh(y * x) + exp(y) * array(0.1);
    return sum(y);
  };
  const array x = random_array({40}, 5, -1, 1);
  expect_near(grad(f)(x), [&] {
    const FusionOff off;
    array g = grad(f)(x);
    eval(g);
    return g;
  }());
}

TEST(Fusion, AnErrorInAGroupReachesItsReaders) {
  const array big = broadcast_to(full({1}, 1.0, DType::float32), {int64_t{1} << 46});
  const array y = exp(big * array(2.0f));
  EXPECT_THROW(eval(y), Error);
  EXPECT_THROW(y.eval(), Error);
}

}  // namespace
}  // namespace uma
