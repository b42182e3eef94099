#pragma once
// A chat's state and its commands; chat.cc has the loop and the answers, chat_commands.cc the commands.
#include <memory>
#include <string>
#include <string_view>

#include "cli/conversation.h"
#include "cli/line_editor.h"
#include "cli/options.h"
#include "engine/generate.h"
#include "serve/settings.h"

namespace uma::cli {

class Chat {
 public:
  Chat(const RunOptions& flags, const serve::ModelSettings& settings, std::shared_ptr<const Model> model,
       std::shared_ptr<const Model> draft);
  /// Until Ctrl-D or /bye. Returns the exit code.
  int run();

 private:
  // chat.cc
  void use(const std::shared_ptr<const Model>& model, const serve::ModelSettings& settings);
  std::unique_ptr<Session> make_session(const std::shared_ptr<const Model>& model, int64_t context) const;
  LineEditor::Result read_message(std::string& message);
  void answer(const std::string& message);
  std::string model_name() const;

  // chat_commands.cc
  /// A path, as in "/etc/fstab is what?", is a question. Throws for a command that is none: a slip in
  /// typing is not for the model.
  bool is_command(std::string_view message) const;
  /// False: leave.
  bool command(std::string_view message);
  void help(std::string_view about) const;
  void set(std::string_view rest);
  void set_system(std::string text);
  void show(std::string_view what) const;
  void show_info() const;
  void show_license() const;
  void show_modelfile() const;
  void undo();
  void save(const std::string& name) const;
  void load(const std::string& name);
  void load_model(const std::string& name);
  void load_conversation(const std::string& path);

  const RunOptions flags_;         // what /set parameter NAME goes back to
  RunOptions asked_;               // the flags, with what /set changed
  serve::ModelSettings settings_;  // of the model
  RunOptions options_;             // asked_ over settings_
  LineEditor editor_;
  std::shared_ptr<const Model> model_, draft_;
  std::unique_ptr<Conversation> conversation_;
  std::unique_ptr<Session> session_;
  bool keep_history_ = true;
};

/// "/set system You are" -> "/set", "system You are"
std::pair<std::string_view, std::string_view> first_word(std::string_view text);

}  // namespace uma::cli
