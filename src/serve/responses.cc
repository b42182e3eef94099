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
          {"text", {{"format", {{"type", "text"}}}}},
          {"tool_choice", given("tool_choice", "auto")},
          {"tools", OrderedJson::array()},
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
    out += event("response.output_item.added",
                 {{"output_index", 0}, {"item", item("in_progress", OrderedJson::array())}});
    out += event("response.content_part.added", of_part({{"part", part("", {})}}));
    return out;
  }
  std::string piece(size_t, std::string_view text, std::span<const TokenLogprob> logprobs) override {
    return event("response.output_text.delta",
                 of_part({{"delta", text}, {"logprobs", logprobs_json(logprobs, *vocabulary_)}}));
  }
  std::string choice_end(size_t, const GenerateResult&) override { return {}; }
  std::string end(std::span<const GenerateResult> results) override {
    const GenerateResult& r = results[0];
    const OrderedJson said = part(r.text, r.logprobs);
    std::string out =
        event("response.output_text.done", of_part({{"text", r.text}, {"logprobs", said["logprobs"]}}));
    out += event("response.content_part.done", of_part({{"part", said}}));
    out += event("response.output_item.done", {{"output_index", 0}, {"item", item(status(r), {said})}});
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
  std::string whole(std::span<const GenerateResult> results) override { return dump(finished(results[0])); }
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
    response["output"] = {item(status(r), {part(r.text, r.logprobs)})};
    const GenerateTimings& t = r.timings;
    response["usage"] = {{"input_tokens", t.prompt_tokens},
                         {"input_tokens_details", {{"cached_tokens", t.reused_tokens}}},
                         {"output_tokens", t.answer_tokens},
                         {"output_tokens_details", {{"reasoning_tokens", 0}}},
                         {"total_tokens", t.prompt_tokens + t.answer_tokens}};
    return response;
  }
  OrderedJson item(const char* state, OrderedJson content) const {
    return {{"id", item_id_},
            {"type", "message"},
            {"role", "assistant"},
            {"status", state},
            {"content", std::move(content)}};
  }
  OrderedJson part(std::string_view text, std::span<const TokenLogprob> logprobs) const {
    return {{"type", "output_text"},
            {"text", text},
            {"annotations", OrderedJson::array()},
            {"logprobs", logprobs_json(logprobs, *vocabulary_)}};
  }
  OrderedJson of_part(const OrderedJson& rest) const {
    OrderedJson json{{"item_id", item_id_}, {"output_index", 0}, {"content_index", 0}};
    json.update(rest);
    return json;
  }
  std::string event(const char* name, const OrderedJson& rest) {
    OrderedJson json{{"type", name}, {"sequence_number", sequence_++}};
    json.update(rest);
    return fmt::format("event: {}\ndata: {}\n\n", name, dump(json));
  }

  std::string id_ = random_id("resp_"), item_id_ = random_id("msg_"), model_;
  OrderedJson echo_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  int64_t created_ = std::time(nullptr), sequence_ = 0;
};

/// A string, or parts of text that came in or went out.
std::string read_content(const Fields& item) {
  const Json* content = item.find("content");
  if (!content) item.refuse("content", "must be a string or an array of parts");
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) item.refuse("content", "must be a string or an array of parts");
  std::string text;
  for (const Json& json : *content) {
    if (!json.is_object()) item.refuse("content", "must be a string or an array of parts");
    const Fields part(json);
    const std::string type = part.text("type").value_or("");
    if (type != "input_text" && type != "output_text" && type != "text")
      throw ApiError(400, fmt::format("content of type '{}' is not supported", shown(type)), "input");
    text += part.text("text").value_or("");
  }
  return text;
}

void read_input(const Fields& body, std::vector<ChatMessage>& messages) {
  const Json* input = body.find("input");
  if (input && input->is_string()) {
    messages.push_back({"user", input->get<std::string>()});
    return;
  }
  if (!input || !input->is_array()) body.refuse("input", "must be a string or an array of items");
  for (const Json& json : *input) {
    if (!json.is_object()) body.refuse("input", "must be a string or an array of items");
    const Fields item(json);
    const std::string type = item.text("type").value_or("message");
    if (type == "reasoning") continue;  // of earlier turns: templates leave it out
    if (type != "message")
      throw ApiError(400, fmt::format("items of type '{}' are not supported yet", shown(type)), "input");
    const std::string role = item.text("role").value_or("");
    if (role != "system" && role != "developer" && role != "user" && role != "assistant")
      throw ApiError(400,
                     fmt::format("role '{}' is not one of system, developer, user, assistant", shown(role)),
                     "input");
    messages.push_back({role == "developer" ? "system" : role, read_content(item)});
  }
  if (messages.empty()) body.refuse("input", "must hold a message");
}

/// What this server does not do is said, and never left out silently.
void refuse_missing(const Fields& body) {
  body.refuse_if_set(
      "previous_response_id",
      "\"previous_response_id\" is not supported: responses are not kept, send the whole conversation");
  body.refuse_if_set("conversation",
                     "\"conversation\" is not supported: send the whole conversation as input");
  body.refuse_if_set("background", "\"background\" is not supported: responses are not kept");
  body.refuse_if_set("tools", "tools are not supported yet");
  body.refuse_if_set("prompt", "\"prompt\" is not supported: there are no stored prompts");
  const Json* choice = body.find("tool_choice");
  if (choice && *choice != "none" && *choice != "auto")
    body.refuse("tool_choice", "needs tools, which are not supported yet");
  if (const auto truncation = body.text("truncation"); truncation && *truncation != "disabled")
    body.refuse("truncation", "must be \"disabled\": nothing is cut here");
  if (const Json* text = body.find("text")) {
    if (!text->is_object()) body.refuse("text", "must be of type object");
    const Json* format = Fields(*text, "text.").find("format");
    if (format && !(format->is_object() && format->value("type", Json()) == "text"))
      body.refuse("text", "may hold the format {\"type\":\"text\"} only, as yet");
  }
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
  for (const std::string& name : body.texts("include", 16))
    if (name == "message.output_text.logprobs" && !request.options.logprobs) request.options.logprobs = 0;
  request.streamed = body.flag("stream").value_or(false);
  if (const Json* reasoning = body.find("reasoning")) {
    if (!reasoning->is_object()) body.refuse("reasoning", "must be of type object");
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
