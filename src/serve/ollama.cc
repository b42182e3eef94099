// Ollama's API: its fields, its defaults, its words for errors.
#include <algorithm>
#include <cmath>

#include "base/ascii.h"
#include "base/utf8.h"
#include "io/gguf.h"
#include "models/open.h"
#include "serve/clock.h"
#include "serve/json.h"
#include "serve/logprobs.h"
#include "serve/ollama_fields.h"
#include "serve/random_id.h"
#include "serve/service.h"

namespace uma::serve {
namespace {

OrderedJson details_of(const LocalModel& m) {
  return {{"parent_model", ""},
          {"format", "gguf"},
          {"family", m.family},
          {"families", {m.family}},
          {"parameter_size", m.parameter_size},
          {"quantization_level", m.quantization},
          {"context_length", m.context_length},
          {"embedding_length", m.embedding_length}};
}

/// What this server does not do yet is said, and never left out silently.
void refuse_missing(const Fields& body, const std::string& model) {
  body.refuse_if_set("images", fmt::format("\"{}\" does not support images", model));
  body.refuse_if_set("suffix",
                     fmt::format("\"{}\" does not support insert: this server does not yet", model));
  body.refuse_if_set("template", "\"template\" is not supported: the model's own is used");
  body.refuse_if_set("context", "\"context\" is not supported: send the conversation to /api/chat");
  body.refuse_if_set("_debug_render_only", "\"_debug_render_only\" is not supported");
  for (const char* name : {"truncate", "shift"}) body.flag(name);  // nothing is ever cut silently
}

AnswerRequest read_common(const Service& service, const HttpRequest& http, const Fields& body) {
  AnswerRequest request;
  request.tenant = http.tenant;
  request.priority = read_priority(body, http);
  request.model = body.text("model").value_or("");
  if (request.model.empty()) throw ApiError(400, "model is required", "model");
  request.local = find_model(service, http, request.model);
  refuse_missing(body, request.model);
  request.constraint = read_format(body, http.body);
  request.streamed = body.flag("stream").value_or(true);
  request.keep_alive = read_keep_alive(body);
  if (const Json* think = body.find("think"); think && *think == false) {
    request.template_json = R"({"enable_thinking":false})";
  } else if (think) {
    if (!think->is_boolean() && *think != "low" && *think != "medium" && *think != "high" && *think != "max")
      body.refuse("think", "must be a boolean or one of \"low\", \"medium\", \"high\", \"max\"");
    throw ApiError(400,
                   fmt::format("\"{}\" does not support thinking: this server does not yet", request.model),
                   "think");
  }
  const bool logprobs = body.flag("logprobs").value_or(false);
  const auto top = body.integer("top_logprobs", 0, kMaxTopLogprobs);
  if (logprobs) request.options.logprobs = top.value_or(0);
  begin_sampling(request, 0.8f, 0.9f);
  if (const Json* options = body.object("options")) {
    read_options(*options, request.options, request.context);
  }
  return request;
}

OrderedJson call_json(size_t index, const ToolCall& call) {
  return {{"id", random_id("call_")},
          {"function",
           {{"index", index}, {"name", call.name}, {"arguments", OrderedJson::parse(call.arguments)}}}};
}

/// The two ways to word an answer differ in where its text stands.
class OllamaFormat final : public AnswerFormat {
 public:
  OllamaFormat(std::string model, bool chat, double load_s, std::shared_ptr<const Vocabulary> vocabulary)
      : model_(std::move(model)), chat_(chat), load_s_(load_s), vocabulary_(std::move(vocabulary)) {}

  std::string_view type() const override { return "application/x-ndjson"; }
  std::string piece(size_t, std::string_view text, std::span<const TokenLogprob> logprobs) override {
    OrderedJson json = chunk(text, false);
    if (!logprobs.empty()) json["logprobs"] = logprobs_json(logprobs, *vocabulary_);
    return dump(json) + "\n";
  }
  std::string call(size_t, size_t index, const ToolCall& call) override {
    OrderedJson json = chunk("", false);
    json["message"]["tool_calls"] = OrderedJson::array({call_json(index, call)});
    return dump(json) + "\n";
  }
  std::string choice_end(size_t, const GenerateResult&) override { return {}; }
  std::string end(std::span<const GenerateResult> results) override {
    return dump(finished("", results[0])) + "\n";
  }
  std::string error(const Failure& failure) override { return ollama_refusal(failure).body + "\n"; }
  std::string whole(std::span<const GenerateResult> results) override {
    OrderedJson json = finished(results[0].text, results[0]);
    for (size_t i = 0; i < results[0].tool_calls.size(); ++i)
      json["message"]["tool_calls"].push_back(call_json(i, results[0].tool_calls[i]));
    if (!results[0].logprobs.empty()) json["logprobs"] = logprobs_json(results[0].logprobs, *vocabulary_);
    return dump(json);
  }
  HttpReply refusal(const Failure& failure) override { return ollama_refusal(failure); }

  OrderedJson chunk(std::string_view text, bool done) const {
    OrderedJson json{{"model", model_}, {"created_at", rfc3339_now()}};
    if (chat_) {
      json["message"] = {{"role", "assistant"}, {"content", text}};
    } else {
      json["response"] = text;
    }
    json["done"] = done;
    return json;
  }

 private:
  OrderedJson finished(std::string_view text, const GenerateResult& result) const {
    OrderedJson json = chunk(text, true);
    json["done_reason"] = is_cut(result) ? "length" : "stop";
    const auto ns = [](double s) { return std::llround(s * 1e9); };
    const GenerateTimings& t = result.timings;
    json["total_duration"] = ns(std::chrono::duration<double>(SteadyClock::now() - start_).count() + load_s_);
    json["load_duration"] = ns(load_s_);
    json["prompt_eval_count"] = t.prompt_tokens;
    json["prompt_eval_duration"] = ns(t.prefill_s);
    json["eval_count"] = t.answer_tokens;
    json["eval_duration"] = ns(t.decode_s);
    return json;
  }

  std::string model_;
  bool chat_;
  double load_s_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  SteadyClock::time_point start_ = SteadyClock::now();
};

Reply answer(Service& service, const AnswerRequest& request, bool chat) {
  AnswerWork work = make_work(service, request);
  work.format = std::make_unique<OllamaFormat>(request.model, chat, work.model.load_s,
                                               work.model->scheduler.model()->vocabulary);
  return std::make_unique<Answering>(std::move(work));
}

/// An empty prompt loads the model, or unloads it.
Reply load_only(Service& service, const AnswerRequest& request, bool chat) {
  const LocalModel& model = request.local;
  const bool unload = request.keep_alive == KeepAlive::zero();
  if (unload) {
    service.pool.unload(model);
  } else {
    service.pool.take(model, request.keep_alive);
  }
  OrderedJson json = OllamaFormat(request.model, chat, 0, nullptr).chunk("", true);
  json["done_reason"] = unload ? "unload" : "load";
  return HttpReply{.body = dump(json)};
}

Reply generate(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  AnswerRequest request = read_common(service, http, body);
  body.refuse_if_set("tools", "\"tools\" need a conversation: /api/chat");
  const std::string prompt = body.text("prompt").value_or(""), system = body.text("system").value_or("");
  const bool raw = body.flag("raw").value_or(false);
  if (raw && !system.empty())
    throw ApiError(400, "raw mode does not support template, system, or context", "raw");
  if (prompt.empty()) return load_only(service, request, false);
  if (raw) {
    request.prompts.emplace_back(prompt);
  } else {
    if (!system.empty()) request.messages.push_back({"system", system});
    request.messages.push_back({"user", prompt});
  }
  return answer(service, request, false);
}

ChatMessage read_message(const Json& json, const std::string& model) {
  if (!json.is_object()) throw ApiError(400, "a message must be of type object", "messages");
  const Fields m(json);
  m.refuse_if_set("images", fmt::format("\"{}\" does not support images", model));
  m.text("thinking");  // of earlier turns: templates leave it out
  ChatMessage message{ascii_lower(m.text("role").value_or("")), m.text("content").value_or(""),
                      read_message_calls(json)};
  if (message.role != "system" && message.role != "user" && message.role != "assistant" &&
      message.role != "tool")
    throw ApiError(400,
                   fmt::format("role '{}' is not one of system, user, assistant, tool", shown(message.role)),
                   "messages");
  return message;
}

Reply chat(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  AnswerRequest request = read_common(service, http, body);
  request.tools = read_tools(body, http.body);
  const Json* messages = body.array("messages");
  if (!messages || messages->empty()) return load_only(service, request, true);
  for (const Json& m : *messages) request.messages.push_back(read_message(m, request.model));
  return answer(service, request, true);
}

Reply tags(Service& service, const HttpRequest& http) {
  OrderedJson models = OrderedJson::array();
  for (const LocalModel& m : list_models(service, http))
    models.push_back({{"name", m.name},
                      {"model", m.name},
                      {"modified_at", rfc3339(m.modified)},
                      {"size", m.bytes},
                      {"digest", m.digest},
                      {"details", details_of(m)},
                      {"capabilities", {"completion"}}});
  return HttpReply{.body = dump({{"models", models}})};
}

Reply loaded(Service& service, const HttpRequest&) {
  OrderedJson models = OrderedJson::array();
  for (const Pool::Status& s : service.pool.status()) {
    // For ever is a far year, as Ollama has it.
    const auto left = s.left.value_or(std::chrono::hours(24 * 365 * 100));
    models.push_back({{"name", s.info.name},
                      {"model", s.info.name},
                      {"size", s.info.bytes},
                      {"digest", s.info.digest},
                      {"details", details_of(s.info)},
                      {"expires_at", rfc3339_in(left)},
                      {"size_vram", 0},
                      {"context_length", s.context}});
  }
  return HttpReply{.body = dump({{"models", models}})};
}

OrderedJson value_of(const GgufFile& file, const GgufEntry& entry, bool verbose) {
  using Type = GgufType;
  if (entry.is_array) {
    if (!verbose) return nullptr;  // vocabularies
    if (entry.type == Type::string)
      return OrderedJson(file.find_strings(entry.key).value_or(std::vector<std::string_view>{}));
    if (const auto ints = file.find_ints(entry.key)) return OrderedJson(*ints);
    if (const auto floats = file.find_floats(entry.key)) return OrderedJson(*floats);
    return nullptr;
  }
  if (entry.type == Type::boolean) return file.find_bool(entry.key).value_or(false);
  if (entry.type == Type::string) return file.find_string(entry.key).value_or("");
  if (entry.type == Type::f32 || entry.type == Type::f64) return file.find_float(entry.key).value_or(0);
  if (const auto number = file.find_int(entry.key)) return *number;
  return file.find_uint(entry.key).value_or(0);
}

/// A value as a Modelfile has it.
std::string parameter_lines(const Json& parameters, std::string_view before) {
  std::string lines;
  for (const auto& [name, value] : parameters.items())
    for (const Json& one : value.is_array() ? value : Json::array({value}))
      lines += fmt::format("{}{:<30} {}\n", before, name, one.dump());
  return lines;
}

OrderedJson settings_json(const LocalModel& m, const ModelSettings& s) {
  std::string file = fmt::format("FROM {}\n", m.name);
  const auto block = [&](const char* word, const std::string& text) {
    if (!text.empty()) file += fmt::format("{} \"\"\"{}\"\"\"\n", word, text);
  };
  block("TEMPLATE", s.template_source);
  block("SYSTEM", s.system);
  file += parameter_lines(s.parameters, "PARAMETER ");
  for (const ChatMessage& turn : s.messages) block(("MESSAGE " + turn.role).c_str(), turn.content);
  block("LICENSE", m.licence);
  OrderedJson json{{"modelfile", file}};
  if (!m.licence.empty()) json["license"] = m.licence;
  if (!s.parameters.empty()) json["parameters"] = parameter_lines(s.parameters, "");
  if (!s.system.empty()) json["system"] = s.system;
  for (const ChatMessage& turn : s.messages)
    json["messages"].push_back({{"role", turn.role}, {"content", turn.content}});
  return json;
}

Reply show(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  const std::string name = read_model(body);
  const bool verbose = body.flag("verbose").value_or(false);
  const LocalModel m = find_model(service, http, name);
  const auto file = GgufFile::open(m.path);
  OrderedJson info = OrderedJson::object();
  for (const GgufEntry& entry : file->entries())
    if (entry.key != "tokenizer.chat_template")
      info[std::string(entry.key)] = value_of(*file, entry, verbose);
  const ModelSettings settings = ModelSettings::parse(m.settings);
  const std::string own(file->find_string("tokenizer.chat_template").value_or(""));
  OrderedJson reply = settings_json(m, settings);
  reply.update(OrderedJson{{"template", settings.template_source.empty() ? own : settings.template_source},
                           {"details", details_of(m)},
                           {"model_info", info},
                           {"capabilities", {"completion"}},
                           {"modified_at", rfc3339(m.modified)}});
  if (verbose) {
    reply["tensors"] = OrderedJson::array();
    for (const GgufTensor& t : file->tensors())
      reply["tensors"].push_back({{"name", t.name}, {"type", t.type_name()}, {"shape", t.shape}});
  }
  return HttpReply{.body = dump(reply)};
}

Reply version(Service& service, const HttpRequest&) {
  return HttpReply{.body = dump({{"version", service.version}})};
}

constexpr Route kRoutes[] = {
    {"POST", "/api/generate", generate},       {"POST", "/api/chat", chat},
    {"GET", "/api/tags", tags, Access::list},  {"GET", "/api/ps", loaded, Access::list},
    {"POST", "/api/show", show, Access::list}, {"GET", "/api/version", version, Access::list},
};

}  // namespace

std::span<const Route> ollama_routes() {
  return kRoutes;
}

HttpReply ollama_refusal(const Failure& failure) {
  return {.status = failure.status, .body = dump({{"error", failure.message}})};
}

}  // namespace uma::serve
