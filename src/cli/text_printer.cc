#include "cli/text_printer.h"

#include <unistd.h>
#include <utf8proc.h>

#include <algorithm>

#include "cli/output.h"

namespace uma::cli {

namespace {

// The character that text begins with; a byte that begins none counts as one.
std::string_view first_character(std::string_view text, int& columns) {
  utf8proc_int32_t point = 0;
  const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                       static_cast<utf8proc_ssize_t>(text.size()), &point);
  columns = length > 0 ? utf8proc_charwidth(point) : 1;
  return text.substr(0, length > 0 ? static_cast<size_t>(length) : 1);
}

}  // namespace

int columns_of(std::string_view text) {
  int sum = 0;
  for (int columns = 0; !text.empty(); sum += columns)
    text.remove_prefix(first_character(text, columns).size());
  return sum;
}

void WordWrap::end_word(int width, std::string& out) {
  const int columns = columns_of(word_);
  if (!code_ && column_ > 0 && columns > 0 && columns <= width && column_ + spaces_ + columns > width) {
    out += '\n';
    column_ = spaces_ = 0;
  }
  out.append(static_cast<size_t>(spaces_), ' ');
  out += word_;
  column_ += spaces_ + columns;
  spaces_ = 0;
  word_.clear();
}

void WordWrap::put(std::string_view text, int width, std::string& out) {
  constexpr size_t kLongestWord = 200;  // bytes; what is longer must not be held back for ever
  for (int columns = 0; !text.empty();) {
    const std::string_view character = first_character(text, columns);
    text.remove_prefix(character.size());
    if (character == "\n") {
      end_word(width, out);
      if (line_start_.starts_with("```")) code_ = !code_;
      line_start_.clear();
      out += '\n';
      column_ = 0;
      continue;
    }
    if (line_start_.size() < 3 && (character != " " || !line_start_.empty())) line_start_ += character;
    if (character == " ") {
      if (!word_.empty()) end_word(width, out);
      ++spaces_;
      continue;
    }
    // Chinese and Japanese have no spaces: a line may break beside each character.
    if (columns == 2) end_word(width, out);
    word_ += character;
    if (columns == 2 || character == "\t" || word_.size() >= kLongestWord) end_word(width, out);
  }
  // Code is never moved, so nothing needs to wait.
  if (code_) end_word(width, out);
}

void WordWrap::flush(int width, std::string& out) {
  end_word(width, out);
}

TextPrinter::TextPrinter(bool wrap) : to_terminal_(stdout_is_terminal()), wrap_(wrap && to_terminal_) {}

void TextPrinter::put(std::string_view text) {
  if (text.empty()) return;
  line_open_ = !text.ends_with('\n');
  if (wrap_) {
    std::string wrapped;
    words_.put(printable(text), terminal_width(STDOUT_FILENO), wrapped);
    out(wrapped);
  } else {
    to_terminal_ ? out(printable(text)) : out(text);
  }
  flush();
}

void TextPrinter::finish() {
  std::string rest;
  if (wrap_) words_.flush(terminal_width(STDOUT_FILENO), rest);
  out(rest);
  if (line_open_) out("\n");
}

}  // namespace uma::cli
