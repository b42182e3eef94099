// Hostile models: a valid small one is rebuilt with one thing wrong. Each gives one sentence that names the
// file, or, where the numbers of a weight are all that is wrong, numbers.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <limits>
#include <string>

#include "backend/install.h"
#include "base/error.h"
#include "io/testing.h"
#include "models/open.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace uma {
namespace {

using namespace testing_files;

const bool installed = (install_backends(), true);
constexpr uint64_t kHuge[] = {uint64_t{1} << 31, uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX};

GgufBuilder tiny(const std::string& name) {
  return GgufBuilder::from(std::string(UMA_SOURCE_DIR) + "/tests/golden/models/" + name + ".gguf");
}

class HostileModel : public testing::Test {
 protected:
  std::string error(const GgufBuilder& builder) {
    const std::string path = folder_.write("F", builder.bytes());
    const std::string text = sentence_of(folder_, [&] { open_model(path); });
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    EXPECT_TRUE(text.empty() || text.find("] F: ") != std::string::npos) << text;
    return text;
  }
  /// Of the vocabulary alone.
  std::string vocabulary_error(const GgufBuilder& builder) {
    const std::string path = folder_.write("F", builder.bytes());
    const std::string text = sentence_of(folder_, [&] { load_vocabulary(path); });
    EXPECT_TRUE(text.empty() || text.find("] F: ") != std::string::npos) << text;
    return text;
  }
  Folder folder_;
};

TEST_F(HostileModel, RebuiltModelsOpen) {
  for (const char* name : {"llama", "llama3", "mistral", "qwen2", "qwen2_yarn", "qwen3", "gemma2", "gemma3"})
    EXPECT_EQ(error(tiny(name)), "") << name;
}

TEST_F(HostileModel, CountsOfNothingOrTooMany) {
  for (const char* part : {"block_count", "context_length", "embedding_length", "feed_forward_length",
                           "attention.head_count", "attention.head_count_kv", "attention.key_length",
                           "attention.value_length", "rope.dimension_count"}) {
    const std::string key = fmt::format("llama.{}", part);
    EXPECT_EQ(error(tiny("llama").set(key, 0u)),
              fmt::format("[llama] F: key '{}' is 0, outside 1 to 2147483647", key));
    for (const uint64_t n : kHuge)
      EXPECT_EQ(error(tiny("llama").set(key, n)),
                fmt::format("[llama] F: key '{}' is {}, outside 1 to 2147483647", key, n));
    EXPECT_EQ(error(tiny("llama").set(key, -1)),
              fmt::format("[llama] F: key '{}' is no whole number of 0 or more", key));
    EXPECT_EQ(error(tiny("llama").set(key, 2.f)),
              fmt::format("[llama] F: key '{}' is no whole number of 0 or more", key));
    EXPECT_EQ(error(tiny("llama").set(key, "2")),
              fmt::format("[llama] F: key '{}' is no whole number of 0 or more", key));
    const bool per_layer =
        key.ends_with("head_count") || key.ends_with("head_count_kv") || key.ends_with("feed_forward_length");
    EXPECT_EQ(error(tiny("llama").set(key, std::vector<uint32_t>{2, 2, 2})),
              per_layer ? fmt::format("[llama] F: key '{}' has 3 numbers for 2 layers", key)
                        : fmt::format("[llama] F: key '{}' is no whole number of 0 or more", key));
    // The most that a number may be: two of them multiplied must not wrap.
    const std::string most = error(tiny("llama").set(key, INT32_MAX));
    EXPECT_EQ(most.empty(), std::string(part) == "context_length") << key << ": " << most;
  }
}

TEST_F(HostileModel, ProductsOfCounts) {
  GgufBuilder b = tiny("llama");
  for (const char* key :
       {"attention.head_count", "attention.head_count_kv", "attention.key_length", "attention.value_length"})
    b.set(fmt::format("llama.{}", key), 2147483646);
  EXPECT_EQ(error(b),
            "[llama] F: tensor 'blk.0.attn_q.weight' has shape (32, 64), the config wants (32, "
            "4611686009837453316)");
}

TEST_F(HostileModel, RopeOfMoreThanTheFileHolds) {
  GgufBuilder b = tiny("llama");
  b.set("llama.attention.key_length", 2147483646).set("llama.rope.dimension_count", 2147483646);
  const std::string text = error(b);
  EXPECT_TRUE(text.starts_with("[llama] F: rope turns 2147483646 dimensions, more than ")) << text;
}

TEST_F(HostileModel, Experts) {
  EXPECT_EQ(error(tiny("llama").set("llama.expert_count", 8u)),
            "[llama] F: it is a mixture of 8 experts, which this build does not run");
  EXPECT_EQ(error(tiny("llama").set("llama.expert_count", UINT32_MAX)),
            "[llama] F: key 'llama.expert_count' is 4294967295, outside 0 to 2147483647");
  EXPECT_EQ(error(tiny("llama").set("llama.expert_count", 8u).set("llama.expert_used_count", 9u)),
            "[llama] F: it is a mixture of 8 experts, which this build does not run");
}

TEST_F(HostileModel, RealNumbers) {
  for (const std::string key :
       {"llama.rope.freq_base", "llama.rope.scaling.factor", "llama.attention.scale"}) {
    for (const double bad : {std::nan(""), static_cast<double>(INFINITY), 1e300, -1e300})
      EXPECT_EQ(error(tiny("llama").set(key, bad)),
                fmt::format("[llama] F: key '{}' is {}, which is no finite f32", key, bad));
    // A factor of 0 is how some files say that there is none.
    EXPECT_EQ(
        error(tiny("llama").set(key, 0.f)),
        key == "llama.rope.scaling.factor" ? "" : fmt::format("[llama] F: key '{}' is 0, not above 0", key));
    EXPECT_EQ(error(tiny("llama").set(key, 1u)), fmt::format("[llama] F: key '{}' is no float", key));
  }
}

TEST_F(HostileModel, VocabularyArraysOfTheWrongType) {
  const size_t n = 288;
  const auto with = [&](const char* key, auto value) {
    return vocabulary_error(tiny("llama").set(fmt::format("tokenizer.ggml.{}", key), value));
  };
  EXPECT_EQ(with("tokens", std::vector<uint32_t>(n)),
            "[gguf] F: key 'tokenizer.ggml.tokens' is not an array of strings");
  EXPECT_EQ(with("tokens", "a"), "[gguf] F: key 'tokenizer.ggml.tokens' is not an array of strings");
  EXPECT_EQ(with("tokens", std::vector<std::string>()), "[tokenizer] F: the vocabulary has no tokens");
  EXPECT_EQ(with("scores", std::vector<uint8_t>(n)),
            "[gguf] F: key 'tokenizer.ggml.scores' is not an array of f32");
  EXPECT_EQ(with("scores", std::vector<double>(n)),
            "[gguf] F: key 'tokenizer.ggml.scores' is not an array of f32");
  EXPECT_EQ(with("scores", std::vector<float>(n - 1)), "[tokenizer] F: 288 tokens have 287 scores");
  EXPECT_EQ(with("token_type", std::vector<float>(n)),
            "[gguf] F: key 'tokenizer.ggml.token_type' is not an array of i32");
  EXPECT_EQ(with("token_type", std::vector<uint64_t>(n, UINT64_MAX)),
            "[gguf] F: key 'tokenizer.ggml.token_type' is not an array of i32");
  EXPECT_EQ(with("token_type", std::vector<int32_t>(n - 1, 1)), "[tokenizer] F: 288 tokens have 287 types");
  // One byte an element holds every type there is.
  EXPECT_EQ(with("token_type", std::vector<uint8_t>(n, 1)), "");
  EXPECT_EQ(with("token_type", std::vector<int32_t>(n, -7)), "");  // read as ordinary tokens
  EXPECT_EQ(with("merges", std::vector<float>(n)),
            "[gguf] F: key 'tokenizer.ggml.merges' is not an array of strings");
  EXPECT_EQ(with("merges", "a b"), "[gguf] F: key 'tokenizer.ggml.merges' is not an array of strings");
  EXPECT_EQ(with("add_bos_token", 1u), "[gguf] F: key 'tokenizer.ggml.add_bos_token' is not a bool");
  EXPECT_EQ(with("model", 1u), "[gguf] F: key 'tokenizer.ggml.model' is not a string");
  EXPECT_EQ(with("model", "a\nb\x1b[2J"),
            "[tokenizer] F: the tokenizer 'a?b?[2J' is unknown; this build has llama, gpt2 and bert");
  EXPECT_EQ(with("pre", "none such"), "[tokenizer] F: the pre-tokenizer rule 'none such' is unknown");
  EXPECT_EQ(vocabulary_error(tiny("llama").erase("tokenizer.ggml.tokens")),
            "[gguf] F: has no vocabulary (key 'tokenizer.ggml.tokens' is missing)");
  EXPECT_EQ(vocabulary_error(tiny("llama").erase("tokenizer.ggml.model")),
            "[gguf] F: does not say which tokenizer it has (key 'tokenizer.ggml.model' is missing)");
  EXPECT_EQ(vocabulary_error(tiny("llama").set("tokenizer.chat_template", 1u)),
            "[gguf] F: key 'tokenizer.chat_template' is not a string");
}

TEST_F(HostileModel, VocabularyAndEmbeddingOfDifferentSize) {
  GgufBuilder b = tiny("llama");
  b.erase("tokenizer.ggml.scores").erase("tokenizer.ggml.token_type");
  EXPECT_EQ(error(b.set("tokenizer.ggml.tokens", std::vector<std::string>(289, "x"))),
            "[llama] F: the vocabulary has 289 tokens, tensor 'token_embd.weight' has 288 rows");
}

TEST_F(HostileModel, TokensOutOfRange) {
  const std::pair<const char*, const char*> kinds[] = {
      {"bos", "bos"},         {"eos", "eos"},         {"eot", "eot"},
      {"eom", "eom"},         {"unknown", "unknown"}, {"seperator", "separator"},
      {"padding", "padding"}, {"cls", "cls"},         {"mask", "mask"}};
  for (const auto& [key, shown_as] : kinds) {
    const std::string full = fmt::format("tokenizer.ggml.{}_token_id", key);
    for (const uint32_t id : {288u, 100000u, 2147483647u})
      EXPECT_EQ(
          vocabulary_error(tiny("llama").set(full, id)),
          fmt::format("[tokenizer] F: the {} token is {}, outside the vocabulary of 288", shown_as, id));
    EXPECT_EQ(vocabulary_error(tiny("llama").set(full, 1u << 31)),
              fmt::format("[gguf] F: key '{}' is 2147483648, which is no token", full));
    EXPECT_EQ(vocabulary_error(tiny("llama").set(full, UINT64_MAX)),
              fmt::format("[gguf] F: key '{}' is not a whole number", full));
    EXPECT_EQ(vocabulary_error(tiny("llama").set(full, -2)),
              fmt::format("[gguf] F: key '{}' is -2, which is no token", full));
    EXPECT_EQ(vocabulary_error(tiny("llama").set(full, "1")),
              fmt::format("[gguf] F: key '{}' is not a whole number", full));
    EXPECT_EQ(vocabulary_error(tiny("llama").set(full, -1)), "");  // how files say that they have none
    EXPECT_EQ(vocabulary_error(tiny("llama").set(full, UINT32_MAX)), "");
  }
}

// A vocabulary of bytes with one token more, which is of type byte.
TEST_F(HostileModel, ByteTokens) {
  for (const char* model : {"llama", "gemma4"})
    for (const char* text :
         {"<0x-1>", "<0xZZ>", "", "<0x>", "<0x1>", "<0x100>", "<0x+1>", "<0x 1>", "0x41", "A"}) {
      GgufBuilder b;
      b.set("tokenizer.ggml.model", model)
          .set("tokenizer.ggml.tokens", std::vector<std::string>{"<0x41>", "b", text})
          .set("tokenizer.ggml.merges", std::vector<std::string>{"b b"})
          .set("tokenizer.ggml.token_type", std::vector<int32_t>{6, 1, 6});
      EXPECT_EQ(vocabulary_error(b),
                "[tokenizer] F: token 2 is a byte token and does not read <0x00> to <0xFF>")
          << model << " " << text;
    }
}

TEST_F(HostileModel, MergesThatNameUnknownTokens) {
  GgufBuilder b;
  const auto merges = [&](std::vector<std::string> list) {
    return vocabulary_error(b.set("tokenizer.ggml.merges", list));
  };
  b.set("tokenizer.ggml.model", "gpt2").set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b", "c"});
  EXPECT_EQ(
      vocabulary_error(b),
      "[gguf] F: has no merges (key 'tokenizer.ggml.merges' is missing), which a 'gpt2' vocabulary needs");
  EXPECT_EQ(merges({"a b", "ab c", "x y", "xy a"}), "");
  const auto vocabulary = load_vocabulary(folder_.path("F"));
  // "ab" is no token: what it was made of is.
  EXPECT_EQ(vocabulary->tokenizer->encode("abcxy"), (std::vector<int32_t>{0, 1, 2}));
  for (const char* bad : {"", " ", "ab", "a\nb"})
    EXPECT_TRUE(merges({bad}).ends_with("names no two tokens")) << bad;
  EXPECT_EQ(merges({"a ", "a  b", "\xff \xfe"}), "");
  EXPECT_EQ(load_vocabulary(folder_.path("F"))->tokenizer->encode("a b"), (std::vector<int32_t>{0, 1}));
}

TEST_F(HostileModel, TokensThatAreNotText) {
  const std::string long_text(1 << 20, 'x');
  GgufBuilder b;
  b.set("tokenizer.ggml.model", "llama")
      .set("tokenizer.ggml.tokens",
           std::vector<std::string>{"", "", "\xff\xfe", std::string("a\0b", 3), long_text})
      .set("tokenizer.ggml.scores", std::vector<float>{std::nanf(""), INFINITY, -INFINITY, 0, std::nanf("")});
  EXPECT_EQ(vocabulary_error(b), "");
  const auto vocabulary = load_vocabulary(folder_.path("F"));
  Detokenizer stream(*vocabulary->tokenizer, true);
  EXPECT_EQ(stream.put(2) + stream.flush(), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(vocabulary->tokenizer->encode("xxxx").size(),
            7u);  // U+2581's three bytes, then four: all unknown
}

/// What rendering a file's template comes to: text, or one Error of the template.
std::string render(const std::string& path) {
  const auto vocabulary = load_vocabulary(path);
  return ChatTemplate::parse(vocabulary->chat_template)
      .render(R"({"messages":[{"role":"user","content":"hi"}]})", 0);
}

TEST_F(HostileModel, ChatTemplates) {
  const auto repeat = [](const char* text, size_t n) {
    std::string all;
    for (size_t i = 0; i < n; ++i) all += text;
    return all;
  };
  const std::pair<const char*, std::string> templates[] = {
      {"10 MB of text", std::string(10 << 20, 'x')},
      {"10 MB of expressions", repeat("{{ 1 }}", (10 << 20) / 7)},
      {"deep brackets", "{{ " + repeat("(", 100'000) + "1" + repeat(")", 100'000) + " }}"},
      {"deep lists", "{{ " + repeat("[", 100'000)},
      {"deep not", "{{ " + repeat("not ", 100'000) + "1 }}"},
      {"deep minus", "{{ " + repeat("-", 100'000) + "1 }}"},
      {"deep if", repeat("{% if 1 %}", 100'000)},
      {"deep for", repeat("{% for x in [1] %}", 100'000)},
      {"range", "{% for i in range(1000000000000) %}{% endfor %}"},
      {"range as a list", "{{ range(1000000000000) | list }}"},
      {"loops in loops", repeat("{% for x in range(1000) %}", 10) + "x" + repeat("{% endfor %}", 10)},
      {"recursion", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"},
      {"mutual recursion",
       "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}"},
      {"doubling",
       "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}"},
      {"product", "{{ 'x' * 1000000000000 }}"},
      {"power", "{{ 10 ** 10 ** 10 }}"},
      {"padding", "{{ 'x' | center(1000000000000) }}"},
      {"format", "{{ '%1000000000000d' | format(1) }}"},
      {"a list in itself", "{% set l = [] %}{% set _ = l.append(l) %}{{ l }}"},
  };
  for (const auto& [name, source] : templates) {
    GgufBuilder b;
    b.set("tokenizer.ggml.model", "bert").set("tokenizer.ggml.tokens", std::vector<std::string>{"a"});
    const std::string path = folder_.write("F", b.set("tokenizer.chat_template", source).bytes());
    try {
      const std::string text = render(path);
      EXPECT_LE(text.size(), size_t{16} << 20) << name;
      EXPECT_TRUE(std::string_view(name).starts_with("10 MB") || std::string_view(name) == "a list in itself")
          << name;
    } catch (const Error& e) {
      EXPECT_EQ(e.op(), "template") << name << ": " << e.what();
      EXPECT_NE(e.code(), ErrorCode::kInternal) << name << ": " << e.what();
      EXPECT_LT(e.message().size(), 500u) << name;
    }
  }
}

// Weights of NaN, of infinity and of every bit set: numbers come out, if not good ones.
TEST_F(HostileModel, WeightsThatAreNoNumbers) {
  for (const char* name : {"llama", "llama3", "mistral", "qwen2", "qwen2_yarn", "qwen3", "gemma2", "gemma3"})
    for (const bool exact : {false, true})
      for (const int fill : {0xff, 0x7c, 0x7f, 0x80}) {
        GgufBuilder b = tiny(name);
        for (GgufBuilder::Tensor& tensor : b.tensors)
          if (tensor.name != "rope_freqs.weight")
            std::fill(tensor.data.begin(), tensor.data.end(), static_cast<char>(fill));
        const auto model = open_model(folder_.write("F", b.bytes()), {.exact = exact});
        const auto cache = model->network->make_cache();
        const std::vector<int32_t> prompt{0, 5, 287}, next{1};
        model->network->forward(prompt, *cache).eval();
        EXPECT_EQ(model->network->forward(next, *cache).to_vector<float>().size(), 288u);
      }
}

TEST_F(HostileModel, RopeFactorsThatAreNoNumbers) {
  for (const float bad : {0.f, -1.f, std::nanf(""), INFINITY}) {
    GgufBuilder b = tiny("llama3");
    b.tensor("rope_freqs.weight").data.replace(4, 4, bytes_of_value(bad));
    EXPECT_EQ(error(b),
              fmt::format("[llama] F: tensor 'rope_freqs.weight' holds {} at 1, where a number above 0 is "
                          "needed",
                          bad));
  }
}

TEST_F(HostileModel, TensorsOfOtherTypesAndShapes) {
  const auto with = [&](const char* name, uint32_t type, std::vector<uint64_t> dims, size_t bytes) {
    GgufBuilder b = tiny("llama");
    b.tensor(name) = {name, std::move(dims), type, std::string(bytes, '\0')};
    return error(b);
  };
  EXPECT_EQ(
      with("blk.0.attn_norm.weight", 8, {32}, 34),
      "[llama] F: tensor 'blk.0.attn_norm.weight' has type Q8_0; F32, F16 or BF16 are known for vectors");
  EXPECT_EQ(with("blk.0.attn_norm.weight", 0, {16}, 64),
            "[llama] F: tensor 'blk.0.attn_norm.weight' has shape (16,), the config wants (32,)");
  EXPECT_EQ(with("blk.0.attn_norm.weight", 0, {32, 1}, 128),
            "[llama] F: tensor 'blk.0.attn_norm.weight' has shape (32, 1), the config wants (32,)");
  EXPECT_EQ(with("blk.0.attn_q.weight", 26, {32, 64}, 8192),
            "[llama] F: tensor 'blk.0.attn_q.weight' has type I32, which this build does not know");
  EXPECT_EQ(with("blk.0.attn_q.weight", 0, {64, 32}, 8192),
            "[llama] F: tensor 'blk.0.attn_q.weight' has shape (64, 32), the config wants (32, 64)");
  EXPECT_EQ(with("token_embd.weight", 0, {32}, 128),
            "[llama] F: has no tensor 'token_embd.weight' of two dimensions");
  EXPECT_EQ(with("token_embd.weight", 0, {32, 9, 32}, 32 * 9 * 32 * 4),
            "[llama] F: has no tensor 'token_embd.weight' of two dimensions");
}

TEST_F(HostileModel, EveryPrefixIsRefused) {
  const std::string whole = tiny("llama").bytes();
  const std::string path = folder_.path("F");
  // Each byte of the header's beginning, then in steps: the whole of it is 30 kB.
  for (size_t n = 0; n < whole.size(); n += n < 2000 ? 1 : 101) {
    folder_.write("F", std::string_view(whole).substr(0, n));
    const std::string text = sentence_of(folder_, [&] { open_model(path); });
    EXPECT_TRUE(text.starts_with("[gguf] F: ")) << n << ": " << text;
  }
}

TEST_F(HostileModel, AModelWhoseFileShrinksSaysSo) {
  const std::string path = folder_.write("F", tiny("llama").bytes());
  const auto model = open_model(path);
  std::filesystem::resize_file(path, 4096);
  const auto cache = model->network->make_cache();
  const std::vector<int32_t> prompt{1, 2, 3};
  EXPECT_EQ(sentence_of(folder_, [&] { model->network->forward(prompt, *cache).eval(); }),
            "[open] F became shorter while it was in use");
}

TEST_F(HostileModel, AHugeContextTakesNoMemory) {
  const std::string path = folder_.write("F", tiny("llama").set("llama.context_length", INT32_MAX).bytes());
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  const auto model = open_model(path);
  const auto cache = model->network->make_cache();
  const std::vector<int32_t> prompt{1, 2, 3};
  model->network->forward(prompt, *cache).eval();
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 << 10);
}

}  // namespace
}  // namespace uma
