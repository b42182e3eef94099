// WordPiece (BERT): text is cut at spaces and punctuation, each word into the longest pieces that exist.
// GGUF files spell the beginning of a word as U+2581 and its continuations plainly.
#include <utf8proc.h>

#include <algorithm>

#include "base/error.h"
#include "text/token_map.h"
#include "text/tokenizers.h"
#include "text/utf8.h"

namespace uma {
namespace {

bool is_chinese(uint32_t c) {
  static constexpr uint32_t kRanges[][2] = {{0x4e00, 0x9fff},   {0x3400, 0x4dbf},   {0x20000, 0x2a6df},
                                            {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f}, {0x2b920, 0x2ceaf},
                                            {0xf900, 0xfaff},   {0x2f800, 0x2fa1f}};
  return std::any_of(std::begin(kRanges), std::end(kRanges),
                     [&](const auto& r) { return c >= r[0] && c <= r[1]; });
}

bool is_space(uint32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

// The letter under the accents: the first code point of the canonical decomposition. Whatever else it has is
// dropped with the accents, vowels of Hangul syllables included; so does llama.cpp, and ids follow it.
uint32_t first_decomposed(uint32_t c) {
  if (c < 0xc0) return c;
  utf8proc_int32_t parts[8];
  int boundary = 0;
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 8,
                                         static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE),
                                         &boundary);
  return n >= 1 ? static_cast<uint32_t>(parts[0]) : c;
}

class WordPiece final : public Tokenizer {
 public:
  explicit WordPiece(VocabData data) : Tokenizer(std::move(data)) {
    const auto default_id = [&](std::optional<int32_t>& id, int32_t value) {
      if (!id && value < size()) id = value;
    };
    default_id(data_.bos, 101);
    default_id(data_.sep, 102);
    default_id(data_.unk, 100);
    data_.add_bos = add_sep_ = true;  // always, whatever the file says
    data_.add_eos = false;
    lowercase_ = data_.lowercase.value_or(true);
    strip_accents_ = data_.strip_accents.value_or(lowercase_);
    map_.reserve(data_.tokens.size());
    for (int32_t id = 0; id < size(); ++id) {
      map_.insert(token(id), id);
      longest_ = std::max(longest_, token(id).size());
    }
  }

 private:
  void encode_text(std::string_view raw, bool, std::vector<int32_t>& out) const override {
    std::string word;
    const auto finish = [&] {
      if (!word.empty()) encode_word(std::string(kVisibleSpace) + word, out);
      word.clear();
    };
    for (size_t i = 0; i < raw.size();) {
      const uint32_t read = utf8_next_as_read(raw, &i);
      const uint32_t c = strip_accents_ ? first_decomposed(read) : read;
      const auto point = static_cast<utf8proc_int32_t>(c);
      const auto category = utf8proc_category(point);
      if (is_space(c)) {
        finish();
        continue;
      }
      const bool control = category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
                           category == UTF8PROC_CATEGORY_CS || category == UTF8PROC_CATEGORY_CO;
      const bool mark = category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
                        category == UTF8PROC_CATEGORY_ME;
      if (c == 0 || c == 0xfffd || control || (strip_accents_ && mark)) continue;
      const bool punctuation = category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
      const bool symbol = category >= UTF8PROC_CATEGORY_SM && category <= UTF8PROC_CATEGORY_SO;
      std::string text;
      utf8_append_code_point(text, static_cast<uint32_t>(lowercase_ ? utf8proc_tolower(point) : point));
      if (punctuation || (symbol && c < 0x7f) || is_chinese(c)) {
        finish();
        word = text;
        finish();
      } else {
        word += text;
      }
    }
    finish();
  }

  void encode_word(const std::string& word, std::vector<int32_t>& out) const {
    const size_t before = out.size();
    for (size_t at = 0; at < word.size();) {
      size_t n = std::min(word.size() - at, longest_);
      int32_t id = -1;
      for (; n > 0; --n)
        if ((id = map_.find(std::string_view(word).substr(at, n))) >= 0) break;
      if (id < 0) {  // one part unknown: the word is
        out.resize(before);
        break;
      }
      out.push_back(id);
      at += n;
    }
    if (out.size() == before && data_.unk) out.push_back(*data_.unk);
  }

  std::string text_of(int32_t id) const override { return unescape_spaces(token(id)); }

  TokenMap map_;
  size_t longest_ = 0;
  bool lowercase_, strip_accents_;
};

}  // namespace

std::shared_ptr<Tokenizer> make_wordpiece(VocabData data) {
  return std::make_shared<WordPiece>(std::move(data));
}

}  // namespace uma
