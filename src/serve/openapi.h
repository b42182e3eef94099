#pragma once
#include <string_view>

namespace uma::serve {

/// openapi.json beside this file, as text: an OpenAPI 3.1 document of every route, without the version.
extern const std::string_view kOpenApi;

}  // namespace uma::serve
