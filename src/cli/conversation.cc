#include "cli/conversation.h"

namespace uma::cli {

Conversation::Conversation(const std::shared_ptr<const Model>& model, const std::string& template_source,
                           bool raw)
    : maker_(model->vocabulary, template_source, raw) {}

std::vector<int32_t> Conversation::prompt() const {
  std::vector<ChatMessage> messages;
  if (!system_.empty()) messages.push_back({"system", system_});
  messages.insert(messages.end(), turns_.begin(), turns_.end());
  return maker_.conversation(messages);
}

}  // namespace uma::cli
