#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/chat_parameters.h"
#include "cli/chat_session.h"
#include "cli/models.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "hub/hub.h"
#include "io/file_writer.h"
#include "io/gguf.h"
#include "models/open.h"

namespace uma::cli {
namespace {

constexpr auto kBad = ErrorCode::kInvalidArgument;

constexpr std::string_view kHelp =
    "  /set                set the system message, parameters, what is shown (/? set)\n"
    "  /show               show the model, the conversation, parameters (/? show)\n"
    "  /load NAME          take up a saved conversation, or go on with another model\n"
    "  /save NAME          keep the conversation; NAME.json is a file, as `uma template` reads it\n"
    "  /undo               forget the last question and its answer\n"
    "  /clear              forget the conversation\n"
    "  /bye                leave (so does Ctrl-D)\n"
    "  /?, /help [TOPIC]   help; topics are set, show, parameters, shortcuts\n"
    "\n"
    "  \"\"\" begins and ends a message of several lines; so does a \\ at the end of a line.\n"
    "  Ctrl-C stops the answer and keeps the chat.\n";
constexpr std::string_view kSetHelp =
    "  /set system TEXT              the system message; without TEXT: none\n"
    "  /set parameter NAME VALUE     /? parameters lists them\n"
    "  /set history | nohistory      keep lines in the history, or do not\n"
    "  /set wordwrap | nowordwrap    break lines between words, or do not\n"
    "  /set verbose | quiet          show speed and token counts, or do not\n";
constexpr std::string_view kShowHelp =
    "  /show info         the model, its file, its context\n"
    "  /show license      the model's licence\n"
    "  /show modelfile    model, template, system message and parameters in one text\n"
    "  /show parameters   sampling and lengths\n"
    "  /show system       the system message\n"
    "  /show template     the chat template\n"
    "  /show messages     the conversation\n";
constexpr std::string_view kShortcuts =
    "  Ctrl-A, Ctrl-E     to the start, to the end of the line\n"
    "  Alt-B, Alt-F       one word back, forward (so do Ctrl-Left, Ctrl-Right)\n"
    "  Ctrl-W, Ctrl-U     delete the word before, all of the line\n"
    "  Ctrl-K             delete to the end of the line\n"
    "  Ctrl-R, Up, Down   search the history, go through it\n"
    "  Ctrl-L             clear the screen\n"
    "  Ctrl-C             drop the line; stop the answer\n"
    "  Ctrl-D             leave\n";

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  for (const std::string_view w : words)
    if (w == word) return true;
  return false;
}

// Where /save NAME and /load NAME keep a conversation.
std::string conversation_path(const std::string& name) {
  if (name.ends_with(".json")) return name;
  const bool plain =
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
          std::string::npos &&
      !name.starts_with('.');
  return plain ? (hub::Store().home() / "chats" / (name + ".json")).string() : "";
}

}  // namespace

std::pair<std::string_view, std::string_view> first_word(std::string_view text) {
  const size_t end = std::min(text.find_first_of(" \n"), text.size());
  const size_t next = std::min(text.find_first_not_of(' ', end), text.size());
  return {text.substr(0, end), text.substr(next)};
}

bool Chat::is_command(std::string_view message) const {
  if (!message.starts_with('/')) return false;
  const std::string_view word = first_word(message).first;
  if (is_one_of(word, {"/?", "/help", "/set", "/show", "/load", "/save", "/clear", "/undo", "/bye", "/exit"}))
    return true;
  check(word.find('/', 1) != std::string_view::npos, kBad, "chat", "there is no command {}; /? lists them",
        word);
  return false;
}

bool Chat::command(std::string_view message) {
  auto [name, rest] = first_word(message);
  while (rest.ends_with(' ') && !rest.starts_with("system")) rest.remove_suffix(1);
  if (name == "/bye" || name == "/exit") return false;
  if (name == "/?" || name == "/help") help(rest);
  if (name == "/set") set(rest);
  if (name == "/show") show(rest);
  if (name == "/undo") undo();
  if (name == "/save") save(std::string(rest));
  if (name == "/load") load(std::string(rest));
  if (name == "/clear") {
    conversation_->clear();
    note("the conversation is forgotten");
  }
  flush();
  return true;
}

void Chat::help(std::string_view about) const {
  if (about.starts_with('/')) about.remove_prefix(1);
  if (about == "set") return out(kSetHelp);
  if (about == "show") return out(kShowHelp);
  if (about == "shortcuts") return out(kShortcuts);
  if (is_one_of(about, {"parameters", "parameter", "set parameter"})) return out(parameters_help());
  out(kHelp);
}

void Chat::set(std::string_view rest) {
  const auto [what, value] = first_word(rest);
  if (what == "system") {
    set_system(std::string(value));
    note(value.empty() ? "there is no system message now" : "the system message is set");
  } else if (what == "parameter") {
    const auto [name, text] = first_word(value);
    if (name.empty()) return out(parameters_help());
    RunOptions asked = asked_;
    const bool anew = set_parameter(asked, flags_, name, text);
    RunOptions options = with_parameters(asked, settings_, model_->config());
    if (anew) session_ = make_session(model_, options.ctx);
    asked_ = std::move(asked);
    options_ = std::move(options);
    note(fmt::format("{} is {}", name, text.empty() ? "as it was at the start" : text));
  } else if (is_one_of(what, {"history", "nohistory"})) {
    keep_history_ = what == "history";
    note(keep_history_ ? "lines are kept in the history" : "lines are not kept in the history");
  } else if (is_one_of(what, {"wordwrap", "nowordwrap"})) {
    asked_.no_word_wrap = options_.no_word_wrap = what == "nowordwrap";
    note(options_.no_word_wrap ? "lines break where the terminal ends" : "lines break between words");
  } else if (is_one_of(what, {"verbose", "quiet"})) {
    asked_.verbose = options_.verbose = what == "verbose";
    note(options_.verbose ? "speed and token counts are shown" : "speed and token counts are not shown");
  } else if (what == "format") {
    fail(ErrorCode::kUnsupported, "chat",
         "/set format is not there yet: an answer cannot be made to fit a form");
  } else if (what == "noformat") {
    note("answers have no form to fit");
  } else if (is_one_of(what, {"think", "nothink"})) {
    fail(ErrorCode::kUnsupported, "chat", "/set {} is not there yet: a model thinks if its template says so",
         what);
  } else if (what.empty()) {
    out(kSetHelp);
  } else {
    fail(kBad, "chat", "/set takes no '{}'; /? set says what it takes", what);
  }
}

void Chat::show(std::string_view what) const {
  if (what.empty()) return out(kShowHelp);
  if (what == "info") return show_info();
  if (is_one_of(what, {"license", "licence"})) return show_license();
  if (what == "modelfile") return show_modelfile();
  if (what == "parameters") return out(parameters_text(options_, "  ", ""));
  if (what == "system")
    return outf("{}\n",
                conversation_->system().empty() ? "(no system message)" : printable(conversation_->system()));
  if (what == "template")
    return outf("{}\n", conversation_->has_template() ? printable(conversation_->template_source())
                                                      : "(no template)");
  check(what == "messages", kBad, "chat", "/show takes no '{}'; /? show says what it takes", what);
  for (const ChatMessage& turn : conversation_->turns()) outf("{}: {}\n", turn.role, printable(turn.content));
}

void Chat::show_info() const {
  const ModelConfig& c = model_->config();
  outf("  model          {}\n", model_name());
  outf("  architecture   {}, {} layers, embedding {}\n", printable(c.architecture), c.block_count,
       c.embedding_length);
  outf("  weights        {:.1f} M\n", static_cast<double>(model_->network->weight_count()) / 1e6);
  outf("  vocabulary     {}\n", c.vocab_size);
  outf("  context        {} of {} tokens, {} in use\n", session_->context(), c.context_length,
       session_->cached_tokens().size());
  outf("  file           {}\n", printable(model_->path));
}

void Chat::show_license() const {
  std::string licence;
  if (const auto text = GgufFile::open(model_->path)->find_string("general.license")) licence = *text;
  for (const hub::ModelRecord& m : hub::Store().list())
    if (m.path == model_->path && !m.licence.empty()) licence = m.licence;
  outf("{}\n", licence.empty() ? "(the file names no licence)" : printable(licence));
}

void Chat::show_modelfile() const {
  outf("FROM {}\n", printable(model_->path));
  if (conversation_->has_template())
    outf("TEMPLATE \"\"\"{}\"\"\"\n", printable(conversation_->template_source()));
  if (!conversation_->system().empty()) outf("SYSTEM \"\"\"{}\"\"\"\n", printable(conversation_->system()));
  out(parameters_text(options_, "", "PARAMETER "));
}

void Chat::undo() {
  check(!conversation_->turns().empty(), kBad, "chat", "there is nothing to undo");
  while (!conversation_->turns().empty()) {
    const bool question = conversation_->turns().back().role == "user";
    conversation_->drop_last();
    if (question) break;
  }
  note("the last question and its answer are forgotten");
}

void Chat::save(const std::string& name) const {
  check(!name.empty(), kBad, "chat", "/save wants a name");
  const std::string path = conversation_path(name);
  check(!path.empty(), kBad, "chat", "/save takes a name of letters, digits, . _ - or a file NAME.json");
  nlohmann::ordered_json json;
  json["model"] = asked_.model;
  json["messages"] = nlohmann::ordered_json::array();
  if (!conversation_->system().empty())
    json["messages"].push_back({{"role", "system"}, {"content", conversation_->system()}});
  for (const ChatMessage& turn : conversation_->turns())
    json["messages"].push_back({{"role", turn.role}, {"content", turn.content}});
  if (path != name) {
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  }
  write_file(path, json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  note("saved to " + printable(path));
}

void Chat::load(const std::string& name) {
  check(!name.empty(), kBad, "chat", "/load wants the name of a conversation or a model");
  const std::string path = conversation_path(name);
  std::error_code error;
  if (name.ends_with(".json") || (!path.empty() && std::filesystem::exists(path, error)))
    return load_conversation(path);
  load_model(name);
  note(fmt::format("{} answers now; the conversation stays", model_name()));
}

void Chat::load_model(const std::string& name) {
  const std::string path = find_or_pull(name, asked_.offline);
  use(open_model(path, model_options(asked_.precision)), settings_of(name));
  asked_.model = name;
}

void Chat::set_system(std::string text) {
  asked_.system = text;
  asked_.given.insert("system");  // also against what another model was made with
  conversation_->set_system(std::move(text));
}

void Chat::load_conversation(const std::string& path) {
  constexpr auto kFormat = ErrorCode::kFormat;
  const auto json = nlohmann::json::parse(read_file(path), nullptr, false);
  check(json.is_object() && json.contains("messages") && json["messages"].is_array(), kFormat, "chat",
        "{} holds no conversation: a JSON object with a list 'messages'", printable(path));
  std::string system;
  std::vector<ChatMessage> turns;
  for (const auto& message : json["messages"]) {
    const auto text = [&](const char* key) {
      check(message.is_object() && message.contains(key) && message[key].is_string(), kFormat, "chat",
            "{}: a message has no text '{}'", printable(path), key);
      return message[key].get<std::string>();
    };
    ChatMessage turn{text("role"), text("content")};
    if (turn.role == "system" && turns.empty())
      system = turn.content;
    else
      turns.push_back(std::move(turn));
  }
  const auto model = json.find("model");
  if (model != json.end() && model->is_string() && *model != asked_.model) {
    load_model(model->get<std::string>());
  }
  conversation_->clear();
  set_system(std::move(system));
  for (ChatMessage& turn : turns) conversation_->add(std::move(turn.role), std::move(turn.content));
  note(fmt::format("{} messages, and {} answers", conversation_->turns().size(), model_name()));
}

}  // namespace uma::cli
