#include "backend/cpu/isa/isa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace uma::cpu {
namespace {

using testing::HasSubstr;

std::string error_of(auto&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "no error";
}

TEST(Isa, GenericIsAlwaysThereAndLevelsRise) {
  const auto& isas = available_isas();
  ASSERT_FALSE(isas.empty());
  EXPECT_EQ(isas.front(), Isa::generic);
  for (size_t i = 1; i < isas.size(); ++i) EXPECT_LT(isas[i - 1], isas[i]);
}

TEST(Isa, SetIsaHolds) {
  const Isa before = current_isa();
  for (const Isa isa : available_isas()) {
    set_isa(isa);
    EXPECT_EQ(current_isa(), isa);
    EXPECT_EQ(isa_from_name(to_string(isa)), isa);
  }
  set_isa(before);
}

TEST(Isa, UnknownNameListsTheKnown) {
  EXPECT_THAT(error_of([] { isa_from_name("sse9"); }),
              HasSubstr("'sse9' is no instruction set; known are generic, avx2, avx512, vnni, amx"));
}

TEST(Isa, UnavailableNameListsWhatTheMachineHas) {
  if (available_isas().back() == Isa::amx) GTEST_SKIP() << "this machine has every level";
  EXPECT_THAT(error_of([] { isa_from_name("amx"); }), HasSubstr("this machine has no amx; it has generic"));
  EXPECT_THAT(error_of([] { set_isa(Isa::amx); }), HasSubstr("this machine has no amx"));
}

}  // namespace
}  // namespace uma::cpu
