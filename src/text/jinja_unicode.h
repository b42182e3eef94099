#pragma once
// What Python's str knows about characters, on UTF-8.
#include <cstdint>
#include <string>
#include <string_view>

namespace uma::jinja {

/// Bytes of the character whose first byte this is. Text is valid UTF-8 everywhere in the engine.
inline size_t utf8_length(unsigned char first) {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
/// The code point at byte i, which is moved past it.
char32_t utf8_next(std::string_view s, size_t* i);
void utf8_append(std::string& out, char32_t c);
/// The byte offset of the first fault, or npos.
size_t utf8_fault(std::string_view s);
/// Code points.
int64_t utf8_count(std::string_view s);
/// The byte offset of code point n (at most the text's end).
size_t utf8_offset(std::string_view s, int64_t n);

bool is_space(char32_t c);
bool is_alpha(char32_t c);
bool is_decimal(char32_t c);
bool is_digit(char32_t c);
bool is_numeric(char32_t c);
bool is_alnum(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_title(char32_t c);
bool is_printable(char32_t c);
bool is_identifier(std::string_view s);
/// str.isupper, str.islower: some cased character, and none of the other case.
bool is_upper_text(std::string_view s);
bool is_lower_text(std::string_view s);

std::string upper(std::string_view s);
std::string lower(std::string_view s);
std::string casefold(std::string_view s);
std::string title(std::string_view s);
std::string capitalize(std::string_view s);
std::string swapcase(std::string_view s);

/// Offsets of the part without leading (left) and trailing (right) white space, or characters of `chars`.
std::string_view strip(std::string_view s, bool left, bool right);
std::string_view strip(std::string_view s, std::string_view chars, bool left, bool right);

}  // namespace uma::jinja
