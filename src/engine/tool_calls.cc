#include "engine/tool_calls.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace uma {
namespace {

constexpr std::string_view kTag = "<tool_call>", kEndTag = "</tool_call>", kList = "[TOOL_CALLS]",
                           kBlanks = " \t\r\n";

std::string_view mark_of(ToolStyle style) {
  return style == ToolStyle::tagged ? kTag : style == ToolStyle::listed ? kList : std::string_view();
}

// JSON of more depth is no call: reading it takes stack.
constexpr int kMaxDepth = 256;

struct Extent {
  size_t bytes = 0;  // 0: it has no end yet
  int depth = 0;
};
/// The JSON object at the beginning of a text.
Extent object_extent(std::string_view text) {
  Extent e;
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      e.depth = std::max(e.depth, ++depth);
    } else if ((c == '}' || c == ']') && --depth == 0) {
      e.bytes = i + 1;
      return e;
    }
  }
  return e;
}

std::optional<ToolCall> call_of(std::string_view text) {
  const auto json = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!json.is_object() || json.size() != 2 || !json.contains("name") || !json["name"].is_string()) return {};
  for (const char* key : {"arguments", "parameters"})
    if (json.contains(key) && json[key].is_object())
      return ToolCall{json["name"].get<std::string>(), json[key].dump()};
  return {};
}

/// Whether a text begins with a bare call; nothing where more has to come to tell.
std::optional<bool> begins_bare_call(std::string_view text) {
  constexpr std::string_view kString;
  size_t at = 0;
  for (const std::string_view part :
       {std::string_view("{"), std::string_view("\"name\""), std::string_view(":"), kString,
        std::string_view(","), std::string_view("\"parameters\""), std::string_view(":"),
        std::string_view("{")}) {
    at = text.find_first_not_of(kBlanks, at);
    if (at == text.npos) return {};
    if (part == kString) {
      if (text[at] != '"') return false;
      for (++at; at < text.size() && text[at] != '"'; ++at) at += text[at] == '\\';
      if (at++ >= text.size()) return {};
      continue;
    }
    const std::string_view here = text.substr(at, part.size());
    if (!part.starts_with(here)) return false;
    if (here.size() < part.size()) return {};
    at += part.size();
  }
  return true;
}

/// The same of every style.
std::optional<bool> begins_call(ToolStyle style, std::string_view text) {
  if (style == ToolStyle::bare) return begins_bare_call(text);
  const std::string_view mark = mark_of(style);
  if (text.starts_with(mark)) return true;
  if (mark.starts_with(text)) return {};
  return false;
}

}  // namespace

std::optional<ToolStyle> tool_style_of(std::string_view source) {
  const auto has = [&](std::string_view text) { return source.find(text) != source.npos; };
  if (!has("tools")) return {};
  if (has(kList) && !has("[ARGS]")) return ToolStyle::listed;
  // <tool_call> around XML is another matter.
  if (has(kTag) && has("arguments") && !has("<function=") && !has("<arg_key>")) return ToolStyle::tagged;
  if (has("\"parameters\": dictionary of argument name")) return ToolStyle::bare;
  return {};
}

std::shared_ptr<const Grammar> tool_grammar(ToolStyle style, std::vector<CallGrammar::Function> functions,
                                            bool required, bool several,
                                            const std::shared_ptr<const Grammar>& text) {
  CallGrammar calls;
  calls.functions = std::move(functions);
  calls.required = required || text;
  calls.several = several;
  calls.open = mark_of(style);
  if (style == ToolStyle::bare) calls.arguments_key = "parameters";
  if (style == ToolStyle::tagged) calls.close = kEndTag;
  calls.open_is_control = calls.listed = style == ToolStyle::listed;
  const auto grammar = compile_calls(calls);
  return text && !required ? Grammar::either(*grammar, *text) : grammar;
}

ToolCallReader::Parts ToolCallReader::put(std::string_view piece) {
  Parts parts;
  held_ += piece;
  if (apart_ && !begins_with_call_) {
    begins_with_call_ = begins_call(style_, held_);
    if (!begins_with_call_) return parts;
  }
  if (begins_with_call_ == false) {
    parts.text = std::exchange(held_, "");
    return parts;
  }
  while (true) {
    if (calling_) {
      if (!take_call(parts)) return parts;
      continue;
    }
    if (style_ == ToolStyle::bare) {
      if (held_.empty()) return parts;
      calling_ = !begun_ && held_[0] == '{';
      begun_ = true;
      if (calling_) continue;
      parts.text += std::exchange(held_, "");
      return parts;
    }
    const std::string_view mark = mark_of(style_);
    const size_t at = held_.find(mark);
    size_t end = at;
    if (at == std::string::npos) {
      // The longest end that begins the mark.
      for (end = held_.size() - std::min(held_.size(), mark.size() - 1);
           !mark.starts_with(std::string_view(held_).substr(end));)
        ++end;
    }
    while (end > 0 && kBlanks.find(held_[end - 1]) != kBlanks.npos) --end;
    parts.text += held_.substr(0, end);
    if (at == std::string::npos) {
      held_.erase(0, end);
      return parts;
    }
    held_.erase(0, at + mark.size());
    calling_ = true;
  }
}

/// False where more has to come.
bool ToolCallReader::take_call(Parts& parts) {
  const size_t start = held_.find_first_not_of(style_ == ToolStyle::listed ? " \t\r\n[,]" : kBlanks);
  if (start == std::string::npos) return false;
  const std::string_view text = std::string_view(held_).substr(start);
  if (style_ == ToolStyle::tagged && text.starts_with(kEndTag)) {
    held_.erase(0, start + kEndTag.size());
    calling_ = false;
    return true;
  }
  if (text[0] != '{') return false;  // the end tag, not whole yet
  const Extent object = object_extent(text);
  if (object.bytes == 0) return false;
  if (object.depth <= kMaxDepth) {
    if (auto call = call_of(text.substr(0, object.bytes))) {
      parts.calls.push_back(std::move(*call));
    } else if (apart_) {
      parts.text += text.substr(0, object.bytes);
    }
  }
  held_.erase(0, start + object.bytes);
  return true;
}

std::string ToolCallReader::flush() {
  return calling_ || begins_with_call_ == true ? "" : std::exchange(held_, "");
}

}  // namespace uma
