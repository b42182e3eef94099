#pragma once
// What the binding files of readers and writers share.
#include <string>
#include <utility>
#include <vector>

#include "bind.h"

namespace uma::python {

/// The arrays of a dict. Throws ValueError for a value that is none.
std::vector<std::pair<std::string, array>> named_arrays(const nb::dict& arrays);
void bind_gguf(Module& io);

}  // namespace uma::python
