#pragma once
// Parts of objects and strings that a JSON Schema rules.
#include <cstdint>
#include <string>
#include <vector>

#include "grammar/expr.h"

namespace uma::grammar {

struct Length {
  uint64_t min = 0, max = 0;
};
/// Characters of what a pattern matches; UINT64_MAX for no end.
Length length_of(const Expr& pattern);

/// A pattern's characters as they are spelled in a JSON string.
ExprPtr spelled(const ExprPtr& pattern);

/// The beginning of a string that is none of `names` from character `depth` on; the rest of it is free.
/// Spelled without escapes, which could hide a name.
ExprPtr other_than(const std::vector<std::u32string>& names, size_t depth);

struct Property {
  std::string name;
  ExprPtr pair;  // key and value
  bool required;
};
/// An object: the properties in their order, where each that is not required may be left out, and then up to
/// most_extra others (extra: key and value; nullptr for none). some: it is not empty.
ExprPtr members(Rules& rules, const std::vector<Property>& properties, const ExprPtr& extra,
                uint32_t most_extra, bool some);

}  // namespace uma::grammar
