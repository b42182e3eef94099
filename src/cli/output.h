#pragma once
// Results go to stdout, everything else to stderr. A result that cannot be written is an error, not a loss.
#include <fmt/core.h>

#include <chrono>
#include <string>
#include <string_view>

namespace uma::cli {

/// Writes to stdout. Throws Io when it cannot (closed pipe, disk full).
void out(std::string_view text);
/// Makes sure that what was written has left this process. Throws Io.
void flush();

template <class... Args>
void outf(fmt::format_string<Args...> format, Args&&... args) {
  out(fmt::vformat(fmt::string_view(format), fmt::make_format_args(args...)));
}

/// One line on stderr.
void note(std::string_view text);

bool stdin_is_terminal();
bool stdout_is_terminal();
bool stderr_is_terminal();

/// All of stdin, as bytes. Throws Limit past 1 GiB, Io on a read error.
std::string read_stdin();
/// A whole file, as bytes. Throws Io naming the path, Limit past 1 GiB.
std::string read_file(const std::string& path);

/// "491.4 MB", "1.2 GB": decimal, as disks are sold and networks counted.
std::string human_bytes(uint64_t bytes);

/// Text of a model on its way to a terminal: control characters other than newline and tab are dropped,
/// because an answer must not be able to move the cursor, change the title or answer for the user.
std::string printable(std::string_view text);

/// A bar on stderr, on a terminal only, and only for what lasts.
class ProgressBar {
 public:
  explicit ProgressBar(std::string label) : label_(std::move(label)) {}
  ~ProgressBar() { finish(); }
  /// total = 0: unknown, shows the bytes alone.
  void update(uint64_t done, uint64_t total);
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  Clock::time_point start_ = Clock::now(), last_;
  uint64_t first_ = 0;  // where it began: a resumed download must not look infinitely fast
  bool begun_ = false, shown_ = false;
};

}  // namespace uma::cli
