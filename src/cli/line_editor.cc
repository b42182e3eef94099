#include "cli/line_editor.h"

#include <histedit.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>

namespace uma::cli {
namespace {

constexpr int kHistorySize = 1000;

volatile sig_atomic_t interrupted = 0;
void on_interrupt(int) {
  interrupted = 1;
}

}  // namespace

struct LineEditor::Impl {
  EditLine* editor = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::string file, prompt;
};

LineEditor::LineEditor(const std::string& history_file) : impl_(new Impl) {
  std::setlocale(LC_CTYPE, "");
  // libedit cuts UTF-8 into bytes under the C locale, which is what a container has.
  if (MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  impl_->file = history_file;
  // An answer that goes to a file must not find the prompt there.
  impl_->editor = el_init("uma", stdin, isatty(STDOUT_FILENO) == 1 ? stdout : stderr, stderr);
  impl_->history = history_init();
  history(impl_->history, &impl_->event, H_SETSIZE, kHistorySize);
  history(impl_->history, &impl_->event, H_SETUNIQUE, 1);
  if (!history_file.empty()) history(impl_->history, &impl_->event, H_LOAD, history_file.c_str());
  EditLine* editor = impl_->editor;
  el_set(editor, EL_CLIENTDATA, impl_.get());
  el_set(
      editor, EL_PROMPT, +[](EditLine* e) -> char* {
        Impl* impl = nullptr;
        el_get(e, EL_CLIENTDATA, &impl);
        return impl->prompt.data();
      });
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_HIST, ::history, impl_->history);
  el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_set(editor, EL_BIND, "^W", "ed-delete-prev-word", nullptr);
  el_set(editor, EL_BIND, "\033[1;5D", "ed-prev-word", nullptr);
  el_set(editor, EL_BIND, "\033[1;5C", "em-next-word", nullptr);
  el_set(editor, EL_BIND, "\033[3~", "ed-delete-next-char", nullptr);
  el_set(editor, EL_BIND, "\033[H", "ed-move-to-beg", nullptr);
  el_set(editor, EL_BIND, "\033[F", "ed-move-to-end", nullptr);
}

LineEditor::~LineEditor() {
  if (!impl_->file.empty()) history(impl_->history, &impl_->event, H_SAVE, impl_->file.c_str());
  history_end(impl_->history);
  el_end(impl_->editor);
}

LineEditor::Result LineEditor::read(const std::string& prompt, std::string& line) {
  impl_->prompt = prompt;
  line.clear();
  // Without SA_RESTART, so that the read inside libedit comes back.
  struct sigaction action {
  }, saved{};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  interrupted = 0;
  sigaction(SIGINT, &action, &saved);
  int length = 0;
  errno = 0;
  const char* text = el_gets(impl_->editor, &length);
  sigaction(SIGINT, &saved, nullptr);
  if (interrupted) {
    el_reset(impl_->editor);
    return Result::interrupted;
  }
  if (!text || length <= 0) return Result::end;
  line.assign(text, static_cast<size_t>(length));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return Result::line;
}

void LineEditor::remember(const std::string& entry) {
  if (entry.find_first_not_of(" \t\n") == std::string::npos) return;
  history(impl_->history, &impl_->event, H_ENTER, entry.c_str());
}

}  // namespace uma::cli
