#pragma once
// Text to token ids and back, from the vocabulary that a model file carries. Three families, told apart by
// `tokenizer.ggml.model`: "llama" is SentencePiece (merges by score, byte fallback), "gpt2" and its relatives
// byte-level BPE (merges by rank, words split by the rule that `tokenizer.ggml.pre` names), "bert" WordPiece,
// "t5" Unigram. Ids are those of llama.cpp, to the token, also where a rule of it looks odd.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace uma {

/// What a vocabulary consists of, as plain data: the text layer reads no files. Everything but `model` and
/// `tokens` may be left out; a value left out takes the default of its family and pre-tokenizer.
struct VocabData {
  std::string model;                     // tokenizer.ggml.model
  std::string pre;                       // tokenizer.ggml.pre
  std::string name;                      // general.name: some models strip blanks beside special tokens
  std::string architecture;              // general.architecture: the same
  std::vector<std::string_view> tokens;  // tokenizer.ggml.tokens
  std::vector<float> scores;             // tokenizer.ggml.scores
  std::vector<int32_t> types;            // tokenizer.ggml.token_type
  std::vector<std::string_view> merges;  // tokenizer.ggml.merges
  std::span<const uint8_t> charsmap;     // tokenizer.ggml.precompiled_charsmap

  // tokenizer.ggml.<x>_token_id. An id outside the vocabulary counts as not given.
  std::optional<int64_t> bos, eos, eot, eom, unk, sep, pad, mask;
  std::optional<int64_t> fim_pad, fim_rep, fim_sep;
  // tokenizer.ggml.add_bos_token, ...
  std::optional<bool> add_bos, add_eos, add_sep, add_space_prefix, remove_extra_whitespaces;
  // tokenizer.ggml.normalizer.lowercase, .strip_accents
  std::optional<bool> lowercase, strip_accents;

  std::shared_ptr<const void> keep_alive;  // owns what the views point to, usually the mapped file
};

struct EncodeOptions {
  bool add_special = true;     // begin with BOS and end with EOS or SEP where the model says so
  bool parse_special = false;  // "<|im_end|>" in the text becomes that token; else it is text like any other
};

class Tokenizer {
 public:
  /// Takes a vocabulary over. Throws Format: no tokens, array lengths that differ, a token twice, a byte
  /// token that names no byte, a score that is no number, add_bos without a BOS; Unsupported: a family or
  /// pre-tokenizer that is not known.
  static std::shared_ptr<const Tokenizer> make(VocabData data);
  ~Tokenizer();

  /// Token ids of `text`, which may be any bytes. Byte-level BPE and WordPiece read a byte that is not UTF-8
  /// as U+FFFD, as llama.cpp does; SentencePiece keeps it as a byte token. Safe to call from several threads.
  /// Throws Limit if the text has 2 GiB or more.
  std::vector<int32_t> encode(std::string_view text, EncodeOptions options = {}) const;

  /// The bytes that a token stands for, which may be part of a character. Control tokens and unknown give
  /// their own text, or "" with `special` false. Throws InvalidArgument if there is no such token.
  std::string piece(int32_t id, bool special = true) const;
  /// All pieces, one after the other; a space that encode() put in front is taken away again.
  std::string decode(std::span<const int32_t> ids, bool special = false) const;

  int64_t size() const;
  /// Ids of tokens with a role; -1 where the model has none.
  int32_t bos() const;
  int32_t eos() const;
  int32_t eot() const;
  int32_t unk() const;
  int32_t sep() const;
  int32_t pad() const;
  int32_t mask() const;
  bool add_bos() const;
  bool add_eos() const;
  /// Encoding puts a space in front of the text (SentencePiece).
  bool add_space_prefix() const;
  /// Tokens that end an answer, sorted.
  std::span<const int32_t> end_of_generation() const;
  bool is_eog(int32_t id) const;
  bool is_control(int32_t id) const;
  /// The id of a token by its text as the vocabulary spells it; -1 if there is none.
  int32_t find(std::string_view text) const;
  /// "llama", "gpt2", ...
  std::string_view model() const;

  struct Impl;

 private:
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Turns tokens into text as they come, never cutting a character in two: bytes of an unfinished character
/// wait for the rest. Bytes that cannot become UTF-8 any more come out as U+FFFD.
class Detokenizer {
 public:
  /// special: control tokens are shown by their text instead of being left out.
  explicit Detokenizer(const Tokenizer& tokenizer, bool special = false);
  explicit Detokenizer(Tokenizer&&, bool = false) = delete;

  /// The text that this token completes; may be empty. Throws InvalidArgument if there is no such token.
  std::string put(int32_t id);
  /// What is left at the end: U+FFFD for an unfinished character, else "".
  std::string flush();

 private:
  const Tokenizer& tokenizer_;
  bool special_, at_start_ = true;
  std::string waiting_;  // the first bytes of a character, at most 3
};

}  // namespace uma
