#pragma once
// A child process without a shell: its words are passed as they are.
#include <atomic>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace uma::hub {

struct ChildOptions {
  std::filesystem::path folder;                                  // where it runs
  std::vector<std::pair<std::string, std::string>> environment;  // on top of this process's
  std::function<void()> on_tick;                                 // ten times a second
  const std::atomic<bool>* cancel = nullptr;                     // ends the child and all it started
};

struct ChildResult {
  int exit_code = 0;   // 128 + n: ended by signal n
  std::string output;  // the last 16 KB of stdout and stderr
};

/// Runs words[0], found in PATH, to its end; stdin is empty. The child dies with this process, kill -9 of it
/// included. Throws NotFound if there is no such program, Io if it cannot be started, Cancelled.
ChildResult run_child(const std::vector<std::string>& words, const ChildOptions& options);

}  // namespace uma::hub
