#pragma once
// What whoever made a model set for it: the fields of an Ollama Modelfile.
#include <string>
#include <string_view>
#include <vector>

#include "serve/json.h"
#include "text/chat_template.h"

namespace uma::serve {

struct ModelSettings {
  std::string system;                 // where a conversation brings none
  std::string template_source;        // Jinja, in place of the file's; "" for that
  std::vector<ChatMessage> messages;  // turns that every conversation begins with
  Json parameters = Json::object();   // options, by Ollama's names

  /// As the store keeps them; "" where nothing is set.
  std::string text() const;
  /// Of what text() gave. Throws Format where it is damaged.
  static ModelSettings parse(std::string_view text);

  /// A conversation with what is set put before it.
  std::vector<ChatMessage> begin(std::vector<ChatMessage> conversation) const;
};

}  // namespace uma::serve
