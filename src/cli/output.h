#pragma once
// Results go to stdout, everything else to stderr. A result that cannot be written is an error, not a loss.
#include <fmt/core.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

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

/// Columns of the terminal behind a file descriptor; 80 where that is not known.
int terminal_width(int fd);

/// A bar on stderr, on a terminal only, and only for what lasts. A thread paints it, so that time is seen to
/// pass within a long step too.
class ProgressBar {
 public:
  /// unit: what is counted, such as "windows"; empty: bytes.
  explicit ProgressBar(std::string label, std::string unit = "");
  ~ProgressBar() { finish(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// total = 0: unknown. Without any update only the time is shown.
  void update(uint64_t done, uint64_t total);
  /// One line on stderr, above the bar.
  void note(std::string_view text);
  /// Takes the bar away, for good.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  void paint_until_stopped();
  void paint();
  void erase();
  std::string figures(Clock::time_point now) const;

  std::string label_, unit_;
  Clock::time_point start_ = Clock::now();
  uint64_t done_ = 0, total_ = 0;
  Clock::time_point moved_ = start_;  // when done_ last grew
  uint64_t first_ = 0;                // where it began: a resumed download must not look infinitely fast
  bool begun_ = false, shown_ = false, stop_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread painter_;
};

}  // namespace uma::cli
