#pragma once
// Inside graph/ only: extents of a recorded op where those of its inputs are others now.
#include <optional>

#include "graph/rules.h"

namespace uma {

/// The shape that a reshape gives: kept where nothing changed, else derived axis by axis. Throws Shape where
/// the recorded extents do not tell it.
Shape reshaped(const Shape& from, const Shape& to, const Shape& now);

/// The shape that a broadcast gives: the input's extents where it had all of them, else the recorded ones.
Shape spread(const Shape& from, const Shape& to, const Shape& now);

/// An input that was repeated along some axes: how often is for the op that reads it to say.
struct Spread {
  array source;            // of as many dimensions
  std::vector<bool> soft;  // axes along which it was repeated
};
Spread spread_of(const array& x);

/// Throws Shape if an axis along which x was repeated has an extent that an argument had and has no more.
void check_kept(const array& x, const Rebuilding& recorded, std::string_view op);

/// The inputs in one shape, as an elementwise op takes them, in axes [0, ndim - tail): extents come from
/// inputs that have them. Axes that no input has are 1 in `common`, and what they were recorded as in `full`.
struct Common {
  std::vector<array> inputs;  // in the shape `common`, with their own last `tail` extents
  Shape full;                 // of the axes before the tail
  bool repeated;              // full is not common
};
Common in_common(std::span<const array> inputs, size_t tail);

}  // namespace uma
