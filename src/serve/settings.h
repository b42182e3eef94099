#pragma once
// What whoever made a model set for it: the fields of an Ollama Modelfile.
#include <string>
#include <string_view>
#include <vector>

#include "engine/generate.h"
#include "serve/json.h"
#include "text/chat_template.h"

namespace uma::serve {

/// Options by Ollama's names, over what is said so far; context: tokens of prompt and answer together, 0 for
/// the default. Throws ApiError 400.
void read_options(const Json& options, GenerateOptions& generate, int64_t& context);

struct ModelSettings {
  std::string system;                 // where a conversation brings none
  std::string template_source;        // Jinja, in place of the file's; "" for that
  std::vector<ChatMessage> messages;  // turns that every conversation begins with
  Json parameters = Json::object();   // options, by Ollama's names

  /// As the store keeps them; "" where nothing is set.
  std::string text() const;
  /// Of what text() gave. Throws Format where it is damaged.
  static ModelSettings parse(std::string_view text);

  /// The parameters over what is said so far, as read_options.
  void apply(GenerateOptions& generate, int64_t& context) const;
  /// A conversation with what is set put before it.
  std::vector<ChatMessage> begin(std::vector<ChatMessage> conversation) const;
};

}  // namespace uma::serve
