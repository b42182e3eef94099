// SentencePiece (Llama 2, Gemma): spaces become U+2581, characters merge by the score of what they make,
// what is no token falls back to bytes.
#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "text/merge_list.h"
#include "text/token_map.h"
#include "text/tokenizers.h"
#include "text/utf8.h"

namespace uma {
namespace {

class SentencePiece final : public Tokenizer {
 public:
  explicit SentencePiece(VocabData data) : Tokenizer(std::move(data)) {
    const auto default_id = [&](std::optional<int32_t>& id, int32_t value) {
      if (!id && value < size()) id = value;
    };
    default_id(data_.bos, 1);
    default_id(data_.eos, 2);
    default_id(data_.unk, 0);
    add_bos_ = true;
    add_space_prefix_ = true;
    map_.reserve(data_.tokens.size());
    map_.insert_all(static_cast<int32_t>(size()), [&](int32_t id) { return token(id); });
    for (size_t b = 0; b < 256; ++b) {  // a vocabulary without byte tokens may spell the byte itself
      const char c = static_cast<char>(b);
      bytes_[b] = map_.find(fmt::format("<0x{:02X}>", b));
      if (bytes_[b] < 0) bytes_[b] = map_.find(std::string_view(&c, 1));
    }
  }

 private:
  void encode_text(std::string_view raw, bool first, std::vector<int32_t>& out) const override {
    const std::string text =
        (add_space_prefix_ && first ? std::string(kVisibleSpace) : "") + escape_spaces(raw);
    check(text.size() < UINT32_MAX, ErrorCode::kLimit, "tokenizer", "a text of {} bytes is too long",
          text.size());
    std::vector<MergeSymbol> symbols;
    symbols.reserve(text.size());
    for (size_t i = 0; i < text.size();) {
      const size_t n = std::min(text.size() - i, utf8_announced_length(static_cast<unsigned char>(text[i])));
      symbols.push_back({0, 0, static_cast<uint32_t>(i), static_cast<uint32_t>(n), -1});
      i += n;
    }
    link_symbols(symbols);
    merge_all(symbols, [&](const MergeSymbol& a, const MergeSymbol& b, double* rank, int32_t* id) {
      *id = map_.find(std::string_view(text).substr(a.begin, a.length + b.length));
      if (*id < 0) return false;
      *rank = data_.scores.empty() ? 0 : -static_cast<double>(data_.scores[static_cast<size_t>(*id)]);
      return true;
    });
    for (const MergeSymbol& s : symbols) {
      if (s.length == 0) continue;
      const std::string_view piece = std::string_view(text).substr(s.begin, s.length);
      const int32_t id = s.id >= 0 ? s.id : map_.find(piece);
      if (id >= 0) {
        out.push_back(id);
        continue;
      }
      for (const char c : piece) {
        const int32_t byte = bytes_[static_cast<unsigned char>(c)];
        if (byte >= 0)
          out.push_back(byte);
        else if (data_.unk)
          out.push_back(*data_.unk);
      }
    }
  }

  std::string text_of(int32_t id) const override { return unescape_spaces(token(id)); }

  TokenMap map_;
  std::array<int32_t, 256> bytes_;
};

}  // namespace

std::shared_ptr<Tokenizer> make_sentencepiece(VocabData data) {
  return std::make_shared<SentencePiece>(std::move(data));
}

}  // namespace uma
