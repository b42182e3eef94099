#include "text/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <string>
#include <utility>

#include "base/error.h"
#include "text/match_text.h"

namespace uma {
namespace {

// Work of one match. Real text needs a few steps a character; an expression that backtracks over a hostile
// text stops here instead of running for hours.
constexpr uint32_t kMatchLimit = 50'000'000;
constexpr size_t kJitStackBytes = size_t{32} << 20;

// White space as Unicode defines it; \s of the library would leave some of it out.
constexpr std::string_view kSpaces =
    R"(\x09-\x0d\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kContractions = R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]))";

std::string expand(std::string_view regex) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < regex.size(); ++i) {
    const char c = regex[i];
    if (c == '\\' && i + 1 < regex.size()) {
      const char next = regex[++i];
      if (next == 's')
        out += in_class ? std::string(kSpaces) : "[" + std::string(kSpaces) + "]";
      else if (next == 'S')
        out += "[^" + std::string(kSpaces) + "]";  // only ever outside a class
      else
        out += std::string{c, next};
    } else if (regex.substr(i).starts_with("<C>")) {
      out += kContractions;
      i += 2;
    } else {
      if (c == '[') in_class = true;
      if (c == ']') in_class = false;
      out += c;
    }
  }
  return out;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

using Words = std::vector<std::string_view>;

void add(Words& out, std::string_view word) {
  if (!word.empty()) out.push_back(word);
}

// Numbers that begin at `gap`, cut in threes from the right; what stands before them stays with the first
// piece.
void add_in_threes(Words& out, std::string_view text, size_t gap) {
  std::vector<size_t> ends;
  for (size_t i = gap + 1; i <= text.size(); ++i)
    if (i == text.size() || (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) ends.push_back(i);
  size_t from = 0;
  for (size_t i = (ends.size() - 1) % 3; i < ends.size(); i += 3) {
    add(out, text.substr(from, ends[i] - from));
    from = ends[i];
  }
}

void split_thousands(std::string_view text, Words& out) {
  size_t from = 0;
  for (size_t i = 0; i < text.size();) {
    if (!is_digit(text[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && is_digit(text[end])) ++end;
    for (size_t cut = i + (end - i) % 3; cut < end; cut += 3) {
      add(out, text.substr(from, cut - from));
      from = cut;
    }
    i = end;
  }
  add(out, text.substr(from));
}

}  // namespace

struct PreTokenizer::Compiled {
  PreTokenizerPass::Kind kind;
  pcre2_code* code = nullptr;

  explicit Compiled(const PreTokenizerPass& pass) : kind(pass.kind) {
    if (kind == PreTokenizerPass::Kind::thousands) return;
    const std::string regex = kind == PreTokenizerPass::Kind::digits_right ? R"(\p{N}+)" : expand(pass.regex);
    int error = 0;
    size_t at = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(regex.data()), regex.size(),
                         PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY, &error, &at, nullptr);
    check(code != nullptr, ErrorCode::kInternal, "tokenizer", "rule {} does not compile: error {} at {}",
          regex, error, at);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it matching is slower and the same
  }
  Compiled(Compiled&& other) noexcept : kind(other.kind), code(std::exchange(other.code, nullptr)) {}
  ~Compiled() { pcre2_code_free(code); }

  void split(std::string_view text, Words& out) const {
    if (kind == PreTokenizerPass::Kind::thousands) return split_thousands(text, out);
    match(text, out);
  }

 private:
  // What one thread needs to match; made once.
  struct Scratch {
    pcre2_match_data* data = pcre2_match_data_create(16, nullptr);
    pcre2_match_context* context = pcre2_match_context_create(nullptr);
    pcre2_jit_stack* stack = pcre2_jit_stack_create(64 << 10, kJitStackBytes, nullptr);
    Scratch() {
      pcre2_set_match_limit(context, kMatchLimit);
      pcre2_jit_stack_assign(context, nullptr, stack);
    }
    ~Scratch() {
      pcre2_match_data_free(data);
      pcre2_match_context_free(context);
      pcre2_jit_stack_free(stack);
    }
  };

  void match(std::string_view text, Words& out) const {
    thread_local Scratch scratch;
    size_t from = 0;
    while (from < text.size()) {
      const int n = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                PCRE2_NOTEMPTY | PCRE2_NO_UTF_CHECK, scratch.data, scratch.context);
      if (n == PCRE2_ERROR_NOMATCH) break;
      check(n > 0, ErrorCode::kLimit, "tokenizer",
            "the text is too hard to cut into words (matching error {})", n);
      const size_t* span = pcre2_get_ovector_pointer(scratch.data);
      if (kind == PreTokenizerPass::Kind::digits_right) {
        add_in_threes(out, text.substr(from, span[1] - from), span[0] - from);
      } else {
        add(out, text.substr(from, span[0] - from));
        add(out, text.substr(span[0], span[1] - span[0]));
      }
      from = span[1];
    }
    add(out, text.substr(from));
  }
};

PreTokenizer::PreTokenizer(const PreTokenizerRule& rule) {
  for (const PreTokenizerPass& pass : rule.passes) passes_.emplace_back(pass);
}
PreTokenizer::~PreTokenizer() = default;

std::vector<std::string_view> PreTokenizer::split(std::string_view text) const {
  if (text.empty()) return {};
  const std::string replaced = with_stand_ins(text);
  const std::string_view matched = replaced.empty() ? text : std::string_view(replaced);
  Words words{matched}, next;
  for (const Compiled& pass : passes_) {
    next.clear();
    for (const std::string_view word : words) pass.split(word, next);
    std::swap(words, next);
  }
  if (!replaced.empty())
    for (std::string_view& word : words)
      word = text.substr(static_cast<size_t>(word.data() - matched.data()), word.size());
  return words;
}

}  // namespace uma
