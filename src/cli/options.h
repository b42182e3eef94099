#pragma once
// What the command line says, one struct a command. app.cc binds each field to its flag, with name,
// default and help in one line; the commands below take the struct and know nothing of flags.
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"

namespace uma::cli {

/// The command line itself is wrong: exit code 2.
class UsageError : public Error {
 public:
  explicit UsageError(std::string_view command, std::string_view message)
      : Error(ErrorCode::kInvalidArgument, command, message) {}
};

struct Common {
  int threads = 0;
  std::string device = "cpu";
  bool offline = false;
  bool json = false;
};

/// How a model computes; models.h makes its options of it.
struct Precision {
  bool exact = false;
  int kv_bits = 0;  // of keys and values; 0: the model's choice
};

struct RunOptions : Common {
  std::string model;
  std::vector<std::string> prompt;
  std::string system;
  double temp = 0.8;
  int top_k = 40;
  double top_p = 0.95;
  double min_p = 0.05;
  double repeat_penalty = 1.0;
  double presence_penalty = 0;
  double frequency_penalty = 0;
  int repeat_last_n = 64;
  std::vector<std::string> logit_bias;  // "ID=VALUE"
  std::optional<uint64_t> seed;         // none: another each time, and said in --json
  int64_t max_tokens = -1;              // -1: until the model ends or the context is full
  int64_t guess = 0;                    // tokens guessed ahead
  std::string draft;                    // a smaller model that guesses
  int64_t ctx = 0;                      // 0: the model's, at most kDefaultContext
  std::vector<std::string> stop;
  std::string format, schema_file, grammar_file, regex;  // at most one: what the answer is held to
  std::string template_file;
  bool raw = false;
  Precision precision;
  bool verbose = false;
  bool no_word_wrap = false;
  std::set<std::string, std::less<>>
      given;  // flags that were, by name ("top_k"): they win over a model's settings
};

struct BenchOptions : Common {
  std::string model;
  int64_t prompt = 512, gen = 64, depth = 0, batch = 1, runs = 3;
  Precision precision;
};

struct PerplexityOptions : Common {
  std::string model, file, logits_out;
  int64_t ctx = 0;  // 0: kDefaultWindow, or the model's context if that is less
  Precision precision;
};

struct EmbedOptions : Common {
  std::string model;
  std::vector<std::string> texts;  // none: the lines of stdin
  int64_t ctx = 0;                 // 0: the model's, at most kDefaultContext
  bool exact = false;
};

struct TokenizeOptions : Common {
  std::string model;
  bool special = false;
};

struct TemplateOptions : Common {
  std::string model, template_file, file;
};

struct ServeOptions : Common {
  std::string host;                 // empty: OLLAMA_HOST's, else the loopback
  int port = -1;                    // -1: OLLAMA_HOST's, else 11434; 0: one that is free
  std::vector<std::string> models;  // "NAME=PATH"
  int64_t parallel = 256;
  int64_t queue = 512;
  int64_t ctx = 0;  // 0: the model's, at most kDefaultContext
  int max_models = 3;
  std::string keep_alive = "5m";
  std::vector<std::string> allowed_hosts;
  std::vector<std::string> origins;  // whose pages may ask
  std::string tls_cert, tls_key, tls_client_ca;
  std::string push_to;  // another server; empty: models are pushed nowhere
  bool keys = false;
  bool insecure = false;
  Precision precision;
};

struct KeysOptions : Common {
  std::string action;  // add, list, revoke
  std::string name;    // for revoke also an id
  std::string role = "user";
  std::vector<std::string> models, endpoints;
  std::string expires;  // empty: never
  int64_t requests_per_minute = 0, tokens_per_day = 0;
  std::optional<int64_t> least_priority;
};

struct ModelsOptions : Common {  // pull, push, list, show, rm, cp
  std::string model, target;
  std::string to;
  std::string name;
  bool verify = false, path = false, tensors = false, show_template = false, available = false;
};

int run(const RunOptions& options);
int bench(const BenchOptions& options);
int perplexity(const PerplexityOptions& options);
int embed(const EmbedOptions& options);
int tokenize(const TokenizeOptions& options);
int render_template(const TemplateOptions& options);
int pull(const ModelsOptions& options);
int push(const ModelsOptions& options);
int list(const ModelsOptions& options);
int show(const ModelsOptions& options);
int remove(const ModelsOptions& options);
int copy(const ModelsOptions& options);
int doctor(const Common& options);
int serve(const ServeOptions& options);
int keys(const KeysOptions& options);

/// Reads the arguments, runs the command. Returns the exit code: 0 done, 1 failed, 2 wrong use, 130
/// stopped by Ctrl-C (128 + the signal's number).
int run_app(int argc, const char* const* argv);

}  // namespace uma::cli
