#pragma once
// A download on its way, in Ollama's words.
#include <memory>
#include <string>

#include "serve/live_reply.h"
#include "serve/service.h"

namespace uma::serve {

/// Begins to fetch a model. streamed: with its progress. Letting go of the reply stops the download; what has
/// arrived stays for the next one. Throws BusyError.
std::unique_ptr<LiveReply> pull_reply(Service& service, const std::string& model, bool streamed);

}  // namespace uma::serve
