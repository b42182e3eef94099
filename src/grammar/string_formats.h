#pragma once
// The formats of JSON Schema that are enforced, as regular expressions.
#include <string>
#include <string_view>

namespace uma::grammar {

/// "" for a format that is not enforced.
std::string pattern_of_format(std::string_view format);
/// "date, time, ...", for errors.
std::string_view enforced_formats();

}  // namespace uma::grammar
