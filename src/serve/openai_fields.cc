#include "serve/openai_fields.h"

#include <cmath>

#include "serve/ollama_fields.h"

namespace uma::serve {

std::string require_model(const Fields& body) {
  std::string model = body.text("model").value_or("");
  if (model.empty()) throw ApiError(400, "you must provide a model parameter", "model");
  return model;
}

void begin_sampling(AnswerRequest& request) {
  begin_sampling(request, 1, 1);
}

std::vector<Prompt> read_prompts(const Fields& body, const char* name, size_t most) {
  const Json* value = body.find(name);
  constexpr const char* kRule = "must be a string, an array of tokens, or an array of either";
  const auto one = [&](const Json& json) -> Prompt {
    if (json.is_string()) return json.get<std::string>();
    if (!json.is_array()) body.refuse(name, kRule);
    std::vector<int32_t> tokens;
    for (const Json& token : json) {
      const double id = token.is_number() ? token.get<double>() : -1;
      if (!(id >= 0 && id <= INT32_MAX && id == std::floor(id))) body.refuse(name, kRule);
      tokens.push_back(static_cast<int32_t>(id));
    }
    return tokens;
  };
  if (!value) body.refuse(name, kRule);
  const bool several = value->is_array() && !value->empty() && !value->front().is_number();
  if (!several) return {one(*value)};
  if (value->size() > most) body.refuse(name, fmt::format("holds {} items, {} at most", value->size(), most));
  std::vector<Prompt> prompts;
  for (const Json& json : *value) prompts.push_back(one(json));
  return prompts;
}

}  // namespace uma::serve
