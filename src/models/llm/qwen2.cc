// Qwen 2 and 2.5 (arXiv:2407.10671): Llama's layer with biases on query, key and value, and rope pairs half a
// head apart.
#include "models/llm/blocks.h"
#include "ops/elementwise.h"

namespace uma {
namespace {

using namespace llm;

struct Layer {
  infer::RMSNorm attention_norm;
  Attention attention;
  infer::RMSNorm mlp_norm;
  GatedMlp mlp;
};

class Qwen2 final : public Decoder {
 public:
  explicit Qwen2(ModelReader& file) : Decoder(file, file.config()) {
    const Rope rope = read_rope(file, config_, false);
    for (int64_t i = 0; i < config_.block_count; ++i)
      layers_.push_back({file.norm(block(i, "attn_norm"), config_.embedding_length, config_.norm_epsilon),
                         read_attention(file, config_, i, rope),
                         file.norm(block(i, "ffn_norm"), config_.embedding_length, config_.norm_epsilon),
                         read_mlp(file, config_, i, silu_mul)});
    finish(file);
  }

 private:
  array layer(int64_t i, const array& x, const Pass& pass) const override {
    const Layer& layer = layers_[static_cast<size_t>(i)];
    const array h = add(x, layer.attention(layer.attention_norm(x), pass, i));
    return add(h, layer.mlp(layer.mlp_norm(h)));
  }

  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<LanguageModel> make_qwen2(ModelReader& file) {
  return std::make_unique<Qwen2>(file);
}

}  // namespace uma
