// OpenAI's newer call for an answer, /v1/responses: whole, or as the events of its parts. Nothing is kept, so
// no response can be asked for again or gone on from.
#include <ctime>

#include "base/utf8.h"
#include "serve/json.h"
#include "serve/logprobs.h"
#include "serve/openai_fields.h"
#include "serve/random_id.h"
#include "serve/service.h"

namespace uma::serve {
namespace {

/// What a response repeats of its request.
OrderedJson echo_of(const Fields& body) {
  body.object("metadata");
  const auto given = [&](const char* name, const OrderedJson& otherwise) {
    const Json* value = body.find(name);
    return value ? OrderedJson::parse(value->dump()) : otherwise;
  };
  return {{"background", false},
          {"instructions", given("instructions", nullptr)},
          {"max_output_tokens", given("max_output_tokens", nullptr)},
          {"metadata", given("metadata", OrderedJson::object())},
          {"parallel_tool_calls", given("parallel_tool_calls", true)},
          {"previous_response_id", nullptr},
          {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
          {"service_tier", "default"},
          {"store", false},
          {"temperature", given("temperature", 1.0)},
          {"text", given("text", {{"format", {{"type", "text"}}}})},
          {"tool_choice", given("tool_choice", "auto")},
          {"tools", given("tools", OrderedJson::array())},
          {"top_logprobs", given("top_logprobs", 0)},
          {"top_p", given("top_p", 1.0)},
          {"truncation", "disabled"},
          {"user", given("user", nullptr)}};
}

class ResponsesFormat final : public AnswerFormat {
 public:
  ResponsesFormat(std::string model, OrderedJson echo, std::shared_ptr<const Vocabulary> vocabulary)
      : model_(std::move(model)), echo_(std::move(echo)), vocabulary_(std::move(vocabulary)) {}

  std::string_view type() const override { return "text/event-stream; charset=utf-8"; }
  // Events are numbered as they are made, so each stands in a statement of its own.
  std::string begin() override {
    const OrderedJson response = in_progress();
    std::string out = event("response.created", {{"response", response}});
    out += event("response.in_progress", {{"response", response}});
    return out;
  }
  std::string piece(size_t, std::string_view text, std::span<const TokenLogprob> logprobs) override {
    if (text.empty() && message_id_.empty()) return {};  // log probabilities of a call
    std::string out = open_message();
    said_ += text;
    said_logprobs_.insert(said_logprobs_.end(), logprobs.begin(), logprobs.end());
    out += event("response.output_text.delta",
                 of_part({{"delta", text}, {"logprobs", logprobs_json(logprobs, *vocabulary_)}}));
    return out;
  }
  /// A call comes whole: it is valid only once it is.
  std::string call(size_t, size_t, const ToolCall& call) override {
    std::string out = close_message("completed");
    const OrderedJson done = call_item(call);
    OrderedJson begun = done;
    begun["arguments"] = "";
    begun["status"] = "in_progress";
    const OrderedJson where{{"item_id", done["id"]}, {"output_index", output_.size()}};
    const auto with = [&](OrderedJson rest) {
      OrderedJson json = where;
      json.update(rest);
      return json;
    };
    out += event("response.output_item.added", {{"output_index", output_.size()}, {"item", begun}});
    out += event("response.function_call_arguments.delta", with({{"delta", call.arguments}}));
    out += event("response.function_call_arguments.done",
                 with({{"name", call.name}, {"arguments", call.arguments}}));
    out += event("response.output_item.done", {{"output_index", output_.size()}, {"item", done}});
    output_.push_back(done);
    return out;
  }
  std::string choice_end(size_t, const GenerateResult&) override { return {}; }
  std::string end(std::span<const GenerateResult> results) override {
    const GenerateResult& r = results[0];
    std::string out;
    if (output_.empty()) out += open_message();
    out += close_message(status(r));
    out += event(is_cut(r) ? "response.incomplete" : "response.completed", {{"response", finished(r)}});
    return out;
  }
  std::string error(const Failure& failure) override {
    OrderedJson response = head("failed");
    const char* code = failure.status >= 500 ? "server_error" : "invalid_prompt";
    response["error"] = {{"code", code}, {"message", failure.message}};
    response["output"] = OrderedJson::array();
    response["usage"] = nullptr;
    return event("response.failed", {{"response", std::move(response)}});
  }
  std::string whole(std::span<const GenerateResult> results) override {
    const GenerateResult& r = results[0];
    if (!r.text.empty() || r.tool_calls.empty())
      output_.push_back(message_item(status(r), OrderedJson::array({part(r.text, r.logprobs)})));
    for (const ToolCall& call : r.tool_calls) output_.push_back(call_item(call));
    return dump(finished(r));
  }
  HttpReply refusal(const Failure& failure) override { return openai_refusal(failure); }

 private:
  static const char* status(const GenerateResult& r) { return is_cut(r) ? "incomplete" : "completed"; }

  OrderedJson head(const char* state) const {
    OrderedJson json{{"id", id_},
                     {"object", "response"},
                     {"created_at", created_},
                     {"status", state},
                     {"completed_at", nullptr},
                     {"error", nullptr},
                     {"incomplete_details", nullptr},
                     {"model", model_}};
    json.update(echo_);
    return json;
  }
  OrderedJson in_progress() const {
    OrderedJson response = head("in_progress");
    response["output"] = OrderedJson::array();
    response["usage"] = nullptr;
    return response;
  }
  OrderedJson finished(const GenerateResult& r) const {
    OrderedJson response = head(status(r));
    if (is_cut(r)) {
      response["incomplete_details"] = {{"reason", "max_output_tokens"}};
    } else {
      response["completed_at"] = std::time(nullptr);
    }
    response["output"] = output_;
    const GenerateTimings& t = r.timings;
    response["usage"] = {{"input_tokens", t.prompt_tokens},
                         {"input_tokens_details", {{"cached_tokens", t.reused_tokens}}},
                         {"output_tokens", t.answer_tokens},
                         {"output_tokens_details", {{"reasoning_tokens", 0}}},
                         {"total_tokens", t.prompt_tokens + t.answer_tokens}};
    return response;
  }
  // Of a stream: a message is begun by its first text, and ended by a call or with the answer.
  std::string open_message() {
    if (!message_id_.empty()) return {};
    message_id_ = random_id("msg_");
    std::string out = event(
        "response.output_item.added",
        {{"output_index", output_.size()}, {"item", message_item("in_progress", OrderedJson::array())}});
    out += event("response.content_part.added", of_part({{"part", part("", {})}}));
    return out;
  }
  std::string close_message(const char* state) {
    if (message_id_.empty()) return {};
    const OrderedJson said = part(said_, said_logprobs_);
    const OrderedJson item = message_item(state, OrderedJson::array({said}));
    std::string out =
        event("response.output_text.done", of_part({{"text", said_}, {"logprobs", said["logprobs"]}}));
    out += event("response.content_part.done", of_part({{"part", said}}));
    out += event("response.output_item.done", {{"output_index", output_.size()}, {"item", item}});
    output_.push_back(item);
    message_id_.clear();
    said_.clear();
    said_logprobs_.clear();
    return out;
  }
  OrderedJson message_item(const char* state, OrderedJson content) const {
    return {{"id", message_id_.empty() ? random_id("msg_") : message_id_},
            {"type", "message"},
            {"role", "assistant"},
            {"status", state},
            {"content", std::move(content)}};
  }
  static OrderedJson call_item(const ToolCall& call) {
    return {{"id", random_id("fc_")},        {"type", "function_call"}, {"status", "completed"},
            {"call_id", random_id("call_")}, {"name", call.name},       {"arguments", call.arguments}};
  }
  OrderedJson part(std::string_view text, std::span<const TokenLogprob> logprobs) const {
    return {{"type", "output_text"},
            {"text", text},
            {"annotations", OrderedJson::array()},
            {"logprobs", logprobs_json(logprobs, *vocabulary_)}};
  }
  OrderedJson of_part(const OrderedJson& rest) const {
    OrderedJson json{{"item_id", message_id_}, {"output_index", output_.size()}, {"content_index", 0}};
    json.update(rest);
    return json;
  }
  std::string event(const char* name, const OrderedJson& rest) {
    OrderedJson json{{"type", name}, {"sequence_number", sequence_++}};
    json.update(rest);
    return fmt::format("event: {}\ndata: {}\n\n", name, dump(json));
  }

  std::string id_ = random_id("resp_"), model_;
  OrderedJson echo_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  int64_t created_ = std::time(nullptr), sequence_ = 0;
  OrderedJson output_ = OrderedJson::array();  // items that are whole
  std::string message_id_, said_;              // the message under way; "": none
  std::vector<TokenLogprob> said_logprobs_;
};

/// A string, or parts of text that came in or went out.
std::string read_content(const Fields& item, const char* field) {
  const Json* content = item.find(field);
  if (!content) item.refuse(field, "must be a string or an array of parts");
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) item.refuse(field, "must be a string or an array of parts");
  std::string text;
  for (const Json& json : *content) {
    if (!json.is_object()) item.refuse(field, "must be a string or an array of parts");
    const Fields part(json);
    const std::string type = part.text("type").value_or("");
    if (type != "input_text" && type != "output_text" && type != "text")
      throw ApiError(400, fmt::format("content of type '{}' is not supported", shown(type)), "input");
    text += part.text("text").value_or("");
  }
  return text;
}

/// The items of a conversation as a template's turns: calls belong to the message before them.
class Turns {
 public:
  explicit Turns(std::vector<ChatMessage>& messages) : messages_(messages) {}

  void add(const Json& json) {
    const Fields item(json);
    const std::string type = item.text("type").value_or("message");
    if (type == "reasoning") return;  // of earlier turns: templates leave it out
    if (type == "function_call") {
      const Json function = {{"name", item.text("name").value_or("")},
                             {"arguments", item.text("arguments").value_or("")}};
      const Json call = {{"id", item.text("call_id").value_or("")}, {"function", function}};
      calls_.push_back(call);
      return;
    }
    finish();
    if (type == "function_call_output") {
      const Json id = {{"tool_call_id", item.text("call_id").value_or("")}};
      messages_.push_back({"tool", read_content(item, "output"), read_message_calls(id)});
      return;
    }
    if (type != "message")
      throw ApiError(400, fmt::format("items of type '{}' are not supported", shown(type)), "input");
    const std::string role = item.text("role").value_or("");
    if (role != "system" && role != "developer" && role != "user" && role != "assistant")
      throw ApiError(400,
                     fmt::format("role '{}' is not one of system, developer, user, assistant", shown(role)),
                     "input");
    messages_.push_back({role == "developer" ? "system" : role, read_content(item, "content")});
  }
  /// No more calls come for the last message.
  void finish() {
    if (calls_.empty()) return;
    if (messages_.empty() || messages_.back().role != "assistant") messages_.push_back({"assistant", ""});
    const Json made = {{"tool_calls", std::exchange(calls_, Json::array())}};
    messages_.back().fields_json = read_message_calls(made);
  }

 private:
  std::vector<ChatMessage>& messages_;
  Json calls_ = Json::array();  // that belong to the last message
};

void read_input(const Fields& body, std::vector<ChatMessage>& messages) {
  const Json* input = body.find("input");
  if (input && input->is_string()) {
    messages.push_back({"user", input->get<std::string>()});
    return;
  }
  if (!input || !input->is_array()) body.refuse("input", "must be a string or an array of items");
  Turns turns(messages);
  for (const Json& json : *input) {
    if (!json.is_object()) body.refuse("input", "must be a string or an array of items");
    turns.add(json);
  }
  turns.finish();
  if (messages.empty()) body.refuse("input", "must hold a message");
}

/// `text.format`.
Constraint read_text_format(const Fields& fields, std::string_view body) {
  const Json* text = fields.object("text");
  if (!text) return {};
  const Json* format = Fields(*text, "text.").find("format");
  if (!format) return {};
  return read_typed_format(*format, field_text(field_text(body, "text"), "format"), "text.format");
}

Tools read_response_tools(const Fields& fields, std::string_view body) {
  OrderedJson choice = OrderedJson::object();
  const Json* given = fields.find("tool_choice");
  if (given && given->is_object()) {
    const Fields c(*given, "tool_choice ");
    if (c.text("type") != "function")
      fields.refuse("tool_choice", "must be \"none\", \"auto\", \"required\" or name a function");
    choice["tool_choice"] = {{"type", "function"}, {"function", {{"name", c.text("name").value_or("")}}}};
  } else if (given) {
    choice["tool_choice"] = *given;
  }
  if (const auto several = fields.flag("parallel_tool_calls")) choice["parallel_tool_calls"] = *several;
  return read_flat_tools(fields, body, "function", "parameters", choice);
}

/// What this server does not do is said, and never left out silently.
void refuse_missing(const Fields& body) {
  body.refuse_if_set(
      "previous_response_id",
      "\"previous_response_id\" is not supported: responses are not kept, send the whole conversation");
  body.refuse_if_set("conversation",
                     "\"conversation\" is not supported: send the whole conversation as input");
  body.refuse_if_set("background", "\"background\" is not supported: responses are not kept");
  body.refuse_if_set("prompt", "\"prompt\" is not supported: there are no stored prompts");
  if (const auto truncation = body.text("truncation"); truncation && *truncation != "disabled")
    body.refuse("truncation", "must be \"disabled\": nothing is cut here");
}

Reply responses(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  AnswerRequest request;
  request.tenant = http.tenant;
  request.priority = read_priority(body, http);
  request.model = require_model(body);
  request.local = find_model(service, http, request.model);
  refuse_missing(body);
  request.constraint = read_text_format(body, http.body);
  request.tools = read_response_tools(body, http.body);
  if (std::string text = body.text("instructions").value_or(""); !text.empty())
    request.messages.push_back({"system", std::move(text)});
  read_input(body, request.messages);
  begin_sampling(request);
  SamplingOptions& s = request.options.sampling;
  s.temperature = static_cast<float>(body.number("temperature", 0, 2).value_or(s.temperature));
  s.top_p = static_cast<float>(body.number("top_p", 0, 1).value_or(s.top_p));
  request.options.max_tokens =
      body.integer("max_output_tokens", 1, INT32_MAX).value_or(request.options.max_tokens);
  request.options.logprobs = body.integer("top_logprobs", 0, kMaxTopLogprobs);
  body.array("include");
  for (const std::string& name : body.texts("include", 16))
    if (name == "message.output_text.logprobs" && !request.options.logprobs) request.options.logprobs = 0;
  request.streamed = body.flag("stream").value_or(false);
  if (const Json* reasoning = body.object("reasoning")) {
    if (Fields(*reasoning, "reasoning.").text("effort") == "none")
      request.template_json = R"({"enable_thinking":false})";
  }
  OrderedJson echo = echo_of(body);
  AnswerWork work = make_work(service, request);
  work.format = std::make_unique<ResponsesFormat>(request.model, std::move(echo),
                                                  work.model->scheduler.model()->vocabulary);
  return std::make_unique<Answering>(std::move(work));
}

constexpr Route kRoutes[] = {{"POST", "/v1/responses", responses}};

}  // namespace

std::span<const Route> responses_routes() {
  return kRoutes;
}

}  // namespace uma::serve
