// Embeddings of texts, as Ollama and OpenAI's API ask for them.
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>

#include "engine/pooling.h"
#include "serve/base64.h"
#include "serve/json.h"
#include "serve/ollama_fields.h"
#include "serve/openai_fields.h"
#include "serve/service.h"

namespace uma::serve {
namespace {

constexpr size_t kMaxInputs = 2048;

struct EmbeddingRequest {
  std::string model;
  std::vector<Prompt> inputs;
  bool truncate = false;  // cut what passes the context, rather than refuse it
  std::optional<int64_t> dimensions;
  int64_t context = 0;
  std::optional<KeepAlive> keep_alive;
  int64_t priority = 0;
};

/// What both ways to word them share.
class EmbeddingFormat : public AnswerFormat {
 public:
  explicit EmbeddingFormat(const EmbeddingRequest& request)
      : model_(request.model), dimensions_(request.dimensions) {}
  std::vector<size_t> truncated;  // inputs that were cut

  // Embeddings come whole.
  std::string_view type() const override { return "application/json; charset=utf-8"; }
  std::string piece(size_t, std::string_view, std::span<const TokenLogprob>) override { return {}; }
  std::string choice_end(size_t, const GenerateResult&) override { return {}; }
  std::string end(std::span<const GenerateResult> results) override { return whole(results); }
  std::string error(const Failure& failure) override { return refusal(failure).body; }
  std::vector<std::pair<std::string, std::string>> headers() const override {
    if (truncated.empty()) return {};
    return {{"X-Uma-Truncated-Inputs", fmt::format("{}", fmt::join(truncated, ","))}};
  }

 protected:
  /// The first so many numbers of a longer vector, at length 1 again.
  std::vector<float> vector_of(const GenerateResult& result) const {
    std::vector<float> vector = result.embedding;
    if (dimensions_ && static_cast<size_t>(*dimensions_) < vector.size()) {
      vector.resize(static_cast<size_t>(*dimensions_));
      normalise(vector);
    }
    return vector;
  }
  /// As text: a document of JSON values would be many times as large.
  static std::string numbers(const std::vector<float>& vector) {
    std::string out = "[";
    for (const float x : vector)
      fmt::format_to(std::back_inserter(out), "{}{}", out.size() > 1 ? "," : "", x);
    return out + "]";
  }
  static int64_t prompt_tokens(std::span<const GenerateResult> results) {
    int64_t tokens = 0;
    for (const GenerateResult& r : results) tokens += r.timings.prompt_tokens;
    return tokens;
  }

  std::string model_;
  std::optional<int64_t> dimensions_;
};

class OllamaEmbeddings final : public EmbeddingFormat {
 public:
  /// one: of the older call, which takes one text.
  OllamaEmbeddings(const EmbeddingRequest& request, bool one) : EmbeddingFormat(request), one_(one) {}
  double load_s = 0;

  std::string whole(std::span<const GenerateResult> results) override {
    if (one_) return fmt::format("{{\"embedding\":{}}}", numbers(vector_of(results[0])));
    std::string out = fmt::format("{{\"model\":{},\"embeddings\":[", dump(model_));
    for (size_t i = 0; i < results.size(); ++i) out += (i ? "," : "") + numbers(vector_of(results[i]));
    OrderedJson rest{
        {"total_duration",
         std::llround((std::chrono::duration<double>(SteadyClock::now() - start_).count() + load_s) * 1e9)},
        {"load_duration", std::llround(load_s * 1e9)},
        {"prompt_eval_count", prompt_tokens(results)}};
    if (!truncated.empty()) rest["truncated_inputs"] = truncated;
    return out + "]," + dump(rest).substr(1);
  }
  HttpReply refusal(const Failure& failure) override { return ollama_refusal(failure); }

 private:
  bool one_;
  SteadyClock::time_point start_ = SteadyClock::now();
};

/// Little-endian f32 in base64.
std::string base64_of(const std::vector<float>& vector) {
  static_assert(std::endian::native == std::endian::little);
  return base64({reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)});
}

class OpenAiEmbeddings final : public EmbeddingFormat {
 public:
  OpenAiEmbeddings(const EmbeddingRequest& request, bool as_base64)
      : EmbeddingFormat(request), base64_(as_base64) {}

  std::string whole(std::span<const GenerateResult> results) override {
    std::string out = "{\"object\":\"list\",\"data\":[";
    for (size_t i = 0; i < results.size(); ++i) {
      const std::vector<float> vector = vector_of(results[i]);
      out += fmt::format("{}{{\"object\":\"embedding\",\"index\":{},\"embedding\":{}}}", i ? "," : "", i,
                         base64_ ? "\"" + base64_of(vector) + "\"" : numbers(vector));
    }
    const int64_t tokens = prompt_tokens(results);
    const OrderedJson rest{{"model", model_},
                           {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}};
    return out + "]," + dump(rest).substr(1);
  }
  HttpReply refusal(const Failure& failure) override { return openai_refusal(failure); }

 private:
  bool base64_;
};

AnswerWork make_embedding_work(Service& service, const HttpRequest& http, const EmbeddingRequest& request,
                               std::vector<size_t>& truncated) {
  AnswerWork work;
  work.model = service.pool.take(find_model(service, http, request.model), request.keep_alive);
  work.metrics = &service.metrics;
  work.on_ended = count_answers(service, http.tenant);
  const int64_t width = work.model->scheduler.model()->config().embedding_length;
  if (request.dimensions && *request.dimensions > width)
    throw ApiError(400, fmt::format("\"dimensions\" must be from 1 to the model's {}", width), "dimensions");
  const int64_t most = work.model->scheduler.context();
  const int64_t context = request.context > 0 ? std::min(request.context, most) : most;
  for (const Prompt& input : request.inputs) {
    ScheduledRequest& r = work.choices.emplace_back();
    const auto* text = std::get_if<std::string>(&input);
    r.prompt = text ? work.model->prompts.plain(*text, false) : std::get<std::vector<int32_t>>(input);
    r.embed = true;
    r.context = context;
    r.tenant = http.tenant;
    r.priority = request.priority;
    if (request.truncate && static_cast<int64_t>(r.prompt.size()) > context) {
      r.prompt.resize(static_cast<size_t>(context));
      truncated.push_back(work.choices.size() - 1);
    }
  }
  return work;
}

Reply embed_ollama(Service& service, const HttpRequest& http, bool one) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  EmbeddingRequest request;
  request.model = read_model(body);
  if (one) {
    request.inputs.emplace_back(body.text("prompt").value_or(""));
  } else {
    for (std::string& text : body.texts("input", kMaxInputs)) request.inputs.emplace_back(std::move(text));
    request.dimensions = body.integer("dimensions", 1, INT32_MAX);
  }
  // Unlike Ollama, which cuts where nobody asks for it: nothing is lost silently.
  request.truncate = body.flag("truncate").value_or(false);
  request.keep_alive = read_keep_alive(body);
  request.priority = read_priority(body, http);
  if (const Json* options = body.object("options")) {
    request.context = Fields(*options, "option ").integer("num_ctx", 0, INT32_MAX).value_or(0);
  }
  const bool nothing =
      request.inputs.empty() || (request.inputs.size() == 1 && request.inputs[0] == Prompt(""));
  if (nothing) {  // loads the model
    service.pool.take(find_model(service, http, request.model), request.keep_alive);
    return HttpReply{.body = one ? "{\"embedding\":[]}"
                                 : dump({{"model", request.model}, {"embeddings", OrderedJson::array()}})};
  }
  auto format = std::make_unique<OllamaEmbeddings>(request, one);
  AnswerWork work = make_embedding_work(service, http, request, format->truncated);
  format->load_s = work.model.load_s;
  work.format = std::move(format);
  return std::make_unique<Answering>(std::move(work));
}

Reply embed(Service& service, const HttpRequest& http) {
  return embed_ollama(service, http, false);
}
Reply embeddings(Service& service, const HttpRequest& http) {
  return embed_ollama(service, http, true);
}

Reply v1_embeddings(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  EmbeddingRequest request;
  request.model = require_model(body);
  request.inputs = read_prompts(body, "input", kMaxInputs);
  if (request.inputs.empty()) body.refuse("input", "must hold a text");
  for (const Prompt& input : request.inputs)
    if (std::visit([](const auto& x) { return x.empty(); }, input))
      body.refuse("input", "must not hold an empty text");
  request.dimensions = body.integer("dimensions", 1, INT32_MAX);
  const std::string encoding = body.text("encoding_format").value_or("float");
  if (encoding != "float" && encoding != "base64")
    body.refuse("encoding_format", "must be \"float\" or \"base64\"");
  body.text("user");
  request.priority = read_priority(body, http);
  auto format = std::make_unique<OpenAiEmbeddings>(request, encoding == "base64");
  AnswerWork work = make_embedding_work(service, http, request, format->truncated);
  work.format = std::move(format);
  return std::make_unique<Answering>(std::move(work));
}

constexpr Route kRoutes[] = {{"POST", "/api/embed", embed},
                             {"POST", "/api/embeddings", embeddings},
                             {"POST", "/v1/embeddings", v1_embeddings}};

}  // namespace

std::span<const Route> embedding_routes() {
  return kRoutes;
}

}  // namespace uma::serve
