#include "cli/conversation.h"

#include "base/error.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace uma::cli {

Conversation::Conversation(std::shared_ptr<const Model> model, const std::string& template_source, bool raw)
    : model_(std::move(model)) {
  if (raw) return;
  template_source_ = template_source.empty() ? model_->vocabulary->chat_template : template_source;
  if (!template_source_.empty()) template_ = ChatTemplate::parse(template_source_);
}

std::vector<int32_t> Conversation::prompt() const {
  const Vocabulary& vocabulary = *model_->vocabulary;
  if (!template_) {
    std::string text = system_.empty() ? "" : system_ + "\n\n";
    for (const ChatMessage& turn : turns_) text += turn.content;
    return vocabulary.tokenizer->encode(text, {.add_special = true, .parse_special = false});
  }
  std::vector<ChatMessage> messages;
  // A template takes UTF-8 only; what is not is read as the tokenizer reads it.
  if (!system_.empty()) messages.push_back({"system", utf8_repaired(system_)});
  for (const ChatMessage& turn : turns_) messages.push_back({turn.role, utf8_repaired(turn.content)});
  const std::string bos = vocabulary.token_text(vocabulary.bos), eos = vocabulary.token_text(vocabulary.eos);
  const std::string text = template_->render(messages, {.bos_token = bos, .eos_token = eos});
  // Many templates write the beginning-of-text token themselves; it must not come twice.
  const bool has_bos = !bos.empty() && text.starts_with(bos);
  return vocabulary.tokenizer->encode(text, {.add_special = !has_bos, .parse_special = true});
}

}  // namespace uma::cli
