#include "cli/chat.h"

#include <charconv>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/conversation.h"
#include "cli/interrupt.h"
#include "cli/line_editor.h"
#include "cli/models.h"
#include "cli/output.h"
#include "cli/run_options.h"
#include "hub/hub.h"
#include "io/file_writer.h"

namespace uma::cli {
namespace {

constexpr std::string_view kHelp =
    "  /set system TEXT          set the system message (none: remove it)\n"
    "  /set parameter NAME VALUE temp, top_k, top_p, min_p, repeat_penalty, presence_penalty,\n"
    "                            frequency_penalty, repeat_last_n, seed, max_tokens\n"
    "  /set verbose | quiet      show or hide speed and token counts\n"
    "  /set history | nohistory  keep lines in the history, or do not\n"
    "  /show info | system | parameters | template | messages\n"
    "  /load MODEL               go on with another model; the conversation stays\n"
    "  /save FILE.json           write the conversation, as `uma template` reads it\n"
    "  /undo                     forget the last question and its answer\n"
    "  /clear                    forget the conversation\n"
    "  /bye                      leave (so does Ctrl-D)\n"
    "  \"\"\"                       begin and end a message of several lines; a final \\ continues a line\n"
    "  Ctrl-C                    stop the answer, keep the chat\n";

// A number that /set parameter changes, with the bounds that the flag has.
struct Parameter {
  std::string_view name;
  double lo, hi;
  double (*get)(const RunOptions&);
  void (*set)(RunOptions&, double);
};
constexpr double kAny = 1e18;
constexpr Parameter kParameters[] = {
    {"temp", 0, 100, [](const RunOptions& o) { return o.temp; }, [](RunOptions& o, double v) { o.temp = v; }},
    {"top_k", 0, 1e9, [](const RunOptions& o) { return double(o.top_k); },
     [](RunOptions& o, double v) { o.top_k = int(v); }},
    {"top_p", 0, 1, [](const RunOptions& o) { return o.top_p; },
     [](RunOptions& o, double v) { o.top_p = v; }},
    {"min_p", 0, 1, [](const RunOptions& o) { return o.min_p; },
     [](RunOptions& o, double v) { o.min_p = v; }},
    {"repeat_penalty", 0.01, 100, [](const RunOptions& o) { return o.repeat_penalty; },
     [](RunOptions& o, double v) { o.repeat_penalty = v; }},
    {"presence_penalty", -100, 100, [](const RunOptions& o) { return o.presence_penalty; },
     [](RunOptions& o, double v) { o.presence_penalty = v; }},
    {"frequency_penalty", -100, 100, [](const RunOptions& o) { return o.frequency_penalty; },
     [](RunOptions& o, double v) { o.frequency_penalty = v; }},
    {"repeat_last_n", -1, 1e9, [](const RunOptions& o) { return double(o.repeat_last_n); },
     [](RunOptions& o, double v) { o.repeat_last_n = int(v); }},
    {"seed", -1, kAny, [](const RunOptions& o) { return double(o.seed); },
     [](RunOptions& o, double v) { o.seed = int64_t(v); }},
    {"max_tokens", -1, kAny, [](const RunOptions& o) { return double(o.max_tokens); },
     [](RunOptions& o, double v) { o.max_tokens = int64_t(v); }},
};

// "/set system You are" -> "/set", "system You are"
std::pair<std::string_view, std::string_view> first_word(std::string_view text) {
  const size_t end = std::min(text.find(' '), text.size());
  const size_t next = std::min(text.find_first_not_of(' ', end), text.size());
  return {text.substr(0, end), text.substr(next)};
}

class Chat {
 public:
  Chat(const RunOptions& options, std::shared_ptr<const Model> model)
      : options_(options),
        editor_(history_file()),
        template_source_(options.template_file.empty() ? "" : read_file(options.template_file)) {
    use(std::move(model));
    conversation_->set_system(options.system);
  }

  int run() {
    note(fmt::format("{}: /? for help, Ctrl-D to leave", model_name()));
    if (!conversation_->has_template())
      note("This model has no chat template: it goes on with your text and does not answer it");
    std::string message;
    for (bool first_interrupt = true;;) {
      const auto result = read_message(message);
      if (result == LineEditor::Result::end) break;
      if (result == LineEditor::Result::interrupted) {
        if (first_interrupt) note("Ctrl-D or /bye leaves");
        first_interrupt = false;
        continue;
      }
      if (message.find_first_not_of(" \t\n") == std::string::npos) continue;
      if (keep_history_) editor_.remember(message);
      try {
        if (message.front() == '/' && is_command(message)) {
          if (!command(message)) break;
        } else {
          answer(message);
        }
      } catch (const Error& e) {
        // One bad line, template or context does not end a conversation.
        note(std::string("uma: ") + e.what());
      }
    }
    return 0;
  }

 private:
  static std::string history_file() {
    std::error_code error;
    const auto home = hub::Store().home();
    std::filesystem::create_directories(home, error);
    return error ? "" : (home / "history").string();
  }

  std::string model_name() const {
    const std::string& name = model_->config().name;
    return name.empty() ? options_.model : printable(name);
  }

  void use(std::shared_ptr<const Model> model) {
    auto conversation = std::make_unique<Conversation>(model, template_source_, options_.raw);
    auto session = std::make_unique<Session>(model, SessionOptions{.context = options_.ctx});
    if (conversation_) {
      conversation->set_system(conversation_->system());
      for (const ChatMessage& turn : conversation_->turns()) conversation->add(turn.role, turn.content);
    }
    model_ = std::move(model);
    conversation_ = std::move(conversation);
    session_ = std::move(session);
  }

  LineEditor::Result read_message(std::string& message) {
    message.clear();
    auto result = editor_.read(">>> ", message);
    if (result != LineEditor::Result::line) return result;
    std::string line;
    if (message.starts_with("\"\"\"")) {
      message.erase(0, 3);
      for (;;) {
        const size_t end = message.find("\"\"\"");
        if (end != std::string::npos) {
          message.erase(end);
          return result;
        }
        result = editor_.read("... ", line);
        if (result != LineEditor::Result::line) return result;
        message += "\n" + line;
      }
    }
    while (message.ends_with('\\')) {
      message.back() = '\n';
      result = editor_.read("... ", line);
      if (result != LineEditor::Result::line) return result;
      message += line;
    }
    return result;
  }

  // A path or "/etc is what?" is a question; only what names a command is one.
  static bool is_command(std::string_view message) {
    static constexpr std::string_view kCommands[] = {"/?",    "/help",  "/set",  "/show", "/load",
                                                     "/save", "/clear", "/undo", "/bye",  "/exit"};
    const std::string_view word = first_word(message).first;
    for (const std::string_view name : kCommands)
      if (word == name) return true;
    if (message.find('\n') == std::string_view::npos && word.find('/', 1) == std::string_view::npos &&
        message.size() == word.size())
      fail(ErrorCode::kInvalidArgument, "chat", "no command {}; /? lists them", word);
    return false;
  }

  bool command(std::string_view message) {
    const auto [name, rest] = first_word(message);
    if (name == "/bye" || name == "/exit") return false;
    if (name == "/?" || name == "/help") out(kHelp);
    if (name == "/set") set(rest);
    if (name == "/show") show(rest);
    if (name == "/clear") conversation_->clear();
    if (name == "/undo") undo();
    if (name == "/save") save(std::string(rest));
    if (name == "/load") {
      check(!rest.empty(), ErrorCode::kInvalidArgument, "chat", "/load wants the name of a model");
      use(open_model(find_or_pull(std::string(rest), options_.offline), {.exact = options_.exact}));
      options_.model = rest;
    }
    flush();
    return true;
  }

  void set(std::string_view rest) {
    const auto [what, value] = first_word(rest);
    if (what == "system") return conversation_->set_system(std::string(value));
    if (what == "verbose" || what == "quiet") {
      options_.verbose = what == "verbose";
      return;
    }
    if (what == "history" || what == "nohistory") {
      keep_history_ = what == "history";
      return;
    }
    check(what == "parameter", ErrorCode::kInvalidArgument, "chat",
          "/set takes system, parameter, verbose, quiet, history or nohistory");
    const auto [name, text] = first_word(value);
    for (const Parameter& p : kParameters) {
      if (p.name != name) continue;
      double number = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      check(error == std::errc() && end == text.data() + text.size() && number >= p.lo && number <= p.hi,
            ErrorCode::kInvalidArgument, "chat", "{} takes a number from {} to {}, not '{}'", name, p.lo,
            p.hi, text);
      return p.set(options_, number);
    }
    fail(ErrorCode::kInvalidArgument, "chat", "no parameter '{}'; /? lists them", name);
  }

  void show(std::string_view what) {
    if (what == "info" || what.empty()) {
      const ModelConfig& c = model_->config();
      outf(
          "  model         {}\n  architecture  {}\n  file          {}\n  context       {} of {}\n  in the "
          "cache  {}\n",
          model_name(), printable(c.architecture), model_->path, session_->context(), c.context_length,
          session_->cached_tokens().size());
    } else if (what == "system") {
      outf("{}\n", conversation_->system().empty() ? "(no system message)" : conversation_->system());
    } else if (what == "parameters") {
      for (const Parameter& p : kParameters) outf("  {:<18} {}\n", p.name, p.get(options_));
    } else if (what == "template") {
      outf("{}\n",
           conversation_->has_template() ? printable(conversation_->template_source()) : "(no template)");
    } else if (what == "messages") {
      for (const ChatMessage& turn : conversation_->turns())
        outf("{}: {}\n", turn.role, printable(turn.content));
    } else {
      fail(ErrorCode::kInvalidArgument, "chat", "/show takes info, system, parameters, template or messages");
    }
  }

  void undo() {
    check(!conversation_->turns().empty(), ErrorCode::kInvalidArgument, "chat", "there is nothing to undo");
    while (!conversation_->turns().empty()) {
      const bool question = conversation_->turns().back().role == "user";
      conversation_->drop_last();
      if (question) break;
    }
  }

  void save(const std::string& path) {
    check(!path.empty(), ErrorCode::kInvalidArgument, "chat", "/save wants the name of a file");
    nlohmann::ordered_json json;
    json["messages"] = nlohmann::ordered_json::array();
    if (!conversation_->system().empty())
      json["messages"].push_back({{"role", "system"}, {"content", conversation_->system()}});
    for (const ChatMessage& turn : conversation_->turns())
      json["messages"].push_back({{"role", turn.role}, {"content", turn.content}});
    write_file(path, json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    note("saved to " + path);
  }

  void answer(const std::string& message) {
    conversation_->add("user", message);
    GenerateResult result;
    try {
      InterruptScope interrupt;
      GenerateOptions generate = generate_options(options_);
      generate.cancel = &interrupt.flag();
      generate.on_text = [](std::string_view text) {
        out(printable(text));
        flush();
      };
      result = session_->generate(conversation_->prompt(), generate);
    } catch (...) {
      conversation_->drop_last();  // a question that got no answer is not part of the conversation
      throw;
    }
    out(result.text.ends_with('\n') ? "" : "\n");
    flush();
    conversation_->add("assistant", result.text);
    explain_stop(result, session_->context());
    if (options_.verbose) note(timings_line(result, *model_));
  }

  RunOptions options_;
  LineEditor editor_;
  std::string template_source_;
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Conversation> conversation_;
  std::unique_ptr<Session> session_;
  bool keep_history_ = true;
};

}  // namespace

int chat(const RunOptions& options, std::shared_ptr<const Model> model) {
  return Chat(options, std::move(model)).run();
}

}  // namespace uma::cli
