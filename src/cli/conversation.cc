#include "cli/conversation.h"

namespace uma::cli {

Conversation::Conversation(const std::shared_ptr<const Model>& model, serve::ModelSettings settings, bool raw)
    : maker_(model->vocabulary, settings.template_source, raw), settings_(std::move(settings)) {}

std::vector<int32_t> Conversation::prompt() const {
  return maker_.conversation(settings_.begin(turns_));
}

}  // namespace uma::cli
