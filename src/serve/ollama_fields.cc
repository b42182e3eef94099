#include "serve/ollama_fields.h"

#include "serve/api.h"
#include "serve/clock.h"

namespace uma::serve {
std::string read_model(const Fields& body) {
  std::string model = body.text("model").value_or(body.text("name").value_or(""));
  if (model.empty()) throw ApiError(400, "model is required", "model");
  return model;
}

std::optional<KeepAlive> read_keep_alive(const Fields& body) {
  const Json* value = body.find("keep_alive");
  if (!value) return {};
  const auto duration = value->is_number()   ? std::optional(value->get<double>())
                        : value->is_string() ? parse_duration(value->get_ref<const std::string&>())
                                             : std::nullopt;
  if (!duration) body.refuse("keep_alive", "must be a number of seconds or a duration such as \"5m\"");
  return keep_alive_of(*duration);
}

void begin_sampling(AnswerRequest& request, float temperature, float top_p) {
  SamplingOptions& s = request.options.sampling;
  s.temperature = temperature;
  s.top_p = top_p;
  s.min_p = 0;
  s.seed = random_seed();
  ModelSettings::parse(request.local.settings).apply(request.options, request.context);
}

}  // namespace uma::serve
