#pragma once
#include <string>

namespace uma::serve {

/// The prefix and 24 letters and digits that nobody can guess.
std::string random_id(std::string prefix);

}  // namespace uma::serve
