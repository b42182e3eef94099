#include "serve/settings.h"

#include <algorithm>

#include "base/error.h"

namespace uma::serve {

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

std::vector<ChatMessage> ModelSettings::begin(std::vector<ChatMessage> conversation) const {
  const auto first = std::find_if(conversation.begin(), conversation.end(),
                                  [](const ChatMessage& m) { return m.role != "system"; });
  const bool has_system = first != conversation.begin();
  conversation.insert(first, messages.begin(), messages.end());
  if (!has_system && !system.empty()) conversation.insert(conversation.begin(), {"system", system});
  return conversation;
}

}  // namespace uma::serve
