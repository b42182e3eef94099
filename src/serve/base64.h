#pragma once
#include <string>
#include <string_view>

namespace uma::serve {

/// Bytes in base64, padded (RFC 4648).
std::string base64(std::string_view bytes);

}  // namespace uma::serve
