#include "engine/prompt.h"

#include "text/tokenizer.h"
#include "text/utf8.h"

namespace uma {

PromptMaker::PromptMaker(std::shared_ptr<const Vocabulary> vocabulary, const std::string& template_source,
                         bool raw)
    : vocabulary_(std::move(vocabulary)),
      source_(raw                       ? ""
              : template_source.empty() ? vocabulary_->chat_template
                                        : template_source),
      bos_(vocabulary_->token_text(vocabulary_->bos)),
      eos_(vocabulary_->token_text(vocabulary_->eos)) {
  if (!source_.empty()) template_ = ChatTemplate::parse(source_);
}

std::vector<int32_t> PromptMaker::conversation(std::span<const ChatMessage> messages,
                                               std::string_view extra_json) const {
  if (!template_) {
    std::string text;
    for (const ChatMessage& m : messages) text += m.role == "system" ? m.content + "\n\n" : m.content;
    return plain(text, false);
  }
  std::vector<ChatMessage> repaired;  // a template takes UTF-8 only
  for (const ChatMessage& m : messages) repaired.push_back({m.role, utf8_repaired(m.content), m.fields_json});
  return plain(template_->render(repaired, {.bos_token = bos_, .eos_token = eos_, .extra_json = extra_json}),
               true);
}

std::vector<int32_t> PromptMaker::plain(std::string_view text, bool special) const {
  // Many templates write the beginning-of-text token themselves.
  const bool has_bos = special && !bos_.empty() && text.starts_with(bos_);
  return vocabulary_->tokenizer->encode(text, {.add_special = !has_bos, .parse_special = special});
}

}  // namespace uma
