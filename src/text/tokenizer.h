#pragma once
// Text to token ids and back. Three kinds of vocabulary, as GGUF files name them: "llama" (SentencePiece,
// merges by score), "gpt2" (byte-level BPE, merges by rank, words cut by a pre-tokenizer rule) and "bert"
// (WordPiece). Ids are those that llama.cpp gives. Text is bytes: what is not UTF-8 is read as U+FFFD, byte
// by byte.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace uma {

/// A vocabulary as plain data. Views point into memory that `keep_alive` holds.
struct VocabData {
  std::string model;  // tokenizer.ggml.model
  std::string pre;    // tokenizer.ggml.pre; empty: the default rule
  // general.name, general.architecture: some models need spaces beside special tokens dropped, and only these
  // tell.
  std::string name, architecture;
  std::vector<std::string_view> tokens;
  std::vector<float> scores;             // one a token, or none
  std::vector<int32_t> types;            // TokenType values; one a token, or none
  std::vector<std::string_view> merges;  // "left right", best first; gpt2 only
  std::optional<int32_t> bos, eos, eot, eom, unk, sep, pad, cls, mask;
  std::optional<int32_t> fim_pre, fim_suf, fim_mid, fim_pad, fim_rep, fim_sep;  // fill-in-the-middle
  std::optional<bool> add_bos, add_eos, add_space_prefix, lowercase, strip_accents;
  std::shared_ptr<const void> keep_alive;
};

enum class TokenType : int32_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

struct EncodeOptions {
  bool add_special = false;    // what the model wants around a text: beginning, end, separator
  bool parse_special = false;  // control tokens spelled out in the text are taken as such
};

class Tokenizer {
 public:
  /// Throws Format: no tokens, fewer scores or types than tokens, ids out of range, byte tokens that name no
  /// byte, a merge without a space; Unsupported: an unknown model or pre-tokenizer rule.
  static std::shared_ptr<const Tokenizer> make(VocabData data);
  virtual ~Tokenizer();

  std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options = {}) const;
  /// Builds what encode() needs and decoding does not; the first encode() does it where nobody did.
  virtual void prepare() const {}

  /// The bytes of a token; part of a character perhaps. Control and unknown tokens show their text if
  /// `special`, else nothing; unused ones never show. Throws InvalidArgument for an id outside the
  /// vocabulary.
  std::string piece(int32_t id, bool special = true) const;
  /// A token as the vocabulary spells it, such as "Ġthe" or "<0x0A>". Throws as piece().
  std::string_view spelling(int32_t id) const;
  std::string decode(std::span<const int32_t> ids, bool special = false) const;

  int64_t size() const { return static_cast<int64_t>(data_.tokens.size()); }
  /// -1 where the model has none.
  int32_t bos() const { return data_.bos.value_or(-1); }
  int32_t eos() const { return data_.eos.value_or(-1); }
  bool add_bos() const { return add_bos_; }
  bool add_eos() const { return add_eos_; }
  /// Tokens that end an answer: eos, and ends of turns known by their text; sorted.
  const std::vector<int32_t>& end_tokens() const { return end_tokens_; }
  /// Spaces at the beginning of a text are the tokenizer's own: the first piece has one too many.
  bool adds_space_prefix() const { return add_space_prefix_; }

 protected:
  explicit Tokenizer(VocabData data);
  /// Appends the tokens of plain text. first: nothing, or a special token, stands before it.
  virtual void encode_text(std::string_view text, bool first, std::vector<int32_t>& out) const = 0;
  /// The text of an ordinary token.
  virtual std::string text_of(int32_t id) const = 0;

  bool has_role(int32_t id, int roles) const { return (roles_[static_cast<size_t>(id)] & roles) != 0; }
  std::string_view token(int32_t id) const { return data_.tokens[static_cast<size_t>(id)]; }

  VocabData data_;
  bool add_bos_ = false, add_eos_ = false, add_sep_ = false, add_space_prefix_ = false;

 private:
  struct Special {
    int32_t id;
    std::string_view text;
    bool literal;              // found in text without parse_special
    bool eat_left, eat_right;  // drops the spaces beside it
  };
  struct Part {  // of a text: a special token, or plain text
    int32_t id;  // -1: plain
    std::string_view text;
  };
  void find_roles();
  void find_special_tokens();
  std::vector<Part> partition(std::string_view text, bool parse_special) const;

  std::vector<uint8_t> roles_;    // TokenRole bits, by id
  std::vector<Special> special_;  // longest first
  std::vector<int32_t> end_tokens_;
  bool special_starts_[256] = {};  // first bytes of special tokens
};

/// Turns tokens into text as they come; a character is given out once it is whole.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, bool special = false)
      : tokenizer_(tokenizer), special_(special) {}
  /// The text that this token completes; valid UTF-8.
  std::string put(int32_t id);
  /// What is left at the end: broken bytes as U+FFFD.
  std::string flush();

 private:
  const Tokenizer& tokenizer_;
  bool special_;
  std::string pending_;
};

}  // namespace uma
