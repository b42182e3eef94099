#include "serve/ollama_fields.h"

#include <algorithm>

#include "serve/api.h"
#include "serve/clock.h"

namespace uma::serve {
namespace {

constexpr size_t kMaxStops = 64;

}  // namespace

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

void read_options(const Json& options, AnswerRequest& request) {
  const Fields o(options, "option ");
  SamplingOptions& s = request.options.sampling;
  const auto number = [&](const char* name, double low, double high, float& value) {
    if (const auto x = o.number(name, low, high)) value = static_cast<float>(*x);
  };
  number("temperature", 0, 100, s.temperature);
  number("top_p", 0, 1, s.top_p);
  number("min_p", 0, 1, s.min_p);
  number("repeat_penalty", 0.01, 100, s.repeat_penalty);
  number("presence_penalty", -100, 100, s.presence_penalty);
  number("frequency_penalty", -100, 100, s.frequency_penalty);
  s.top_k = o.integer("top_k", 0, INT32_MAX).value_or(s.top_k);
  s.repeat_last_n = o.integer("repeat_last_n", -1, INT32_MAX).value_or(s.repeat_last_n);
  if (const auto seed = o.integer("seed"); seed && *seed != -1) s.seed = static_cast<uint64_t>(*seed);
  if (o.find("stop")) request.options.stop = o.texts("stop", kMaxStops);
  // -1: until it ends; -2, of older clients: until the context is full, which is no other limit.
  if (const auto most = o.integer("num_predict", -2, INT32_MAX))
    request.options.max_tokens = std::max<int64_t>(*most, -1);
  // What a client asks for is the most that it may use; keys and values take memory as they come.
  request.context = o.integer("num_ctx", 0, INT32_MAX).value_or(request.context);
  if (o.number("typical_p", 0, 1).value_or(1) != 1) o.refuse("typical_p", "is not supported: leave it at 1");
  for (const char* name : {"num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict"})
    o.integer(name, INT32_MIN, INT32_MAX);  // the server decides these; wrong types are wrong all the same
  o.flag("use_mmap");
}

void begin_sampling(AnswerRequest& request, float temperature, float top_p) {
  SamplingOptions& s = request.options.sampling;
  s.temperature = temperature;
  s.top_p = top_p;
  s.min_p = 0;
  s.seed = random_seed();
  read_options(ModelSettings::parse(request.local.settings).parameters, request);
}

}  // namespace uma::serve
