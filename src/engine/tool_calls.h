#pragma once
// Functions that a model may call: how its family writes a call, what its answer is held to, and the calls in
// what it said. The one place that knows the families.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/calls.h"

namespace uma {

struct ToolCall {
  std::string name;
  std::string arguments;  // the text of a JSON object
};

enum class ToolStyle : uint8_t {
  tagged,  // Hermes, Qwen: <tool_call>{"name":..,"arguments":..}</tool_call>, any number of them
  bare,    // Llama 3: the answer is {"name":..,"parameters":..}
  listed,  // Mistral: [TOOL_CALLS][{"name":..,"arguments":..},...]
};

/// How a model with this chat template writes calls; nothing where the template takes no tools, or writes
/// them in a way that is not known here.
std::optional<ToolStyle> tool_style_of(std::string_view template_source);

/// What an answer is held to. required: it is a call; several: it may have more than one; text: what an
/// answer without calls is held to, nullptr for any text before, between and after calls. Throws what
/// compile_calls and Grammar::either throw.
std::shared_ptr<const Grammar> tool_grammar(ToolStyle style, std::vector<CallGrammar::Function> functions,
                                            bool required, bool several,
                                            const std::shared_ptr<const Grammar>& text = nullptr);

/// Parts an answer that is held to a tool_grammar into text and calls, as it comes.
class ToolCallReader {
 public:
  /// apart: an answer is either calls or text, and what it begins with tells.
  explicit ToolCallReader(ToolStyle style, bool apart = false) : style_(style), apart_(apart) {}

  struct Parts {
    std::string text;
    std::vector<ToolCall> calls;
  };
  /// What is now known. Text that may be the beginning of a call is held back, and so are blanks before one.
  Parts put(std::string_view piece);
  /// Nothing more comes: the text that was held back. A call that was not finished is no call, and is left
  /// out.
  std::string flush();

 private:
  bool take_call(Parts& parts);

  ToolStyle style_;
  bool apart_;
  std::optional<bool> begins_with_call_;  // apart: once it is known
  std::string held_;
  bool calling_ = false, begun_ = false;
};

}  // namespace uma
