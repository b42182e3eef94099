#pragma once
// Fields that OpenAI's calls share.
#include <string>
#include <vector>

#include "serve/json.h"
#include "serve/service.h"

namespace uma::serve {

/// "model". Throws ApiError 400 where it is missing.
std::string require_model(const Fields& body);

/// The defaults of a request to these APIs, and over them what its model was made with.
void begin_sampling(AnswerRequest& request);

/// A string, tokens, or an array of either. Throws ApiError 400.
std::vector<Prompt> read_prompts(const Fields& body, const char* name, size_t most);

}  // namespace uma::serve
