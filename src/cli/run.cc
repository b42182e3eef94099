#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "cli/chat.h"
#include "cli/conversation.h"
#include "cli/interrupt.h"
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/run_options.h"
#include "cli/settings.h"
#include "cli/text_printer.h"
#include "engine/sampler.h"
#include "engine/stop.h"
#include "models/open.h"

namespace uma::cli {
namespace {

// With the next token they are the four rows that read the weights once.
constexpr int64_t kDraftGuesses = 3;

std::pair<int32_t, float> parse_bias(const std::string& text) {
  const size_t equals = text.find('=');
  std::pair<int32_t, float> bias{0, 0};
  bool ok = equals != std::string::npos;
  if (ok) {
    const char *begin = text.data(), *middle = begin + equals, *end = begin + text.size();
    const auto id = std::from_chars(begin, middle, bias.first);
    const auto value = std::from_chars(middle + 1, end, bias.second);
    ok = id.ec == std::errc() && id.ptr == middle && value.ec == std::errc() && value.ptr == end;
  }
  check(ok, ErrorCode::kInvalidArgument, "run", "--logit-bias takes ID=VALUE, such as 1234=-5, not '{}'",
        text);
  return bias;
}

std::string joined_prompt(const RunOptions& o) {
  std::string prompt;
  for (const std::string& word : o.prompt) prompt += (prompt.empty() ? "" : " ") + word;
  if (prompt != "-" && !(o.prompt.empty() && !stdin_is_terminal())) return prompt;
  prompt = read_stdin();
  // As $(...) does: `echo Hi |` asks what `printf Hi |` asks. --raw promises the bytes as they are.
  if (!o.raw && prompt.ends_with('\n')) prompt.pop_back();
  return prompt;
}

nlohmann::ordered_json to_json(const GenerateResult& result, const Model& model, uint64_t seed) {
  const GenerateTimings& t = result.timings;
  nlohmann::ordered_json json;
  json["text"] = result.text;
  json["tokens"] = result.tokens;
  json["prompt_tokens"] = t.prompt_tokens;
  json["stop_reason"] = to_string(result.stop_reason);
  if (result.stop_reason == StopReason::stop) json["stop_string"] = result.stop_string;
  json["seed"] = seed;
  json["timings"] = {{"load_s", model.load_s},           {"prefill_s", t.prefill_s},
                     {"decode_s", t.decode_s},           {"prefill_tok_s", t.prefill_tok_s()},
                     {"decode_tok_s", t.decode_tok_s()}, {"guessed_tokens", t.guessed_tokens},
                     {"right_guesses", t.right_guesses}};
  return json;
}

int answer(const RunOptions& flags, const serve::ModelSettings& settings,
           const std::shared_ptr<const Model>& model, const std::shared_ptr<const Model>& draft,
           const std::string& prompt) {
  check(!prompt.empty(), ErrorCode::kInvalidArgument, "run", "the prompt is empty");
  const RunOptions o = with_parameters(flags, settings, model->config());
  Conversation conversation(model, with_flags(settings, flags), o.raw);
  conversation.add("user", prompt);
  if (!is_utf8(prompt)) note("uma: the prompt is not UTF-8 throughout: what is not is read as U+FFFD");
  Session session(model, {.context = o.ctx, .draft = draft});
  InterruptScope interrupt;
  GenerateOptions generate = generate_options(o);
  generate.cancel = &interrupt.flag();
  ProgressBar bar(o.json ? "answering" : "reading the prompt", "tokens");
  TextPrinter printer(!o.no_word_wrap);
  if (!o.json) {
    generate.on_prompt = [&](int64_t done, int64_t total) { bar.update(uint64_t(done), uint64_t(total)); };
    generate.on_text = [&](std::string_view text) {
      bar.finish();
      printer.put(text);
    };
  }
  const GenerateResult result = session.generate(conversation.prompt(), generate);
  bar.finish();
  if (o.json) {
    // Tokens may spell bytes that are no text; JSON is UTF-8, so these show as U+FFFD.
    outf("{}\n", to_json(result, *model, generate.sampling.seed)
                     .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    printer.finish();
  }
  flush();
  explain_stop(result, session.context());
  if (o.verbose) note(timings_line(result, *model));
  return result.stop_reason == StopReason::cancelled ? interrupted_exit_code() : 0;
}

// Flags are judged before a file of gigabytes is looked for.
void judge_flags(const RunOptions& o) {
  try {
    Sampler(generate_options(o).sampling, INT32_MAX);
    StopMatcher(o.stop);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kIo || e.code() == ErrorCode::kNotFound) throw;
    throw UsageError("run", e.message());
  }
}

std::shared_ptr<const Grammar> grammar_of(const RunOptions& o) {
  if (!o.format.empty()) return Grammar::json();
  if (!o.schema_file.empty()) return Grammar::from_json_schema(read_file(o.schema_file));
  if (!o.grammar_file.empty()) return Grammar::from_gbnf(read_file(o.grammar_file));
  return o.regex.empty() ? nullptr : Grammar::from_regex(o.regex);
}

}  // namespace

GenerateOptions generate_options(const RunOptions& o) {
  GenerateOptions options;
  SamplingOptions& s = options.sampling;
  s.temperature = static_cast<float>(o.temp);
  s.top_k = o.top_k;
  s.top_p = static_cast<float>(o.top_p);
  s.min_p = static_cast<float>(o.min_p);
  s.repeat_penalty = static_cast<float>(o.repeat_penalty);
  s.presence_penalty = static_cast<float>(o.presence_penalty);
  s.frequency_penalty = static_cast<float>(o.frequency_penalty);
  s.repeat_last_n = o.repeat_last_n;
  for (const std::string& text : o.logit_bias) s.logit_bias.push_back(parse_bias(text));
  // 53 bits: every JSON reader gives the number back as it was, so it can be passed to --seed.
  s.seed = o.seed ? *o.seed : random_seed() >> 11;
  options.max_tokens = o.max_tokens;
  options.stop = o.stop;
  options.grammar = grammar_of(o);
  options.guesses = o.guess > 0 || o.draft.empty() ? o.guess : kDraftGuesses;
  return options;
}

void explain_stop(const GenerateResult& result, int64_t context) {
  if (result.stop_reason == StopReason::context)
    note(fmt::format("uma: the answer stopped because the context of {} tokens is full (--ctx)", context));
  else if (result.stop_reason == StopReason::cancelled)
    note("uma: stopped");
}

std::string timings_line(const GenerateResult& result, const Model& model) {
  const GenerateTimings& t = result.timings;
  const std::string guesses =
      t.guessed_tokens ? fmt::format("guesses {} of {} were right\n", t.right_guesses, t.guessed_tokens) : "";
  return fmt::format(
      "prompt  {} tokens ({} cached), {:.1f} tok/s\n"
      "answer  {} tokens, {:.1f} tok/s, ended by: {}\n"
      "{}load    {:.3f} s",
      t.prompt_tokens, t.reused_tokens, t.prefill_tok_s(), t.answer_tokens, t.decode_tok_s(),
      to_string(result.stop_reason), guesses, model.load_s);
}

int run(const RunOptions& o) {
  const bool chatting = o.prompt.empty() && stdin_is_terminal();
  if (chatting && o.json) throw UsageError("run", "--json needs a PROMPT; a chat has no single answer");
  judge_flags(o);
  const std::string path = find_or_pull(o.model, o.offline);
  const std::string prompt = chatting ? "" : joined_prompt(o);
  const serve::ModelSettings settings = settings_of(o.model);
  const auto model = open_model(path, model_options(o.precision));
  std::shared_ptr<const Model> draft;
  if (!o.draft.empty()) draft = open_model(find_or_pull(o.draft, o.offline), model_options(o.precision));
  return chatting ? chat(o, settings, model, draft) : answer(o, settings, model, draft, prompt);
}

}  // namespace uma::cli
