#include "text/jinja_lexer.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

void fail_syntax(uint32_t line, std::string_view message) {
  uma::fail(ErrorCode::kFormat, "template", "line {}: {}", line, message);
}

std::string describe(const Token& token) {
  switch (token.type) {
    case Tok::kEnd:
      return "end of template";
    case Tok::kText:
      return "text";
    case Tok::kBlockBegin:
      return "begin of statement block";
    case Tok::kBlockEnd:
      return "end of statement block";
    case Tok::kPrintBegin:
      return "begin of print statement";
    case Tok::kPrintEnd:
      return "end of print statement";
    case Tok::kString:
      return "string";
    case Tok::kInt:
      return "integer";
    case Tok::kFloat:
      return "float";
    default:
      return "'" + token.text.substr(0, 80) + "'";
  }
}

Lexer::Lexer(std::string_view source) {
  src_.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      src_.push_back(source[i]);
      continue;
    }
    src_.push_back('\n');
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!src_.empty() && src_.back() == '\n') src_.pop_back();
}

void Lexer::fail(std::string_view message) const {
  fail_syntax(line_, message);
}

void Lexer::advance(size_t to) {
  line_ += static_cast<uint32_t>(std::count(src_.begin() + static_cast<ptrdiff_t>(pos_),
                                            src_.begin() + static_cast<ptrdiff_t>(to), '\n'));
  if (to > pos_) line_starting_ = src_[to - 1] == '\n';
  pos_ = to;
}

Token Lexer::next() {
  Token token;
  if (state_ == State::kRoot) {
    while (pos_ < src_.size()) {
      if (root(&token)) return token;
      token = Token();
    }
    token.line = line_;
    return token;
  }
  skip_spaces();
  token.line = line_;
  if (pos_ >= src_.size()) return token;
  if (!brackets_.empty() || !tag_end(&token)) inside(&token);
  return token;
}

/// Text before a tag, less what the tag's sign (or lstrip_blocks) takes away.
std::string_view Lexer::cut_before(size_t begin, size_t end, char sign, bool lstrip) {
  std::string_view text = std::string_view(src_).substr(begin, end - begin);
  if (sign == '-') return strip(text, false, true);
  if (sign == '+' || !lstrip) return text;
  const size_t newline = text.rfind('\n');
  const size_t line_at = newline == text.npos ? 0 : newline + 1;
  if ((line_at > 0 || line_starting_) && strip(text.substr(line_at), true, false).empty())
    return text.substr(0, line_at);
  return text;
}

/// The end of "{% word" at `at` (with a sign and white space), or npos.
size_t Lexer::match_tag(size_t at, std::string_view word, size_t* sign_at) const {
  if (!starts(at, "{%")) return std::string::npos;
  size_t i = at + 2;
  *sign_at = i;
  if (i < src_.size() && (src_[i] == '-' || src_[i] == '+')) ++i;
  const auto space = [&] { i = src_.size() - strip(std::string_view(src_).substr(i), true, false).size(); };
  space();
  if (!starts(i, word)) return std::string::npos;
  i += word.size();
  space();
  return i;
}

/// The end of a closing "%}" with its sign and what that takes away, or npos.
size_t Lexer::close_tag(size_t at) const {
  if (starts(at, "+%}")) return at + 3;
  if (starts(at, "%}")) return at + (starts(at + 2, "\n") ? 3 : 2);
  if (!starts(at, "-%}")) return std::string::npos;
  const std::string_view rest = std::string_view(src_).substr(at + 3);
  return src_.size() - strip(rest, true, false).size();
}

/// Text up to the next tag, or the tag's begin. False where nothing is left to hand out yet.
bool Lexer::root(Token* token) {
  size_t at = pos_;
  for (;; ++at) {
    at = src_.find('{', at);
    if (at == std::string::npos || at + 1 >= src_.size()) {
      at = src_.size();
      break;
    }
    if (src_[at + 1] == '%' || src_[at + 1] == '{' || src_[at + 1] == '#') break;
  }
  token->line = line_;
  if (at == src_.size()) {
    token->type = Tok::kText;
    token->text = src_.substr(pos_);
    advance(at);
    return !token->text.empty();
  }
  const char kind = src_[at + 1];
  size_t sign_at = at + 2;
  size_t raw = kind == '%' ? match_tag(at, "raw", &sign_at) : std::string::npos;
  if (raw != std::string::npos && !starts(raw, "%}") && !starts(raw, "-%}")) raw = std::string::npos;
  const char sign = sign_at < src_.size() ? src_[sign_at] : ' ';
  const std::string_view text = cut_before(pos_, at, sign, kind != '{');
  if (!text.empty()) {  // handed out first; the tag is found again on the next call
    token->type = Tok::kText;
    token->text = text;
    advance(at);
    return true;
  }
  advance(at);
  if (raw != std::string::npos) return raw_block(token, raw);
  const size_t after = sign == '-' || sign == '+' ? at + 3 : at + 2;
  token->line = line_;
  if (kind == '#') {
    comment(after);
    return false;
  }
  token->type = kind == '%' ? Tok::kBlockBegin : Tok::kPrintBegin;
  state_ = kind == '%' ? State::kBlock : State::kPrint;
  advance(after);
  return true;
}

void Lexer::comment(size_t begin) {
  const size_t end = src_.find("#}", begin);
  if (end == std::string::npos && begin < src_.size()) fail("Missing end of comment tag");
  if (end == std::string::npos) return advance(begin);  // at the very end, Jinja lets it pass
  size_t after = end + 2;
  if (end > begin && src_[end - 1] == '-') {
    after = src_.size() - strip(std::string_view(src_).substr(after), true, false).size();
  } else if (!(end > begin && src_[end - 1] == '+') && starts(after, "\n")) {
    ++after;
  }
  advance(after);
}

bool Lexer::raw_block(Token* token, size_t body) {
  if (starts(body, "-%}")) {
    body = src_.size() - strip(std::string_view(src_).substr(body + 3), true, false).size();
  } else {
    body += 2;
  }
  advance(body);
  for (size_t at = src_.find("{%", body); at != std::string::npos; at = src_.find("{%", at + 1)) {
    size_t sign_at = 0;
    const size_t word_end = match_tag(at, "endraw", &sign_at);
    const size_t after = word_end == std::string::npos ? word_end : close_tag(word_end);
    if (after == std::string::npos) continue;
    token->type = Tok::kText;
    token->line = line_;
    token->text = cut_before(body, at, src_[sign_at], true);
    advance(after);
    return !token->text.empty();
  }
  if (body < src_.size()) fail("Missing end of raw directive");
  return false;  // at the very end, Jinja lets it pass
}

void Lexer::skip_spaces() {
  const std::string_view rest = std::string_view(src_).substr(pos_);
  advance(src_.size() - strip(rest, true, false).size());
}

bool Lexer::tag_end(Token* token) {
  if (state_ == State::kBlock) {
    const size_t end = close_tag(pos_);
    if (end == std::string::npos) return false;
    token->type = Tok::kBlockEnd;
    advance(end);
  } else {
    if (!starts(pos_, "}}") && !starts(pos_, "-}}")) return false;
    token->type = Tok::kPrintEnd;
    const bool minus = src_[pos_] == '-';
    advance(pos_ + (minus ? 3 : 2));
    if (minus) skip_spaces();
  }
  state_ = State::kRoot;
  return true;
}

void Lexer::inside(Token* token) {
  const char c = src_[pos_];
  if (c >= '0' && c <= '9') return number(token);
  if (c == '\'' || c == '"') return quoted(token);
  size_t end = pos_;
  while (end < src_.size()) {
    size_t i = end;
    const char32_t p = utf8_next(src_, &i);
    if (p != '_' && !is_alnum(p)) break;
    end = i;
  }
  if (end == pos_) return oper(token);
  token->type = Tok::kName;
  token->text = src_.substr(pos_, end - pos_);
  if (!is_identifier(token->text)) fail("Invalid character in identifier");
  advance(end);
}

namespace {

/// The end of digits with single underscores between them, from i.
size_t digits_end(std::string_view s, size_t i, bool (*digit)(char)) {
  while (i < s.size() && (digit(s[i]) || (s[i] == '_' && i + 1 < s.size() && digit(s[i + 1])))) ++i;
  return i;
}

bool decimal(char c) {
  return c >= '0' && c <= '9';
}
bool zero(char c) {
  return c == '0';
}
bool binary(char c) {
  return c == '0' || c == '1';
}
bool octal(char c) {
  return c >= '0' && c <= '7';
}
bool hexadecimal(char c) {
  return decimal(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

/// The end of a float literal at i, or i.
size_t float_end(std::string_view s, size_t i) {
  size_t end = digits_end(s, i, decimal);
  bool is_float = false;
  if (end + 1 < s.size() && s[end] == '.' && decimal(s[end + 1])) {
    end = digits_end(s, end + 1, decimal);
    is_float = true;
  }
  if (end < s.size() && (s[end] | 32) == 'e') {
    size_t e = end + 1;
    if (e < s.size() && (s[e] == '+' || s[e] == '-')) ++e;
    if (e < s.size() && decimal(s[e])) {
      end = digits_end(s, e, decimal);
      is_float = true;
    }
  }
  return is_float ? end : i;
}

size_t int_end(std::string_view s, size_t i) {
  if (s[i] != '0') return digits_end(s, i, decimal);
  if (i + 1 < s.size()) {
    const char base = static_cast<char>(s[i + 1] | 32);
    const auto digit = base == 'x' ? hexadecimal : base == 'o' ? octal : base == 'b' ? binary : nullptr;
    if (digit) {
      const size_t end = digits_end(s, i + 2, digit);
      if (end > i + 2) return end;
    }
  }
  return digits_end(s, i, zero);
}

}  // namespace

void Lexer::number(Token* token) {
  // "x.1.5" is two subscripts, not one by 1.5.
  const bool after_dot = pos_ > 0 && src_[pos_ - 1] == '.';
  size_t end = after_dot ? pos_ : float_end(src_, pos_);
  token->type = end > pos_ ? Tok::kFloat : Tok::kInt;
  if (end == pos_) end = int_end(src_, pos_);
  token->text = src_.substr(pos_, end - pos_);
  std::erase(token->text, '_');
  advance(end);
}

namespace {

constexpr char kSimpleEscapes[] = "\\\\''\"\"a\ab\bf\fn\nr\rt\tv\v";

/// Reads up to `most` digits of a base at i; false unless at least `least` are there.
bool escape_digits(std::string_view s, size_t* i, size_t least, size_t most, int base, uint32_t* value) {
  size_t n = 0;
  *value = 0;
  for (; n < most && *i < s.size(); ++n, ++*i) {
    const char c = s[*i];
    const int d = decimal(c) ? c - '0' : hexadecimal(c) ? (c | 32) - 'a' + 10 : 99;
    if (d >= base) break;
    *value = *value * static_cast<uint32_t>(base) + static_cast<uint32_t>(d);
  }
  return n >= least;
}

}  // namespace

void Lexer::quoted(Token* token) {
  const char quote = src_[pos_];
  size_t end = pos_ + 1;
  while (end < src_.size() && src_[end] != quote) end += src_[end] == '\\' ? 2 : 1;
  if (end >= src_.size()) fail(fmt::format("unexpected char {}: the string has no end", quote));
  const std::string_view s = std::string_view(src_).substr(pos_ + 1, end - pos_ - 1);
  std::string& out = token->text;
  for (size_t i = 0; i < s.size();) {
    if (s[i] != '\\') {
      out.push_back(s[i++]);
      continue;
    }
    const char c = s[++i];
    if (c == '\n') {
      ++i;
      continue;
    }
    if (static_cast<unsigned char>(c) >= 0x80) {  // Python escapes the character first: \é is \xe9 in letters
      const auto code = static_cast<uint32_t>(utf8_next(s, &i));
      out += code < 0x100     ? fmt::format("\\x{:02x}", code)
             : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                              : fmt::format("\\U{:08x}", code);
      continue;
    }
    uint32_t code = 0;
    bool ok = true;
    if (octal(c)) {
      escape_digits(s, &i, 1, 3, 8, &code);
      utf8_append(out, code);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t n = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      ok = escape_digits(s, &++i, n, n, 16, &code) && code < 0x110000;
      if (ok && code >= 0xd800 && code < 0xe000) fail("a string holds half a surrogate pair");
      if (ok) utf8_append(out, code);
    } else if (c == 'N') {
      uma::fail(ErrorCode::kUnsupported, "template", "line {}: characters by name (\\N) in a string", line_);
    } else {
      const std::string_view simple(kSimpleEscapes);
      size_t k = 0;
      while (k < simple.size() && simple[k] != c) k += 2;
      if (k >= simple.size()) out.push_back('\\');
      out.push_back(k < simple.size() ? simple[k + 1] : c);
      ++i;
    }
    if (!ok) fail(fmt::format("a string has a truncated or illegal \\{} escape", c));
  }
  token->type = Tok::kString;
  advance(end + 1);
}

void Lexer::oper(Token* token) {
  static constexpr std::array<std::string_view, 26> kOperators = {
      "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
      "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
  const auto* found =
      std::find_if(kOperators.begin(), kOperators.end(), [&](auto o) { return starts(pos_, o); });
  if (found == kOperators.end()) {
    size_t i = pos_;
    utf8_next(src_, &i);
    fail(fmt::format("unexpected char '{}'", src_.substr(pos_, i - pos_)));
  }
  const char c = (*found)[0];
  if (c == '(' || c == '[' || c == '{') {
    brackets_.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
  } else if (c == ')' || c == ']' || c == '}') {
    if (brackets_.empty()) fail(fmt::format("unexpected '{}'", c));
    if (brackets_.back() != c) fail(fmt::format("unexpected '{}', expected '{}'", c, brackets_.back()));
    brackets_.pop_back();
  }
  token->type = Tok::kOperator;
  token->text = *found;
  advance(pos_ + found->size());
}

}  // namespace uma::jinja
