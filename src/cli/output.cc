#include "cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/thread.h"

namespace uma::cli {
namespace {

constexpr size_t kMaxInput = size_t{1} << 30;
constexpr double kStalled = 3;  // seconds without a byte, of which a bar says no speed any more

[[noreturn]] void lost(int error) {
  fail(ErrorCode::kIo, "output", "standard output cannot be written: {}", std::strerror(error));
}

std::string read_all(std::FILE* file, std::string_view name) {
  std::string text;
  char part[1 << 16];
  while (const size_t n = std::fread(part, 1, sizeof part, file)) {
    text.append(part, n);
    check(text.size() <= kMaxInput, ErrorCode::kLimit, "input", "{} is longer than {} bytes", name,
          kMaxInput);
  }
  check(!std::ferror(file), ErrorCode::kIo, "input", "{} cannot be read: {}", name, std::strerror(errno));
  return text;
}

}  // namespace

void out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) lost(errno);
}

void flush() {
  if (std::fflush(stdout) != 0) lost(errno);
}

void note(std::string_view text) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(std::min<size_t>(text.size(), 1 << 20)), text.data());
}

bool stdin_is_terminal() {
  return isatty(STDIN_FILENO) == 1;
}
bool stdout_is_terminal() {
  return isatty(STDOUT_FILENO) == 1;
}
bool stderr_is_terminal() {
  return isatty(STDERR_FILENO) == 1;
}

std::string read_stdin() {
  return read_all(stdin, "standard input");
}

std::string read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  check(file != nullptr, ErrorCode::kIo, "input", "{} cannot be opened: {}", path, std::strerror(errno));
  return read_all(file.get(), path);
}

std::string human_bytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < std::size(kUnits); ++unit) value /= 1000;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string printable(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) continue;
    // C1 controls, which some terminals obey as they do ESC [.
    if (c == 0xc2 && i + 1 < text.size()) {
      const auto next = static_cast<unsigned char>(text[i + 1]);
      if (next >= 0x80 && next < 0xa0) {
        ++i;
        continue;
      }
    }
    clean.push_back(static_cast<char>(c));
  }
  return clean;
}

int terminal_width(int fd) {
  winsize size{};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

ProgressBar::ProgressBar(std::string label, std::string unit)
    : label_(std::move(label)), unit_(std::move(unit)) {
  if (stderr_is_terminal()) painter_ = start_thread([this] { paint_until_stopped(); });
}

void ProgressBar::update(uint64_t done, uint64_t total) {
  const std::lock_guard lock(mutex_);
  if (!begun_) first_ = done;
  if (!begun_ || done != done_) moved_ = Clock::now();
  begun_ = true;
  done_ = done;
  total_ = total;
}

void ProgressBar::note(std::string_view text) {
  const std::lock_guard lock(mutex_);
  erase();
  cli::note(text);
}

void ProgressBar::finish() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (painter_.joinable()) painter_.join();
}

void ProgressBar::paint_until_stopped() {
  using namespace std::chrono_literals;
  std::unique_lock lock(mutex_);
  // What is over at once shows nothing.
  for (auto pause = 400ms; !wake_.wait_for(lock, pause, [this] { return stop_; }); pause = 100ms) paint();
  erase();
}

void ProgressBar::erase() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

std::string ProgressBar::figures(Clock::time_point now) const {
  const auto seconds_since = [now](Clock::time_point then) {
    return std::chrono::duration<double>(now - then).count();
  };
  const double seconds = seconds_since(start_), still = seconds_since(moved_);
  const double rate = static_cast<double>(done_ - std::min(first_, done_)) / std::max(seconds, 1e-3);
  if (!begun_) return fmt::format(" {:.0f} s", seconds);
  const auto amount = [&](uint64_t n) { return unit_.empty() ? human_bytes(n) : fmt::format("{}", n); };
  std::string text = total_ > 0 ? fmt::format(" {} of {}", amount(done_), amount(total_))
                                : fmt::format(" {}", amount(done_));
  if (!unit_.empty()) text += " " + unit_;
  // Of bytes only: a step of computing may well take this long.
  const bool waits = unit_.empty() && (total_ == 0 || done_ < total_);
  if (waits && still > kStalled) return text + fmt::format(", nothing came for {:.0f} s", still);
  if (unit_.empty()) text += fmt::format(" {}/s", human_bytes(static_cast<uint64_t>(rate)));
  if (total_ > 0 && rate > 0 && done_ < total_)
    text += fmt::format(", {:.0f} s left", static_cast<double>(total_ - done_) / rate);
  else
    text += fmt::format(", {:.0f} s", seconds);
  return text;
}

void ProgressBar::paint() {
  const int width = terminal_width(STDERR_FILENO);
  std::string text = figures(Clock::now());
  const int room = width - static_cast<int>(label_.size() + text.size()) - 4;
  if (total_ > 0 && room > 8) {
    const double share = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
    const auto filled = static_cast<size_t>(room * share);
    text = fmt::format(" [{}{}]{}", std::string(filled, '='),
                       std::string(static_cast<size_t>(room) - filled, ' '), text);
  }
  // A line that wraps could not be taken back.
  text = (label_ + text).substr(0, static_cast<size_t>(std::max(width - 1, 1)));
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
  shown_ = true;
}

}  // namespace uma::cli
