#pragma once
// The text side of a model file: its tokenizer, the tokens with a meaning of their own, its chat template.
// A file that holds a vocabulary and no weights is enough.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace uma {

class GgufFile;
class Tokenizer;

struct Vocabulary {
  std::shared_ptr<const Tokenizer> tokenizer;
  int64_t size = 0;                    // tokens
  int32_t bos = -1;                    // -1: the model has none
  int32_t eos = -1;                    // -1: the model has none
  bool add_bos = false;                // a prompt begins with bos
  std::vector<int32_t> end_of_answer;  // eos, end of turn, ...: each of them ends an answer; sorted
  std::string chat_template;           // Jinja source; empty where the file has none

  bool ends_answer(int32_t token) const;
  /// The text of bos or eos as the chat template is given it; "" for -1.
  std::string token_text(int32_t token) const;
};

/// Reads tokenizer.* of a file. Throws Format naming the file and the key.
std::shared_ptr<const Vocabulary> load_vocabulary(const std::shared_ptr<const GgufFile>& file);
/// The same from a path; weights are not needed and not looked at.
std::shared_ptr<const Vocabulary> load_vocabulary(const std::string& path);

}  // namespace uma
