// Ollama's API: its fields, its defaults, its words for errors.
#include <algorithm>
#include <cmath>

#include "base/ascii.h"
#include "base/utf8.h"
#include "io/gguf.h"
#include "models/open.h"
#include "serve/clock.h"
#include "serve/json.h"
#include "serve/random_id.h"
#include "serve/service.h"

namespace uma::serve {
namespace {

constexpr size_t kMaxStops = 64;

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

/// Seconds as a number, or a Go duration such as "1h30m".
std::optional<KeepAlive> read_keep_alive(const Fields& fields) {
  const Json* value = fields.find("keep_alive");
  if (!value) return {};
  const auto duration = value->is_number()   ? std::optional(value->get<double>())
                        : value->is_string() ? parse_duration(value->get_ref<const std::string&>())
                                             : std::nullopt;
  if (!duration) fields.refuse("keep_alive", "must be a number of seconds or a duration such as \"5m\"");
  return keep_alive_of(*duration);
}

void read_options(const Fields& body, AnswerRequest& request) {
  static const Json kNone = Json::object();
  const Json* value = body.find("options");
  if (value && !value->is_object()) body.refuse("options", "must be of type object");
  const Fields o(value ? *value : kNone, "option ");
  SamplingOptions& s = request.options.sampling;
  s.temperature = static_cast<float>(o.number("temperature", 0, 100).value_or(0.8));
  s.top_k = o.integer("top_k", 0, INT32_MAX).value_or(40);
  s.top_p = static_cast<float>(o.number("top_p", 0, 1).value_or(0.9));
  s.min_p = static_cast<float>(o.number("min_p", 0, 1).value_or(0));
  s.repeat_last_n = o.integer("repeat_last_n", -1, INT32_MAX).value_or(64);
  s.repeat_penalty = static_cast<float>(o.number("repeat_penalty", 0.01, 100).value_or(1));
  s.presence_penalty = static_cast<float>(o.number("presence_penalty", -100, 100).value_or(0));
  s.frequency_penalty = static_cast<float>(o.number("frequency_penalty", -100, 100).value_or(0));
  const auto seed = o.integer("seed");
  s.seed = !seed || *seed == -1 ? random_seed() : static_cast<uint64_t>(*seed);
  request.options.stop = o.texts("stop", kMaxStops);
  // -1: until it ends; -2, of older clients: until the context is full, which is no other limit.
  request.options.max_tokens = std::max<int64_t>(o.integer("num_predict", -2, INT32_MAX).value_or(-1), -1);
  // What a client asks for is the most that it may use; keys and values take memory as they come.
  request.context = o.integer("num_ctx", 0, INT32_MAX).value_or(0);
  if (o.number("typical_p", 0, 1).value_or(1) != 1) o.refuse("typical_p", "is not supported: leave it at 1");
  for (const char* name : {"num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict"})
    o.integer(name, INT32_MIN, INT32_MAX);  // the server decides these; wrong types are wrong all the same
  o.flag("use_mmap");
}

/// What this server does not do yet is said, and never left out silently.
void refuse_missing(const Fields& body, const std::string& model) {
  body.refuse_if_set("images", fmt::format("\"{}\" does not support images", model));
  body.refuse_if_set("suffix",
                     fmt::format("\"{}\" does not support insert: this server does not yet", model));
  body.refuse_if_set("template", "\"template\" is not supported: the model's own is used");
  body.refuse_if_set("context", "\"context\" is not supported: send the conversation to /api/chat");
  body.refuse_if_set("logprobs", "\"logprobs\" is not supported yet");
  body.refuse_if_set("_debug_render_only", "\"_debug_render_only\" is not supported");
  for (const char* name : {"truncate", "shift"}) body.flag(name);  // nothing is ever cut silently
}

AnswerRequest read_common(const Fields& body, std::string_view text) {
  AnswerRequest request;
  request.model = body.text("model").value_or("");
  if (request.model.empty()) throw ApiError(400, "model is required", "model");
  refuse_missing(body, request.model);
  request.constraint = read_format(body, text);
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
  read_options(body, request);
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
  OllamaFormat(std::string model, bool chat, double load_s)
      : model_(std::move(model)), chat_(chat), load_s_(load_s) {}

  std::string_view type() const override { return "application/x-ndjson"; }
  std::string piece(size_t, std::string_view text) override { return dump(chunk(text, false)) + "\n"; }
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
    const bool cut = result.stop_reason == StopReason::length || result.stop_reason == StopReason::context;
    json["done_reason"] = cut ? "length" : "stop";
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
  SteadyClock::time_point start_ = SteadyClock::now();
};

Reply answer(Service& service, const AnswerRequest& request, bool chat) {
  AnswerWork work = make_work(service, request);
  work.format = std::make_unique<OllamaFormat>(request.model, chat, work.model.load_s);
  return std::make_unique<Answering>(std::move(work));
}

/// An empty prompt loads the model, or unloads it.
Reply load_only(Service& service, const AnswerRequest& request, bool chat) {
  const LocalModel model = service.library.find(request.model);
  const bool unload = request.keep_alive == KeepAlive::zero();
  if (unload) {
    service.pool.unload(model);
  } else {
    service.pool.take(model, request.keep_alive);
  }
  OrderedJson json = OllamaFormat(request.model, chat, 0).chunk("", true);
  json["done_reason"] = unload ? "unload" : "load";
  return HttpReply{.body = dump(json)};
}

Reply generate(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  AnswerRequest request = read_common(body, http.body);
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
  AnswerRequest request = read_common(body, http.body);
  request.tools = read_tools(body, http.body);
  const Json* messages = body.find("messages");
  if (messages && !messages->is_array()) body.refuse("messages", "must be of type array");
  if (!messages || messages->empty()) return load_only(service, request, true);
  for (const Json& m : *messages) request.messages.push_back(read_message(m, request.model));
  return answer(service, request, true);
}

Reply tags(Service& service, const HttpRequest&) {
  OrderedJson models = OrderedJson::array();
  for (const LocalModel& m : service.library.list())
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

Reply show(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  const std::string name = body.text("model").value_or(body.text("name").value_or(""));
  if (name.empty()) throw ApiError(400, "model is required", "model");
  const bool verbose = body.flag("verbose").value_or(false);
  const LocalModel m = service.library.find(name);
  const auto file = GgufFile::open(m.path);
  OrderedJson info = OrderedJson::object();
  for (const GgufEntry& entry : file->entries())
    if (entry.key != "tokenizer.chat_template")
      info[std::string(entry.key)] = value_of(*file, entry, verbose);
  OrderedJson reply{{"modelfile", fmt::format("FROM {}\n", m.name)},
                    {"template", file->find_string("tokenizer.chat_template").value_or("")},
                    {"details", details_of(m)},
                    {"model_info", info},
                    {"capabilities", {"completion"}},
                    {"modified_at", rfc3339(m.modified)}};
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
    {"POST", "/api/generate", generate}, {"POST", "/api/chat", chat},
    {"GET", "/api/tags", tags},          {"GET", "/api/ps", loaded},
    {"POST", "/api/show", show},         {"GET", "/api/version", version},
    {"POST", "/api/embed", not_yet},     {"POST", "/api/embeddings", not_yet},
    {"POST", "/api/pull", not_yet},      {"POST", "/api/push", not_yet},
    {"POST", "/api/create", not_yet},    {"POST", "/api/copy", not_yet},
    {"DELETE", "/api/delete", not_yet},  {"POST", "/api/blobs/*", not_yet},
};

}  // namespace

std::span<const Route> ollama_routes() {
  return kRoutes;
}

HttpReply ollama_refusal(const Failure& failure) {
  return {.status = failure.status, .body = dump({{"error", failure.message}})};
}

}  // namespace uma::serve
