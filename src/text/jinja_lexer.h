#pragma once
// Template text to tokens, with Jinja's white space control: trim_blocks and lstrip_blocks are on.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace uma::jinja {

enum class Tok : uint8_t {
  kEnd,
  kText,
  kBlockBegin,
  kBlockEnd,
  kPrintBegin,
  kPrintEnd,
  kName,
  kString,
  kInt,
  kFloat,
  kOperator,
};

struct Token {
  Tok type = Tok::kEnd;
  uint32_t line = 1;
  std::string text;  // a string's value; a number without underscores; an operator's signs; text
  bool is(Tok t) const { return type == t; }
  bool is_op(std::string_view s) const { return type == Tok::kOperator && text == s; }
  bool is_name(std::string_view s) const { return type == Tok::kName && text == s; }
};

/// What a token is called in messages.
std::string describe(const Token& token);

class Lexer {
 public:
  /// source: valid UTF-8; newlines of any kind become \n and one at the very end is dropped, as Jinja does.
  explicit Lexer(std::string_view source);
  Token next();

 private:
  enum class State : uint8_t { kRoot, kBlock, kPrint };
  bool root(Token* token);
  bool raw_block(Token* token, size_t body);
  void comment(size_t begin);
  bool tag_end(Token* token);
  void inside(Token* token);
  void number(Token* token);
  void quoted(Token* token);
  void oper(Token* token);
  void skip_spaces();
  size_t match_tag(size_t at, std::string_view word, size_t* sign_at) const;
  size_t close_tag(size_t at) const;
  std::string_view cut_before(size_t begin, size_t end, char sign, bool lstrip);
  void advance(size_t to);
  bool starts(size_t at, std::string_view s) const {
    return std::string_view(src_).substr(at, s.size()) == s;
  }
  [[noreturn]] void fail(std::string_view message) const;

  std::string src_;
  size_t pos_ = 0;
  uint32_t line_ = 1;
  State state_ = State::kRoot;
  bool line_starting_ = true;  // what was matched last ended with a newline
  std::vector<char> brackets_;
};

[[noreturn]] void fail_syntax(uint32_t line, std::string_view message);

}  // namespace uma::jinja
