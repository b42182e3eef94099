#pragma once
// A model on its way to another server, in Ollama's words.
#include <memory>
#include <string>

#include "serve/live_reply.h"
#include "serve/service.h"

namespace uma::serve {

/// Begins to send a model of the store to Service::push. streamed: with its progress. Letting go of the reply
/// stops it. Throws BusyError.
std::unique_ptr<LiveReply> push_reply(Service& service, const std::string& model, bool streamed);

}  // namespace uma::serve
