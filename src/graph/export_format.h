#pragma once
// Inside graph/ only: the layout of a file of functions. All numbers are 64-bit words, little-endian; text is
// its length and its bytes; an array's signature is its dtype, its number of dimensions and its extents.
//
//   magic, version, bytes of the header
//   header   metadata
//            ops: count, names
//            constants: count, signatures
//            traces: count, and of each
//              shapeless, positional arguments, keywords (count, names ascending), signatures of all
//              arguments constants: count, which steps: count, and of each: op, inputs (count, numbers as in
//              Graph), outputs (count, signatures),
//                parameters as text (params.h)
//              results: count, numbers
//   values   of the constants in their order, each at the next multiple of kAlignment; zeros between. The
//            file ends behind the last.
#include <cstdint>
#include <string_view>

namespace uma::exported {

// A transfer that takes the file for text changes the end.
inline constexpr std::string_view kMagic("uma fn\r\n", 8);
inline constexpr uint64_t kVersion = 1;
inline constexpr uint64_t kAlignment = 64;
/// Of one array: more than any op here makes, and few enough for every loop over them.
inline constexpr uint64_t kMostDimensions = 255;

inline constexpr uint64_t aligned(uint64_t offset) {
  return (offset + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace uma::exported
