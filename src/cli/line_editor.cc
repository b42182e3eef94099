#include "cli/line_editor.h"

#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cwchar>
#include <string_view>

namespace uma::cli {
namespace {

constexpr int kHistorySize = 1000;

// Bracketed paste: the terminal marks what was pasted, so that its newlines do not send it line by line.
constexpr char kPasteOn[] = "\033[?2004h", kPasteOff[] = "\033[?2004l", kPasteBegin[] = "\033[200~";
constexpr wchar_t kPasteEnd[] = L"\033[201~";
constexpr size_t kLongestPaste = size_t{1} << 20;  // characters

volatile sig_atomic_t interrupted = 0;
// Counts interrupts. Polled beside the terminal: a flag alone would go unseen until the next key when Ctrl-C
// comes between the look at it and the read.
int wake = -1;
void on_interrupt(int) {
  const int error = errno;
  interrupted = 1;
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wake, &one, sizeof one);  // fails only where it counts 2^64 - 2
  errno = error;
}

void forget_interrupts() {
  uint64_t count = 0;
  [[maybe_unused]] const auto taken = ::read(wake, &count, sizeof count);  // none: EAGAIN
  interrupted = 0;
}

// libedit's EL_GETCFN: 1 and a character, 0 at the end of the input, -1 on an interrupt or an error.
int read_character(EditLine* editor, wchar_t* character) {
  std::mbstate_t state{};
  for (bool begun = false;;) {
    pollfd sources[] = {{STDIN_FILENO, POLLIN, 0}, {wake, POLLIN, 0}};
    if (poll(sources, 2, -1) < 0) {
      if (errno != EINTR) return -1;
      // The window's size, or a stop that is over: libedit's handler has run, the line is to be drawn again.
      if (!interrupted) el_set(editor, EL_REFRESH);
      continue;
    }
    if (sources[1].revents) {
      errno = EINTR;
      return -1;
    }
    char byte = 0;
    const auto count = ::read(STDIN_FILENO, &byte, 1);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) return static_cast<int>(count);
    const size_t used = std::mbrtowc(character, &byte, 1, &state);
    if (used == 0 || used == 1) return 1;
    if (used == static_cast<size_t>(-2)) {
      begun = true;
      continue;
    }
    // No character of this locale: dropped, but for a byte that may begin the next one.
    state = {};
    if (begun && std::mbrtowc(character, &byte, 1, &state) <= 1) return 1;
    begun = std::mbsinit(&state) == 0;
  }
}

// Takes the pasted text, which ends with kPasteEnd, into the line as it is.
unsigned char take_paste(EditLine* editor, int) {
  std::wstring text;
  const std::wstring_view end = kPasteEnd;
  for (wchar_t c = 0; text.size() < kLongestPaste && el_wgetc(editor, &c) == 1;) {
    if (c == L'\r') c = L'\n';
    if (c >= L' ' || c == L'\n' || c == L'\t' || c == L'\033') text += c;
    if (std::wstring_view(text).ends_with(end)) {
      text.resize(text.size() - end.size());
      break;
    }
  }
  while (text.ends_with(L'\n')) text.pop_back();
  std::erase(text, L'\033');
  return text.empty() || el_winsertstr(editor, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

}  // namespace

struct LineEditor::Impl {
  EditLine* editor = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::string file, prompt;
  bool terminal = false;  // one that knows escape sequences
};

LineEditor::LineEditor(const std::string& history_file) : impl_(new Impl) {
  std::setlocale(LC_CTYPE, "");
  // libedit cuts UTF-8 into bytes under the C locale, which is what a container has.
  if (MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  impl_->file = history_file;
  if (wake < 0) wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
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
  el_set(editor, EL_GETCFN, read_character);
  // What the signal of Ctrl-C wakes is written while the kernel still clears the terminal: it must not.
  el_set(editor, EL_SETTY, "-d", "+noflsh", nullptr);
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_HIST, ::history, impl_->history);
  // Restores the terminal when a signal ends the process or Ctrl-Z stops it; follows changes of its size.
  el_set(editor, EL_SIGNAL, 1);
  const char* const term = std::getenv("TERM");
  impl_->terminal = term && *term && std::string_view(term) != "dumb";
  el_set(editor, EL_ADDFN, "uma-paste", "take pasted text as it is", take_paste);
  el_set(editor, EL_BIND, kPasteBegin, "uma-paste", nullptr);
  el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_set(editor, EL_BIND, "^W", "ed-delete-prev-word", nullptr);
  el_set(editor, EL_BIND, "\033[1;5D", "ed-prev-word", nullptr);
  el_set(editor, EL_BIND, "\033[1;5C", "em-next-word", nullptr);
  el_set(editor, EL_BIND, "\033[3~", "ed-delete-next-char", nullptr);
  el_set(editor, EL_BIND, "\033[H", "ed-move-to-beg", nullptr);
  el_set(editor, EL_BIND, "\033[F", "ed-move-to-end", nullptr);
}

LineEditor::~LineEditor() {
  history_end(impl_->history);
  el_end(impl_->editor);
}

LineEditor::Result LineEditor::read(const std::string& prompt, std::string& line) {
  impl_->prompt = prompt;
  line.clear();
  struct sigaction action {
  }, saved{};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // what waits is a poll, which comes back all the same
  forget_interrupts();
  sigaction(SIGINT, &action, &saved);
  int length = 0;
  errno = 0;
  std::FILE* const terminal = isatty(STDOUT_FILENO) == 1 ? stdout : stderr;
  if (impl_->terminal) std::fputs(kPasteOn, terminal);
  // el_gets itself does this after the prompt is out: what is typed in between would be shown twice, and a
  // Ctrl-D lost.
  el_set(impl_->editor, EL_PREP_TERM, 1);
  const char* text = el_gets(impl_->editor, &length);
  if (impl_->terminal) std::fputs(kPasteOff, terminal);
  sigaction(SIGINT, &saved, nullptr);
  if (interrupted) {
    el_reset(impl_->editor);
    std::fputs("^C\n", terminal);
    std::fflush(terminal);
    return Result::interrupted;
  }
  std::fflush(terminal);
  if (!text || length <= 0) return Result::end;
  line.assign(text, static_cast<size_t>(length));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return Result::line;
}

void LineEditor::remember(const std::string& entry) {
  if (entry.find_first_not_of(" \t\n") == std::string::npos) return;
  history(impl_->history, &impl_->event, H_ENTER, entry.c_str());
  // At once: a terminal that is closed must not take the history with it.
  if (!impl_->file.empty()) history(impl_->history, &impl_->event, H_SAVE, impl_->file.c_str());
}

}  // namespace uma::cli
