#include "engine/bench.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "core/eval.h"
#include "engine/clock.h"

namespace uma {
namespace {

constexpr int64_t kChunk = 512;
constexpr int64_t kMaxBatch = 1024;  // sequences; each holds keys and values of its own

class Bench {
 public:
  Bench(const Model& model, const BenchOptions& options) : model_(model), options_(options) {
    for (int64_t i = 0; i < options.batch; ++i) caches_.push_back(model.network->make_cache());
  }

  BenchResult run() {
    warm_up();
    BenchResult result;
    for (auto& cache : caches_) fill(*cache, options_.depth);
    auto start = Clock::now();
    for (auto& cache : caches_) fill(*cache, options_.prompt);
    result.prefill_s = seconds_since(start);
    start = Clock::now();
    for (int64_t i = 0; i < options_.gen; ++i) decode();
    result.decode_s = seconds_since(start);

    const auto rate = [&](int64_t tokens, double s) {
      return s > 0 ? static_cast<double>(tokens * options_.batch) / s : 0;
    };
    result.prefill_tok_s = rate(options_.prompt, result.prefill_s);
    result.decode_tok_s = rate(options_.gen, result.decode_s);
    result.weight_bytes_per_token = model_.network->weight_bytes_per_token();
    for (const auto& cache : caches_) result.kv_bytes += cache->nbytes();
    return result;
  }

 private:
  /// Reads every weight once, so that the first figure is not the disk's.
  void warm_up() {
    const auto cache = model_.network->make_cache();
    const int32_t token = next_token();
    model_.network->forward(std::span(&token, 1), *cache).eval();
  }

  void fill(Cache& cache, int64_t tokens) {
    while (tokens > 0) {
      check_cancel();
      std::vector<int32_t> chunk(static_cast<size_t>(std::min(tokens, kChunk)));
      for (int32_t& token : chunk) token = next_token();
      model_.network->forward(chunk, cache).eval();
      tokens -= static_cast<int64_t>(chunk.size());
    }
  }

  void decode() {
    check_cancel();
    std::vector<int32_t> tokens(caches_.size());
    std::vector<Chunk> chunks;
    for (size_t i = 0; i < caches_.size(); ++i) {
      tokens[i] = next_token();
      chunks.push_back({std::span(&tokens[i], 1), caches_[i].get()});
    }
    model_.network->forward(chunks, LogitRows::last).eval();
  }

  void check_cancel() const {
    check(!options_.cancel || !options_.cancel->load(std::memory_order_relaxed), ErrorCode::kCancelled,
          "bench", "stopped");
  }

  /// Made up, and the same each time (Knuth's multiplier).
  int32_t next_token() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int32_t>((state_ >> 33) % static_cast<uint64_t>(model_.config().vocab_size));
  }

  const Model& model_;
  const BenchOptions& options_;
  std::vector<std::unique_ptr<Cache>> caches_;
  uint64_t state_ = 1;
};

}  // namespace

BenchResult bench(const Model& model, const BenchOptions& o) {
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  check(o.prompt >= 0, kBad, "bench", "prompt must be 0 or more, not {}", o.prompt);
  check(o.gen >= 0, kBad, "bench", "gen must be 0 or more, not {}", o.gen);
  check(o.depth >= 0, kBad, "bench", "depth must be 0 or more, not {}", o.depth);
  check(o.batch >= 1 && o.batch <= kMaxBatch, kBad, "bench", "batch must be 1 to {}, not {}", kMaxBatch,
        o.batch);
  const int64_t most = model.config().context_length;
  check(o.depth <= most && o.prompt <= most && o.gen <= most && o.depth + o.prompt + o.gen <= most,
        ErrorCode::kLimit, "bench", "depth {} + prompt {} + gen {} is over the model's context of {} tokens",
        o.depth, o.prompt, o.gen, most);
  return Bench(model, o).run();
}

}  // namespace uma
