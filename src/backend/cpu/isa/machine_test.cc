#include "backend/cpu/isa/machine.h"

#include <gtest/gtest.h>

#include "backend/cpu/isa/isa.h"

namespace uma::cpu {
namespace {

// Wide enough for any machine of these years, under a sanitizer and beside other programs.
TEST(Machine, FiguresArePlausible) {
  const double read = measure_read_bandwidth();
  EXPECT_GT(read, 0.2);
  EXPECT_LT(read, 5000);
}

TEST(Machine, EveryLevelHasItsPeak) {
  const Isa before = current_isa();
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    const double int8 = measure_int8_peak(), f32 = measure_f32_peak();
    EXPECT_GT(int8, 0.1) << to_string(isa);
    EXPECT_GT(f32, 0.05) << to_string(isa);
    EXPECT_LT(int8, 1e7) << to_string(isa);
    EXPECT_LT(f32, 1e6) << to_string(isa);
  }
  set_isa(before);
}

}  // namespace
}  // namespace uma::cpu
