// Gemma 3, text (arXiv:2503.19786): Gemma 2's norms, a norm over each head of query and key in place of the
// soft caps, and five windowed layers to one that sees all. Windowed layers have a rope base of their own.
#include <cmath>

#include "models/llm/blocks.h"
#include "ops/elementwise.h"

namespace uma {
namespace {

using namespace llm;

constexpr int64_t kPattern = 6;       // of each 6 layers the last sees all
constexpr int64_t kBlocksOf27B = 62;  // the size whose attention scale is not that of its heads

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
  config.rope_base = file.positive("rope.freq_base", 1000000);
  config.logit_softcap = file.positive_or_zero("final_logit_softcapping", 0);
  // The files do not say query_pre_attn_scalar: it is the head's length, and features / heads in the 27B.
  if (config.block_count == kBlocksOf27B)
    config.attention_scale =
        1 / std::sqrt(static_cast<float>(config.embedding_length) / static_cast<float>(config.head_count));
  return config;
}

class Gemma3 final : public Decoder {
 public:
  explicit Gemma3(ModelReader& file) : Decoder(file, read_config(file)) {
    embedding_scale_ = std::sqrt(static_cast<float>(config_.embedding_length));
    // A file without a window has no windowed layer, and one rope for all.
    const std::vector<bool> windowed = file.windowed_layers(config_.block_count, kPattern);
    const Rope rope = read_rope(file, config_, false);
    const Rope windowed_rope{.dims = config_.rope_dims,
                             .base = file.positive("rope.freq_base_swa", 10000),
                             .magnitude = file.positive("rope.scaling.attn_factor", 1)};
    const auto norm = [&](int64_t i, const char* part) {
      return file.norm(block(i, part), config_.embedding_length, config_.norm_epsilon);
    };
    for (int64_t i = 0; i < config_.block_count; ++i) {
      const bool sees_all = config_.sliding_window == 0 || !windowed[static_cast<size_t>(i)];
      Layer layer{norm(i, "attn_norm"),
                  read_attention(file, config_, i, sees_all ? rope : windowed_rope),
                  norm(i, "post_attention_norm"),
                  norm(i, "ffn_norm"),
                  read_mlp(file, config_, i, gelu_tanh_mul),
                  norm(i, "post_ffw_norm")};
      read_head_norms(file, config_, i, layer.attention);
      layer.attention.window = sees_all ? 0 : config_.sliding_window;
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

std::unique_ptr<LanguageModel> make_gemma3(ModelReader& file) {
  return std::make_unique<Gemma3>(file);
}

}  // namespace uma
