#pragma once
// How fast a model is on this machine.
#include <atomic>
#include <cstdint>

#include "models/open.h"

namespace uma {

struct BenchOptions {
  int64_t prompt = 512;  // tokens of the prompt, each sequence
  int64_t gen = 64;      // tokens decoded, each sequence
  int64_t depth = 0;     // tokens already in the context before either is measured
  int64_t batch = 1;     // sequences decoded together
  const std::atomic<bool>* cancel = nullptr;
};

struct BenchResult {
  double prefill_s = 0, decode_s = 0;
  double prefill_tok_s = 0;            // one sequence's prompt
  double decode_tok_s = 0;             // summed over the batch
  int64_t weight_bytes_per_token = 0;  // read by one decode step, whatever the batch
  int64_t kv_bytes = 0;                // keys and values at the end, all sequences
};

/// Runs made-up tokens. throws InvalidArgument for options under their least value, Limit where
/// depth + prompt + gen passes the model's context length, Cancelled.
BenchResult bench(const Model& model, const BenchOptions& options = {});

}  // namespace uma
