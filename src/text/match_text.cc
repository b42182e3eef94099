#include "text/match_text.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "text/utf8.h"

namespace uma {
namespace {

// Same length in UTF-8, same general category, none in a range that a rule names.
constexpr uint32_t kPrivate = 0xe000, kSymbol3 = 0x2600, kMark = 0x10a0f, kPunctuation = 0x10100,
                   kNumber = 0x10107, kOtherLetter = 0x10280, kSmallLetter = 0x10428,
                   kModifierLetter = 0x16b40, kHan = 0x20000, kSymbol = 0x1f600, kFormat = 0xe0001;

// What Unicode 15.0 and 15.1 added to 14.
constexpr struct Row {
  uint32_t first, last, stand_in;
} kRows[] = {
    {0xcf3, 0xcf3, 0xcbc},
    {0xece, 0xece, 0xecd},
    {0x2ffc, 0x2fff, kSymbol3},
    {0x31ef, 0x31ef, kSymbol3},
    {0xd800, 0xdfff, kPrivate},
    {0x10efd, 0x10eff, kMark},
    {0x1123f, 0x11240, kOtherLetter},
    {0x11241, 0x11241, kMark},
    {0x11b00, 0x11b09, kPunctuation},
    {0x11f00, 0x11f01, kMark},
    {0x11f02, 0x11f02, kOtherLetter},
    {0x11f03, 0x11f03, kMark},
    {0x11f04, 0x11f10, kOtherLetter},
    {0x11f12, 0x11f33, kOtherLetter},
    {0x11f34, 0x11f3a, kMark},
    {0x11f3e, 0x11f42, kMark},
    {0x11f43, 0x11f4f, kPunctuation},
    {0x11f50, 0x11f59, kNumber},
    {0x1342f, 0x1342f, kOtherLetter},
    {0x13439, 0x1343f, kFormat},
    {0x13440, 0x13440, kMark},
    {0x13441, 0x13446, kOtherLetter},
    {0x13447, 0x13455, kMark},
    {0x1b132, 0x1b132, kOtherLetter},
    {0x1b155, 0x1b155, kOtherLetter},
    {0x1d2c0, 0x1d2d3, kNumber},
    {0x1df25, 0x1df2a, kSmallLetter},
    {0x1e030, 0x1e06d, kModifierLetter},
    {0x1e08f, 0x1e08f, kMark},
    {0x1e4d0, 0x1e4ea, kOtherLetter},
    {0x1e4eb, 0x1e4eb, kModifierLetter},
    {0x1e4ec, 0x1e4ef, kMark},
    {0x1e4f0, 0x1e4f9, kNumber},
    {0x1f6dc, 0x1f6dc, kSymbol},
    {0x1f774, 0x1f776, kSymbol},
    {0x1f77b, 0x1f77f, kSymbol},
    {0x1f7d9, 0x1f7d9, kSymbol},
    {0x1fa75, 0x1fa77, kSymbol},
    {0x1fa87, 0x1fa88, kSymbol},
    {0x1faad, 0x1faaf, kSymbol},
    {0x1fabb, 0x1fabd, kSymbol},
    {0x1fabf, 0x1fabf, kSymbol},
    {0x1face, 0x1facf, kSymbol},
    {0x1fada, 0x1fadb, kSymbol},
    {0x1fae8, 0x1fae8, kSymbol},
    {0x1faf7, 0x1faf8, kSymbol},
    {0x2b739, 0x2b739, kHan},
    {0x2ebf0, 0x2ee5d, kOtherLetter},
    {0x31350, 0x323af, kOtherLetter},
};

// The stand-in, or 0.
uint32_t stand_in(uint32_t c) {
  const auto row = std::lower_bound(std::begin(kRows), std::end(kRows), c,
                                    [](const Row& r, uint32_t x) { return r.last < x; });
  return row != std::end(kRows) && c >= row->first ? row->stand_in : 0;
}

// Whether a row begins with this byte: most text has few or none.
bool may_need_one(char first) {
  return first == '\xe0' || first == '\xe2' || first == '\xe3' || first == '\xed' || first == '\xf0';
}

}  // namespace

std::string with_stand_ins(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (!may_need_one(text[i])) {
      ++i;
      continue;
    }
    const size_t begin = i;
    const uint32_t c = stand_in(utf8_next_as_read(text, &i));
    if (c == 0) continue;
    if (out.empty()) out = text;
    std::string character;
    utf8_append_code_point(character, c);
    out.replace(begin, character.size(), character);
  }
  return out;
}

}  // namespace uma
