#pragma once
// What a person says to a model, and how the model's template turns it into a prompt.
#include <memory>
#include <string>
#include <vector>

#include "engine/prompt.h"
#include "serve/settings.h"

namespace uma::cli {

class Conversation {
 public:
  /// settings: what it begins with; raw: no template at all.
  Conversation(const std::shared_ptr<const Model>& model, serve::ModelSettings settings, bool raw);

  /// Has a template: turns make sense. Without one the text goes to the model as it is.
  bool has_template() const { return maker_.has_template(); }
  const std::string& template_source() const { return maker_.template_source(); }

  void set_system(std::string text) { settings_.system = std::move(text); }
  const std::string& system() const { return settings_.system; }
  void add(std::string role, std::string content) { turns_.push_back({std::move(role), std::move(content)}); }
  void drop_last() { turns_.pop_back(); }
  void clear() { turns_.clear(); }
  const std::vector<ChatMessage>& turns() const { return turns_; }

  /// The tokens of the whole conversation, ready for an answer. Throws what the template throws.
  std::vector<int32_t> prompt() const;

 private:
  PromptMaker maker_;
  serve::ModelSettings settings_;
  std::vector<ChatMessage> turns_;
};

}  // namespace uma::cli
