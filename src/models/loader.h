#pragma once
// Takes hyperparameters and weights out of a GGUF file. Nothing is believed: every number has its bounds
// here, every tensor is compared with what the numbers say, and nothing is allocated before that.
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "infer/kv_cache.h"
#include "infer/linear.h"
#include "infer/norm.h"
#include "models/model.h"

namespace uma {

class GgufFile;

class ModelReader {
 public:
  /// Throws Format if the file names no architecture.
  ModelReader(std::shared_ptr<const GgufFile> file, const ModelOptions& options);

  const std::string& architecture() const { return architecture_; }
  const std::string& path() const { return path_; }
  const ModelOptions& options() const { return options_; }

  /// A number under "<architecture>.<key>", 1 to 2^31 - 1. Throws Format: missing (without a default),
  /// another type, out of bounds.
  int64_t count(std::string_view key, std::optional<int64_t> otherwise = {}) const;
  /// The same where 0 has a meaning.
  int64_t count_or_zero(std::string_view key, int64_t otherwise) const;
  /// A finite float. Throws Format.
  float real(std::string_view key, float otherwise) const;
  /// The same, above 0.
  float positive(std::string_view key, float otherwise) const;
  /// The same where 0 says that there is none.
  float positive_or_zero(std::string_view key, float otherwise) const;
  std::string text(std::string_view key, std::string_view otherwise) const;
  bool has_key(std::string_view key) const;

  /// What every architecture here has, checked against itself and against the file's tensors.
  ModelConfig config() const;

  /// Which layers see a window only: "attention.sliding_window_pattern", an array of one flag a layer, or n:
  /// of each n layers the last sees all, and none for n = 0. `otherwise` is the n of files that do not say.
  std::vector<bool> windowed_layers(int64_t layers, int64_t otherwise) const;

  /// What keys and values are stored as: what was asked for, or as finely as the weights. Keys with a bias
  /// stay in 16 bits where 8 were asked for: the bias is most of them, and the rest would drown in its
  /// rounding.
  infer::KVTypes kv_types() const;

  bool has_tensor(std::string_view name) const;
  /// `name`.weight (rows, cols), and `name`.bias (rows,) where the file has it. Throws Format: missing,
  /// another shape; Unsupported: a tensor type that this build has not.
  infer::Linear linear(const std::string& name, int64_t rows, int64_t cols);
  /// `name`.bias where the file has it.
  void read_bias(const std::string& name, infer::Linear& layer);
  /// One tensor that holds several matrices, each below the one before, and so its bias: views of each.
  std::vector<infer::Linear> stacked(const std::string& name, std::span<const int64_t> rows, int64_t cols);
  infer::Embedding embedding(const std::string& name, int64_t rows, int64_t cols);
  /// `name`.weight (size,) as f32.
  array vector(const std::string& name, int64_t size);
  infer::RMSNorm norm(const std::string& name, int64_t size, float epsilon);

  /// A tensor that answers do not need, if the file has it.
  void leave_out(const std::string& name) { taken_.insert(name); }
  /// Throws Format if the file holds a tensor that nobody took: this model has parts that would be left out.
  void finish() const;
  /// Bytes of the tensors taken so far, and of one row of the embedding in place of the whole.
  int64_t weight_bytes() const { return weight_bytes_; }
  void add_weight_bytes(int64_t bytes) { weight_bytes_ += bytes; }
  /// Weights of the matrices taken so far.
  int64_t weight_count() const { return weight_count_; }

  /// Throws Error{code, architecture, "<path>: " + message}.
  template <class... Args>
  void require(bool ok, ErrorCode code, fmt::format_string<Args...> format, Args&&... args) const {
    if (!ok) [[unlikely]]
      throw Error(code, architecture_, path_ + ": " + fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  QuantizedMatrix matrix(const std::string& name, int64_t rows, int64_t cols);
  /// A number for all layers, or an array of one a layer, kept in `each`; the first layer's.
  int64_t count_each(std::string_view key, std::optional<int64_t> otherwise, int64_t layers,
                     std::vector<int32_t>& each) const;
  array vector_of(const std::string& tensor, int64_t size);
  int64_t whole(std::string_view key, int64_t least, std::optional<int64_t> otherwise) const;

  std::shared_ptr<const GgufFile> file_;
  ModelOptions options_;
  std::string path_, architecture_;
  std::set<std::string, std::less<>> taken_;
  int64_t weight_bytes_ = 0, weight_count_ = 0;
};

}  // namespace uma
