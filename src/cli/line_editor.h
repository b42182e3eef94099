#pragma once
// One line of input from a terminal: editing keys, history, Ctrl-C that drops the line and nothing else.
#include <memory>
#include <string>

namespace uma::cli {

class LineEditor {
 public:
  enum class Result { line, interrupted, end };

  /// History is read from and kept in `history_file`; empty: in memory only.
  explicit LineEditor(const std::string& history_file);
  ~LineEditor();

  /// Reads one line, without its newline. UTF-8 in, UTF-8 out.
  Result read(const std::string& prompt, std::string& line);
  /// Adds an entry to the history (which may span lines) and to its file.
  void remember(const std::string& entry);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace uma::cli
