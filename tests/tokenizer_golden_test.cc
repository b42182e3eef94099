// Token ids as llama.cpp gives them (tools/tokenizer_oracle.py --freeze). Vocabularies are not in the
// repository: a test reads where they lie from an environment variable, and is skipped without it. The rules
// of tokenizer.ggml.pre need none: a vocabulary in which every two bytes merge shows where each cuts.
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "models/vocab.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"

namespace uma {
namespace {

using Json = nlohmann::json;

Json read_golden(const std::string& name) {
  std::ifstream in(std::string(UMA_SOURCE_DIR) + "/tests/golden/tokenizer/" + name + ".json");
  EXPECT_TRUE(in) << name;
  return Json::parse(in);
}

std::string text_of(const Json& row) {
  if (row.contains("text")) return row["text"];
  const std::string hex = row["hex"];
  std::string text;
  for (size_t i = 0; i < hex.size(); i += 2)
    text += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return text;
}

class Crc32 {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) {
      state_ ^= static_cast<unsigned char>(c);
      for (int bit = 0; bit < 8; ++bit) state_ = state_ >> 1 ^ (state_ & 1 ? 0xedb88320u : 0);
    }
  }
  void add_with_length(std::string_view bytes) {
    const auto n = static_cast<uint32_t>(bytes.size());
    const char length[4] = {static_cast<char>(n), static_cast<char>(n >> 8), static_cast<char>(n >> 16),
                            static_cast<char>(n >> 24)};
    add({length, 4});
    add(bytes);
  }
  uint32_t value() const { return ~state_; }

 private:
  uint32_t state_ = ~0u;
};

void expect_golden(const Tokenizer& tokenizer, const Json& golden) {
  ASSERT_EQ(tokenizer.size(), golden["tokens"].get<int64_t>());
  EXPECT_EQ(Json(tokenizer.end_tokens()), golden["end_ids"]);
  for (const Json& row : golden["rows"]) {
    const int flags = row["flags"];
    const std::string text = text_of(row);
    EXPECT_EQ(
        Json(tokenizer.encode(text, {.add_special = (flags & 1) != 0, .parse_special = (flags & 2) != 0})),
        row["ids"])
        << "flags " << flags << ": " << text;
  }
  Crc32 pieces;  // of every token, with and without special ones
  for (int32_t id = 0; id < tokenizer.size(); ++id) {
    pieces.add_with_length(tokenizer.piece(id, true));
    pieces.add_with_length(tokenizer.piece(id, false));
  }
  EXPECT_EQ(pieces.value(), golden["pieces_crc32"].get<uint32_t>());
}

class VocabularyFile : public testing::TestWithParam<const char*> {};

TEST_P(VocabularyFile, GivesTheIdsAndPiecesOfLlamaCpp) {
  const char* data = std::getenv("UMA_TEST_DATA");
  if (!data || !*data) GTEST_SKIP() << "UMA_TEST_DATA is not set: it names the folder with vocab/*.gguf";
  const Json golden = read_golden(GetParam());
  const auto vocabulary = load_vocabulary(std::string(data) + "/vocab/" + golden["file"].get<std::string>());
  expect_golden(*vocabulary->tokenizer, golden);
}
INSTANTIATE_TEST_SUITE_P(All, VocabularyFile,
                         testing::Values("bert-bge", "deepseek-coder", "falcon", "gpt-2", "llama-bpe",
                                         "llama-spm", "phi-3", "qwen2", "starcoder"));

struct ModelCase {
  const char* golden;
  const char* variable;
};
void PrintTo(const ModelCase& c, std::ostream* out) {
  *out << c.golden;
}
class ModelFile : public testing::TestWithParam<ModelCase> {};

TEST_P(ModelFile, GivesTheIdsAndPiecesOfLlamaCpp) {
  const char* path = std::getenv(GetParam().variable);
  if (!path || !*path) GTEST_SKIP() << GetParam().variable << " does not say where the model is";
  expect_golden(*load_vocabulary(std::string(path))->tokenizer, read_golden(GetParam().golden));
}
INSTANTIATE_TEST_SUITE_P(All, ModelFile,
                         testing::Values(ModelCase{"gemma3_270m", "UMA_TEST_MODEL_GEMMA3"},
                                         ModelCase{"qwen25_coder_05b", "UMA_TEST_MODEL_QWEN25_CODER"}));

// The vocabulary of tools/tokenizer_vocabs.py, byte_pairs(): bytes, every pair of them, some words.
class BytePairs {
 public:
  explicit BytePairs(const Json& words) {
    for (uint32_t b = 0, next = 0x100; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      const uint32_t c = printable ? b : next++;
      bytes_[b] = c < 0x80
                      ? std::string(1, static_cast<char>(c))
                      : std::string{static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
      data_.tokens.push_back(keep(bytes_[b]));
    }
    for (uint32_t i = 0; i < 65536; ++i) {
      const uint32_t pair = (i * 40503 + 12345) % 65536;
      const std::string &left = bytes_[pair / 256], &right = bytes_[pair % 256];
      data_.tokens.push_back(keep(left + right));
      data_.merges.push_back(keep(left + " " + right));
    }
    for (const std::string word : words) {
      std::string spelled;
      for (const char c : word) spelled += bytes_[static_cast<unsigned char>(c)];
      data_.tokens.push_back(keep(spelled));
    }
    data_.model = "gpt2";
  }
  std::shared_ptr<const Tokenizer> with_rule(const std::string& pre) const {
    VocabData data = data_;
    data.pre = pre;
    return Tokenizer::make(std::move(data));
  }

 private:
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }
  std::string bytes_[256];
  std::deque<std::string> texts_;
  VocabData data_;
};

TEST(PreTokenizerRules, CutAsLlamaCppDoes) {
  const Json golden = read_golden("rules");
  const BytePairs vocabulary(golden["whole"]);
  const auto& texts = golden["texts"];
  for (const Json& row : golden["rows"]) {
    std::set<const PreTokenizerRule*> tried;  // names of one row of the table are one rule
    for (const std::string name : row["names"]) {
      const PreTokenizerRule* rule = find_pre_tokenizer(name);
      ASSERT_NE(rule, nullptr) << name;
      if (!tried.insert(rule).second) continue;
      const auto tokenizer = vocabulary.with_rule(name);
      for (size_t i = 0; i < texts.size(); ++i)
        EXPECT_EQ(Json(tokenizer->encode(texts[i].get<std::string>())), row["ids"][i])
            << name << ": " << texts[i];
    }
  }
}

TEST(PreTokenizerRules, EveryNameHasAGolden) {
  std::set<std::string> tested;
  const Json golden = read_golden("rules");
  for (const Json& row : golden["rows"])
    for (const std::string name : row["names"]) tested.insert(name);
  // Rules on characters are tried in text/tokenizer_test.cc.
  for (const char* name : {"gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace"})
    tested.insert(name);
  std::set<std::string> known;
  for (const PreTokenizerRule& rule : pre_tokenizer_rules()) {
    std::istringstream names{std::string(rule.names)};
    for (std::string name; names >> name;)
      EXPECT_TRUE(known.insert(name).second) << name << " is there twice";
  }
  EXPECT_EQ(known, tested);
}

}  // namespace
}  // namespace uma
