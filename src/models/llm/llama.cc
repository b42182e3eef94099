// Llama 2 and 3 (arXiv:2307.09288, 2407.21783) and Mistral (arXiv:2310.06825), which GGUF calls llama too.
// The file's query and key rows are ordered so that rope turns neighbours. Llama 3's rope scaling comes as
// rope_freqs.weight; Mistral's window as a key.
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

class Llama final : public Decoder {
 public:
  explicit Llama(ModelReader& file) : Decoder(file, file.config()) {
    const Rope rope = read_rope(file, config_, true);
    for (int64_t i = 0; i < config_.block_count; ++i) {
      Layer layer{file.norm(block(i, "attn_norm"), config_.embedding_length, config_.norm_epsilon),
                  read_attention(file, config_, i, rope),
                  file.norm(block(i, "ffn_norm"), config_.embedding_length, config_.norm_epsilon),
                  read_mlp(file, config_, i, silu_mul)};
      layer.attention.window = config_.sliding_window;
      layers_.push_back(std::move(layer));
    }
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

std::unique_ptr<LanguageModel> make_llama(ModelReader& file) {
  return std::make_unique<Llama>(file);
}

}  // namespace uma
