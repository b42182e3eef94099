#pragma once
// Regular expressions: the part of the usual notations that is regular.
#include <string_view>

#include "grammar/expr.h"

namespace uma::grammar {

/// whole: the expression is for a text from beginning to end. Not whole: it may stand anywhere in a text, but
/// where ^ and $ say otherwise. A text is `any` characters around it.
/// throws InvalidArgument with the place: a syntax error; back references, look-around, flags, word
/// boundaries
///        and classes of Unicode properties, by name.  Limit: nesting, repetition counts.
ExprPtr parse_regex(std::string_view pattern, bool whole, std::string_view op);

}  // namespace uma::grammar
