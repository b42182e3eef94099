#pragma once
// What an answer is held to, as requests spell it, and the grammars that were compiled of that.
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tool_calls.h"
#include "serve/json.h"

namespace uma::serve {

struct Constraint {
  enum class Kind : uint8_t { none, json, schema, regex, gbnf };
  Kind kind = Kind::none;
  std::string text;
  std::string field;  // of the request, for errors
};

struct Tools {
  std::string json;                              // as the template is given them; "" for none
  std::vector<CallGrammar::Function> functions;  // that may be called
  bool required = false, several = true;

  bool empty() const { return json.empty(); }
};

/// Ollama's `format`: "", "json" or a schema. body: the request's text. Throws ApiError 400.
Constraint read_format(const Fields& fields, std::string_view body);
/// OpenAI's `response_format`; vLLM's guided_json, guided_regex, guided_grammar; llama.cpp's grammar and
/// json_schema. One of them at most. Throws ApiError 400.
Constraint read_response_format(const Fields& fields, std::string_view body);
/// A format that names its type and holds its schema beside it: {"type":"json_schema","schema":{...}}, or of
/// type text or json_object. text: the format's own; field: what it is called in errors. Throws ApiError 400.
Constraint read_typed_format(const Json& format, std::string_view text, const char* field);
/// `tools` and, of OpenAI, `tool_choice` and `parallel_tool_calls`. Throws ApiError 400.
Tools read_tools(const Fields& fields, std::string_view body);

/// Tools that have their fields without "function" around them, of this `type`, and the schema of their
/// parameters in the field `schema`. choice: OpenAI's tool_choice and parallel_tool_calls. Throws ApiError
/// 400.
Tools read_flat_tools(const Fields& fields, std::string_view body, std::string_view type, const char* schema,
                      const OrderedJson& choice);

/// The calls of a message, or whose result it is, as a template wants them (ChatMessage::fields_json):
/// arguments are objects, whether they came as such or as the text of one. Throws ApiError 400.
std::string read_message_calls(const Json& message);

/// Compiled grammars with their masks, least recently used first out.
class GrammarCache {
 public:
  /// nullptr for none. Throws ApiError 400 with the sentence of what cannot be compiled.
  std::shared_ptr<const Grammar> get(const Constraint& constraint);
  /// Calls, or text that the constraint allows.
  std::shared_ptr<const Grammar> get(ToolStyle style, const Tools& tools, const Constraint& constraint);
  size_t size() const;

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const Grammar> grammar;
  };
  template <class Compile>
  std::shared_ptr<const Grammar> find(std::string key, const std::string& param, Compile compile);

  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // used last first
};

}  // namespace uma::serve
