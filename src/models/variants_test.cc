// What files of other converters may hold besides what ours do: each variant of a small model must answer as
// the same model written plainly.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "backend/install.h"
#include "base/error.h"
#include "core/quant_format.h"
#include "io/testing.h"
#include "models/open.h"

namespace uma {
namespace {

using namespace testing_files;

const bool installed = (install_backends(), true);

GgufBuilder tiny(const std::string& name) {
  return GgufBuilder::from(std::string(UMA_SOURCE_DIR) + "/tests/golden/models/" + name + ".gguf");
}

/// Tensors that are one below the other as one.
GgufBuilder fuse(GgufBuilder b, const std::string& kind) {
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    GgufBuilder::Tensor all = b.tensor(layer + "attn_q." + kind);
    all.name = layer + "attn_qkv." + kind;
    for (const char* part : {"attn_k.", "attn_v."}) {
      const GgufBuilder::Tensor& more = b.tensor(layer + part + kind);
      all.dims.back() += more.dims.back();
      all.data += more.data;
    }
    std::erase_if(b.tensors, [&](const GgufBuilder::Tensor& t) {
      return t.name == layer + "attn_q." + kind || t.name == layer + "attn_k." + kind ||
             t.name == layer + "attn_v." + kind;
    });
    b.add(all);
  }
  return b;
}

/// Keeps the first `rows` rows of a matrix or elements of a vector.
void keep_rows(GgufBuilder& b, const std::string& name, uint64_t rows) {
  GgufBuilder::Tensor& t = b.tensor(name);
  t.data.resize(t.data.size() / t.dims.back() * rows);
  t.dims.back() = rows;
}

/// Keeps the first `columns` of an F16 matrix, or sets the others to 0.
void keep_columns(GgufBuilder& b, const std::string& name, uint64_t columns, bool cut) {
  GgufBuilder::Tensor& t = b.tensor(name);
  ASSERT_EQ(t.type, 1u);
  std::string data;
  for (uint64_t row = 0; row < t.dims[1]; ++row) {
    data += t.data.substr(row * t.dims[0] * 2, columns * 2);
    if (!cut) data.append((t.dims[0] - columns) * 2, '\0');
  }
  t.data = data;
  if (cut) t.dims[0] = columns;
}

class Variant : public testing::Test {
 protected:
  std::shared_ptr<const Model> open(const GgufBuilder& builder,
                                    const ModelOptions& options = {.exact = true}) {
    return open_model(folder_.write("F", builder.bytes()), options);
  }
  std::vector<float> logits(const GgufBuilder& builder, const ModelOptions& options = {.exact = true}) {
    const auto model = open(builder, options);
    const auto cache = model->network->make_cache();
    std::vector<int32_t> prompt;
    for (int32_t i = 0; i < 40; ++i) prompt.push_back((i * 37 + 5) % 256);
    return model->network->forward(prompt, *cache, LogitRows::all).to_vector<float>();
  }
  std::string error(const GgufBuilder& builder) {
    return sentence_of(folder_, [&] { open(builder); });
  }
  static float distance(const std::vector<float>& a, const std::vector<float>& b) {
    EXPECT_EQ(a.size(), b.size());
    float most = 0;
    for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
    return most;
  }
  Folder folder_;
};

TEST_F(Variant, QueryKeyAndValueInOneTensor) {
  for (const char* name : {"llama", "mistral", "qwen2", "qwen2_yarn", "qwen3"})
    for (const bool exact : {true, false}) {
      const ModelOptions options{.exact = exact};
      EXPECT_EQ(logits(fuse(tiny(name), "weight"), options), logits(tiny(name), options)) << name;
    }
  EXPECT_EQ(logits(fuse(fuse(tiny("qwen2"), "weight"), "bias")), logits(tiny("qwen2")));
  EXPECT_EQ(open(fuse(tiny("llama"), "weight"))->network->weight_bytes_per_token(),
            open(tiny("llama"))->network->weight_bytes_per_token());
  GgufBuilder b = fuse(tiny("llama"), "weight");
  keep_rows(b, "blk.1.attn_qkv.weight", 96);
  EXPECT_EQ(error(b),
            "[llama] F: tensor 'blk.1.attn_qkv.weight' has shape (32, 96), the config wants (32, 128)");
}

TEST_F(Variant, OneNumberALayer) {
  GgufBuilder same = tiny("qwen2");
  same.set("qwen2.attention.head_count", std::vector<uint32_t>{4, 4});
  same.set("qwen2.attention.head_count_kv", std::vector<int32_t>{2, 2});
  same.set("qwen2.feed_forward_length", std::vector<uint32_t>{64, 64});
  EXPECT_EQ(logits(same), logits(tiny("qwen2")));

  // A second layer of half the size, against one whose other half counts for nothing.
  GgufBuilder small = tiny("qwen2"), masked = tiny("qwen2");
  small.set("qwen2.attention.head_count", std::vector<uint32_t>{4, 2});
  small.set("qwen2.attention.head_count_kv", std::vector<uint32_t>{2, 1});
  small.set("qwen2.feed_forward_length", std::vector<uint32_t>{64, 32});
  for (const char* kind : {"weight", "bias"}) {
    keep_rows(small, fmt::format("blk.1.attn_q.{}", kind), 16);
    keep_rows(small, fmt::format("blk.1.attn_k.{}", kind), 8);
    keep_rows(small, fmt::format("blk.1.attn_v.{}", kind), 8);
  }
  keep_rows(small, "blk.1.ffn_gate.weight", 32);
  keep_rows(small, "blk.1.ffn_up.weight", 32);
  keep_columns(small, "blk.1.attn_output.weight", 16, true);
  keep_columns(small, "blk.1.ffn_down.weight", 32, true);
  keep_columns(masked, "blk.1.attn_output.weight", 16, false);
  keep_columns(masked, "blk.1.ffn_down.weight", 32, false);
  EXPECT_LT(distance(logits(small), logits(masked)), 1e-4f);
  EXPECT_GT(distance(logits(small), logits(tiny("qwen2"))), 0.1f);
}

TEST_F(Variant, OneNumberALayerHasItsRules) {
  const auto with = [&](const char* key, auto values) { return error(tiny("qwen2").set(key, values)); };
  EXPECT_EQ(with("qwen2.attention.head_count", std::vector<uint32_t>{4}),
            "[qwen2] F: key 'qwen2.attention.head_count' has 1 numbers for 2 layers");
  EXPECT_EQ(with("qwen2.feed_forward_length", std::vector<uint32_t>{64, 0}),
            "[qwen2] F: key 'qwen2.feed_forward_length' holds 0, outside 1 to 2147483647");
  EXPECT_EQ(with("qwen2.feed_forward_length", std::vector<float>{64, 64}),
            "[qwen2] F: key 'qwen2.feed_forward_length' is no array of whole numbers up to 2147483647");
  EXPECT_EQ(with("qwen2.attention.head_count_kv", std::vector<uint32_t>{2, 3}),
            "[qwen2] F: 4 query heads cannot share 3 key heads evenly");
}

TEST_F(Variant, WhichLayersAreWindowed) {
  const std::string key = "gemma3.attention.sliding_window_pattern";
  const std::vector<float> plain = logits(tiny("gemma3"));  // 7 layers: the sixth sees all
  EXPECT_EQ(logits(tiny("gemma3").set(key, 6u)), plain);
  EXPECT_EQ(logits(tiny("gemma3").set(key, std::vector<bool>{1, 1, 1, 1, 1, 0, 1})), plain);
  EXPECT_GT(distance(logits(tiny("gemma3").set(key, std::vector<bool>{1, 1, 1, 0, 1, 0, 1})), plain), 0.01f);
  EXPECT_EQ(logits(tiny("gemma3").set(key, 0u)),
            logits(tiny("gemma3").set(key, std::vector<bool>{1, 1, 1, 1, 1, 1, 1})));
  EXPECT_EQ(error(tiny("gemma3").set(key, std::vector<bool>{1, 0})),
            "[gemma3] F: key '" + key + "' is an array of 2 bool, where 7 layers need a flag each");
  EXPECT_EQ(logits(tiny("gemma2").set("gemma2.attention.sliding_window_pattern", std::vector<bool>{1, 0, 1})),
            logits(tiny("gemma2")));
  EXPECT_GT(distance(logits(tiny("gemma2").set("gemma2.attention.sliding_window_pattern", 3u)),
                     logits(tiny("gemma2"))),
            0.01f);
}

TEST_F(Variant, Gemma3WithoutAWindow) {
  const std::string window = "gemma3.attention.sliding_window";
  const std::vector<float> none = logits(tiny("gemma3").erase(window));
  EXPECT_EQ(none, logits(tiny("gemma3").set(window, 0u)));
  EXPECT_EQ(none, logits(tiny("gemma3").set(window + "_pattern", 1u)));
  EXPECT_EQ(logits(tiny("gemma3").set("gemma3.final_logit_softcapping", 0.f)), logits(tiny("gemma3")));
  for (const float x : logits(tiny("gemma3").set("gemma3.final_logit_softcapping", 2.f)))
    ASSERT_LE(std::abs(x), 2.f);
}

TEST_F(Variant, FactorsOfRope) {
  // Queries and keys of 1.5 times the size are attention scores of 2.25 times the size.
  for (const char* name : {"llama", "llama3"})
    EXPECT_EQ(logits(tiny(name).set("llama.rope.scaling.attn_factor", 1.5f)),
              logits(tiny(name).set("llama.attention.scale", 2.25f / 4)));
  EXPECT_EQ(logits(tiny("qwen3").set("qwen3.rope.scaling.factor", 0.f)), logits(tiny("qwen3")));
  EXPECT_EQ(logits(tiny("qwen3").set("qwen3.rope.scaling.factor", 4.f)),
            logits(tiny("qwen3").set("qwen3.rope.scale_linear", 4.f)));
  EXPECT_EQ(
      logits(tiny("qwen3").set("qwen3.rope.scaling.factor", 4.f).set("qwen3.rope.scaling.type", "none")),
      logits(tiny("qwen3")));
  // YaRN keeps its speeds times what the file says of each pair; transformers' attention_factor is the size.
  const float size = 1 + 0.1f * std::log(4.f);
  EXPECT_EQ(logits(tiny("qwen2_yarn").set("qwen2.rope.scaling.yarn_attn_factor", size)),
            logits(tiny("qwen2_yarn")));
  GgufBuilder ones = tiny("qwen2_yarn");
  std::string data;
  for (int i = 0; i < 4; ++i) data += bytes_of_value(1.f);
  ones.add({"rope_freqs.weight", {4}, 0, data});
  EXPECT_EQ(logits(ones), logits(tiny("qwen2_yarn")));
}

// Else keys and values would be the one thing that such a file's answers are rounded in.
TEST_F(Variant, OfF32KeepsKeysAndValuesAsFinely) {
  for (const char* name : {"qwen2", "gemma2", "llama3"}) {
    GgufBuilder b = tiny(name);
    for (GgufBuilder::Tensor& t : b.tensors) {
      if (t.type != 1) continue;
      std::vector<float> values(t.data.size() / 2);
      decode_reference(QuantFormat::F16, reinterpret_cast<const uint8_t*>(t.data.data()),
                       static_cast<int64_t>(values.size()), values.data());
      t.type = 0;
      t.data.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    }
    EXPECT_LT(distance(logits(b, {}), logits(b)), 1e-4f) << name;
    EXPECT_GT(distance(logits(b, {.kv_dtype = DType::float16}), logits(b)), 1e-4f) << name;
    EXPECT_GT(distance(logits(tiny(name), {}), logits(tiny(name))), 1e-4f) << name;
  }
}

TEST_F(Variant, WhatDoesNotMatterIsLeftOut) {
  // Files of models with added tokens state the size before.
  EXPECT_EQ(logits(tiny("llama").set("llama.vocab_size", 286u)), logits(tiny("llama")));
  GgufBuilder reranker = tiny("qwen3");
  reranker.add({"cls.output.weight", {32, 2}, 0, std::string(256, '\0')});
  EXPECT_EQ(logits(reranker), logits(tiny("qwen3")));
}

}  // namespace
}  // namespace uma
