// Without VNNI.
#include "backend/cpu/quant/emulated512-inl.h"
//
#include "backend/cpu/quant/kernels512-inl.h"
//
#include "backend/cpu/quant/table-inl.h"
//
#include "backend/cpu/quant/emulated_test-inl.h"

namespace uma::cpu {
namespace {

TEST(EmulatedAvx512, GivesTheBitsOfAvx2) {
  if (available_isas().back() < Isa::avx2) GTEST_SKIP() << "this machine has no AVX2";
  for (size_t i = 3; i < kFormats; ++i) expect_same_as_avx2(static_cast<QuantFormat>(i));
}

}  // namespace
}  // namespace uma::cpu
