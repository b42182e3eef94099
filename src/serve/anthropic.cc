// Anthropic's API: messages, whole and as events, and the counting of their tokens.
#include <algorithm>

#include "base/utf8.h"
#include "serve/json.h"
#include "serve/openai_fields.h"
#include "serve/random_id.h"
#include "serve/service.h"

namespace uma::serve {
namespace {

constexpr size_t kMaxStops = 64;

std::string event(const char* name, OrderedJson rest) {
  OrderedJson json{{"type", name}};
  json.update(rest);
  return fmt::format("event: {}\ndata: {}\n\n", name, dump(json));
}

const char* stop_reason(const GenerateResult& result) {
  if (is_cut(result)) return "max_tokens";
  if (result.stop_reason == StopReason::stop) return "stop_sequence";
  return result.tool_calls.empty() ? "end_turn" : "tool_use";
}

OrderedJson stop_sequence(const GenerateResult& result) {
  return result.stop_reason == StopReason::stop ? OrderedJson(result.stop_string) : OrderedJson();
}

class AnthropicFormat final : public AnswerFormat {
 public:
  AnthropicFormat(std::string model, int64_t prompt_tokens)
      : id_(random_id("msg_")), model_(std::move(model)), prompt_tokens_(prompt_tokens) {}

  std::string_view type() const override { return "text/event-stream; charset=utf-8"; }
  std::string begin() override {
    OrderedJson message = head();
    message["content"] = OrderedJson::array();
    message["stop_reason"] = nullptr;
    message["stop_sequence"] = nullptr;
    message["usage"] = {{"input_tokens", prompt_tokens_}, {"output_tokens", 0}};
    return event("message_start", {{"message", std::move(message)}}) + event("ping", OrderedJson::object());
  }
  std::string piece(size_t, std::string_view text, std::span<const TokenLogprob>) override {
    std::string out;
    if (!in_text_) out = start({{"type", "text"}, {"text", ""}});
    in_text_ = true;
    return out + delta({{"type", "text_delta"}, {"text", text}});
  }
  std::string call(size_t, size_t, const ToolCall& call) override {
    // One by one: operands of + come in any order, and these count blocks.
    std::string out = end_text();
    out += start(use_block(call.name, OrderedJson::object()));
    out += delta({{"type", "input_json_delta"}, {"partial_json", call.arguments}});
    return out += stop();
  }
  std::string choice_end(size_t, const GenerateResult&) override { return {}; }
  std::string end(std::span<const GenerateResult> results) override {
    const GenerateResult& r = results[0];
    return end_text() +
           event("message_delta",
                 {{"delta", {{"stop_reason", stop_reason(r)}, {"stop_sequence", stop_sequence(r)}}},
                  {"usage", usage_of(r)}}) +
           event("message_stop", OrderedJson::object());
  }
  std::string error(const Failure& failure) override {
    return fmt::format("event: error\ndata: {}\n\n", anthropic_refusal(failure).body);
  }
  std::string whole(std::span<const GenerateResult> results) override {
    const GenerateResult& r = results[0];
    OrderedJson message = head();
    message["content"] = OrderedJson::array();
    if (!r.text.empty() || r.tool_calls.empty())
      message["content"].push_back({{"type", "text"}, {"text", r.text}});
    for (const ToolCall& call : r.tool_calls)
      message["content"].push_back(use_block(call.name, OrderedJson::parse(call.arguments)));
    message["stop_reason"] = stop_reason(r);
    message["stop_sequence"] = stop_sequence(r);
    message["usage"] = usage_of(r);
    return dump(message);
  }
  HttpReply refusal(const Failure& failure) override { return anthropic_refusal(failure); }

 private:
  OrderedJson head() const {
    return {{"id", id_}, {"type", "message"}, {"role", "assistant"}, {"model", model_}};
  }
  /// As there, what was found in the cache is not counted as input.
  OrderedJson usage_of(const GenerateResult& result) const {
    const GenerateTimings& t = result.timings;
    return {{"input_tokens", t.prompt_tokens - t.reused_tokens},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", t.reused_tokens},
            {"output_tokens", t.answer_tokens}};
  }

  static OrderedJson use_block(const std::string& name, OrderedJson input) {
    return {{"type", "tool_use"}, {"id", random_id("toolu_")}, {"name", name}, {"input", std::move(input)}};
  }
  // Of a stream's block, number block_.
  std::string start(OrderedJson block) const {
    return event("content_block_start", {{"index", block_}, {"content_block", std::move(block)}});
  }
  std::string delta(OrderedJson delta) const {
    return event("content_block_delta", {{"index", block_}, {"delta", std::move(delta)}});
  }
  std::string stop() { return event("content_block_stop", {{"index", block_++}}); }
  std::string end_text() { return std::exchange(in_text_, false) ? stop() : ""; }

  std::string id_, model_;
  int64_t prompt_tokens_;
  int64_t block_ = 0;
  bool in_text_ = false;
};

/// A string, or an array of text blocks.
std::string read_text(const Json& content, const char* param) {
  if (content.is_string()) return content.get<std::string>();
  const auto refuse = [&](std::string_view sentence) { throw ApiError(400, sentence, param); };
  if (!content.is_array()) refuse(fmt::format("\"{}\" must be a string or an array of blocks", param));
  std::string text;
  for (const Json& json : content) {
    if (!json.is_object()) refuse(fmt::format("\"{}\" must be a string or an array of blocks", param));
    const Fields block(json);
    const std::string type = block.text("type").value_or("");
    if (type == "thinking" || type == "redacted_thinking")
      continue;  // of earlier turns: templates leave it out
    if (type != "text") refuse(fmt::format("content of type '{}' is not supported", shown(type)));
    text += block.text("text").value_or("");
  }
  return text;
}

/// The turns of one message: its text, the calls that it makes, or the results that it brings.
void read_turns(const std::string& role, const Json& content, std::vector<ChatMessage>& turns) {
  const Json none = Json::array(), nothing = Json::object();
  Json texts = none, calls = none;
  for (const Json& json : content.is_array() ? content : none) {
    const std::string type = json.is_object() ? Fields(json).text("type").value_or("") : "";
    const Fields block(json.is_object() ? json : nothing, type + " ");
    if (type == "tool_use" && role == "assistant") {
      const Json* input = block.find("input");
      if (!input || !input->is_object()) block.refuse("input", "must be of type object");
      const Json function = {{"name", block.text("name").value_or("")}, {"arguments", *input}};
      const Json call = {{"id", block.text("id").value_or("")}, {"function", function}};
      calls.push_back(call);
    } else if (type == "tool_result" && role == "user") {
      const Json* result = block.find("content");
      const Json id = {{"tool_call_id", block.text("tool_use_id").value_or("")}};
      turns.push_back({"tool", result ? read_text(*result, "content") : "", read_message_calls(id)});
    } else {
      texts.push_back(json);
    }
  }
  const std::string text = read_text(content.is_array() ? texts : content, "content");
  const bool brought =
      content.is_array() && !content.empty() && texts.empty() && calls.empty();  // only results
  if (brought) return;
  const Json made = {{"tool_calls", calls}};
  turns.push_back({role, text, calls.empty() ? "" : read_message_calls(made)});
}

/// body: the request's text.
Tools read_anthropic_tools(const Fields& fields, std::string_view body) {
  if (const Json* list = fields.find("tools"); list && list->is_array())
    for (const Json& tool : *list)
      if (tool.is_object() && Fields(tool).text("type").value_or("custom") == "custom" &&
          !Fields(tool).find("input_schema"))
        fields.refuse("tools", "need an \"input_schema\" of type object");
  OrderedJson rest{{"tool_choice", "auto"}};
  if (const Json* choice = fields.object("tool_choice")) {
    const Fields c(*choice, "tool_choice ");
    const std::string type = c.text("type").value_or("");
    if (type == "tool") {
      rest["tool_choice"] = {{"type", "function"}, {"function", {{"name", c.text("name").value_or("")}}}};
    } else if (type == "any" || type == "auto" || type == "none") {
      rest["tool_choice"] = type == "any" ? "required" : type;
    } else {
      fields.refuse("tool_choice", "must have the type auto, any, tool or none");
    }
    rest["parallel_tool_calls"] = !c.flag("disable_parallel_tool_use").value_or(false);
  }
  return read_flat_tools(fields, body, "custom", "input_schema", rest);
}

/// `output_config.format`, or `output_format` as it was called before: a JSON schema.
Constraint read_output_format(const Fields& fields, std::string_view body) {
  const Json* config = fields.object("output_config");
  const Json* format = config ? Fields(*config).find("format") : nullptr;
  const Json* older = fields.find("output_format");
  if (format && older) fields.refuse("output_format", "is a second format for one answer");
  if (!format && !older) return {};
  const Constraint made =
      older ? read_typed_format(*older, field_text(body, "output_format"), "output_format")
            : read_typed_format(*format, field_text(field_text(body, "output_config"), "format"),
                                "output_config.format");
  if (made.kind != Constraint::Kind::schema)
    fields.refuse(older ? "output_format" : "output_config", "must have the type json_schema");
  return made;
}

/// A version is a date. Clients that name none are taken as well.
void check_version(const HttpRequest& http) {
  const std::string_view version = http.header("anthropic-version");
  if (version.empty()) return;
  static constexpr std::string_view kForm = "0000-00-00";
  bool good = version.size() == kForm.size();
  for (size_t i = 0; good && i < kForm.size(); ++i)
    good = kForm[i] == '-' ? version[i] == '-' : version[i] >= '0' && version[i] <= '9';
  if (!good)
    throw ApiError(400,
                   fmt::format("anthropic-version: \"{}\" is no version such as 2023-06-01", shown(version)));
}

/// What both calls share.
AnswerRequest read_conversation(const Service& service, const HttpRequest& http, const Fields& body) {
  check_version(http);
  AnswerRequest request;
  request.tenant = http.tenant;
  request.priority = read_priority(body, http);
  request.model = body.text("model").value_or("");
  if (request.model.empty()) throw ApiError(400, "model: Field required", "model");
  request.local = find_model(service, http, request.model);
  request.tools = read_anthropic_tools(body, http.body);
  request.constraint = read_output_format(body, http.body);
  body.object("metadata");
  body.array("stop_sequences");
  const Json* thinking = body.find("thinking");
  if (thinking && !(thinking->is_object() && thinking->value("type", Json()) == "disabled"))
    body.refuse("thinking", "is not supported yet, but for {\"type\":\"disabled\"}");
  if (thinking) request.template_json = R"({"enable_thinking":false})";
  if (const Json* system = body.find("system"))
    if (std::string text = read_text(*system, "system"); !text.empty())
      request.messages.push_back({"system", std::move(text)});
  const Json* messages = body.find("messages");
  if (!messages || !messages->is_array()) body.refuse("messages", "must be of type array");
  if (messages->empty()) body.refuse("messages", "must hold a message");
  for (const Json& json : *messages) {
    if (!json.is_object()) throw ApiError(400, "a message must be of type object", "messages");
    const Fields m(json);
    const std::string role = m.text("role").value_or("");
    if (role != "user" && role != "assistant")
      throw ApiError(400, fmt::format("role '{}' is not one of user, assistant", shown(role)), "messages");
    const Json* content = m.find("content");
    if (!content) m.refuse("content", "must be a string or an array of blocks");
    read_turns(role, *content, request.messages);
  }
  if (request.messages.back().role == "assistant")
    throw ApiError(400,
                   "the conversation must end with a user message: an answer cannot be begun for the model",
                   "messages");
  return request;
}

Reply messages(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  AnswerRequest request = read_conversation(service, http, body);
  const auto most = body.integer("max_tokens", 1, INT32_MAX);
  if (!most) throw ApiError(400, "max_tokens: Field required", "max_tokens");
  begin_sampling(request);
  request.options.max_tokens = *most;
  SamplingOptions& s = request.options.sampling;
  s.temperature = static_cast<float>(body.number("temperature", 0, 1).value_or(s.temperature));
  s.top_p = static_cast<float>(body.number("top_p", 0, 1).value_or(s.top_p));
  s.top_k = body.integer("top_k", 0, INT32_MAX).value_or(s.top_k);
  if (body.find("stop_sequences")) request.options.stop = body.texts("stop_sequences", kMaxStops);
  request.streamed = body.flag("stream").value_or(false);
  AnswerWork work = make_work(service, request);
  const auto prompt_tokens = static_cast<int64_t>(work.choices[0].prompt.size());
  work.format = std::make_unique<AnthropicFormat>(request.model, prompt_tokens);
  return std::make_unique<Answering>(std::move(work));
}

Reply count_tokens(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const AnswerWork work = make_work(service, read_conversation(service, http, Fields(json)));
  return HttpReply{.body = dump({{"input_tokens", work.choices[0].prompt.size()}})};
}

constexpr Route kRoutes[] = {{"POST", "/v1/messages", messages},
                             {"POST", "/v1/messages/count_tokens", count_tokens}};

}  // namespace

std::span<const Route> anthropic_routes() {
  return kRoutes;
}

HttpReply anthropic_refusal(const Failure& failure) {
  const int status = failure.status;
  const char* type = status == 401   ? "authentication_error"
                     : status == 403 ? "permission_error"
                     : status == 404 ? "not_found_error"
                     : status == 413 ? "request_too_large"
                     : status == 429 ? "rate_limit_error"
                     : status == 503 ? "overloaded_error"
                     : status >= 500 ? "api_error"
                                     : "invalid_request_error";
  const std::string id = random_id("req_");
  return {
      .status = status,
      .body = dump(
          {{"type", "error"}, {"error", {{"type", type}, {"message", failure.message}}}, {"request_id", id}}),
      .headers = {{"request-id", id}}};
}

}  // namespace uma::serve
