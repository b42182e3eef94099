#pragma once
// From a request to the handler of its path, and from an error to a reply in the words of the path's dialect.
#include <functional>
#include <string_view>

#include "serve/service.h"

namespace uma::serve {

/// Never throws. A path that is known with another method is a 405; HEAD is GET. log gets what the client is
/// not told.
Reply route(Service& service, HttpRequest& request, const std::function<void(std::string_view)>& log);

/// Whether the body is handed on as it comes.
bool has_sink(const HttpRequest& request);
/// For such a request; neither this nor what it gives ever throws.
std::unique_ptr<BodySink> open_sink(Service& service, HttpRequest& request,
                                    const std::function<void(std::string_view)>& log);

/// An error about a request that no handler saw.
HttpReply refusal(std::string_view path, const Failure& failure);

}  // namespace uma::serve
