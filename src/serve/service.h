#pragma once
// What handlers work with, and the one request that every dialect is turned into.
#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "serve/answering.h"
#include "serve/api.h"
#include "serve/constraint.h"
#include "serve/gate.h"
#include "serve/jobs.h"
#include "serve/library.h"
#include "serve/metrics.h"
#include "serve/pool.h"
#include "text/chat_template.h"

namespace uma::serve {

/// Another server that models may be pushed to; no url: none.
struct PushTarget {
  std::string url, key;
};

struct Service {
  Service(hub::StoreConfig store, const std::vector<std::pair<std::string, std::string>>& models,
          Pool::Options pool_options, std::string version_text, std::unique_ptr<KeyStore> keys = nullptr)
      : library(std::move(store), models),
        gate(std::move(keys)),
        pool(std::move(pool_options)),
        version(std::move(version_text)) {}

  Library library;
  Gate gate;
  Metrics metrics;
  Pool pool;
  GrammarCache grammars;
  std::string version;
  std::atomic<bool> closing{false};
  bool offline = false;  // nothing is fetched or pushed
  PushTarget push;
  Jobs jobs;  // last: they use the others
};

/// Handlers may take their time (they open models and read prompts), so they run on threads of their own,
/// several at once. What they throw is worded by the route's dialect.
struct Route {
  const char* method;
  const char* path;  // a '*' at the end: anything but nothing may follow
  Reply (*handle)(Service&, const HttpRequest&);
  Access access = Access::ask;
  /// In place of handle: the body is handed on as it comes.
  std::unique_ptr<BodySink> (*receive)(Service&, const HttpRequest&) = nullptr;
};
std::span<const Route> ollama_routes();
std::span<const Route> openai_routes();
std::span<const Route> embedding_routes();
std::span<const Route> anthropic_routes();
std::span<const Route> responses_routes();
std::span<const Route> management_routes();
std::span<const Route> watch_routes();
/// An error in a dialect's words.
HttpReply ollama_refusal(const Failure& failure);
HttpReply openai_refusal(const Failure& failure);
HttpReply anthropic_refusal(const Failure& failure);

/// A prompt is text that goes to the model as it stands, or tokens.
using Prompt = std::variant<std::string, std::vector<int32_t>>;

/// What is asked for, whoever asked in which dialect.
struct AnswerRequest {
  std::string model;
  LocalModel local;                   // what the name stands for
  std::vector<ChatMessage> messages;  // a conversation
  std::vector<Prompt> prompts;        // or prompts
  std::string template_json;          // further variables of the chat template, or ""
  Constraint constraint;              // what the answer's text is held to
  Tools tools;                        // that the model may call
  GenerateOptions options;            // the seed is the first choice's; the others count on from it
  int64_t choices = 1;                // for each prompt
  int64_t context = 0;                // tokens; 0: the server's
  std::optional<KeepAlive> keep_alive;
  bool streamed = false;
  std::string tenant;  // HttpRequest's
  int64_t priority = 0;
};

/// The model of a name, if whoever asks may use it. Throws ApiError 403, 404.
LocalModel find_model(const Service& service, const HttpRequest& http, std::string_view name);
/// Those that whoever asks may use.
std::vector<LocalModel> list_models(const Service& service, const HttpRequest& http);

/// `priority`: requests that have less come first. Throws ApiError 400, and 403 where the key may not ask for
/// so little.
int64_t read_priority(const Fields& body, const HttpRequest& http);

/// What is to be done with the figures of an answer that has ended.
std::function<void(const GenerateTimings&)> count_answers(Service& service, const std::string& tenant);

/// Loads the model and makes the prompts. The format is left to the dialect.
/// throws ApiError, BusyError, and what the model's template throws.
AnswerWork make_work(Service& service, const AnswerRequest& request);

}  // namespace uma::serve
