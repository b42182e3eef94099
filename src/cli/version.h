#pragma once

namespace uma::cli {

inline constexpr const char* kVersion = UMA_VERSION;

}  // namespace uma::cli
