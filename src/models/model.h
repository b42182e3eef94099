#pragma once
// A language model: weights in the layout of their file, and a forward pass over them. One architecture is
// one file in models/llm/ and one row in models/registry.cc.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/array.h"

namespace uma {

/// How a model is run; a property of the opened model, not of one request.
struct ModelOptions {
  /// Activations are never quantized, keys and values are kept in f32, every sum is f32.
  bool exact = false;
  /// Storage of keys and values: float16, float32 or, for 8 bits (fast/kv8.h), uint8. None: float16, but
  /// float32 where all weights are, as nothing else is rounded there. `exact` overrides it with float32.
  std::optional<DType> kv_dtype = {};
};

/// What every architecture states about itself. Sizes are counts, never bytes.
struct ModelConfig {
  std::string architecture;  // as the file names it: "llama", "qwen2", ...
  std::string name;          // general.name, for people; may be empty
  int64_t context_length = 0;
  int64_t vocab_size = 0;
  int64_t embedding_length = 0;
  int64_t block_count = 0;
  int64_t feed_forward_length = 0;
  int64_t head_count = 0;
  int64_t head_count_kv = 0;
  int64_t key_length = 0;    // of one head; queries and keys
  int64_t value_length = 0;  // of one head
  /// One number a layer where layers differ (pruned models), or empty.
  std::vector<int32_t> head_counts = {}, head_counts_kv = {}, feed_forward_lengths = {};
  /// What layer `i` has.
  int64_t heads_of(int64_t i) const { return of_layer(head_counts, head_count, i); }
  int64_t heads_kv_of(int64_t i) const { return of_layer(head_counts_kv, head_count_kv, i); }
  int64_t feed_forward_of(int64_t i) const { return of_layer(feed_forward_lengths, feed_forward_length, i); }
  float norm_epsilon = 1e-5f;

  int64_t rope_dims = 0;  // of a head that turn; the rest stay
  float rope_base = 10000;
  float rope_scale = 1;        // positions are multiplied by it
  int64_t sliding_window = 0;  // tokens a windowed layer sees; 0: no layer is windowed

  float attention_scale = 0;    // of query times key
  float attention_softcap = 0;  // 0: none
  float logit_softcap = 0;      // 0: none

 private:
  static int64_t of_layer(const std::vector<int32_t>& each, int64_t all, int64_t i) {
    return each.empty() ? all : each[static_cast<size_t>(i)];
  }
};

/// Keys and values of one sequence, all layers.
class Cache {
 public:
  virtual ~Cache() = default;
  /// Tokens it holds: the position of the next one.
  virtual int64_t size() const = 0;
  /// Forgets all but the first `n` tokens. Throws InvalidArgument if n is negative or over size().
  virtual void truncate(int64_t n) = 0;
  /// The same tokens in a cache of its own. The memory is shared until one of the two reads on.
  virtual std::unique_ptr<Cache> clone() const = 0;
  /// What must be evaluated for the cache to hold its values.
  virtual std::vector<array> arrays() const = 0;
  /// Bytes held now.
  virtual int64_t nbytes() const = 0;
};

/// The next tokens of one sequence, and where its keys and values are kept.
struct Chunk {
  std::span<const int32_t> tokens;
  Cache* cache;
};

/// Which rows a forward pass gives.
enum class LogitRows : uint8_t {
  last,  // of each chunk's last token: (chunks, ...)
  all,   // of every token, chunk after chunk: (tokens, ...)
  none,  // (0, ...); evaluate the caches' arrays instead: a prompt's earlier chunks
};

class LanguageModel {
 public:
  virtual ~LanguageModel() = default;
  virtual const ModelConfig& config() const = 0;
  virtual std::unique_ptr<Cache> make_cache() const = 0;

  /// What the layers make of the tokens, after the last norm: (rows, embedding_length), lazily. Keys and
  /// values are appended to the caches. The rows of all chunks go through each weight together, and every
  /// sequence attends to itself only, so decoding several sequences at once reads the weights once.
  /// throws InvalidArgument: no chunk, an empty one, a token outside the vocabulary, one cache twice.
  virtual array hidden(std::span<const Chunk> chunks, LogitRows rows) const = 0;
  /// Logits of such rows as f32, (rows, vocab): the scores of the token after each.
  virtual array head(const array& hidden) const = 0;

  /// Both: from tokens to logits.
  array forward(std::span<const Chunk> chunks, LogitRows rows = LogitRows::last) const {
    return head(hidden(chunks, rows));
  }
  array forward(std::span<const int32_t> tokens, Cache& cache, LogitRows rows = LogitRows::last) const {
    const Chunk chunk{tokens, &cache};
    return forward(std::span<const Chunk>(&chunk, 1), rows);
  }

  /// Bytes of weights that decoding one token reads, counted from the tensors: all of them, and one row of
  /// the embedding (the whole of it where it is also the output head).
  virtual int64_t weight_bytes_per_token() const = 0;
  /// Weights of the matrices that a token is multiplied with: two operations each.
  virtual int64_t weight_count() const = 0;
};

}  // namespace uma
