// Every architecture against transformers on small random models (tools/make_tiny_models.py), and every way
// in which a file can contradict itself.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "backend/install.h"
#include "base/error.h"
#include "models/open.h"

namespace uma {
namespace {

const bool installed = (install_backends(), true);

std::string golden_path(const std::string& file) {
  return std::string(UMA_SOURCE_DIR) + "/tests/golden/models/" + file;
}

std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Golden {
  std::vector<int32_t> tokens, rows;
  int64_t vocab = 0;
  std::vector<float> logits;  // (rows, vocab)

  explicit Golden(const std::string& name) {
    const std::string bytes = read_bytes(golden_path(name + ".golden"));
    const char* at = bytes.data();
    const auto take = [&](auto& values, size_t n) {
      values.resize(n);
      std::memcpy(values.data(), at, n * 4);
      at += n * 4;
    };
    std::vector<int32_t> header;
    take(header, 3);
    take(tokens, static_cast<size_t>(header[0]));
    take(rows, static_cast<size_t>(header[1]));
    vocab = header[2];
    take(logits, rows.size() * static_cast<size_t>(vocab));
    EXPECT_EQ(at, bytes.data() + bytes.size());
  }
  /// The largest distance of logits (tokens, vocab) from what they should be.
  float distance(const std::vector<float>& got) const {
    float most = 0;
    for (size_t r = 0; r < rows.size(); ++r)
      for (int64_t i = 0; i < vocab; ++i) {
        const float d = std::abs(got[static_cast<size_t>(rows[r] * vocab + i)] -
                                 logits[r * static_cast<size_t>(vocab) + static_cast<size_t>(i)]);
        if (!(d <= most)) most = d;  // a NaN stays
      }
    return most;
  }
};

std::shared_ptr<const Model> open_tiny(const std::string& name,
                                       const ModelOptions& options = {.exact = true}) {
  return open_model(golden_path(name + ".gguf"), options);
}

class Architecture : public testing::TestWithParam<const char*> {};

TEST_P(Architecture, GivesTheLogitsOfTransformers) {
  const Golden golden(GetParam());
  const auto model = open_tiny(GetParam());
  const auto cache = model->network->make_cache();
  const auto logits = model->network->forward(golden.tokens, *cache, LogitRows::all);
  ASSERT_EQ(logits.shape(), (Shape{static_cast<int64_t>(golden.tokens.size()), golden.vocab}));
  EXPECT_LT(golden.distance(logits.to_vector<float>()), 2e-4f);
  EXPECT_EQ(cache->size(), static_cast<int64_t>(golden.tokens.size()));
}

TEST_P(Architecture, IsCloseWithQuantizedActivationsAndRoundedKeys) {
  const Golden golden(GetParam());
  std::vector<int64_t> bytes;
  for (const DType kv : {DType::float16, DType::uint8}) {
    const auto model = open_tiny(GetParam(), {.kv_dtype = kv});
    const auto cache = model->network->make_cache();
    const auto logits = model->network->forward(golden.tokens, *cache, LogitRows::all).to_vector<float>();
    double square = 0, difference = 0;
    for (size_t r = 0; r < golden.rows.size(); ++r)
      for (int64_t i = 0; i < golden.vocab; ++i) {
        const double want = golden.logits[r * static_cast<size_t>(golden.vocab) + static_cast<size_t>(i)];
        const double got = logits[static_cast<size_t>(golden.rows[r] * golden.vocab + i)];
        square += want * want;
        difference += (got - want) * (got - want);
      }
    EXPECT_LT(std::sqrt(difference / square), 0.06) << name_of(kv);
    bytes.push_back(cache->nbytes());
  }
  EXPECT_LT(bytes[1], bytes[0]);
}

TEST_P(Architecture, GivesTheSameInPieces) {
  const Golden golden(GetParam());
  const auto model = open_tiny(GetParam());
  const auto cache = model->network->make_cache();
  const std::span<const int32_t> tokens(golden.tokens);
  std::vector<float> all;
  // Pieces of 1, 5, 1 and the rest; then back to 20 tokens and on again.
  const auto run = [&](size_t begin, size_t end) {
    const auto part = model->network->forward(tokens.subspan(begin, end - begin), *cache, LogitRows::all);
    const auto values = part.to_vector<float>();
    all.resize(begin * static_cast<size_t>(golden.vocab));
    all.insert(all.end(), values.begin(), values.end());
  };
  run(0, 1);
  run(1, 6);
  run(6, 7);
  run(7, tokens.size());
  EXPECT_LT(golden.distance(all), 2e-4f);
  cache->truncate(20);
  for (size_t i = 20; i < tokens.size(); ++i) run(i, i + 1);
  EXPECT_LT(golden.distance(all), 2e-4f);
}

TEST_P(Architecture, AClonedCacheReadsOnByItself) {
  const Golden golden(GetParam());
  const auto model = open_tiny(GetParam());
  const std::span<const int32_t> tokens(golden.tokens);
  const auto cache = model->network->make_cache();
  model->network->forward(tokens.first(9), *cache).eval();
  const auto clone = cache->clone();
  // What the first reads lies in the clone's next places, and must not be seen there.
  model->network->forward(tokens.subspan(20, 6), *cache).eval();
  EXPECT_EQ(cache->size(), 15);
  ASSERT_EQ(clone->size(), 9);
  const auto got = model->network->forward(tokens.subspan(9, 4), *clone, LogitRows::last).to_vector<float>();
  const auto alone = model->network->make_cache();
  const auto want = model->network->forward(tokens.first(13), *alone, LogitRows::last).to_vector<float>();
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 2e-4f);
}

TEST_P(Architecture, SequencesDecodedTogetherDoNotMeet) {
  const Golden golden(GetParam());
  const auto model = open_tiny(GetParam());
  const std::span<const int32_t> tokens(golden.tokens);
  const auto a = model->network->make_cache(), b = model->network->make_cache();
  model->network->forward(tokens.first(9), *a).eval();
  model->network->forward(tokens.first(3), *b).eval();
  const Chunk chunks[] = {{tokens.subspan(9, 1), a.get()}, {tokens.subspan(3, 6), b.get()}};
  const auto both = model->network->forward(chunks, LogitRows::last);
  ASSERT_EQ(both.shape(), (Shape{2, golden.vocab}));
  const auto got = both.to_vector<float>();
  const auto alone = model->network->make_cache();
  const auto want = model->network->forward(tokens.first(10), *alone, LogitRows::all).to_vector<float>();
  const auto v = static_cast<size_t>(golden.vocab);
  for (size_t i = 0; i < v; ++i) {
    ASSERT_NEAR(got[i], want[9 * v + i], 2e-4f);
    ASSERT_NEAR(got[v + i], want[8 * v + i], 2e-4f);
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, Architecture,
                         testing::Values("llama", "llama3", "mistral", "qwen2", "qwen2_yarn", "qwen3",
                                         "gemma2", "gemma3"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Models, ArchitecturesAreListed) {
  EXPECT_EQ(known_architectures(), (std::vector<std::string>{"gemma2", "gemma3", "llama", "qwen2", "qwen3"}));
}

TEST(Models, ConfigSaysWhatTheFileSays) {
  const auto model = open_tiny("gemma2");
  const ModelConfig& c = model->config();
  EXPECT_EQ(c.architecture, "gemma2");
  EXPECT_EQ(c.name, "tiny random gemma2");
  EXPECT_EQ(c.block_count, 3);
  EXPECT_EQ(c.head_count, 4);
  EXPECT_EQ(c.head_count_kv, 2);
  EXPECT_EQ(c.key_length, 16);
  EXPECT_EQ(c.sliding_window, 16);
  EXPECT_EQ(c.vocab_size, 288);
  EXPECT_EQ(c.context_length, 256);
  EXPECT_FLOAT_EQ(c.logit_softcap, 3);
  EXPECT_GT(model->load_s, 0);
}

TEST(Models, WeightBytesCountWhatATokenReads) {
  // Tied: all matrices once. 2 layers of F16, the embedding, f32 norms.
  const int64_t layer = 2 * (32 * 64 + 2 * 32 * 32 + 64 * 32 + 3 * 32 * 64) + 4 * 2 * 32;
  EXPECT_EQ(open_tiny("llama3")->network->weight_bytes_per_token(),
            2 * layer + 2 * 288 * 32 + 4 * 32 + 4 * 8);
  // Untied: one row of the embedding, and the head.
  const int64_t qwen_layer = 2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64) + 4 * (2 * 32 + 32 + 2 * 16);
  EXPECT_EQ(open_tiny("qwen2")->network->weight_bytes_per_token(),
            2 * qwen_layer + 2 * 32 + 2 * 288 * 32 + 4 * 32);
}

TEST(Models, ForwardRefusesWhatMakesNoSense) {
  const auto model = open_tiny("qwen2"), other = open_tiny("gemma3");
  const auto cache = model->network->make_cache(), foreign = other->network->make_cache();
  const LanguageModel& net = *model->network;
  const std::vector<int32_t> none, good{1, 2}, high{288}, negative{-1};
  EXPECT_THROW(net.forward(std::span<const Chunk>(), LogitRows::last), Error);
  EXPECT_THROW(net.forward(none, *cache), Error);
  EXPECT_THROW(net.forward(high, *cache), Error);
  EXPECT_THROW(net.forward(negative, *cache), Error);
  EXPECT_THROW(net.forward(good, *foreign), Error);
  const Chunk twice[] = {{good, cache.get()}, {good, cache.get()}};
  EXPECT_THROW(net.forward(twice, LogitRows::last), Error);
  EXPECT_EQ(cache->size(), 0);
  EXPECT_THROW(cache->truncate(1), Error);
  EXPECT_THROW(cache->truncate(-1), Error);
}

TEST(Models, NoLogitsStillFillsTheCache) {
  const auto model = open_tiny("qwen3");
  const auto cache = model->network->make_cache();
  const std::vector<int32_t> tokens{5, 6, 7};
  EXPECT_EQ(model->network->forward(tokens, *cache, LogitRows::none).shape(), (Shape{0, 288}));
  EXPECT_EQ(cache->size(), 3);
  for (const array& a : cache->arrays()) a.eval();
  EXPECT_GT(cache->nbytes(), 0);
}

// -- Files that contradict themselves --

/// A tiny model with some of its bytes changed, in a file of its own.
class Spoiled {
 public:
  explicit Spoiled(const std::string& name) : bytes_(read_bytes(golden_path(name + ".gguf"))) {}
  ~Spoiled() { std::filesystem::remove(path_); }

  /// Overwrites the value of a u32 or f32 key.
  template <class T>
  Spoiled& key(const std::string& key, T value) {
    const size_t at = bytes_.find(key);
    EXPECT_NE(at, std::string::npos) << key;
    std::memcpy(&bytes_[at + key.size() + 4], &value, sizeof value);
    return *this;
  }
  /// Replaces text by other text of the same length, once.
  Spoiled& text(const std::string& from, const std::string& to) {
    EXPECT_EQ(from.size(), to.size());
    const size_t at = bytes_.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    bytes_.replace(at, from.size(), to);
    return *this;
  }
  /// The sentence that opening it gives, without the file's name; "" where it opens.
  std::string error() {
    path_ = testing::TempDir() + "uma_spoiled_" + std::to_string(::getpid()) + ".gguf";
    std::ofstream(path_, std::ios::binary) << bytes_;
    try {
      open_model(path_);
    } catch (const Error& e) {
      std::string text = e.what();
      const size_t at = text.find(path_);
      EXPECT_NE(at, std::string::npos) << text;
      return at == std::string::npos ? text : text.replace(at, path_.size(), "F");
    }
    return "";
  }

 private:
  std::string bytes_, path_ = "";
};

TEST(BadModel, UnspoiledFilesOpen) {
  EXPECT_EQ(Spoiled("qwen2").error(), "");
}

TEST(BadModel, NumbersOutOfBounds) {
  EXPECT_EQ(Spoiled("llama").key("llama.block_count", 0u).error(),
            "[llama] F: key 'llama.block_count' is 0, outside 1 to 2147483647");
  EXPECT_EQ(Spoiled("llama").key("llama.block_count", 0xffffffffu).error(),
            "[llama] F: key 'llama.block_count' is 4294967295, outside 1 to 2147483647");
  EXPECT_EQ(Spoiled("llama").key("llama.block_count", 1000000000u).error(),
            "[llama] F: key 'llama.block_count' is 1000000000, and the file has 21 tensors");
  EXPECT_EQ(Spoiled("llama").key("llama.attention.head_count_kv", 0u).error(),
            "[llama] F: key 'llama.attention.head_count_kv' is 0, outside 1 to 2147483647");
  EXPECT_EQ(Spoiled("llama").key("llama.context_length", 0u).error(),
            "[llama] F: key 'llama.context_length' is 0, outside 1 to 2147483647");
  EXPECT_EQ(Spoiled("llama").key("llama.rope.freq_base", -1.f).error(),
            "[llama] F: key 'llama.rope.freq_base' is -1, not above 0");
  EXPECT_EQ(Spoiled("llama").key("llama.rope.freq_base", std::nanf("")).error(),
            "[llama] F: key 'llama.rope.freq_base' is nan, which is no finite f32");
  EXPECT_EQ(Spoiled("llama").key("llama.attention.layer_norm_rms_epsilon", -1.f).error(),
            "[llama] F: key 'llama.attention.layer_norm_rms_epsilon' is -1, outside 0 to 1");
}

TEST(BadModel, NumbersThatContradictEachOther) {
  EXPECT_EQ(Spoiled("llama").key("llama.attention.head_count_kv", 3u).error(),
            "[llama] F: 4 query heads cannot share 3 key heads evenly");
  EXPECT_EQ(Spoiled("llama").key("llama.attention.head_count_kv", 8u).error(),
            "[llama] F: 4 query heads cannot share 8 key heads evenly");
  EXPECT_EQ(
      Spoiled("qwen2").key("qwen2.attention.head_count", 6u).error(),
      "[qwen2] F: 6 heads do not divide the embedding length 32, and key 'qwen2.attention.key_length' is "
      "missing");
  EXPECT_EQ(Spoiled("llama").key("llama.rope.dimension_count", 18u).error(),
            "[llama] F: rope turns 18 dimensions of heads of 16: it must be an even number of them");
  EXPECT_EQ(Spoiled("llama").key("llama.rope.dimension_count", 7u).error(),
            "[llama] F: rope turns 7 dimensions of heads of 16: it must be an even number of them");
}

TEST(BadModel, TensorsThatAreNotWhatTheNumbersSay) {
  EXPECT_EQ(Spoiled("llama").key("llama.embedding_length", 64u).error(),
            "[llama] F: tensor 'token_embd.weight' has shape (32, 288), the config wants (64, 288)");
  EXPECT_EQ(Spoiled("llama").key("llama.feed_forward_length", 1u).error(),
            "[llama] F: tensor 'blk.0.ffn_gate.weight' has shape (32, 64), the config wants (32, 1)");
  EXPECT_EQ(Spoiled("llama").key("llama.attention.key_length", 2147483646u).error(),
            "[llama] F: tensor 'blk.0.attn_q.weight' has shape (32, 64), the config wants (32, 8589934584)");
  EXPECT_EQ(Spoiled("llama").key("llama.block_count", 1u).error().substr(0, 20), "[llama] F: tensor 'b");
  EXPECT_EQ(Spoiled("llama").key("llama.block_count", 3u).error(),
            "[llama] F: has no tensor 'blk.2.attn_norm.weight'");
  EXPECT_EQ(Spoiled("llama").text("blk.1.ffn_up.weight", "blk.1.ffn_op.weight").error(),
            "[llama] F: has no tensor 'blk.1.ffn_up.weight'");
}

TEST(BadModel, WhatThisBuildDoesNotKnow) {
  EXPECT_EQ(Spoiled("qwen2")
                .text("general.architecture\x08", "general.architecture\x08")
                .text("qwen2", "qwen9")
                .error(),
            "[gguf] F: architecture 'qwen9' is not one of gemma2, gemma3, llama, qwen2, qwen3");
  EXPECT_EQ(Spoiled("llama").text("linear", "circle").error(),
            "[llama] F: rope scaling 'circle' is not one of none, linear, yarn");
}

TEST(BadModel, MissingFile) {
  EXPECT_THROW(open_model("/nonexistent/m.gguf"), Error);
  EXPECT_THROW(open_model(std::string(UMA_SOURCE_DIR)), Error);
}

}  // namespace
}  // namespace uma
