#pragma once
// Chat templates: the Jinja2 dialect that model files carry in `tokenizer.chat_template`, rendered as the
// Python package `transformers` renders it (immutable sandbox, trim_blocks, lstrip_blocks, break/continue,
// generation tags, its own tojson, raise_exception, strftime_now).
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace uma {

/// One turn of a conversation.
struct ChatMessage {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
  /// Further fields as the text of a JSON object ("" for none): tool_calls, tool_call_id, name.
  std::string fields_json;
};

/// What a template may cost. A template comes out of a file that a stranger made, and so do the variables:
/// past any of these bounds parse() and render() throw Limit, and nothing else happens.
struct TemplateLimits {
  size_t max_source_bytes = size_t{1} << 20;
  size_t max_depth = 600;           // nesting: of the source, of the JSON, of calls while rendering
  uint64_t max_steps = 50'000'000;  // nodes evaluated, items visited, 64-byte pieces of text moved
  size_t max_output_bytes = size_t{64} << 20;
  size_t max_memory_bytes = size_t{256} << 20;  // live values and text under construction
};

/// Variables that a conversation is rendered with. Empty token strings are passed as empty strings.
struct ChatVariables {
  std::string_view bos_token;
  std::string_view eos_token;
  bool add_generation_prompt = true;
  /// Further variables as the text of a JSON object ("" for none); its keys win over the fields above.
  std::string_view extra_json;
};

/// A parsed template. Parsing happens once; rendering is const and may happen on many threads at a time.
class ChatTemplate {
 public:
  /// Parses template text (UTF-8).
  /// throws Format with the line on a syntax error, Unsupported, Limit; all tagged "template".
  static ChatTemplate parse(std::string_view source, const TemplateLimits& limits = {});

  /// Renders with the variables of a JSON object: {"messages":[...],"tools":[...],"bos_token":"<s>",...}.
  /// What the object does not set is undefined in the template.
  /// now_s: seconds since 1970 for strftime_now; the clock's time where it is not given.
  /// throws InvalidArgument: a template error, with its line; the text of raise_exception is kept verbatim.
  ///        Format: the JSON text is malformed. Limit: a bound is passed. Unsupported: see docs.
  std::string render(std::string_view json_variables, std::optional<int64_t> now_s = {}) const;

  /// Renders a plain conversation. Throws as the other render does.
  std::string render(std::span<const ChatMessage> messages, const ChatVariables& variables = {},
                     std::optional<int64_t> now_s = {}) const;

  /// The template's text.
  const std::string& source() const;

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

 private:
  struct Impl;
  explicit ChatTemplate(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

/// The template to use where a file has none but its vocabulary holds <|im_start|> and <|im_end|>: ChatML.
/// A model without a template and without these tokens is a base model; it is given the plain text.
std::string_view chatml_template();

}  // namespace uma
