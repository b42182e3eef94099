// OpenAI's API: chat and text completions with server-sent events, and the list of models.
#include <algorithm>
#include <charconv>
#include <ctime>

#include "base/utf8.h"
#include "serve/http_text.h"
#include "serve/json.h"
#include "serve/logprobs.h"
#include "serve/openai_fields.h"
#include "serve/random_id.h"
#include "serve/service.h"
#include "text/tokenizer.h"

namespace uma::serve {
namespace {

constexpr int64_t kMaxChoices = 128;
constexpr size_t kMaxStops = 64, kMaxPrompts = 128;

std::string event(const OrderedJson& json) {
  return "data: " + dump(json) + "\n\n";
}

const char* finish_reason(const GenerateResult& result) {
  return is_cut(result) ? "length" : result.tool_calls.empty() ? "stop" : "tool_calls";
}

OrderedJson call_json(const ToolCall& call) {
  return {{"id", random_id("call_")},
          {"type", "function"},
          {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

/// The choices of one prompt share its tokens.
OrderedJson usage_of(std::span<const GenerateResult> results, int64_t choices) {
  int64_t prompt = 0, cached = 0, answer = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    const GenerateTimings& t = results[i].timings;
    answer += t.answer_tokens;
    if (static_cast<int64_t>(i) % choices != 0) continue;
    prompt += t.prompt_tokens;
    cached += t.reused_tokens;
  }
  return {{"prompt_tokens", prompt},
          {"completion_tokens", answer},
          {"total_tokens", prompt + answer},
          {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

/// Chat and text completions differ in a choice's fields.
class OpenAiFormat final : public AnswerFormat {
 public:
  /// echoes: what each choice's text begins with.
  OpenAiFormat(const AnswerRequest& request, bool chat, bool usage, std::vector<std::string> echoes,
               std::shared_ptr<const Vocabulary> vocabulary)
      : id_(random_id(chat ? "chatcmpl-" : "cmpl-")),
        model_(request.model),
        chat_(chat),
        usage_(usage),
        logprobs_(request.options.logprobs.has_value()),
        choices_(request.choices),
        all_(static_cast<size_t>(request.choices) * std::max<size_t>(request.prompts.size(), 1)),
        echoes_(std::move(echoes)),
        vocabulary_(std::move(vocabulary)) {
    echoes_.resize(all_);
    for (const std::string& echo : echoes_) offsets_.push_back(count_characters(echo));
  }

  std::string_view type() const override { return "text/event-stream; charset=utf-8"; }
  std::string begin() override {
    std::string out;
    for (size_t i = 0; i < all_; ++i) {
      if (chat_) {
        out += event(chunk(i, {{"role", "assistant"}, {"content", ""}}, nullptr));
      } else if (!echoes_[i].empty()) {
        out += event(chunk(i, echoes_[i], nullptr));
      }
    }
    return out;
  }
  std::string piece(size_t choice, std::string_view text, std::span<const TokenLogprob> logprobs) override {
    return event(chunk(choice, chat_ ? OrderedJson{{"content", text}} : OrderedJson(text), nullptr,
                       logprobs_of(choice, logprobs)));
  }
  /// A call comes whole, as Ollama's do: it is valid only once it is.
  std::string call(size_t choice, size_t index, const ToolCall& call) override {
    OrderedJson json{{"index", index}};
    json.update(call_json(call));
    return event(chunk(choice, {{"tool_calls", OrderedJson::array({json})}}, nullptr));
  }
  std::string choice_end(size_t choice, const GenerateResult& result) override {
    return event(chunk(choice, chat_ ? OrderedJson::object() : OrderedJson(""), finish_reason(result)));
  }
  std::string end(std::span<const GenerateResult> results) override {
    std::string out;
    if (usage_) {
      OrderedJson json = head(true);
      json["choices"] = OrderedJson::array();
      json["usage"] = usage_of(results, choices_);
      out = event(json);
    }
    return out + "data: [DONE]\n\n";
  }
  std::string error(const Failure& failure) override {
    return "data: " + openai_refusal(failure).body + "\n\n";
  }
  std::string whole(std::span<const GenerateResult> results) override {
    OrderedJson json = head(false);
    json["choices"] = OrderedJson::array();
    for (size_t i = 0; i < results.size(); ++i) {
      OrderedJson choice{{"index", i}};
      if (chat_) {
        choice["message"] = {{"role", "assistant"}, {"content", results[i].text}, {"refusal", nullptr}};
        if (results[i].text.empty() && !results[i].tool_calls.empty()) choice["message"]["content"] = nullptr;
        for (const ToolCall& call : results[i].tool_calls)
          choice["message"]["tool_calls"].push_back(call_json(call));
      } else {
        choice["text"] = echoes_[i] + results[i].text;
      }
      choice["logprobs"] = logprobs_of(i, results[i].logprobs);
      choice["finish_reason"] = finish_reason(results[i]);
      json["choices"].push_back(std::move(choice));
    }
    json["usage"] = usage_of(results, choices_);
    return dump(json);
  }
  HttpReply refusal(const Failure& failure) override { return openai_refusal(failure); }

 private:
  OrderedJson head(bool part) const {
    const char* object = !chat_ ? "text_completion" : part ? "chat.completion.chunk" : "chat.completion";
    return {{"id", id_},
            {"object", object},
            {"created", created_},
            {"model", model_},
            {"system_fingerprint", "uma"}};
  }
  OrderedJson logprobs_of(size_t choice, std::span<const TokenLogprob> tokens) {
    if (!logprobs_) return nullptr;
    if (!chat_) return completion_logprobs_json(tokens, *vocabulary_, offsets_[choice]);
    return {{"content", logprobs_json(tokens, *vocabulary_)}, {"refusal", nullptr}};
  }
  OrderedJson chunk(size_t choice, OrderedJson text, OrderedJson reason,
                    OrderedJson logprobs = nullptr) const {
    OrderedJson json = head(true);
    json["choices"] = {{{"index", choice},
                        {chat_ ? "delta" : "text", std::move(text)},
                        {"logprobs", std::move(logprobs)},
                        {"finish_reason", std::move(reason)}}};
    if (usage_) json["usage"] = nullptr;
    return json;
  }

  std::string id_, model_;
  bool chat_, usage_, logprobs_;
  int64_t choices_;
  size_t all_;
  std::vector<std::string> echoes_;
  std::vector<size_t> offsets_;  // characters that each choice has said, as log probabilities count them
  std::shared_ptr<const Vocabulary> vocabulary_;
  int64_t created_ = std::time(nullptr);
};

void read_logit_bias(const Fields& body, SamplingOptions& s) {
  const Json* biases = body.object("logit_bias");
  if (!biases) return;
  for (const auto& [key, value] : biases->items()) {
    int32_t token = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    const double bias = value.is_number() ? value.get<double>() : 1000;
    if (error != std::errc() || end != key.data() + key.size() || !(bias >= -100 && bias <= 100))
      body.refuse("logit_bias", "must map token ids to numbers from -100 to 100");
    s.logit_bias.emplace_back(token, static_cast<float>(bias));
  }
}

/// What this server does not do yet is said, and never left out silently.
void refuse_missing(const Fields& body) {
  body.refuse_if_set("functions", "\"functions\" is not supported: use \"tools\"");
  body.refuse_if_set("audio", "audio is not supported");
  body.refuse_if_set("suffix", "\"suffix\" is not supported yet");
  for (const std::string& m : body.texts("modalities", 8))
    if (m != "text") body.refuse("modalities", "may hold \"text\" only");
}

AnswerRequest read_common(const Service& service, const HttpRequest& http, const Fields& body) {
  AnswerRequest request;
  request.tenant = http.tenant;
  request.priority = read_priority(body, http);
  request.model = require_model(body);
  refuse_missing(body);
  request.constraint = read_response_format(body, http.body);
  request.local = find_model(service, http, request.model);
  SamplingOptions& s = request.options.sampling;
  begin_sampling(request);
  s.temperature = static_cast<float>(body.number("temperature", 0, 2).value_or(s.temperature));
  s.top_p = static_cast<float>(body.number("top_p", 0, 1).value_or(s.top_p));
  s.top_k = body.integer("top_k", -1, INT32_MAX).value_or(s.top_k);
  if (s.top_k < 0) s.top_k = 0;  // -1, elsewhere: all
  s.min_p = static_cast<float>(body.number("min_p", 0, 1).value_or(s.min_p));
  s.repeat_penalty =
      static_cast<float>(body.number("repetition_penalty", 0.01, 100).value_or(s.repeat_penalty));
  s.presence_penalty =
      static_cast<float>(body.number("presence_penalty", -2, 2).value_or(s.presence_penalty));
  s.frequency_penalty =
      static_cast<float>(body.number("frequency_penalty", -2, 2).value_or(s.frequency_penalty));
  read_logit_bias(body, s);
  if (const auto seed = body.integer("seed")) s.seed = static_cast<uint64_t>(*seed);
  if (body.find("stop")) request.options.stop = body.texts("stop", kMaxStops);
  std::erase(request.options.stop, "");
  const auto most = body.integer("max_completion_tokens", 0, INT32_MAX),
             older = body.integer("max_tokens", 0, INT32_MAX);
  request.options.max_tokens = most.value_or(older.value_or(request.options.max_tokens));
  request.choices = body.integer("n", 1, kMaxChoices).value_or(1);
  request.streamed = body.flag("stream").value_or(false);
  body.text("user");
  return request;
}

bool wants_usage(const Fields& body, bool streamed) {
  const Json* options = body.object("stream_options");
  if (!options) return false;
  if (!streamed) body.refuse("stream_options", "is for streams: set \"stream\" too");
  return Fields(*options, "stream_options.").flag("include_usage").value_or(false);
}

std::string read_content(const Fields& message) {
  const Json* content = message.find("content");
  if (!content) return "";
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) message.refuse("content", "must be a string or an array of parts");
  std::string text;
  for (const Json& part : *content) {
    if (!part.is_object()) message.refuse("content", "must be a string or an array of parts");
    const Fields p(part);
    const std::string type = p.text("type").value_or("");
    if (type != "text")
      throw ApiError(400, fmt::format("content of type '{}' is not supported", shown(type)), "messages");
    text += p.text("text").value_or("");
  }
  return text;
}

ChatMessage read_message(const Json& json) {
  if (!json.is_object()) throw ApiError(400, "a message must be of type object", "messages");
  const Fields m(json);
  const std::string role = m.text("role").value_or("");
  if (role != "system" && role != "developer" && role != "user" && role != "assistant" && role != "tool")
    throw ApiError(
        400, fmt::format("role '{}' is not one of system, developer, user, assistant, tool", shown(role)),
        "messages");
  return {role == "developer" ? "system" : role, read_content(m), read_message_calls(json)};
}

Reply answer(Service& service, const Fields& body, const AnswerRequest& request, bool chat,
             bool echo = false) {
  const bool usage = wants_usage(body, request.streamed);
  AnswerWork work = make_work(service, request);
  const auto& vocabulary = work.model->scheduler.model()->vocabulary;
  std::vector<std::string> echoes;
  for (size_t i = 0; echo && i < work.choices.size(); ++i) {
    const Prompt& prompt = request.prompts[i / static_cast<size_t>(request.choices)];
    const auto* text = std::get_if<std::string>(&prompt);
    echoes.push_back(text ? *text
                          : vocabulary->tokenizer->decode(std::get<std::vector<int32_t>>(prompt), true));
  }
  work.format = std::make_unique<OpenAiFormat>(request, chat, usage, std::move(echoes), vocabulary);
  return std::make_unique<Answering>(std::move(work));
}

Reply chat_completions(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  AnswerRequest request = read_common(service, http, body);
  request.tools = read_tools(body, http.body);
  const Json* messages = body.find("messages");
  if (!messages || !messages->is_array()) body.refuse("messages", "must be of type array");
  if (messages->empty()) body.refuse("messages", "must hold a message");
  for (const Json& m : *messages) request.messages.push_back(read_message(m));
  const bool logprobs = body.flag("logprobs").value_or(false);
  const auto top = body.integer("top_logprobs", 0, kMaxTopLogprobs);
  if (top && *top > 0 && !logprobs) body.refuse("top_logprobs", "needs \"logprobs\": true");
  if (logprobs) request.options.logprobs = top.value_or(0);
  const std::string effort = body.text("reasoning_effort").value_or("");
  static constexpr std::string_view kEfforts[] = {"", "none", "minimal", "low", "medium", "high", "xhigh"};
  if (std::find(std::begin(kEfforts), std::end(kEfforts), effort) == std::end(kEfforts))
    body.refuse("reasoning_effort", "must be one of none, minimal, low, medium, high, xhigh");
  if (effort == "none") request.template_json = R"({"enable_thinking":false})";
  return answer(service, body, request, true);
}

Reply completions(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  AnswerRequest request = read_common(service, http, body);
  body.refuse_if_set("tools", "tools need a conversation: /v1/chat/completions");
  request.prompts = read_prompts(body, "prompt", kMaxPrompts);
  const auto best_of = body.integer("best_of", 0, kMaxChoices);
  if (best_of && *best_of > 1 && *best_of != request.choices) body.refuse("best_of", "is not supported yet");
  if (!body.find("max_completion_tokens") && !body.find("max_tokens") && request.options.max_tokens < 0)
    request.options.max_tokens = 16;
  if (static_cast<int64_t>(request.prompts.size()) * request.choices > kMaxChoices)
    body.refuse("n", fmt::format("times the prompts is over {}", kMaxChoices));
  request.options.logprobs = body.integer("logprobs", 0, kMaxTopLogprobs);
  const bool echo = body.flag("echo").value_or(false);
  if (echo && request.options.logprobs)
    body.refuse("echo", "with \"logprobs\" is not supported: the prompt's tokens have none here");
  return answer(service, body, request, false, echo);
}

OrderedJson model_json(const LocalModel& m) {
  return {{"id", m.name}, {"object", "model"}, {"created", m.modified}, {"owned_by", "library"}};
}

Reply models(Service& service, const HttpRequest& http) {
  OrderedJson data = OrderedJson::array();
  for (const LocalModel& m : list_models(service, http)) data.push_back(model_json(m));
  return HttpReply{.body = dump({{"object", "list"}, {"data", data}})};
}

Reply one_model(Service& service, const HttpRequest& http) {
  const std::string name =
      with_colons(std::string_view(http.path).substr(std::string_view("/v1/models/").size()));
  return HttpReply{.body = dump(model_json(find_model(service, http, name)))};
}

constexpr Route kRoutes[] = {
    {"POST", "/v1/chat/completions", chat_completions},
    {"POST", "/v1/completions", completions},
    {"GET", "/v1/models", models, Access::list},
    {"GET", "/v1/models/*", one_model, Access::list},
};

}  // namespace

std::span<const Route> openai_routes() {
  return kRoutes;
}

HttpReply openai_refusal(const Failure& failure) {
  const int status = failure.status;
  const char* type = status == 404   ? "not_found_error"
                     : status == 503 ? "unavailable_error"
                     : status == 501 ? "not_supported_error"
                     : status == 401 ? "authentication_error"
                     : status == 403 ? "permission_error"
                     : status == 429 ? "rate_limit_error"
                     : status >= 500 ? "server_error"
                                     : "invalid_request_error";
  OrderedJson error{{"message", failure.message}, {"type", type}};
  error["param"] = failure.param.empty() ? OrderedJson() : OrderedJson(failure.param);
  error["code"] = failure.code.empty() ? OrderedJson() : OrderedJson(failure.code);
  return {.status = status, .body = dump({{"error", error}})};
}

}  // namespace uma::serve
