#include "serve/settings.h"

#include <algorithm>

#include "base/error.h"

namespace uma::serve {
namespace {

constexpr size_t kMaxStops = 64;

}  // namespace

void read_options(const Json& options, GenerateOptions& generate, int64_t& context) {
  const Fields o(options, "option ");
  SamplingOptions& s = generate.sampling;
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
  if (o.find("stop")) generate.stop = o.texts("stop", kMaxStops);
  // -1: until it ends; -2, of older clients: until the context is full, which is no other limit.
  if (const auto most = o.integer("num_predict", -2, INT32_MAX))
    generate.max_tokens = std::max<int64_t>(*most, -1);
  // What a client asks for is the most that it may use; keys and values take memory as they come.
  context = o.integer("num_ctx", 0, INT32_MAX).value_or(context);
  if (o.number("typical_p", 0, 1).value_or(1) != 1) o.refuse("typical_p", "is not supported: leave it at 1");
  for (const char* name : {"num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict"})
    o.integer(name, INT32_MIN, INT32_MAX);  // the server decides these; wrong types are wrong all the same
  o.flag("use_mmap");
}

std::string ModelSettings::text() const {
  OrderedJson json = OrderedJson::object();
  if (!system.empty()) json["system"] = system;
  if (!template_source.empty()) json["template"] = template_source;
  if (!parameters.empty()) json["parameters"] = parameters;
  for (const ChatMessage& m : messages)
    json["messages"].push_back({{"role", m.role}, {"content", m.content}});
  return json.empty() ? "" : dump(json);
}

ModelSettings ModelSettings::parse(std::string_view text) {
  ModelSettings settings;
  if (text.empty()) return settings;
  try {
    const Json json = Json::parse(text);
    settings.system = json.value("system", "");
    settings.template_source = json.value("template", "");
    settings.parameters = json.value("parameters", Json::object());
    for (const Json& m : json.value("messages", Json::array()))
      settings.messages.push_back({m.at("role").get<std::string>(), m.at("content").get<std::string>()});
  } catch (const Json::exception&) {
    fail(ErrorCode::kFormat, "serve", "the settings of a model in the store are damaged");
  }
  return settings;
}

void ModelSettings::apply(GenerateOptions& generate, int64_t& context) const {
  read_options(parameters, generate, context);
}

std::vector<ChatMessage> ModelSettings::begin(std::vector<ChatMessage> conversation) const {
  const auto first = std::find_if(conversation.begin(), conversation.end(),
                                  [](const ChatMessage& m) { return m.role != "system"; });
  const bool has_system = first != conversation.begin();
  conversation.insert(first, messages.begin(), messages.end());
  if (!has_system && !system.empty()) conversation.insert(conversation.begin(), {"system", system});
  return conversation;
}

}  // namespace uma::serve
