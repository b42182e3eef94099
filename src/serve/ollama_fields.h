#pragma once
// Fields that Ollama's calls share.
#include <optional>
#include <string>

#include "serve/json.h"
#include "serve/service.h"

namespace uma::serve {

/// "model", or the older "name". Throws ApiError 400 where both are missing.
std::string read_model(const Fields& body);

/// "keep_alive": seconds as a number, or a Go duration such as "1h30m". Throws ApiError 400.
std::optional<KeepAlive> read_keep_alive(const Fields& body);

/// What a request begins with: a dialect's defaults, and over them the options that the model was made with,
/// whoever asks in which dialect.
void begin_sampling(AnswerRequest& request, float temperature, float top_p);

}  // namespace uma::serve
