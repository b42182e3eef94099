#pragma once
// UTF-8 as it comes: possibly broken.
#include <cstdint>
#include <string>
#include <string_view>

namespace uma {

/// Bytes that the character starting at text[at] takes; 0 if it is broken there (stray or missing
/// continuation, overlong, surrogate, above U+10FFFF).
size_t utf8_valid_length(std::string_view text, size_t at);
/// Bytes the first byte announces, 1 for one that announces nothing.
inline size_t utf8_announced_length(unsigned char first) {
  return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
/// The text as llama.cpp reads it: overlong forms become what they spell, surrogates stay, every other broken
/// byte becomes U+FFFD. Not always valid UTF-8, for the surrogates.
std::string utf8_as_read(std::string_view text);
/// The code point at text[at] of such a text; at moves past it.
uint32_t utf8_next_as_read(std::string_view text, size_t* at);
/// The text with every broken byte replaced by U+FFFD.
std::string utf8_repaired(std::string_view text);
void utf8_append_code_point(std::string& out, uint32_t code_point);

}  // namespace uma
