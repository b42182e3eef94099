#pragma once
// How byte-level BPE cuts text into words before it merges: one row for each rule that GGUF's
// tokenizer.ggml.pre can name.
#include <span>
#include <string_view>
#include <vector>

namespace uma {

/// One pass over the words that the passes before it left.
struct PreTokenizerPass {
  enum class Kind {
    regex,         // matches, and what lies between them, are words
    digits_right,  // runs of numbers in threes from the right; what is no number stays with the first three
                   // after it
    thousands,     // cuts before every third digit from the right, and nothing else
  };
  Kind kind = Kind::regex;
  std::string_view regex = {};  // <C> stands for English contractions; \s is Unicode white space
};

struct PreTokenizerRule {
  std::string_view names;  // separated by spaces
  std::span<const PreTokenizerPass> passes;
  bool ignore_merges = false;  // a word that is a token is taken whole
  bool add_bos = false;        // where the file is silent
  bool always_bos = false;     // whatever the file says
  bool no_bos = false;         // unless the file names one
  bool escape_spaces = false;  // spaces become U+2581
  bool raw = false;            // tokens are spelled in UTF-8, not in the byte alphabet of GPT-2
};

/// The row of a name, or nullptr. "" is "default".
const PreTokenizerRule* find_pre_tokenizer(std::string_view name);
/// Every row, for tests.
std::span<const PreTokenizerRule> pre_tokenizer_rules();

class PreTokenizer {
 public:
  explicit PreTokenizer(const PreTokenizerRule& rule);
  ~PreTokenizer();

  /// The words of a text, in order and without gaps. `text` is UTF-8, perhaps with surrogates. Throws Limit
  /// where a rule would take unreasonably long.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  struct Compiled;
  std::vector<Compiled> passes_;
};

}  // namespace uma
