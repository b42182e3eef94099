// Gemma 2 (arXiv:2408.00118): norms before and after each half of a layer, soft caps on attention scores and
// logits, and every other layer sees a window only, beginning with the first.
#include <cmath>

#include "models/llm/blocks.h"
#include "ops/elementwise.h"

namespace uma {
namespace {

using namespace llm;

constexpr int64_t kPattern = 2;       // of each 2 layers the last sees all
constexpr int64_t kBlocksOf27B = 46;  // the size whose attention scale is not that of its heads

struct Layer {
  infer::RMSNorm attention_norm;
  Attention attention;
  infer::RMSNorm after_attention;
  infer::RMSNorm mlp_norm;
  GatedMlp mlp;
  infer::RMSNorm after_mlp;
};

ModelConfig read_config(const ModelReader& file) {
  ModelConfig config = file.config();
  config.attention_softcap = file.positive("attn_logit_softcapping", 50);
  config.logit_softcap = file.positive("final_logit_softcapping", 30);
  config.sliding_window = file.count("attention.sliding_window", 4096);
  // The files do not say query_pre_attn_scalar: it is the head's length, and features / heads in the 27B.
  if (config.block_count == kBlocksOf27B)
    config.attention_scale =
        1 / std::sqrt(static_cast<float>(config.embedding_length) / static_cast<float>(config.head_count));
  return config;
}

class Gemma2 final : public Decoder {
 public:
  explicit Gemma2(ModelReader& file) : Decoder(file, read_config(file)) {
    embedding_scale_ = std::sqrt(static_cast<float>(config_.embedding_length));
    const std::vector<bool> windowed = file.windowed_layers(config_.block_count, kPattern);
    const Rope rope = read_rope(file, config_, false);
    const auto norm = [&](int64_t i, const char* part) {
      return file.norm(block(i, part), config_.embedding_length, config_.norm_epsilon);
    };
    for (int64_t i = 0; i < config_.block_count; ++i) {
      Layer layer{
          norm(i, "attn_norm"), read_attention(file, config_, i, rope),    norm(i, "post_attention_norm"),
          norm(i, "ffn_norm"),  read_mlp(file, config_, i, gelu_tanh_mul), norm(i, "post_ffw_norm")};
      layer.attention.softcap = config_.attention_softcap;
      layer.attention.window = windowed[static_cast<size_t>(i)] ? config_.sliding_window : 0;
      layers_.push_back(std::move(layer));
    }
    finish(file);
  }

 private:
  array layer(int64_t i, const array& x, const Pass& pass) const override {
    const Layer& layer = layers_[static_cast<size_t>(i)];
    const array attended = layer.attention(layer.attention_norm(x), pass, i);
    const array h = add(x, layer.after_attention(attended));
    return add(h, layer.after_mlp(layer.mlp(layer.mlp_norm(h))));
  }

  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<LanguageModel> make_gemma2(ModelReader& file) {
  return std::make_unique<Gemma2>(file);
}

}  // namespace uma
