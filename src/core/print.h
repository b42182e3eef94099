#pragma once
// Arrays as text, as MLX prints them.
#include <string>

#include "core/array.h"

namespace uma {

// Aligned so that it is read and written in one piece, without a lock.
struct alignas(8) PrintOptions {
  int precision = 6;  // significant digits; with fixed set, digits after the point
  bool fixed = false;
};
/// A setting of the process. Throws InvalidArgument for a precision outside 0 to 17.
void set_print_options(const PrintOptions& options);
PrintOptions print_options();

/// "array([[1, 2],\n       [3, 4]], dtype=int32)". Axes of more than six show three elements at either end.
/// Evaluates the array.
std::string to_string(const array& a);

}  // namespace uma
