#pragma once
// An answer on its way to stdout, as it comes.
#include <string>
#include <string_view>

namespace uma::cli {

/// Breaks lines between words, so that a terminal does not break them within one. Blocks of code, which
/// people copy, and words longer than a line are left to the terminal.
class WordWrap {
 public:
  /// Appends what can be printed now to `out`; the word that is still growing is held back.
  void put(std::string_view text, int width, std::string& out);
  void flush(int width, std::string& out);

 private:
  void end_word(int width, std::string& out);

  std::string word_;        // held back
  std::string line_start_;  // the line's first bytes: where a fence of code would be
  int column_ = 0;          // after what has been printed
  int spaces_ = 0;          // between column_ and the word
  bool code_ = false;
};

/// Columns that UTF-8 text takes on a terminal: 2 for wide characters, 0 for marks that combine.
int columns_of(std::string_view text);

/// To a terminal: without control characters, wrapped if asked. Elsewhere: as it is.
class TextPrinter {
 public:
  explicit TextPrinter(bool wrap);
  void put(std::string_view text);
  /// Ends the last line.
  void finish();

 private:
  bool to_terminal_, wrap_, line_open_ = true;
  WordWrap words_;
};

}  // namespace uma::cli
