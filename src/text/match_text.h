#pragma once
// Text as the expression library may see it. Its Unicode is as old as the library, rules are those of
// Unicode 15.1, and surrogates are no UTF-8 for it: such characters are matched through others of their
// length and class.
#include <string>
#include <string_view>

namespace uma {

/// The text with stand-ins, byte for byte as long; empty where it needs none.
std::string with_stand_ins(std::string_view text);

}  // namespace uma
