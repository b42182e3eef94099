#pragma once
// What decoder-only transformers share: rotary positions, grouped-query attention over per-sequence caches,
// gated feed-forward, and the way from tokens through layers to logits.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fast/activation.h"
#include "infer/kv_cache.h"
#include "infer/linear.h"
#include "infer/norm.h"
#include "models/loader.h"
#include "models/model.h"

namespace uma::llm {

/// Keys and values of one sequence: one KVCache a layer.
class DecoderCache final : public Cache {
 public:
  DecoderCache(int64_t layers, infer::KVTypes types);
  int64_t size() const override { return layers_.front().offset(); }
  void truncate(int64_t n) override;
  std::unique_ptr<Cache> clone() const override { return std::make_unique<DecoderCache>(*this); }
  std::vector<array> arrays() const override;
  int64_t nbytes() const override;
  infer::KVCache& layer(int64_t i) { return layers_[static_cast<size_t>(i)]; }
  int64_t layers() const { return static_cast<int64_t>(layers_.size()); }

 private:
  std::vector<infer::KVCache> layers_;
};

/// One forward pass. Its rows are the tokens of all its sequences, one sequence after the other.
struct Pass {
  struct Sequence {
    int64_t begin, end;  // rows
    DecoderCache* cache;
  };
  std::vector<Sequence> sequences;
  int64_t rows = 0;
};

/// Rotary position embedding with the scaling that a file states.
struct Rope {
  int64_t dims = 0;
  /// Pairs are neighbours (true), or stand half a head apart (false).
  bool neighbours = false;
  float base = 10000;
  float scale = 1;
  std::optional<array> denominators = {};  // replaces base
  /// Queries and keys grow by this much each; it is folded into the attention's scale.
  float magnitude = 1;

  array operator()(const array& x, int64_t position) const;
};

/// Reads rope.* and, where the file has it, rope_freqs.weight (Llama 3's scaling, worked out by whoever made
/// the file). Knows linear and yarn scaling. Throws Unsupported for others.
Rope read_rope(ModelReader& file, const ModelConfig& config, bool neighbours);

/// Grouped-query attention: softmax(scale q k^T) v, projected back.
struct Attention {
  infer::Linear q, k, v, out;
  std::optional<infer::RMSNorm> q_norm = {}, k_norm = {};  // over each head, before rope
  int64_t heads = 0, heads_kv = 0, key_length = 0, value_length = 0;
  Rope rope;
  float scale = 0;
  int64_t window = 0;  // 0: all tokens so far
  float softcap = 0;   // 0: none

  /// x (rows, features) -> (rows, features).
  array operator()(const array& x, const Pass& pass, int64_t layer) const;

 private:
  array attend(const array& q, const array& k, const array& v, infer::KVCache& cache) const;
};

/// Tensors of layer `i`: blk.<i>.attn_q, attn_k and attn_v, or attn_qkv; attn_output. Window and head norms
/// are the caller's.
Attention read_attention(ModelReader& file, const ModelConfig& config, int64_t i, const Rope& rope);
/// blk.<i>.attn_q_norm and attn_k_norm.
void read_head_norms(ModelReader& file, const ModelConfig& config, int64_t i, Attention& attention);

/// down(activation(gate(x)) * up(x)).
struct GatedMlp {
  infer::Linear gate, up, down;
  array (*gated)(const array& gate, const array& up) = silu_mul;

  array operator()(const array& x) const;
};

/// Tensors of layer `i`: blk.<i>.ffn_gate, ffn_up, ffn_down.
GatedMlp read_mlp(ModelReader& file, const ModelConfig& config, int64_t i,
                  array (*gated)(const array&, const array&));

/// "blk.<i>.<part>".
std::string block(int64_t i, const char* part);

/// From tokens to logits. An architecture says what its layers do.
class Decoder : public LanguageModel {
 public:
  const ModelConfig& config() const final { return config_; }
  std::unique_ptr<Cache> make_cache() const final;
  array hidden(std::span<const Chunk> chunks, LogitRows rows) const final;
  array head(const array& hidden) const final;
  int64_t weight_bytes_per_token() const final { return weight_bytes_; }
  int64_t weight_count() const final { return weight_count_; }

 protected:
  /// Reads the tensors that all have: token_embd, output_norm, and output unless the two are tied.
  Decoder(ModelReader& file, ModelConfig config);
  /// To be called when all layers are read: nothing in the file may be left over.
  void finish(ModelReader& file);
  virtual array layer(int64_t i, const array& x, const Pass& pass) const = 0;
  /// What the embeddings are multiplied by.
  float embedding_scale_ = 1;
  ModelConfig config_;

 private:
  Pass plan(std::span<const Chunk> chunks) const;

  infer::Embedding embedding_;
  infer::RMSNorm norm_;
  std::optional<infer::Linear> head_;  // none: the embedding, transposed
  infer::KVTypes kv_types_;
  int64_t weight_bytes_ = 0, weight_count_ = 0;
};

}  // namespace uma::llm
