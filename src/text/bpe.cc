// Byte-level BPE (GPT-2 and what came after): bytes are spelled in an alphabet of printable characters, a
// rule cuts the text into words, and pairs merge by their rank in a list.
#include <array>
#include <mutex>
#include <unordered_map>

#include "base/error.h"
#include "base/thread_pool.h"
#include "base/utf8.h"
#include "text/merge_list.h"
#include "text/pre_tokenizer.h"
#include "text/token_map.h"
#include "text/tokenizers.h"
#include "text/utf8.h"

namespace uma {
namespace {

// GPT-2's alphabet: printable Latin-1 characters stand for themselves, the other bytes for U+0100 onwards.
struct Alphabet {
  std::array<std::string, 256> spelling;
  std::array<int, 0x200> byte;  // by code point; -1: none
  Alphabet() {
    byte.fill(-1);
    uint32_t next = 0x100;
    for (uint32_t b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      const uint32_t c = printable ? b : next++;
      utf8_append_code_point(spelling[b], c);
      byte[c] = static_cast<int>(b);
    }
  }
};
const Alphabet& alphabet() {
  static const Alphabet table;
  return table;
}

class Bpe final : public Tokenizer {
 public:
  Bpe(VocabData data, const PreTokenizerRule& rule) : Tokenizer(std::move(data)), rule_(rule) {
    add_bos_ = rule.add_bos;
    for (const std::string_view merge : data_.merges)
      if (merge.find(' ', 1) == std::string_view::npos)  // shown() only where it is needed
        fail(ErrorCode::kFormat, "tokenizer", "the merge '{}' names no two tokens", shown(merge));
    if (rule.always_bos) data_.add_bos = true;
    if (data_.model == "gpt2" && 11 < size()) {  // where GPT-2's end of text would be, whatever stands there
      if (!data_.bos && !rule.no_bos) data_.bos = 11;
      if (!data_.eos) data_.eos = 11;
    }
  }

  void prepare() const override { tables(); }

 private:
  // Encoding needs these; answering what a token reads does not, so opening a model does not wait for them.
  struct Tables {
    TokenMap map;  // every token
    PairMap pairs;
    std::array<int32_t, 256> bytes;  // the symbol of a byte
    PreTokenizer words;
    explicit Tables(const PreTokenizerRule& rule) : words(rule) {}
  };

  static std::pair<std::string_view, std::string_view> halves(std::string_view merge) {
    const size_t space = merge.find(' ', 1);
    return {merge.substr(0, space), merge.substr(space + 1)};
  }

  const Tables& tables() const {
    std::call_once(once_, [&] { tables_ = build(); });
    return *tables_;
  }

  std::unique_ptr<Tables> build() const {
    auto t = std::make_unique<Tables>(rule_);
    t->map.reserve(data_.tokens.size() + 256 + data_.merges.size() / 8);
    // Most of the time goes into waiting for memory, so look-ups are made in bulk: see TokenMap.
    constexpr size_t kBulk = 16;
    t->map.insert_all(static_cast<int32_t>(size()), [&](int32_t id) { return token(id); });
    std::vector<std::array<int32_t, 3>> known(data_.merges.size());  // left, right, joined
    parallel_ranges(std::ssize(known), 4096, [&](int64_t begin, int64_t end) {
      std::string joined[kBulk];
      std::string_view texts[kBulk][3];
      uint64_t hashes[kBulk][3];
      for (auto first = static_cast<size_t>(begin); first < static_cast<size_t>(end); first += kBulk) {
        const size_t count = std::min<size_t>(kBulk, static_cast<size_t>(end) - first);
        for (size_t i = 0; i < count; ++i) {
          const auto [left, right] = halves(data_.merges[first + i]);
          joined[i].assign(left).append(right);
          const std::string_view all[3] = {left, right, joined[i]};
          for (size_t j = 0; j < 3; ++j) {
            texts[i][j] = all[j];
            t->map.ask_for_slot(hashes[i][j] = t->map.hash(all[j]));
          }
        }
        for (size_t i = 0; i < count; ++i)
          for (size_t j = 0; j < 3; ++j) t->map.ask_for_text(hashes[i][j]);
        for (size_t i = 0; i < count; ++i)
          for (size_t j = 0; j < 3; ++j) known[first + i][j] = t->map.find(texts[i][j], hashes[i][j]);
      }
    });
    int32_t next = static_cast<int32_t>(size());
    // Symbols without a token get numbers past the vocabulary: they may be steps on the way to one.
    std::unordered_map<std::string, int32_t> others;
    const auto number = [&](int32_t id, std::string_view text) {
      if (id >= 0) return id;
      const auto [it, fresh] = others.emplace(text, next);
      if (fresh) ++next;
      return it->second;
    };
    for (size_t b = 0; b < 256; ++b) {
      const char c = static_cast<char>(b);
      const std::string_view text = rule_.raw ? std::string_view(&c, 1) : alphabet().spelling[b];
      t->bytes[b] = number(t->map.find(text), text);
    }
    t->pairs.reserve(data_.merges.size());
    for (size_t rank = 0; rank < known.size(); ++rank) {
      if (const size_t ahead = rank + kBulk; ahead < known.size())
        t->pairs.ask_for_slot(PairMap::pair(known[ahead][0], known[ahead][1]));
      auto [a, b, whole] = known[rank];
      if (a < 0 || b < 0 || whole < 0) {
        const auto [left, right] = halves(data_.merges[rank]);
        a = number(a, left);
        b = number(b, right);
        whole = number(whole, std::string(left).append(right));
      }
      t->pairs.insert({PairMap::pair(a, b), static_cast<int32_t>(rank), whole});
    }
    for (auto& [text, id] : others) symbols_.emplace(text, id);
    return t;
  }

  void encode_text(std::string_view raw, bool, std::vector<int32_t>& out) const override {
    const Tables& t = tables();
    std::string text;
    if (rule_.escape_spaces) {
      text = utf8_as_read(escape_spaces(raw));
    } else {
      text = utf8_as_read(raw);
    }
    check(text.size() < UINT32_MAX, ErrorCode::kLimit, "tokenizer", "a text of {} bytes is too long",
          text.size());
    std::vector<MergeSymbol> symbols;
    std::string spelled;
    for (const std::string_view word : t.words.split(text)) encode_word(t, word, symbols, spelled, out);
  }

  void encode_word(const Tables& t, std::string_view word, std::vector<MergeSymbol>& symbols,
                   std::string& spelled, std::vector<int32_t>& out) const {
    if (rule_.ignore_merges ||
        (data_.pre == "gemma4" && word.find_first_not_of('\n') == std::string_view::npos)) {
      const int32_t whole = t.map.find(spell(word, spelled));
      if (whole >= 0 && whole < size()) return out.push_back(whole);
    }
    symbols.clear();
    if (rule_.raw) {
      for (size_t i = 0; i < word.size();) {
        const size_t n =
            std::min(word.size() - i, utf8_announced_length(static_cast<unsigned char>(word[i])));
        symbols.push_back(
            {0, 0, static_cast<uint32_t>(i), static_cast<uint32_t>(n), symbol_of(t, word.substr(i, n))});
        i += n;
      }
    } else {
      for (size_t i = 0; i < word.size(); ++i)
        symbols.push_back({0, 0, static_cast<uint32_t>(i), 1, t.bytes[static_cast<unsigned char>(word[i])]});
    }
    link_symbols(symbols);
    merge_all(symbols, [&](const MergeSymbol& a, const MergeSymbol& b, double* rank, int32_t* id) {
      const PairMap::Slot* merge = t.pairs.find(PairMap::pair(a.id, b.id));
      if (!merge) return false;
      *rank = merge->rank;
      *id = merge->id;
      return true;
    });
    for (const MergeSymbol& s : symbols) {
      if (s.length == 0) continue;
      if (s.id >= 0 && s.id < size())
        out.push_back(s.id);
      else
        spell_out(t, word.substr(s.begin, s.length), out);
    }
  }

  // A symbol that is no token: its bytes, as far as there are tokens for them.
  void spell_out(const Tables& t, std::string_view text, std::vector<int32_t>& out) const {
    std::string spelled;
    for (const char c : spell(text, spelled)) {
      const auto byte = static_cast<unsigned char>(c);
      const int32_t id = t.map.find(rule_.raw ? fmt::format("<0x{:02X}>", byte) : std::string(1, c));
      if (id >= 0 && id < size()) out.push_back(id);
    }
  }

  std::string_view spell(std::string_view word, std::string& spelled) const {
    if (rule_.raw) return word;
    spelled.clear();
    for (const char c : word) spelled += alphabet().spelling[static_cast<unsigned char>(c)];
    return spelled;
  }

  int32_t symbol_of(const Tables& t, std::string_view text) const {
    const int32_t id = t.map.find(text);
    if (id >= 0) return id;
    const auto it = symbols_.find(std::string(text));
    return it == symbols_.end() ? -1 : it->second;
  }

  std::string text_of(int32_t id) const override {
    std::string text;
    const std::string_view from = token(id);
    if (rule_.raw) return unescape_spaces(from);
    for (size_t i = 0; i < from.size();) {
      const size_t n = utf8_valid_length(from, i);
      const auto c = static_cast<unsigned char>(from[i]);
      const uint32_t point = n == 1   ? c
                             : n == 2 ? (c & 0x1fu) << 6 | (static_cast<unsigned char>(from[i + 1]) & 0x3fu)
                                      : 0xffff;
      const int byte = point < alphabet().byte.size() ? alphabet().byte[point] : -1;
      // Outside the alphabet a token can only mean itself.
      if (byte >= 0)
        text += static_cast<char>(byte);
      else
        text.append(from.substr(i, n ? n : 1));
      i += n ? n : 1;
    }
    return text;
  }

  const PreTokenizerRule& rule_;
  mutable std::once_flag once_;
  mutable std::unique_ptr<Tables> tables_;
  mutable std::unordered_map<std::string, int32_t> symbols_;
};

}  // namespace

std::shared_ptr<Tokenizer> make_bpe(VocabData data) {
  const std::string pre = data.model == "gemma4" ? "gemma4" : data.pre;
  const PreTokenizerRule* rule = find_pre_tokenizer(pre);
  check(rule != nullptr, ErrorCode::kUnsupported, "tokenizer", "the pre-tokenizer rule '{}' is unknown",
        shown(pre));
  data.pre = pre;
  return std::make_shared<Bpe>(std::move(data), *rule);
}

}  // namespace uma
