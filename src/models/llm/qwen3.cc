// Qwen 3, dense (arXiv:2505.09388): Qwen 2 without the biases, with a norm over each head of query and key.
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

class Qwen3 final : public Decoder {
 public:
  explicit Qwen3(ModelReader& file) : Decoder(file, file.config()) {
    const Rope rope = read_rope(file, config_, false);
    for (int64_t i = 0; i < config_.block_count; ++i) {
      Layer layer{file.norm(block(i, "attn_norm"), config_.embedding_length, config_.norm_epsilon),
                  read_attention(file, config_, i, rope),
                  file.norm(block(i, "ffn_norm"), config_.embedding_length, config_.norm_epsilon),
                  read_mlp(file, config_, i, silu_mul)};
      read_head_norms(file, config_, i, layer.attention);
      layers_.push_back(std::move(layer));
    }
    // The head of a reranker, beside the one that answers.
    for (const char* name : {"cls.output.weight", "cls.output.bias"}) file.leave_out(name);
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

std::unique_ptr<LanguageModel> make_qwen3(ModelReader& file) {
  return std::make_unique<Qwen3>(file);
}

}  // namespace uma
