#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <functional>
#include <new>

#include "backend/install.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/version.h"
#include "core/device.h"

namespace uma::cli {
namespace {

constexpr const char* kMODEL = "a catalogue name, a pulled model's name, or a .gguf file";

struct Command {
  CLI::App* app;
  const Common* common;
  std::function<int()> go;
};

void add_common(CLI::App& app, Common& o, bool runs_model) {
  app.add_flag("--json", o.json, "print one JSON document, for programs");
  app.add_flag("--offline", o.offline, "open no socket (so does UMA_OFFLINE=1)")->envname("UMA_OFFLINE");
  if (!runs_model) return;
  app.add_option("--threads", o.threads, "threads to use; default: all CPUs of this process")
      ->check(CLI::Range(1, 1024));
  app.add_option("--device", o.device, "where to compute: cpu")->capture_default_str();
}

CLI::Option* positional(CLI::App& app, const char* name, std::string& field, const char* help) {
  return app.add_option(name, field, help)->required();
}

void add_run(CLI::App& app, RunOptions& o) {
  positional(app, "MODEL", o.model, kMODEL);
  app.add_option("PROMPT", o.prompt, "what to ask; '-' reads it from stdin; none on a terminal: chat");
  app.add_option("--system", o.system, "system message");
  app.add_option("--temp", o.temp, "temperature; 0 takes the likeliest token each time")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--top-k", o.top_k, "draw from the k likeliest tokens; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--top-p", o.top_p, "draw from the likeliest tokens that sum to p; 1: all")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--min-p", o.min_p, "leave out tokens less likely than this share of the likeliest")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--repeat-penalty", o.repeat_penalty, "divide the logits of recent tokens; 1: off")
      ->check(CLI::Range(0.01, 100.0))
      ->capture_default_str();
  app.add_option("--presence-penalty", o.presence_penalty, "subtract once from the logits of recent tokens")
      ->check(CLI::Range(-100.0, 100.0));
  app.add_option("--frequency-penalty", o.frequency_penalty, "subtract for each time a recent token occurred")
      ->check(CLI::Range(-100.0, 100.0));
  app.add_option("--repeat-last-n", o.repeat_last_n, "how many tokens count as recent; -1: the whole context")
      ->check(CLI::Range(-1, 1 << 30))
      ->capture_default_str();
  app.add_option("--logit-bias", o.logit_bias,
                 "ID=VALUE added to a token's logit; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--seed", o.seed, "seed of the draws; default: another each time")
      ->check(CLI::Range(int64_t{0}, INT64_MAX));
  app.add_option("--max-tokens,-n", o.max_tokens, "longest answer in tokens")
      ->check(CLI::Range(int64_t{0}, INT64_MAX));
  app.add_option("--ctx,-c", o.ctx, "context in tokens; default: the model's, at most 8192")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  app.add_option("--stop", o.stop, "end the answer before this text; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--template", o.template_file, "use this Jinja chat template instead of the model's");
  app.add_flag("--raw", o.raw, "give the prompt to the model as it is, without a chat template");
  app.add_flag("--exact", o.exact, "never quantize activations; every sum in f32");
  app.add_flag("--verbose,-v", o.verbose, "print speed and token counts after the answer");
  add_common(app, o, true);
  app.footer(
      "Examples:\n"
      "  uma run qwen2.5-coder:0.5b \"Explain zero-copy memory in two sentences.\"\n"
      "  git diff | uma run qwen2.5-coder:0.5b - --system \"Write a commit message.\"\n"
      "  uma run ./model.gguf --temp 0 --max-tokens 64 --json \"2 + 2 =\"");
}

void add_bench(CLI::App& app, BenchOptions& o) {
  positional(app, "MODEL", o.model, kMODEL);
  const auto count = CLI::Range(int64_t{1}, int64_t{1} << 24);
  app.add_option("--prompt", o.prompt, "tokens of the prefill")->check(count)->capture_default_str();
  app.add_option("--gen", o.gen, "tokens to decode")->check(count)->capture_default_str();
  app.add_option("--depth", o.depth, "tokens in the cache before decoding")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 24))
      ->capture_default_str();
  app.add_option("--batch", o.batch, "sequences decoded together")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}))
      ->capture_default_str();
  app.add_option("--runs", o.runs, "repetitions; the median counts")
      ->check(CLI::Range(int64_t{1}, int64_t{1000}))
      ->capture_default_str();
  app.add_flag("--exact", o.exact, "never quantize activations; every sum in f32");
  add_common(app, o, true);
  app.footer("Example:\n  uma bench qwen2.5-coder:0.5b --prompt 512 --gen 64");
}

void add_perplexity(CLI::App& app, PerplexityOptions& o) {
  positional(app, "MODEL", o.model, kMODEL);
  positional(app, "FILE", o.file, "UTF-8 text to score");
  app.add_option("--ctx", o.ctx, "tokens in a window")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 24))
      ->capture_default_str();
  app.add_option("--logits-out", o.logits_out,
                 "write the first window's logits here, float32 (tokens, vocabulary), .npy");
  app.add_flag("--exact", o.exact, "never quantize activations; every sum in f32");
  add_common(app, o, true);
  app.footer("Example:\n  uma perplexity gemma3:270m README.md --ctx 256 --json");
}

void add_tokenize(CLI::App& app, TokenizeOptions& o) {
  positional(app, "MODEL", o.model, "as for run; a .gguf that holds a vocabulary and no weights will do");
  app.add_flag("--special", o.special, "recognise special tokens in the text");
  add_common(app, o, false);
  app.footer(
      "--json prints {\"ids\":[...],\"pieces\":[...]}. Stdin is bytes; a piece that is part of a character "
      "shows as U+FFFD, its id is exact.\n"
      "Example:\n  printf 'Hello' | uma tokenize qwen2.5-coder:0.5b --json");
}

void add_template(CLI::App& app, TemplateOptions& o) {
  // `uma template MODEL FILE` or `uma template --file T.jinja FILE`: the last word is always FILE.
  app.add_option("MODEL", o.model, kMODEL);
  app.add_option("FILE", o.file, "JSON: {\"messages\":[...],\"tools\":[...],\"add_generation_prompt\":true}");
  app.add_option("--file", o.template_file, "a Jinja template instead of the model's");
  add_common(app, o, false);
  app.footer(
      "Examples:\n  uma template qwen2.5-coder:0.5b chat.json\n"
      "  uma template --file chat.jinja chat.json");
}

void add_models(CLI::App& app, std::string_view command, ModelsOptions& o) {
  add_common(app, o, false);
  if (command == "pull") {
    positional(app, "MODEL", o.model, "a catalogue name, or the address of a .gguf file");
    app.add_option("--name", o.name, "keep it under this name");
    app.footer("Example:\n  uma pull qwen2.5-coder:0.5b");
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

int fail_with(std::string_view message, bool json) {
  if (json) {
    // Not through a JSON library: this must work when memory is what is missing.
    std::string escaped;
    for (const char c : message) {
      if (c == '"' || c == '\\') escaped += '\\';
      if (static_cast<unsigned char>(c) >= 0x20) escaped += c;
    }
    std::printf("{\"error\":\"%s\"}\n", escaped.c_str());
  }
  note(std::string("uma: ") + std::string(message));
  return 1;
}

}  // namespace

int run_app(int argc, const char* const* argv) {
  CLI::App app{"uma runs language models on this machine: private, from mapped files, on its own array core.",
               "uma"};
  app.set_version_flag("--version", std::string(kVersion));
  app.require_subcommand(1);
  app.footer("Models live in $UMA_HOME (default ~/.uma). `uma COMMAND --help` has examples.");

  RunOptions run_options;
  BenchOptions bench_options;
  PerplexityOptions perplexity_options;
  TokenizeOptions tokenize_options;
  TemplateOptions template_options;
  ModelsOptions models_options;
  Common doctor_options;
  std::vector<Command> commands;
  const auto command = [&](const char* name, const char* help, const Common& common, auto bind, auto go) {
    CLI::App* sub = app.add_subcommand(name, help);
    bind(*sub);
    commands.push_back({sub, &common, go});
  };
  command(
      "run", "answer a prompt, or chat", run_options, [&](CLI::App& s) { add_run(s, run_options); },
      [&] { return run(run_options); });
  struct Row {
    const char *name, *help;
    int (*go)(const ModelsOptions&);
  };
  static constexpr Row kModelCommands[] = {{"pull", "fetch a model", pull},
                                           {"list", "models on this machine", list},
                                           {"show", "what a model file holds", show},
                                           {"rm", "remove a model", remove},
                                           {"cp", "give a model a second name", copy}};
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
      "template", "messages through a chat template", template_options,
      [&](CLI::App& s) { add_template(s, template_options); },
      [&] { return render_template(template_options); });
  command(
      "doctor", "what this machine has, measured", doctor_options,
      [&](CLI::App& s) {
        add_common(s, doctor_options, true);
        s.footer("Example:\n  uma doctor --json");
      },
      [&] { return doctor(doctor_options); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e, std::cout, std::cerr);
    return code == 0 ? 0 : 2;
  }
  for (const Command& c : commands) {
    if (!c.app->parsed()) continue;
    const bool json = c.common->json;
    try {
      install_backends();
      if (c.common->threads > 0) set_num_threads(c.common->threads);
      set_default_device(device_from_name(c.common->device));
      const int code = c.go();
      flush();
      return code;
    } catch (const Error& e) {
      return fail_with(e.what(), json);
    } catch (const std::bad_alloc&) {
      return fail_with("out of memory", json);
    } catch (const std::exception& e) {
      return fail_with(e.what(), json);
    }
  }
  return 2;
}

}  // namespace uma::cli
