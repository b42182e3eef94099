#include "engine/stop.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace uma {
namespace {

TEST(Stop, PassesEverythingWhereThereIsNone) {
  StopMatcher none({});
  EXPECT_EQ(none.put("abc"), "abc");
  EXPECT_EQ(none.flush(), "");
  EXPECT_EQ(none.matched(), nullptr);
}

TEST(Stop, IsFoundAcrossPieces) {
  StopMatcher stop({"\nUser:"});
  EXPECT_EQ(stop.put("Hello\nUs"), "Hello");
  EXPECT_EQ(stop.matched(), nullptr);
  EXPECT_EQ(stop.put("er: hi"), "");
  ASSERT_NE(stop.matched(), nullptr);
  EXPECT_EQ(*stop.matched(), "\nUser:");
  EXPECT_EQ(stop.flush(), "");
  EXPECT_EQ(stop.put("more"), "");
}

TEST(Stop, HoldsBackNoMoreThanItMust) {
  StopMatcher stop({"aab"});
  EXPECT_EQ(stop.put("xaa"), "x");
  EXPECT_EQ(stop.put("a"), "a");  // "aa" may still become "aab"
  EXPECT_EQ(stop.put("c"), "aac");
  EXPECT_EQ(stop.put("aa"), "");
  EXPECT_EQ(stop.flush(), "aa");
}

TEST(Stop, TakesTheFirstAndOfThoseTheLongest) {
  StopMatcher first({"yz", "x"});
  EXPECT_EQ(first.put("abxyz"), "ab");
  EXPECT_EQ(*first.matched(), "x");
  StopMatcher longest({"x", "xy"});
  EXPECT_EQ(longest.put("abxyz"), "ab");
  EXPECT_EQ(*longest.matched(), "xy");
}

TEST(Stop, ByteByByteGivesTheSameText) {
  const std::string text = "one two ENDS three END. four";
  StopMatcher stop({"END.", "ENDX"});
  std::string out;
  for (const char c : text) out += stop.put(std::string_view(&c, 1));
  EXPECT_EQ(out, "one two ENDS three ");
  EXPECT_EQ(*stop.matched(), "END.");
}

TEST(Stop, RefusesWhatCannotBeOne) {
  EXPECT_THROW(StopMatcher({""}), Error);
  EXPECT_THROW(StopMatcher({"\x80"}), Error);
}

}  // namespace
}  // namespace uma
