#pragma once
#include <string>
#include <string_view>

namespace uma {

/// True for well-formed UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF).
bool is_utf8(std::string_view text);

/// Text of a file as it may stand in a sentence: one line, at most 80 bytes, well-formed. Controls become
/// '?'.
std::string shown(std::string_view text);

}  // namespace uma
