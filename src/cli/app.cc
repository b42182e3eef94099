#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <functional>
#include <new>
#include <nlohmann/json.hpp>

#include "backend/install.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/version.h"
#include "core/device.h"
#include "engine/generate.h"

namespace uma::cli {
namespace {

constexpr const char* kMODEL = "a catalogue name, a pulled model's name, or a .gguf file";

struct Command {
  CLI::App* app;
  const Common* common;
  std::function<int()> go;
};

// Bounds of a flag. CLI11's own Range lets nan through and prints 1 as 1.000000.
template <class T>
CLI::Validator in_range(T low, T high) {
  const auto judge = [low, high](std::string& text) -> std::string {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size() && value >= low && value <= high) return {};
    const auto kind = std::is_integral_v<T> ? "a whole number" : "a number";
    // To what is above the type's own limit "of 1 or more" would be no answer.
    const bool beyond = error == std::errc::result_out_of_range && !text.starts_with('-');
    return high == std::numeric_limits<T>::max() && !beyond
               ? fmt::format("takes {} of {} or more, not '{}'", kind, low, text)
               : fmt::format("takes {} from {} to {}, not '{}'", kind, low, high, text);
  };
  return CLI::Validator(judge, "");
}
template <class T>
CLI::Validator at_least(T low) {
  return in_range(low, std::numeric_limits<T>::max());
}

// A flag that is given and names nothing (an unset variable of a script) is a mistake, not its absence.
std::string judge_name(std::string& name) {
  return name.empty() ? "takes a name, not ''" : "";
}

std::string judge_format(std::string& format) {
  return format == "json" ? ""
                          : fmt::format("takes json, not '{}'; --json-schema takes a schema's file", format);
}

// A device that gives answers: null computes nothing, and its arrays have no memory to read.
std::string judge_device(std::string& name) {
  try {
    if (device_from_name(name).type != DeviceType::null) return {};
    return "null computes nothing, so there would be no result";
  } catch (const Error& e) {
    return std::string(e.message());
  }
}

void add_common(CLI::App& app, Common& o) {
  app.add_flag("--json", o.json, "print one JSON document, for programs");
  app.add_flag("--offline", o.offline, "open no socket (so does UMA_OFFLINE=1)");
  app.add_option("--threads", o.threads, "threads to use; default: all CPUs of this process")
      ->check(in_range(1, 1024));
  app.add_option("--device", o.device, "where to compute: cpu")
      ->check(CLI::Validator(judge_device, ""))
      ->capture_default_str();
}

CLI::Option* positional(CLI::App& app, const char* name, std::string& field, const char* help) {
  return app.add_option(name, field, help)->required();
}

void add_precision(CLI::App& app, Precision& o) {
  CLI::Option* const exact = app.add_flag("--exact", o.exact, "never quantize activations; every sum in f32");
  app.add_option(
         "--kv-bits", o.kv_bits,
         "bits of keys and values: 8 (half the memory, slightly less exact), 16 or 32; default: 16, or 32 "
         "where all weights are f32")
      ->check(CLI::IsMember({8, 16, 32}))
      ->excludes(exact)
      ->envname("UMA_KV_BITS");
}

void add_run(CLI::App& app, RunOptions& o) {
  positional(app, "MODEL", o.model, kMODEL);
  app.add_option("PROMPT", o.prompt,
                 "what to ask; '-' reads it from stdin, less one final newline; none on a terminal: chat");
  app.add_option("--system", o.system, "system message");
  app.add_option("--temp", o.temp, "temperature; 0 takes the likeliest token each time")
      ->check(in_range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--top-k", o.top_k, "draw from the k likeliest tokens; 0: all")
      ->check(at_least(0))
      ->capture_default_str();
  app.add_option("--top-p", o.top_p, "draw from the likeliest tokens that sum to p; 1: all")
      ->check(in_range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--min-p", o.min_p, "leave out tokens less likely than this share of the likeliest")
      ->check(in_range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--repeat-penalty", o.repeat_penalty, "divide the logits of recent tokens; 1: off")
      ->check(in_range(0.01, 100.0))
      ->capture_default_str();
  app.add_option("--presence-penalty", o.presence_penalty, "subtract once from the logits of recent tokens")
      ->check(in_range(-100.0, 100.0));
  app.add_option("--frequency-penalty", o.frequency_penalty, "subtract for each time a recent token occurred")
      ->check(in_range(-100.0, 100.0));
  app.add_option("--repeat-last-n", o.repeat_last_n, "how many tokens count as recent; -1: the whole context")
      ->check(in_range(-1, 1 << 30))
      ->capture_default_str();
  app.add_option("--logit-bias", o.logit_bias,
                 "ID=VALUE added to a token's logit; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--seed", o.seed, "seed of the draws; default: another each time")
      ->check(at_least(uint64_t{0}));
  app.add_option("--max-tokens,-n", o.max_tokens, "longest answer in tokens; -1: until it ends")
      ->check(at_least(int64_t{-1}));
  app.add_option("--ctx,-c", o.ctx,
                 fmt::format("tokens of prompt and answer together; default: the model's, at most {}",
                             kDefaultContext))
      ->check(at_least(int64_t{1}));
  app.add_option("--guess", o.guess,
                 "tokens guessed ahead and checked together (0 to 7): the same answer, sooner where guesses "
                 "are right")
      ->check(CLI::Range(int64_t{0}, kMaxGuesses));
  app.add_option(
      "--draft", o.draft,
      "a smaller model of the same vocabulary that guesses (3 tokens, or --guess); default: what followed "
      "before in the text");
  app.add_option("--stop", o.stop, "end the answer before this text; may be given several times")
      ->allow_extra_args(false);
  CLI::Option_group* held = app.add_option_group("what the answer is held to, token by token");
  held->add_option("--format", o.format, "json: the answer is a JSON object")
      ->check(CLI::Validator(judge_format, ""));
  held->add_option("--json-schema", o.schema_file, "the answer is JSON that this file's schema allows")
      ->check(CLI::Validator(judge_name, ""));
  held->add_option("--grammar", o.grammar_file,
                   "the answer is a text of this file's grammar (GBNF, as llama.cpp has it)")
      ->check(CLI::Validator(judge_name, ""));
  held->add_option("--regex", o.regex, "the answer matches this regular expression from beginning to end")
      ->check(CLI::Validator(judge_name, ""));
  held->require_option(0, 1);
  app.add_option("--template", o.template_file, "use this Jinja chat template instead of the model's")
      ->check(CLI::Validator(judge_name, ""));
  app.add_flag("--raw", o.raw, "give the prompt to the model byte for byte, without a chat template");
  add_precision(app, o.precision);
  app.add_flag("--verbose,-v", o.verbose, "print speed and token counts after the answer");
  app.add_flag("--nowordwrap", o.no_word_wrap,
               "do not move words that pass the terminal's edge to a new line");
  add_common(app, o);
  app.parse_complete_callback([&app, &o] {
    for (const CLI::Option* option : app.get_options()) {
      if (option->count() == 0 || option->get_lnames().empty()) continue;
      std::string name = option->get_lnames().front();
      std::replace(name.begin(), name.end(), '-', '_');
      o.given.insert(name);
    }
  });
  app.footer(
      "Flags win over the settings that a model was made with (/api/create).\n"
      "Examples:\n"
      "  uma run qwen2.5-coder:0.5b \"Explain zero-copy memory in two sentences.\"\n"
      "  git diff | uma run qwen2.5-coder:0.5b - --system \"Write a commit message.\"\n"
      "  uma run ./model.gguf --temp 0 --max-tokens 64 --json \"2 + 2 =\"\n"
      "  uma run qwen2.5-coder:0.5b --json-schema person.json \"Who wrote Faust?\"");
}

void add_serve(CLI::App& app, ServeOptions& o) {
  app.add_option("--host", o.host, "address to listen on; default: OLLAMA_HOST's, or 127.0.0.1")
      ->envname("UMA_HOST");
  app.add_option("--port", o.port, "port; default: OLLAMA_HOST's, or 11434; 0: one that is free")
      ->check(in_range(0, 65535))
      ->envname("UMA_PORT");
  app.add_option(
         "--model", o.models,
         "NAME=FILE serves a .gguf file under a name, besides the pulled models; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--parallel", o.parallel, "answers computed together")
      ->check(in_range(int64_t{1}, int64_t{4096}))
      ->capture_default_str()
      ->envname("UMA_PARALLEL");
  app.add_option("--queue", o.queue, "requests that may wait; more are told that the server is busy")
      ->check(in_range(int64_t{0}, int64_t{100000}))
      ->capture_default_str()
      ->envname("UMA_QUEUE");
  app.add_option("--ctx,-c", o.ctx,
                 fmt::format("tokens of prompt and answer together; default: the model's, at most {}",
                             kDefaultContext))
      ->check(at_least(int64_t{1}))
      ->envname("UMA_CTX");
  app.add_option("--max-models", o.max_models, "models loaded at the same time")
      ->check(in_range(1, 64))
      ->capture_default_str()
      ->envname("UMA_MAX_MODELS");
  app.add_option("--keep-alive", o.keep_alive,
                 "how long a model stays loaded after its last request, such as 5m; -1: for ever")
      ->capture_default_str()
      ->envname("UMA_KEEP_ALIVE");
  app.add_option("--allow-host", o.allowed_hosts,
                 "a name of this machine that Host headers may have; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--push-to", o.push_to,
                 "another uma server, http(s)://HOST:PORT, for /api/push; its key is in UMA_PUSH_KEY")
      ->envname("UMA_PUSH_URL");
  app.add_flag("--keys", o.keys, "whoever asks needs an API key: see uma keys")->envname("UMA_KEYS");
  app.add_option("--tls-cert", o.tls_cert,
                 "PEM file of the certificate, and of those above it: TLS 1.2 or newer")
      ->envname("UMA_TLS_CERT");
  app.add_option("--tls-key", o.tls_key, "PEM file of the certificate's key")->envname("UMA_TLS_KEY");
  app.add_option("--tls-client-ca", o.tls_client_ca,
                 "PEM file of authorities: clients need a certificate that one of them signed")
      ->envname("UMA_TLS_CLIENT_CA");
  app.add_option("--cors", o.origins,
                 "an origin whose pages may ask, such as https://app.example; may be given several times")
      ->allow_extra_args(false);
  app.add_flag("--insecure", o.insecure,
               "listen on an address that other machines reach, without keys or TLS");
  add_precision(app, o.precision);
  add_common(app, o);
  app.footer(
      "Examples:\n"
      "  uma serve\n"
      "  uma serve --port 8080 --model mine=./model.gguf --ctx 8192\n"
      "  curl http://127.0.0.1:11434/api/chat -d '{\"model\":\"qwen2.5-coder:0.5b\",\"messages\":[{\"role\":"
      "\"user\",\"content\":\"Hi\"}]}'");
}

void add_keys(CLI::App& app, KeysOptions& o) {
  app.require_subcommand(1);
  const auto action = [&](const char* name, const char* help) {
    CLI::App* sub = app.add_subcommand(name, help);
    sub->callback([&o, name] { o.action = name; });
    add_common(*sub, o);
    return sub;
  };
  CLI::App* add = action("add", "make a key and print it, once");
  positional(*add, "NAME", o.name, "whose it is, for people");
  add->add_option("--role", o.role,
                  "admin: all, models too; user: asks models; auditor: sees figures and lists")
      ->check(CLI::IsMember({"admin", "user", "auditor"}))
      ->capture_default_str();
  add->add_option("--model", o.models, "a model that it may use, and no others; may be given several times")
      ->allow_extra_args(false);
  add->add_option("--endpoint", o.endpoints,
                  "a path that it may use, such as '/v1/*'; may be given several times")
      ->allow_extra_args(false);
  add->add_option("--expires", o.expires, "how long it is good, such as 90d or 12h; default: for ever");
  add->add_option("--requests-per-minute", o.requests_per_minute, "0: no limit")
      ->check(in_range(int64_t{0}, int64_t{1000000}));
  add->add_option("--tokens-per-day", o.tokens_per_day, "of prompts and answers, by days in UTC; 0: no limit")
      ->check(at_least(int64_t{0}));
  add->add_option("--least-priority", o.least_priority,
                  "of its requests, which come first with less; default: 0, an admin has none")
      ->check(in_range(int64_t{INT32_MIN}, int64_t{INT32_MAX}));
  add->footer(
      "Example:\n  uma keys add anna --model qwen2.5-coder:0.5b --expires 90d --tokens-per-day 1000000");
  action("list", "all keys, without the keys themselves")->footer("Example:\n  uma keys list --json");
  CLI::App* revoke = action("revoke", "end a key, at once");
  positional(*revoke, "KEY", o.name, "its id or its name");
  revoke->footer("Example:\n  uma keys revoke anna");
  app.footer("Keys count where the server runs with --keys.\nExample:\n  uma keys add anna");
}

void add_bench(CLI::App& app, BenchOptions& o) {
  positional(app, "MODEL", o.model, kMODEL);
  const auto count = in_range(int64_t{1}, int64_t{1} << 24);
  app.add_option("--prompt", o.prompt, "tokens of the prefill")->check(count)->capture_default_str();
  app.add_option("--gen", o.gen, "tokens to decode")->check(count)->capture_default_str();
  app.add_option("--depth", o.depth, "tokens in the cache before decoding")
      ->check(in_range(int64_t{0}, int64_t{1} << 24))
      ->capture_default_str();
  app.add_option("--batch", o.batch, "sequences decoded together")
      ->check(in_range(int64_t{1}, int64_t{1024}))
      ->capture_default_str();
  app.add_option("--runs", o.runs, "repetitions; the median counts")
      ->check(in_range(int64_t{1}, int64_t{1000}))
      ->capture_default_str();
  add_precision(app, o.precision);
  add_common(app, o);
  app.footer("Example:\n  uma bench qwen2.5-coder:0.5b --prompt 512 --gen 64");
}

void add_perplexity(CLI::App& app, PerplexityOptions& o) {
  positional(app, "MODEL", o.model, kMODEL);
  positional(app, "FILE", o.file, "UTF-8 text to score");
  app.add_option("--ctx", o.ctx, "tokens in a window; default: 512, or the model's context if that is less")
      ->check(in_range(int64_t{2}, int64_t{1} << 24));
  app.add_option("--logits-out", o.logits_out,
                 "write the first window's logits here, float32 (tokens, vocabulary), .npy")
      ->check(CLI::Validator(judge_name, ""));
  add_precision(app, o.precision);
  add_common(app, o);
  app.footer("Example:\n  uma perplexity gemma3:270m README.md --ctx 256 --json");
}

void add_embed(CLI::App& app, EmbedOptions& o) {
  positional(app, "MODEL", o.model, kMODEL);
  app.add_option("TEXT", o.texts, "texts; without any, each line of stdin that is not empty is one");
  app.add_option("--ctx", o.ctx, "the most tokens of a text; a longer one is an error")
      ->check(at_least(int64_t{1}));
  app.add_flag("--exact", o.exact, "never quantize activations; every sum in f32");
  add_common(app, o);
  app.footer(
      "A text's vector is the mean of the model's last hidden states over its tokens, of length 1. One line "
      "a "
      "text; --json prints {\"model\":...,\"embeddings\":[[...]],\"tokens\":[...]}.\n"
      "Examples:\n  uma embed gemma3:270m \"a cat\" \"a kitten\" --json\n"
      "  uma embed gemma3:270m < lines.txt > vectors.txt");
}

void add_tokenize(CLI::App& app, TokenizeOptions& o) {
  positional(app, "MODEL", o.model, "as for run; a .gguf that holds a vocabulary and no weights will do");
  app.add_flag("--special", o.special, "recognise special tokens in the text");
  add_common(app, o);
  app.footer(
      "--json prints {\"ids\":[...],\"pieces\":[...]}. Stdin is bytes; a piece that is part of a character "
      "shows as U+FFFD, its id is exact.\n"
      "Example:\n  printf 'Hello' | uma tokenize qwen2.5-coder:0.5b --json");
}

void add_template(CLI::App& app, TemplateOptions& o) {
  // `uma template MODEL FILE` or `uma template --file T.jinja FILE`: the last word is always FILE.
  app.add_option("MODEL", o.model, kMODEL);
  app.add_option("FILE", o.file, "JSON: {\"messages\":[...],\"tools\":[...],\"add_generation_prompt\":true}");
  app.add_option("--file", o.template_file, "a Jinja template instead of the model's")
      ->check(CLI::Validator(judge_name, ""));
  add_common(app, o);
  app.footer(
      "Examples:\n  uma template qwen2.5-coder:0.5b chat.json\n"
      "  uma template --file chat.jinja chat.json");
}

void add_models(CLI::App& app, std::string_view command, ModelsOptions& o) {
  add_common(app, o);
  if (command == "pull") {
    positional(app, "MODEL", o.model, "a catalogue name, or the address of a .gguf file");
    app.add_option("--name", o.name, "keep it under this name")->check(CLI::Validator(judge_name, ""));
    app.footer("Example:\n  uma pull qwen2.5-coder:0.5b");
  } else if (command == "push") {
    positional(app, "MODEL", o.model, "name of a model on this machine");
    app.add_option("--to", o.to, "http(s)://HOST:PORT of the other server; its key is in UMA_PUSH_KEY")
        ->envname("UMA_PUSH_URL");
    app.add_option("--name", o.name, "its name there")->check(CLI::Validator(judge_name, ""));
    app.footer("Example:\n  uma push mine --to http://127.0.0.1:8080");
  } else if (command == "list") {
    app.add_flag("--available", o.available, "list the catalogue instead");
    app.footer("Example:\n  uma list --json");
  } else if (command == "show") {
    positional(app, "MODEL", o.model, kMODEL);
    app.add_flag("--tensors", o.tensors, "list the tensors as well");
    app.add_flag("--template", o.show_template, "print the chat template only");
    app.add_flag("--path", o.path, "print the path of the file only");
    app.add_flag("--verify", o.verify, "read the file again and compare its SHA-256");
    app.footer("Example:\n  uma show gemma3:270m --tensors");
  } else if (command == "rm") {
    positional(app, "MODEL", o.model, "name of a pulled model");
    app.footer("Example:\n  uma rm gemma3:270m");
  } else {
    positional(app, "SOURCE", o.model, "name of a pulled model");
    positional(app, "TARGET", o.target, "the new name");
    app.footer("Example:\n  uma cp gemma3:270m my-gemma");
  }
}

int fail_with(int exit_code, std::string_view code, std::string_view what, bool json) {
  // The sentence may quote a file's name or a model's text: neither may steer the terminal.
  const std::string message = printable(what);
  if (json) {
    try {
      const nlohmann::ordered_json document{{"error", message}, {"code", code}};
      outf("{}\n", document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
      flush();
    } catch (const std::exception&) {
      // No memory, or nobody reads stdout: stderr has it.
    }
  }
  note("uma: " + message);
  return exit_code;
}

// --help, --version and wrong use. CLI11 knows which of them it is by the exception.
int explain_parse(CLI::App& app, const CLI::ParseError& e, int argc, const char* const* argv) {
  if (e.get_exit_code() == 0) {
    std::ostringstream text, ignored;
    app.exit(e, text, ignored);
    out(text.str() + (text.str().ends_with('\n') ? "" : "\n"));
    flush();
    return 0;
  }
  const bool json = std::any_of(argv, argv + argc, [](std::string_view word) { return word == "--json"; });
  const auto parsed = app.get_subcommands();
  const std::string command = parsed.empty() ? "uma" : "uma " + parsed.front()->get_name();
  if (argc < 2) note(app.help());
  std::string what = e.what();
  if (parsed.empty() && argc >= 2 && argv[1][0] != '-')
    what = fmt::format("there is no command '{}'", argv[1]);
  return fail_with(2, "wrong use", fmt::format("{}; `{} --help` says how it is used", what, command), json);
}

}  // namespace

int run_app(int argc, const char* const* argv) try {
  install_backends();
  CLI::App app{"uma runs language models on this machine: private, from mapped files, on its own array core.",
               "uma"};
  app.set_version_flag("--version", std::string(kVersion));
  app.require_subcommand(1);
  app.footer(
      "Models live in $UMA_HOME (default ~/.uma). `uma COMMAND --help` has examples.\n"
      "Exit codes: 0 done, 1 failed, 2 wrong use, 130 stopped by Ctrl-C.");

  RunOptions run_options;
  BenchOptions bench_options;
  ServeOptions serve_options;
  KeysOptions keys_options;
  PerplexityOptions perplexity_options;
  EmbedOptions embed_options;
  TokenizeOptions tokenize_options;
  TemplateOptions template_options;
  ModelsOptions models_options;
  Common doctor_options;
  std::vector<Command> commands;
  const auto command = [&](const char* name, const char* help, const Common& common, auto bind, auto go) {
    CLI::App* sub = app.add_subcommand(name, help);
    if (name == std::string_view("list")) sub->alias("ls");
    bind(*sub);
    commands.push_back({sub, &common, go});
  };
  command(
      "run", "answer a prompt, or chat", run_options, [&](CLI::App& s) { add_run(s, run_options); },
      [&] { return run(run_options); });
  command(
      "serve", "answer over HTTP: Ollama's, OpenAI's and Anthropic's APIs, and a chat page", serve_options,
      [&](CLI::App& s) { add_serve(s, serve_options); }, [&] { return serve(serve_options); });
  command(
      "keys", "API keys of the server", keys_options, [&](CLI::App& s) { add_keys(s, keys_options); },
      [&] { return keys(keys_options); });
  struct Row {
    const char *name, *help;
    int (*go)(const ModelsOptions&);
  };
  static constexpr Row kModelCommands[] = {
      {"pull", "fetch a model", pull},          {"push", "send a model to another uma server", push},
      {"list", "models on this machine", list}, {"show", "what a model file holds", show},
      {"rm", "remove a model", remove},         {"cp", "give a model a second name", copy}};
  for (const Row& row : kModelCommands)
    command(
        row.name, row.help, models_options, [&](CLI::App& s) { add_models(s, row.name, models_options); },
        [&, go = row.go] { return go(models_options); });
  command(
      "bench", "load, prefill and decode speed beside this machine's limits", bench_options,
      [&](CLI::App& s) { add_bench(s, bench_options); }, [&] { return bench(bench_options); });
  command(
      "perplexity", "score a text", perplexity_options,
      [&](CLI::App& s) { add_perplexity(s, perplexity_options); },
      [&] { return perplexity(perplexity_options); });
  command(
      "tokenize", "stdin to token ids", tokenize_options,
      [&](CLI::App& s) { add_tokenize(s, tokenize_options); }, [&] { return tokenize(tokenize_options); });
  command(
      "embed", "texts as vectors", embed_options, [&](CLI::App& s) { add_embed(s, embed_options); },
      [&] { return embed(embed_options); });
  command(
      "template", "messages through a chat template", template_options,
      [&](CLI::App& s) { add_template(s, template_options); },
      [&] { return render_template(template_options); });
  command(
      "doctor", "what this machine has, measured", doctor_options,
      [&](CLI::App& s) {
        add_common(s, doctor_options);
        s.footer("Example:\n  uma doctor --json");
      },
      [&] { return doctor(doctor_options); });

  try {
    // `uma help run` is `uma run --help`.
    std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
    if (!words.empty() && words[0] == "help") {
      words.erase(words.begin());
      words.push_back("--help");
    }
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    app.parse(words);
  } catch (const CLI::ParseError& e) {
    return explain_parse(app, e, argc, argv);
  }
  for (const Command& c : commands) {
    if (!c.app->parsed()) continue;
    const bool json = c.common->json;
    try {
      if (c.common->threads > 0) set_num_threads(c.common->threads);
      set_default_device(device_from_name(c.common->device));
      const int code = c.go();
      flush();
      return code;
    } catch (const UsageError& e) {
      return fail_with(2, "wrong use", e.what(), json);
    } catch (const Error& e) {
      const bool stopped = e.code() == ErrorCode::kCancelled;
      return fail_with(stopped ? interrupted_exit_code() : 1, to_string(e.code()), e.what(), json);
    } catch (const std::bad_alloc&) {
      return fail_with(1, "limit", "out of memory", json);
    } catch (const std::exception& e) {
      return fail_with(1, to_string(ErrorCode::kInternal), e.what(), json);
    }
  }
  return 2;
} catch (const std::exception& e) {  // --help into a full disk
  return fail_with(1, "io", e.what(), false);
}

}  // namespace uma::cli
