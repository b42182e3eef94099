#include "cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace uma::cli {
namespace {

constexpr size_t kMaxInput = size_t{1} << 30;

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

void ProgressBar::update(uint64_t done, uint64_t total) {
  if (!stderr_is_terminal()) return;
  const auto now = Clock::now();
  if (!begun_) {
    begun_ = true;
    first_ = done;
    start_ = now;
  }
  using namespace std::chrono_literals;
  if (now - start_ < 300ms || (now - last_ < 100ms && done != total)) return;
  last_ = now;
  shown_ = true;
  winsize size{};
  const int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = static_cast<double>(done - std::min(first_, done)) / std::max(seconds, 1e-3);
  std::string text = fmt::format(" {}/s", human_bytes(static_cast<uint64_t>(rate)));
  if (total > 0) {
    text = fmt::format(" {} of {}{}", human_bytes(done), human_bytes(total), text);
    if (rate > 0 && done < total)
      text += fmt::format(", {:.0f} s left", static_cast<double>(total - done) / rate);
    const int room = width - static_cast<int>(label_.size() + text.size()) - 4;
    if (room > 8) {
      const int filled =
          static_cast<int>(static_cast<double>(room) * std::min(1.0, static_cast<double>(done) / total));
      text = fmt::format(" [{}{}]{}", std::string(filled, '='), std::string(room - filled, ' '), text);
    }
  } else {
    text = fmt::format(" {}{}", human_bytes(done), text);
  }
  std::fprintf(stderr, "\r\033[K%s%s", label_.c_str(), text.c_str());
  std::fflush(stderr);
}

void ProgressBar::finish() {
  if (shown_) std::fprintf(stderr, "\r\033[K");
  shown_ = false;
}

}  // namespace uma::cli
