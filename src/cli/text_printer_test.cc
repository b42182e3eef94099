#include "cli/text_printer.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace uma::cli {
namespace {

std::string wrapped(std::initializer_list<std::string_view> pieces, int width) {
  WordWrap wrap;
  std::string out;
  for (const std::string_view piece : pieces) wrap.put(piece, width, out);
  wrap.flush(width, out);
  return out;
}

TEST(WordWrap, MovesAWordThatPassesTheEdge) {
  EXPECT_EQ(wrapped({"the quick brown fox"}, 10), "the quick\nbrown fox");
  EXPECT_EQ(wrapped({"the quick brown fox"}, 15), "the quick brown\nfox");
  EXPECT_EQ(wrapped({"a b"}, 80), "a b");
}

TEST(WordWrap, ItDoesNotMatterHowTheTextComes) {
  EXPECT_EQ(wrapped({"the qu", "ick br", "own", " fox"}, 10), "the quick\nbrown fox");
  EXPECT_EQ(wrapped({"t", "h", "e", " ", "quick", " brown"}, 9), "the quick\nbrown");
}

TEST(WordWrap, KeepsSpacesAndLinesThatTheTextHas) {
  EXPECT_EQ(wrapped({"a\n\n  b  c \n"}, 80), "a\n\n  b  c \n");
  EXPECT_EQ(wrapped({"one two\nthree four"}, 9), "one two\nthree\nfour");
}

TEST(WordWrap, LeavesALongWordToTheTerminal) {
  EXPECT_EQ(wrapped({"x abcdefghijkl y"}, 10), "x abcdefghijkl\ny");
  WordWrap wrap;
  std::string out;
  wrap.put(std::string(1000, 'x'), 80, out);
  EXPECT_GE(out.size(), 800u) << "a word without end is held back";
}

TEST(WordWrap, LeavesCodeAlone) {
  const std::string_view code = "```c\nint x = some_long_name + y;\n```\n";
  EXPECT_EQ(wrapped({code, "one two three four"}, 9), std::string(code) + "one two\nthree\nfour");
}

TEST(WordWrap, CountsColumnsAndNotBytes) {
  EXPECT_EQ(columns_of("\xc3\xa9\xe6\xbc\xa2"), 3);  // é, one wide character
  EXPECT_EQ(columns_of("e\xcc\x81"), 1);             // e and a combining accent
  EXPECT_EQ(columns_of("\xff"), 1);
  EXPECT_EQ(wrapped({"\xc3\xa9\xc3\xa9\xc3\xa9 ab"}, 6), "\xc3\xa9\xc3\xa9\xc3\xa9 ab");
  // Wide characters may be parted, and are printed as they come.
  EXPECT_EQ(wrapped({"\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2"}, 4), "\xe6\xbc\xa2\xe6\xbc\xa2\n\xe6\xbc\xa2");
}

}  // namespace
}  // namespace uma::cli
