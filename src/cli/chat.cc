#include "cli/chat.h"

#include <filesystem>

#include "base/error.h"
#include "cli/chat_session.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/run_options.h"
#include "cli/settings.h"
#include "cli/text_printer.h"
#include "hub/hub.h"

namespace uma::cli {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";

// Empty where there is no place to keep one: the chat works without.
std::string history_file() {
  std::error_code error;
  const auto home = hub::Store().home();
  std::filesystem::create_directories(home, error);
  return error ? "" : (home / "history").string();
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\n") == std::string_view::npos;
}

// Whether it ends the text of several lines: quotes in the middle, as of Python's docstrings, belong to it.
bool closes(std::string_view text) {
  const size_t last = text.find_last_not_of(" \t\n");
  return last != std::string_view::npos && text.substr(0, last + 1).ends_with(kQuotes);
}

// Where the text of several lines begins in this line, if it does: at its start, or as a system message.
size_t find_quotes(std::string_view line) {
  for (const std::string_view before : {"", "/set system "})
    if (line.starts_with(before) && line.substr(before.size()).starts_with(kQuotes)) return before.size();
  return std::string_view::npos;
}

}  // namespace

Chat::Chat(const RunOptions& flags, const serve::ModelSettings& settings, std::shared_ptr<const Model> model,
           std::shared_ptr<const Model> draft)
    : flags_(flags), asked_(flags), editor_(history_file()), draft_(std::move(draft)) {
  use(model, settings);
}

int Chat::run() {
  const IgnoreInterrupts between_lines_and_answers;
  note(fmt::format("{}: /? for help, Ctrl-D to leave", model_name()));
  if (!conversation_->has_template())
    note("This model has no chat template: it goes on with your text and does not answer it");
  std::string message;
  for (bool explained = false;;) {
    const auto result = read_message(message);
    if (result == LineEditor::Result::end) break;
    if (result == LineEditor::Result::interrupted) {
      if (!explained) note("Ctrl-D or /bye leaves");
      explained = true;
      continue;
    }
    if (is_blank(message)) continue;
    if (keep_history_) editor_.remember(message);
    try {
      if (!is_command(message))
        answer(message);
      else if (!command(message))
        break;
    } catch (const Error& e) {
      // One bad line, template or context does not end a conversation; a closed terminal does.
      if (e.op() == "output") throw;
      note("uma: " + printable(e.what()));
    }
  }
  return 0;
}

std::string Chat::model_name() const {
  const std::string& name = model_->config().name;
  return name.empty() ? asked_.model : printable(name);
}

std::unique_ptr<Session> Chat::make_session(const std::shared_ptr<const Model>& model,
                                            int64_t context) const {
  return std::make_unique<Session>(model, SessionOptions{.context = context, .draft = draft_});
}

void Chat::use(const std::shared_ptr<const Model>& model, const serve::ModelSettings& settings) {
  RunOptions options = with_parameters(asked_, settings, model->config());
  auto conversation = std::make_unique<Conversation>(model, with_flags(settings, asked_), asked_.raw);
  auto session = make_session(model, options.ctx);
  if (conversation_)
    for (const ChatMessage& turn : conversation_->turns()) conversation->add(turn.role, turn.content);
  model_ = model;
  settings_ = settings;
  options_ = std::move(options);
  conversation_ = std::move(conversation);
  session_ = std::move(session);
}

LineEditor::Result Chat::read_message(std::string& message) {
  auto result = editor_.read(">>> ", message);
  if (result != LineEditor::Result::line) return result;
  std::string line;
  if (const size_t begin = find_quotes(message); begin != std::string::npos) {
    message.erase(begin, kQuotes.size());
    while (!closes(std::string_view(message).substr(begin))) {
      result = editor_.read("... ", line);
      if (result != LineEditor::Result::line) return result;
      // The line that only opens is not part of the text.
      message += (message.size() == begin ? "" : "\n") + line;
    }
    message.erase(message.rfind(kQuotes));
    // Nor is the one that only closes.
    if (message.size() > begin && message.ends_with('\n')) message.pop_back();
    return result;
  }
  while (message.ends_with('\\')) {
    message.back() = '\n';
    result = editor_.read("... ", line);
    if (result != LineEditor::Result::line) return result;
    message += line;
  }
  return result;
}

void Chat::answer(const std::string& message) {
  conversation_->add("user", message);
  GenerateResult result;
  TextPrinter printer(!options_.no_word_wrap);
  try {
    InterruptScope interrupt(InterruptScope::Second::is_ignored);
    ProgressBar bar("reading", "tokens");
    GenerateOptions generate = generate_options(options_);
    generate.cancel = &interrupt.flag();
    generate.on_prompt = [&](int64_t done, int64_t total) { bar.update(uint64_t(done), uint64_t(total)); };
    generate.on_text = [&](std::string_view text) {
      bar.finish();
      printer.put(text);
    };
    result = session_->generate(conversation_->prompt(), generate);
  } catch (...) {
    conversation_->drop_last();  // a question that got no answer is not part of the conversation
    throw;
  }
  printer.finish();
  flush();
  conversation_->add("assistant", result.text);
  explain_stop(result, session_->context());
  if (options_.verbose) note(timings_line(result, *model_));
  if (stdout_is_terminal()) out("\n");
}

int chat(const RunOptions& flags, const serve::ModelSettings& settings, std::shared_ptr<const Model> model,
         std::shared_ptr<const Model> draft) {
  return Chat(flags, settings, std::move(model), std::move(draft)).run();
}

}  // namespace uma::cli
