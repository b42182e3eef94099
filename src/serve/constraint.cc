#include "serve/constraint.h"

#include "base/utf8.h"
#include "serve/api.h"

namespace uma::serve {
namespace {

// A grammar and its masks over a large vocabulary take up to some tens of MB.
constexpr size_t kMaxGrammars = 16;
constexpr size_t kMaxTools = 128;
constexpr size_t kMaxOrderedBytes = size_t{64} << 10;

std::string text_of(std::string_view json) {
  return std::string(json);
}

CallGrammar::Function read_function(const Json& tool, std::string_view tool_text) {
  if (!tool.is_object()) throw ApiError(400, "a tool must be of type object", "tools");
  const Fields t(tool, "tool ");
  if (t.text("type").value_or("function") != "function") t.refuse("type", "must be \"function\"");
  const Json* function = t.find("function");
  if (!function || !function->is_object()) t.refuse("function", "must be of type object");
  const Fields f(*function, "function ");
  const std::string name = f.text("name").value_or("");
  if (name.empty() || name.size() > 256) f.refuse("name", "must be a string of 1 to 256 bytes");
  f.text("description");
  const Json* parameters = f.find("parameters");
  if (!parameters) return {name, ""};
  if (!parameters->is_object()) f.refuse("parameters", "must be of type object");
  return {name, text_of(field_text(field_text(tool_text, "function"), "parameters"))};
}

/// An object, or the text of one.
OrderedJson read_arguments(const Fields& function) {
  const Json* given = function.find("arguments");
  if (!given || *given == "") return OrderedJson::object();
  constexpr const char* kRule = "must be a JSON object, or the text of one";
  if (given->is_object()) return *given;
  if (!given->is_string()) function.refuse("arguments", kRule);
  const auto& text = given->get_ref<const std::string&>();
  try {
    const Json checked = parse_object(text);
    // Fields in their order, unless there are so many that looking for each among them would take long.
    return text.size() <= kMaxOrderedBytes ? OrderedJson::parse(text) : OrderedJson(checked);
  } catch (const ApiError&) {
    function.refuse("arguments", kRule);
  }
}

}  // namespace

Constraint read_format(const Fields& fields, std::string_view body) {
  const Json* format = fields.find("format");
  if (!format || *format == "") return {};
  if (*format == "json") return {Constraint::Kind::json, "", "format"};
  if (!format->is_object()) fields.refuse("format", "must be \"json\" or a JSON schema");
  return {Constraint::Kind::schema, text_of(field_text(body, "format")), "format"};
}

Constraint read_response_format(const Fields& fields, std::string_view body) {
  using Kind = Constraint::Kind;
  Constraint all;
  const auto set = [&](const char* name, Kind kind, std::string text) {
    if (all.kind != Kind::none) fields.refuse(name, "is a second format for one answer");
    all = {kind, std::move(text), name};
  };
  if (const Json* format = fields.object("response_format")) {
    const std::string type = Fields(*format, "response_format ").text("type").value_or("");
    const std::string_view text = field_text(body, "response_format");
    if (type == "json_object") {
      set("response_format", Kind::json, "");
    } else if (type == "json_schema") {
      const Json* named = Fields(*format).find("json_schema");
      const Json* schema = named && named->is_object() ? Fields(*named).find("schema") : nullptr;
      if (!schema) fields.refuse("response_format", "of type json_schema needs json_schema.schema");
      set("response_format", Kind::schema, text_of(field_text(field_text(text, "json_schema"), "schema")));
    } else if (type != "text") {
      fields.refuse("response_format", "must have the type text, json_object or json_schema");
    }
  }
  for (const char* name : {"guided_json", "json_schema"})
    if (const Json* schema = fields.find(name))
      set(name, Kind::schema,
          schema->is_string() ? schema->get<std::string>() : text_of(field_text(body, name)));
  if (const auto regex = fields.text("guided_regex")) set("guided_regex", Kind::regex, *regex);
  for (const char* name : {"guided_grammar", "grammar"})
    if (const auto grammar = fields.text(name); grammar && !grammar->empty()) set(name, Kind::gbnf, *grammar);
  return all;
}

Constraint read_typed_format(const Json& format, std::string_view text, const char* field) {
  const auto refuse = [&](std::string_view rule) {
    throw ApiError(400, fmt::format("\"{}\" {}", field, rule), field);
  };
  if (!format.is_object()) refuse("must be of type object");
  const std::string type = Fields(format, std::string(field) + ".").text("type").value_or("");
  if (type == "text") return {};
  if (type == "json_object") return {Constraint::Kind::json, "", field};
  if (type != "json_schema") refuse("must have the type text, json_object or json_schema");
  const Json* schema = Fields(format).find("schema");
  if (!schema || !schema->is_object()) refuse("of type json_schema needs a \"schema\" of type object");
  return {Constraint::Kind::schema, text_of(field_text(text, "schema")), field};
}

Tools read_flat_tools(const Fields& fields, std::string_view body, std::string_view type, const char* schema,
                      const OrderedJson& choice) {
  const Json* list = fields.array("tools");
  std::string tools;
  const auto texts = list ? item_texts(field_text(body, "tools")) : std::vector<std::string_view>();
  for (size_t i = 0; list && i < list->size(); ++i) {
    const Json& json = (*list)[i];
    if (!json.is_object()) fields.refuse("tools", "must hold objects");
    const Fields tool(json, "tool ");
    if (const auto own = tool.text("type").value_or(std::string(type)); own != type)
      fields.refuse("tools", fmt::format("of type '{}' are not supported", shown(own)));
    const Json* parameters = tool.find(schema);
    if (parameters && !parameters->is_object())
      fields.refuse("tools", fmt::format("must have a \"{}\" of type object", schema));
    OrderedJson function{{"name", tool.text("name").value_or("")}};
    if (const auto description = tool.text("description")) function["description"] = *description;
    std::string one = dump(function);  // the schema goes on as it was written: its order is kept
    if (parameters)
      one.replace(one.size() - 1, 1, fmt::format(",\"parameters\":{}}}", field_text(texts[i], schema)));
    tools += fmt::format(R"({}{{"type":"function","function":{}}})", i ? "," : "", one);
  }
  const std::string text =
      fmt::format(R"({{"tools":[{}]{}{})", tools, choice.empty() ? "" : ",", dump(choice).substr(1));
  const Json made = parse_object(text);
  return read_tools(Fields(made), text);
}

Tools read_tools(const Fields& fields, std::string_view body) {
  Tools tools;
  const Json* list = fields.array("tools");
  if (list && list->size() > kMaxTools) fields.refuse("tools", fmt::format("holds over {} tools", kMaxTools));
  const Json* choice = fields.find("tool_choice");
  if (!list || list->empty()) {
    if (choice && *choice != "none" && *choice != "auto") fields.refuse("tool_choice", "needs tools");
    return tools;
  }
  const std::string_view text = field_text(body, "tools");
  const auto texts = item_texts(text);
  for (size_t i = 0; i < list->size(); ++i) {
    try {
      tools.functions.push_back(read_function((*list)[i], texts[i]));
    } catch (const ApiError& e) {
      throw ApiError(e.status(), fmt::format("tools[{}]: {}", i, e.message()), "tools");
    }
    for (size_t j = 0; j < i; ++j)
      if (tools.functions[j].name == tools.functions[i].name)
        fields.refuse("tools",
                      fmt::format("holds two functions of the name '{}'", shown(tools.functions[i].name)));
  }
  tools.json = text;
  tools.several = fields.flag("parallel_tool_calls").value_or(true);
  if (!choice || *choice == "auto") return tools;
  if (*choice == "none") return {};
  tools.required = true;
  if (*choice == "required") return tools;
  const Json* function = choice->is_object() ? Fields(*choice).find("function") : nullptr;
  const std::string name =
      function && function->is_object() ? Fields(*function).text("name").value_or("") : "";
  if (name.empty())
    fields.refuse("tool_choice", "must be \"none\", \"auto\", \"required\" or name a function");
  std::erase_if(tools.functions, [&](const CallGrammar::Function& f) { return f.name != name; });
  if (tools.functions.empty()) fields.refuse("tool_choice", "names a function that is not among the tools");
  tools.several = false;
  return tools;
}

std::string read_message_calls(const Json& message) {
  const Fields m(message, "message ");
  const Json* calls = m.array("tool_calls");
  OrderedJson fields = OrderedJson::object();
  for (const Json& call : calls ? *calls : Json::array()) {
    const Json* function = call.is_object() ? Fields(call).find("function") : nullptr;
    if (!function || !function->is_object()) m.refuse("tool_calls", "must hold objects with a \"function\"");
    const Fields f(*function, "function ");
    const OrderedJson arguments = read_arguments(f);
    OrderedJson out{{"type", "function"},
                    {"function", {{"name", f.text("name").value_or("")}, {"arguments", arguments}}}};
    if (const auto id = Fields(call).text("id")) out["id"] = *id;
    fields["tool_calls"].push_back(std::move(out));
  }
  for (const char* name : {"tool_call_id", "tool_name", "name"})
    if (const auto value = m.text(name))
      fields[name == std::string_view("tool_name") ? "name" : name] = *value;
  return fields.empty() ? "" : dump(fields);
}

template <class Compile>
std::shared_ptr<const Grammar> GrammarCache::find(std::string key, const std::string& param,
                                                  Compile compile) {
  {
    std::lock_guard lock(mutex_);
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      if (at->key != key) continue;
      entries_.splice(entries_.begin(), entries_, at);
      return at->grammar;
    }
  }
  std::shared_ptr<const Grammar> grammar;
  try {
    grammar = compile();
  } catch (const Error& e) {
    throw ApiError(400, fmt::format("[{}] {}", e.op(), e.message()), param);
  }
  std::lock_guard lock(mutex_);
  entries_.push_front({std::move(key), grammar});
  if (entries_.size() > kMaxGrammars) entries_.pop_back();
  return grammar;
}

std::shared_ptr<const Grammar> GrammarCache::get(const Constraint& c) {
  using Kind = Constraint::Kind;
  if (c.kind == Kind::none) return nullptr;
  if (c.kind == Kind::json) return Grammar::json();
  return find(std::to_string(static_cast<int>(c.kind)) + c.text, c.field, [&] {
    return c.kind == Kind::schema  ? Grammar::from_json_schema(c.text)
           : c.kind == Kind::regex ? Grammar::from_regex(c.text)
                                   : Grammar::from_gbnf(c.text);
  });
}

std::shared_ptr<const Grammar> GrammarCache::get(ToolStyle style, const Tools& tools,
                                                 const Constraint& constraint) {
  const std::shared_ptr<const Grammar> text = get(constraint);
  OrderedJson key{static_cast<int>(style), tools.required, tools.several};
  for (const CallGrammar::Function& f : tools.functions) key.push_back({f.name, f.parameters});
  key.push_back({static_cast<int>(constraint.kind), constraint.text});
  return find("tools" + dump(key), "tools",
              [&] { return tool_grammar(style, tools.functions, tools.required, tools.several, text); });
}

size_t GrammarCache::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace uma::serve
