// uma.core._lm, what uma.lm is made of: opened models, their caches, one forward pass, the choice of a token.
// The loop around them is Python's, so that between two tokens Python sees Ctrl-C, samplers and whoever reads
// the answer.
#include <algorithm>
#include <mutex>
#include <set>

#include "base/error.h"
#include "core/eval.h"
#include "core/kernel.h"
#include "engine/generate.h"
#include "lm.h"
#include "models/open.h"
#include "ops/cast.h"

namespace uma::python {
namespace {

constexpr auto kBad = ErrorCode::kInvalidArgument;

using ModelPtr = std::shared_ptr<const Model>;

/// One sequence's keys and values, and the tokens that are chosen and not yet read: they go through the model
/// with whatever comes next. Several threads may hold it; one at a time reads on.
struct Sequence {
  explicit Sequence(ModelPtr m) : model(std::move(m)), cache(model->network->make_cache()) {}
  Sequence(const Sequence& other) : model(other.model), cache(other.cache->clone()), pending(other.pending) {}

  int64_t size() const { return cache->size() + static_cast<int64_t>(pending.size()); }
  void truncate(int64_t n) {
    check(n >= 0 && n <= size(), kBad, "cache", "cannot keep {} tokens of the {} it holds", n, size());
    const int64_t read = std::min(n, cache->size());
    if (read < cache->size()) cache->truncate(read);
    pending.resize(static_cast<size_t>(n - read));
  }
  void reset() {
    cache = model->network->make_cache();
    pending.clear();
  }

  ModelPtr model;
  std::unique_ptr<Cache> cache;
  std::vector<int32_t> pending;
  std::mutex mutex;
};

/// f(sequence), alone with it. The GIL is let go first: its holder may be the one that is waited for.
template <class F>
auto alone(Sequence& s, F f) {
  nb::gil_scoped_release release;
  const std::lock_guard lock(s.mutex);
  return f(s);
}

using Tokens = std::vector<int64_t>;

std::vector<int32_t> ids_of(const Tokens& tokens, int64_t vocab) {
  std::vector<int32_t> ids;
  ids.reserve(tokens.size());
  for (const int64_t t : tokens) {
    check(t >= 0 && t < vocab, kBad, "model", "token {} is outside the vocabulary of {}", t, vocab);
    ids.push_back(static_cast<int32_t>(t));
  }
  return ids;
}

LogitRows rows_of(const std::string& rows) {
  if (rows == "all") return LogitRows::all;
  return rows == "none" ? LogitRows::none : LogitRows::last;
}

/// Reads tokens into their sequences, and computes unless `lazy`. A pass that fails leaves no cache with half
/// of its layers ahead: what was not computed is forgotten, and after a failed computation everything.
array read(const Model& model, std::span<Sequence* const> sequences, std::span<const Chunk> chunks,
           LogitRows rows, bool lazy) {
  std::vector<int64_t> before;
  for (const Chunk& chunk : chunks) before.push_back(chunk.cache->size());
  std::optional<array> logits;
  try {
    logits = model.network->forward(chunks, rows);
  } catch (...) {
    for (size_t i = 0; i < chunks.size(); ++i) chunks[i].cache->truncate(before[i]);
    throw;
  }
  try {
    std::vector<array> outputs;
    if (rows != LogitRows::none) {
      outputs.push_back(*logits);  // which needs every layer's keys and values
    } else {
      for (const Chunk& chunk : chunks)
        for (array& a : chunk.cache->arrays()) outputs.push_back(std::move(a));
    }
    if (!lazy) eval(outputs);
  } catch (...) {
    for (Sequence* s : sequences) s->reset();
    throw;
  }
  for (Sequence* s : sequences) s->pending.clear();
  return *logits;
}

array forward(const ModelPtr& model, const std::vector<std::pair<Tokens, Sequence*>>& work,
              const std::string& rows, bool lazy) {
  std::vector<Sequence*> sequences;
  std::vector<std::vector<int32_t>> ids;
  for (const auto& [tokens, sequence] : work) {
    check(sequence && sequence->model == model, kBad, "model", "the cache was made for another model");
    sequences.push_back(sequence);
    ids.push_back(ids_of(tokens, model->config().vocab_size));
  }
  // In the order of their addresses: two threads cannot wait for each other.
  std::set<Sequence*> locked(sequences.begin(), sequences.end());
  check(locked.size() == work.size(), kBad, "model", "one cache stands for two sequences");
  nb::gil_scoped_release release;
  std::vector<std::unique_lock<std::mutex>> locks;
  for (Sequence* s : locked) locks.emplace_back(s->mutex);
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < work.size(); ++i) {
    ids[i].insert(ids[i].begin(), sequences[i]->pending.begin(), sequences[i]->pending.end());
    check(!ids[i].empty(), kBad, "model", "a sequence needs at least one token");
    chunks.push_back({ids[i], sequences[i]->cache.get()});
  }
  return read(*model, sequences, chunks, rows_of(rows), lazy);
}

nb::dict config_of(const Model& model) {
  const ModelConfig& c = model.config();
  nb::dict d;
  d["model_type"] = c.architecture;
  d["name"] = c.name;
  d["max_position_embeddings"] = c.context_length;
  d["vocab_size"] = c.vocab_size;
  d["hidden_size"] = c.embedding_length;
  d["intermediate_size"] = c.feed_forward_length;
  d["num_hidden_layers"] = c.block_count;
  d["num_attention_heads"] = c.head_count;
  d["num_key_value_heads"] = c.head_count_kv;
  d["head_dim"] = c.key_length;
  d["rms_norm_eps"] = c.norm_epsilon;
  d["rope_theta"] = c.rope_base;
  return d;
}

/// The choice of row `row` of logits (rows, vocab).
int32_t sample(Sampler& sampler, const array& logits, int64_t row) {
  nb::gil_scoped_release release;
  check(logits.ndim() == 2 && row >= 0 && row < logits.shape(0), ErrorCode::kShape, "sampling",
        "takes row {} of logits (rows, vocabulary), not of {}", row, logits.shape());
  const array scores = astype(logits, DType::float32);
  scores.eval();
  const array plain = row_contiguous(scores);
  const auto vocab = static_cast<size_t>(plain.shape(1));
  return sampler.sample({plain.data<float>() + static_cast<size_t>(row) * vocab, vocab});
}

void bind_sampler(Module& m) {
  m.def("random_seed", &random_seed, "A seed nobody chose.");
  nb::class_<Sampler>(m, "Sampler")
      .def(
          "__init__",
          [](Sampler* self, int64_t vocab_size, double temp, int64_t top_k, double top_p, double min_p,
             double repetition_penalty, double presence_penalty, double frequency_penalty,
             int64_t context_size, std::vector<std::pair<int64_t, double>> bias, uint64_t seed) {
            SamplingOptions o;
            o.temperature = static_cast<float>(temp);
            o.top_k = top_k;
            o.top_p = static_cast<float>(top_p);
            o.min_p = static_cast<float>(min_p);
            o.repeat_penalty = static_cast<float>(repetition_penalty);
            o.presence_penalty = static_cast<float>(presence_penalty);
            o.frequency_penalty = static_cast<float>(frequency_penalty);
            o.repeat_last_n = context_size;
            for (const auto& [token, value] : bias) {
              check(token >= 0 && token < vocab_size, kBad, "sampling",
                    "logit_bias names token {}, outside the vocabulary of {}", token, vocab_size);
              o.logit_bias.emplace_back(static_cast<int32_t>(token), static_cast<float>(value));
            }
            o.seed = seed;
            new (self) Sampler(std::move(o), vocab_size);
          },
          "vocab_size"_a, nb::kw_only(), "temp"_a = 0.0, "top_k"_a = 0, "top_p"_a = 1.0, "min_p"_a = 0.0,
          "repetition_penalty"_a = 1.0, "presence_penalty"_a = 0.0, "frequency_penalty"_a = 0.0,
          "context_size"_a = 0, "logit_bias"_a = std::vector<std::pair<int64_t, double>>(), "seed"_a = 0)
      .def("sample", &sample, "logits"_a, "row"_a = 0,
           "The token chosen from a row of logits (rows, vocabulary).")
      .def(
          "accept",
          [](Sampler& self, const std::vector<int32_t>& tokens) {
            for (const int32_t t : tokens) self.accept(t);
          },
          "tokens"_a, "Counts tokens, of the prompt or of the answer, as recent.");
}

}  // namespace

void bind_lm(Module& core) {
  Module m = core.def_submodule("_lm", "The engine under uma.lm.");
  m.attr("DEFAULT_CONTEXT") = kDefaultContext;
  nb::class_<Sequence>(m, "Sequence")
      .def_prop_ro("size", [](Sequence& self) { return alone(self, [](Sequence& s) { return s.size(); }); })
      .def_prop_ro("nbytes",
                   [](Sequence& self) { return alone(self, [](Sequence& s) { return s.cache->nbytes(); }); })
      .def_prop_ro("arrays",
                   [](Sequence& self) { return alone(self, [](Sequence& s) { return s.cache->arrays(); }); })
      .def(
          "truncate", [](Sequence& self, int64_t n) { alone(self, [n](Sequence& s) { s.truncate(n); }); },
          "tokens"_a)
      .def(
          "push",
          [](Sequence& self, int32_t token) {
            alone(self, [&](Sequence& s) { s.pending.push_back(token); });
          },
          "token"_a, "Adds a token that is to be read with whatever comes next.")
      .def("clone", [](Sequence& self) { return alone(self, [](Sequence& s) { return new Sequence(s); }); });
  // Held by value: nanobind's classes know no shared_ptr to const.
  nb::class_<ModelPtr>(m, "Model")
      .def_prop_ro("path", [](const ModelPtr& self) { return self->path; })
      .def_prop_ro("load_s", [](const ModelPtr& self) { return self->load_s; })
      .def_prop_ro("config", [](const ModelPtr& self) { return config_of(*self); })
      .def_prop_ro("vocabulary", [](const ModelPtr& self) { return Words{self->vocabulary}; })
      .def("make_sequence", [](const ModelPtr& self) { return new Sequence(self); })
      .def(
          "forward",
          [](const ModelPtr& self, const std::vector<std::pair<Tokens, Sequence*>>& work,
             const std::string& rows, bool lazy) { return forward(self, work, rows, lazy); },
          "work"_a, "rows"_a = "last", "lazy"_a = false,
          "Logits after [(tokens, sequence), ...]: rows are the last token's of each, all, or none.");
  m.def(
      "open_model",
      [](const std::string& path, bool exact) {
        nb::gil_scoped_release release;
        return ModelPtr(open_model(path, {.exact = exact}));
      },
      "path"_a, "exact"_a = false);
  bind_sampler(m);
  bind_lm_text(m);
  bind_lm_hub(m);
}

}  // namespace uma::python
