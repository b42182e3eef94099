#pragma once
// From a conversation to the tokens that a model answers.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/open.h"
#include "text/chat_template.h"

namespace uma {

class PromptMaker {
 public:
  /// template_source: Jinja text to use instead of the model's; "" for the model's. raw: no template at all.
  /// Throws what ChatTemplate::parse throws.
  explicit PromptMaker(std::shared_ptr<const Vocabulary> vocabulary, const std::string& template_source = "",
                       bool raw = false);

  /// Turns make sense. Without a template the turns' text goes to the model one after the other.
  bool has_template() const { return template_.has_value(); }
  /// "" where there is none.
  const std::string& template_source() const { return source_; }

  /// The tokens of a conversation, ready for an answer; what is not UTF-8 is read as U+FFFD. extra_json: as
  /// ChatVariables. Throws what ChatTemplate::render throws. Any number of threads.
  std::vector<int32_t> conversation(std::span<const ChatMessage> messages,
                                    std::string_view extra_json = "") const;
  /// The tokens of a text as it stands. special: control tokens spelled out in it are taken as such, and a
  /// beginning-of-text token that it spells itself does not come twice.
  std::vector<int32_t> plain(std::string_view text, bool special) const;

 private:
  std::shared_ptr<const Vocabulary> vocabulary_;
  std::string source_, bos_, eos_;
  std::optional<ChatTemplate> template_;
};

}  // namespace uma
