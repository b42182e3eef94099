#include "models/llm/blocks.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/utf8.h"
#include "fast/attention.h"
#include "fast/rope.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/products.h"
#include "ops/shape.h"

namespace uma::llm {
namespace {

/// (T, heads * length) -> (1, heads, T, length), each head normed where there is a norm.
array split_heads(const array& x, int64_t heads, int64_t length, const std::optional<infer::RMSNorm>& norm) {
  const int64_t tokens = x.shape(0);
  // One token's heads already lie as the result's do.
  array parts = reshape(x, tokens == 1 ? Shape{1, heads, 1, length} : Shape{1, tokens, heads, length});
  if (norm) parts = (*norm)(parts);
  return tokens == 1 ? parts : transpose(parts, {0, 2, 1, 3});
}

/// (1, heads, T, length) -> (T, heads * length)
array merge_heads(const array& x) {
  const int64_t heads = x.shape(1), tokens = x.shape(2), length = x.shape(3);
  return reshape(tokens == 1 ? x : transpose(x, {0, 2, 1, 3}), {tokens, heads * length});
}

array rows_of(const array& x, int64_t begin, int64_t end) {
  if (begin == 0 && end == x.shape(0)) return x;
  return slice(x, {begin, 0}, {end, x.shape(1)});
}

array softcap(const array& x, float cap) {
  return multiply(tanh(multiply(x, array(1 / cap))), array(cap));
}

/// What each pair's speed is divided by: rope_freqs.weight, or ones.
std::vector<double> read_factors(ModelReader& file, int64_t pairs) {
  if (!file.has_tensor("rope_freqs.weight")) return std::vector<double>(static_cast<size_t>(pairs), 1.0);
  const std::vector<float> values = file.vector("rope_freqs", pairs).to_vector<float>();
  for (size_t i = 0; i < values.size(); ++i)
    file.require(std::isfinite(values[i]) && values[i] > 0, ErrorCode::kFormat,
                 "tensor 'rope_freqs.weight' holds {} at {}, where a number above 0 is needed", values[i], i);
  return {values.begin(), values.end()};
}

/// YaRN (arXiv:2309.00071): pairs that turn often within the trained context keep their speed, pairs that
/// turn less than once are slowed by the factor, and a ramp joins the two. Gives what each pair keeps.
std::vector<double> yarn_keeps(const Rope& rope, const ModelReader& file, const ModelConfig& config) {
  const auto trained =
      static_cast<double>(file.count("rope.scaling.original_context_length", config.context_length));
  const double fast = file.positive("rope.scaling.yarn_beta_fast", 32);
  const double slow = file.positive("rope.scaling.yarn_beta_slow", 1);
  const double ext = file.positive_or_zero("rope.scaling.yarn_ext_factor", 1);
  const auto dims = static_cast<double>(rope.dims);
  const double log_base = std::log(static_cast<double>(rope.base));
  const double pi = std::acos(-1.0);
  // The pair that turns `turns` times within the trained context.
  const auto pair_of = [&](double turns) {
    return dims * std::log(trained / (turns * 2 * pi)) / (2 * log_base);
  };
  const double low = std::max(0.0, std::floor(pair_of(fast)));
  const double high = std::min(dims - 1, std::ceil(pair_of(slow)));
  std::vector<double> keeps(static_cast<size_t>(rope.dims / 2));
  for (size_t i = 0; i < keeps.size(); ++i) {
    const double ramp = (static_cast<double>(i) - low) / std::max(0.001, high - low);
    keeps[i] = ext * (1 - std::clamp(ramp, 0.0, 1.0));
  }
  return keeps;
}

void set_denominators(Rope& rope, std::span<const double> factors, std::span<const double> keeps,
                      double slower) {
  std::vector<float> denominators(factors.size());
  for (size_t i = 0; i < denominators.size(); ++i) {
    const double speed = std::pow(static_cast<double>(rope.base),
                                  -2 * static_cast<double>(i) / static_cast<double>(rope.dims));
    denominators[i] = static_cast<float>(factors[i] / (speed * (keeps[i] + (1 - keeps[i]) / slower)));
  }
  rope.denominators = array(std::span<const float>(denominators), {rope.dims / 2});
}

}  // namespace

DecoderCache::DecoderCache(int64_t layers, infer::KVTypes types)
    : layers_(static_cast<size_t>(layers), infer::KVCache(types)) {}

void DecoderCache::truncate(int64_t n) {
  check(n >= 0 && n <= size(), ErrorCode::kInvalidArgument, "cache",
        "cannot keep {} tokens of the {} it holds", n, size());
  for (infer::KVCache& layer : layers_) layer.trim(layer.offset() - n);
}

std::vector<array> DecoderCache::arrays() const {
  std::vector<array> all;
  for (const infer::KVCache& layer : layers_) {
    if (layer.keys()) all.push_back(*layer.keys());
    if (layer.values()) all.push_back(*layer.values());
  }
  return all;
}

int64_t DecoderCache::nbytes() const {
  int64_t total = 0;
  for (const infer::KVCache& layer : layers_) total += layer.nbytes();
  return total;
}

array Rope::operator()(const array& x, int64_t position) const {
  return rope(x, static_cast<int>(dims), neighbours, base, scale, position, denominators);
}

Rope read_rope(ModelReader& file, const ModelConfig& config, bool neighbours) {
  Rope rope{.dims = config.rope_dims, .neighbours = neighbours, .base = config.rope_base};
  // Files of before rope.scaling.type say rope.scale_linear, and all of them mean linear; 0 is no scaling.
  const std::string type = file.text("rope.scaling.type", "linear");
  file.require(type == "none" || type == "linear" || type == "yarn", ErrorCode::kUnsupported,
               "rope scaling '{}' is not one of none, linear, yarn", shown(type));
  const float stated =
      file.positive_or_zero("rope.scaling.factor", file.positive_or_zero("rope.scale_linear", 1));
  const float factor = stated > 0 && type != "none" ? stated : 1;
  rope.magnitude = file.positive("rope.scaling.attn_factor", 1);
  if (type == "yarn") {
    set_denominators(rope, read_factors(file, rope.dims / 2), yarn_keeps(rope, file, config), factor);
    // What transformers calls attention_factor stands in place of the paper's formula.
    rope.magnitude *=
        file.positive("rope.scaling.yarn_attn_factor", 1 + 0.1f * std::log(std::max(1.f, factor)));
  } else {
    rope.scale = 1 / factor;
    const std::vector<double> keeps(static_cast<size_t>(rope.dims / 2), 1.0);
    if (file.has_tensor("rope_freqs.weight"))
      set_denominators(rope, read_factors(file, rope.dims / 2), keeps, 1);
  }
  file.require(rope.dims == config.key_length || rope.magnitude == 1, ErrorCode::kUnsupported,
               "rope that turns {} of {} dimensions of a head and scales them by {} is not supported",
               rope.dims, config.key_length, rope.magnitude);
  return rope;
}

namespace {

/// Features that are stored in 8 bits: 32 share a scale, so a large one costs its neighbours. A Hadamard
/// transform gives each of them a part (arXiv:2404.00456). It is its own inverse, and of both sides of a
/// product it changes nothing.
array spread(const array& x, DType stored) {
  const bool can = std::has_single_bit(static_cast<uint64_t>(x.shape(-1)));
  return stored == DType::uint8 && can ? hadamard_transform(x) : x;
}

}  // namespace

array Attention::attend(const array& q, const array& k, const array& v, infer::KVCache& cache) const {
  const int64_t position = cache.offset();
  const auto [key_type, value_type] = cache.types();
  const array queries = spread(rope(split_heads(q, heads, key_length, q_norm), position), key_type);
  const array keys = spread(rope(split_heads(k, heads_kv, key_length, k_norm), position), key_type);
  const array values = spread(split_heads(v, heads_kv, value_length, {}), value_type);
  const auto [all_keys, all_values] = cache.update_and_fetch(keys, values);
  const array seen = scaled_dot_product_attention(
      queries, all_keys, all_values, {.scale = scale, .causal = true, .window = window, .softcap = softcap});
  return merge_heads(spread(seen, value_type));
}

array Attention::operator()(const array& x, const Pass& pass, int64_t layer) const {
  const infer::Linear* const projections[] = {&q, &k, &v};
  const std::vector<array> qkv = infer::apply_together(x, projections);
  std::vector<array> parts;
  for (const Pass::Sequence& s : pass.sequences)
    parts.push_back(attend(rows_of(qkv[0], s.begin, s.end), rows_of(qkv[1], s.begin, s.end),
                           rows_of(qkv[2], s.begin, s.end), s.cache->layer(layer)));
  return out(parts.size() == 1 ? parts[0] : concatenate(parts, 0));
}

namespace {

/// attn_q, attn_k and attn_v, or attn_qkv in their place, whose biases may be together or apart.
std::vector<infer::Linear> read_qkv(ModelReader& file, const ModelConfig& c, int64_t i) {
  const char* const names[] = {"attn_q", "attn_k", "attn_v"};
  const int64_t rows[] = {c.heads_of(i) * c.key_length, c.heads_kv_of(i) * c.key_length,
                          c.heads_kv_of(i) * c.value_length};
  if (file.has_tensor(block(i, "attn_qkv.weight"))) {
    std::vector<infer::Linear> parts = file.stacked(block(i, "attn_qkv"), rows, c.embedding_length);
    for (size_t p = 0; p < parts.size(); ++p)
      if (!parts[p].bias) file.read_bias(block(i, names[p]), parts[p]);
    return parts;
  }
  std::vector<infer::Linear> parts;
  for (size_t p = 0; p < std::size(names); ++p)
    parts.push_back(file.linear(block(i, names[p]), rows[p], c.embedding_length));
  return parts;
}

}  // namespace

Attention read_attention(ModelReader& file, const ModelConfig& c, int64_t i, const Rope& rope) {
  const std::vector<infer::Linear> qkv = read_qkv(file, c, i);
  return {.q = qkv[0],
          .k = qkv[1],
          .v = qkv[2],
          .out = file.linear(block(i, "attn_output"), c.embedding_length, c.heads_of(i) * c.value_length),
          .heads = c.heads_of(i),
          .heads_kv = c.heads_kv_of(i),
          .key_length = c.key_length,
          .value_length = c.value_length,
          .rope = rope,
          .scale = c.attention_scale * rope.magnitude * rope.magnitude};
}

void read_head_norms(ModelReader& file, const ModelConfig& c, int64_t i, Attention& attention) {
  attention.q_norm = file.norm(block(i, "attn_q_norm"), c.key_length, c.norm_epsilon);
  attention.k_norm = file.norm(block(i, "attn_k_norm"), c.key_length, c.norm_epsilon);
}

array GatedMlp::operator()(const array& x) const {
  const infer::Linear* const projections[] = {&gate, &up};
  const std::vector<array> both = infer::apply_together(x, projections);
  return down(gated(both[0], both[1]));
}

GatedMlp read_mlp(ModelReader& file, const ModelConfig& c, int64_t i,
                  array (*gated)(const array&, const array&)) {
  const int64_t inner = c.feed_forward_of(i);
  return {.gate = file.linear(block(i, "ffn_gate"), inner, c.embedding_length),
          .up = file.linear(block(i, "ffn_up"), inner, c.embedding_length),
          .down = file.linear(block(i, "ffn_down"), c.embedding_length, inner),
          .gated = gated};
}

std::string block(int64_t i, const char* part) {
  return fmt::format("blk.{}.{}", i, part);
}

Decoder::Decoder(ModelReader& file, ModelConfig config)
    : config_(std::move(config)),
      embedding_(file.embedding("token_embd", config_.vocab_size, config_.embedding_length)),
      norm_(file.norm("output_norm", config_.embedding_length, config_.norm_epsilon)),
      kv_types_(file.kv_types()) {
  if (file.has_tensor("output.weight"))
    head_ = file.linear("output", config_.vocab_size, config_.embedding_length);
}

void Decoder::finish(ModelReader& file) {
  file.finish();
  // Untied, a token reads one row of its embedding.
  const int64_t table = embedding_.weight.data.nbytes();
  weight_count_ = file.weight_count() - (head_ ? embedding_.weight.rows * embedding_.weight.cols : 0);
  weight_bytes_ = file.weight_bytes() - (head_ ? table - table / config_.vocab_size : 0);
}

std::unique_ptr<Cache> Decoder::make_cache() const {
  return std::make_unique<DecoderCache>(config_.block_count, kv_types_);
}

Pass Decoder::plan(std::span<const Chunk> chunks) const {
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  check(!chunks.empty(), kBad, "forward", "needs at least one chunk of tokens");
  Pass pass;
  for (const Chunk& chunk : chunks) {
    check(!chunk.tokens.empty(), kBad, "forward", "got a chunk without tokens");
    auto* const cache = dynamic_cast<DecoderCache*>(chunk.cache);
    check(cache && cache->layers() == config_.block_count, kBad, "forward",
          "got a cache that this model did not make");
    for (const Pass::Sequence& other : pass.sequences)
      check(other.cache != cache, kBad, "forward", "got one cache for two chunks");
    for (const int32_t token : chunk.tokens)
      check(token >= 0 && token < config_.vocab_size, kBad, "forward",
            "token {} is outside the vocabulary of {}", token, config_.vocab_size);
    const auto end = pass.rows + static_cast<int64_t>(chunk.tokens.size());
    pass.sequences.push_back({pass.rows, end, cache});
    pass.rows = end;
  }
  return pass;
}

array Decoder::hidden(std::span<const Chunk> chunks, LogitRows rows) const {
  const Pass pass = plan(chunks);
  std::vector<int32_t> ids;
  ids.reserve(static_cast<size_t>(pass.rows));
  for (const Chunk& chunk : chunks) ids.insert(ids.end(), chunk.tokens.begin(), chunk.tokens.end());

  array x = embedding_(array(std::span<const int32_t>(ids), {pass.rows}));
  if (embedding_scale_ != 1) x = multiply(x, array(embedding_scale_));
  for (int64_t i = 0; i < config_.block_count; ++i) x = layer(i, x, pass);

  if (rows == LogitRows::none) return array(std::span<const float>(), {0, config_.embedding_length});
  if (rows == LogitRows::last && pass.rows != static_cast<int64_t>(chunks.size())) {
    std::vector<array> last;
    for (const Pass::Sequence& s : pass.sequences) last.push_back(rows_of(x, s.end - 1, s.end));
    x = last.size() == 1 ? last[0] : concatenate(last, 0);
  }
  return norm_(x);
}

array Decoder::head(const array& x) const {
  if (x.shape(0) == 0) return array(std::span<const float>(), {0, config_.vocab_size});
  const array scores = head_ ? (*head_)(x) : embedding_.as_linear(x);
  return config_.logit_softcap > 0 ? softcap(scores, config_.logit_softcap) : scores;
}

}  // namespace uma::llm
