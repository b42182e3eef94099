#include "models/loader.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/mapped_file.h"
#include "io/gguf.h"

namespace uma {
namespace {

constexpr auto kFormat = ErrorCode::kFormat;
constexpr int64_t kMost = INT32_MAX;  // of any hyperparameter: products of two stay within 63 bits

std::string name_of_architecture(const GgufFile& file) {
  const auto name = file.find_string("general.architecture");
  check(name.has_value(), kFormat, "gguf", "{}: has no key 'general.architecture', so it is no model",
        file.path());
  return std::string(*name);
}

}  // namespace

ModelReader::ModelReader(std::shared_ptr<const GgufFile> file, const ModelOptions& options)
    : file_(std::move(file)), options_(options) {
  path_ = file_->path();
  architecture_ = name_of_architecture(*file_);
  const DType kv_dtype = options.kv_dtype.value_or(DType::float16);
  check(kv_dtype == DType::float16 || kv_dtype == DType::float32 || kv_dtype == DType::uint8,
        ErrorCode::kInvalidArgument, architecture_,
        "keys and values are stored as float16, float32 or uint8, not {}", name_of(kv_dtype));
}

int64_t ModelReader::whole(std::string_view key, int64_t least, std::optional<int64_t> otherwise) const {
  const std::string full = fmt::format("{}.{}", architecture_, key);
  if (otherwise && !file_->has(full)) return *otherwise;
  require(file_->has(full), kFormat, "has no key '{}'", full);
  const auto value = file_->find_uint(full);
  require(value.has_value(), kFormat, "key '{}' is no whole number of 0 or more", full);
  require(*value <= static_cast<uint64_t>(kMost) && static_cast<int64_t>(*value) >= least, kFormat,
          "key '{}' is {}, outside {} to {}", full, *value, least, kMost);
  return static_cast<int64_t>(*value);
}

int64_t ModelReader::count(std::string_view key, std::optional<int64_t> otherwise) const {
  return whole(key, 1, otherwise);
}
int64_t ModelReader::count_or_zero(std::string_view key, int64_t otherwise) const {
  return whole(key, 0, otherwise);
}

float ModelReader::real(std::string_view key, float otherwise) const {
  const std::string full = fmt::format("{}.{}", architecture_, key);
  if (!file_->has(full)) return otherwise;
  const auto value = file_->find_float(full);
  require(value.has_value(), kFormat, "key '{}' is no float", full);
  // Not cast first: a double beyond f32 has no value there.
  require(std::abs(*value) <= std::numeric_limits<float>::max(), kFormat,
          "key '{}' is {}, which is no finite f32", full, *value);
  return static_cast<float>(*value);
}

float ModelReader::positive(std::string_view key, float otherwise) const {
  const float value = real(key, otherwise);
  require(value > 0, kFormat, "key '{}.{}' is {}, not above 0", architecture_, key, value);
  return value;
}

float ModelReader::positive_or_zero(std::string_view key, float otherwise) const {
  const float value = real(key, otherwise);
  require(value >= 0, kFormat, "key '{}.{}' is {}, below 0", architecture_, key, value);
  return value;
}

int64_t ModelReader::count_each(std::string_view key, std::optional<int64_t> otherwise, int64_t layers,
                                std::vector<int32_t>& each) const {
  const std::string full = fmt::format("{}.{}", architecture_, key);
  const GgufEntry* const entry = file_->find(full);
  if (!entry || !entry->is_array) return count(key, otherwise);
  require(entry->count == layers, kFormat, "key '{}' has {} numbers for {} layers", full, entry->count,
          layers);
  auto values = file_->find_ints(full);
  require(values.has_value(), kFormat, "key '{}' is no array of whole numbers up to {}", full, kMost);
  for (const int32_t value : *values)
    require(value >= 1, kFormat, "key '{}' holds {}, outside 1 to {}", full, value, kMost);
  each = std::move(*values);
  return each.front();
}

std::vector<bool> ModelReader::windowed_layers(int64_t layers, int64_t otherwise) const {
  constexpr std::string_view kKey = "attention.sliding_window_pattern";
  const std::string full = fmt::format("{}.{}", architecture_, kKey);
  std::vector<bool> windowed(static_cast<size_t>(layers), true);
  const GgufEntry* const entry = file_->find(full);
  if (entry && entry->is_array) {
    require(entry->type == GgufType::boolean && entry->count == layers, kFormat,
            "key '{}' is an array of {} {}, where {} layers need a flag each", full, entry->count,
            name_of(entry->type), layers);
    for (size_t i = 0; i < windowed.size(); ++i) windowed[i] = entry->bytes[i] != 0;
    return windowed;
  }
  const auto n = static_cast<size_t>(count_or_zero(kKey, otherwise));
  if (n > 0)
    for (size_t i = n - 1; i < windowed.size(); i += n) windowed[i] = false;
  return windowed;
}

std::string ModelReader::text(std::string_view key, std::string_view otherwise) const {
  const std::string full = fmt::format("{}.{}", architecture_, key);
  if (!file_->has(full)) return std::string(otherwise);
  const auto value = file_->find_string(full);
  require(value.has_value(), kFormat, "key '{}' is no string", full);
  return std::string(*value);
}

bool ModelReader::has_key(std::string_view key) const {
  return file_->has(fmt::format("{}.{}", architecture_, key));
}

bool ModelReader::has_tensor(std::string_view name) const {
  return file_->find_tensor(name) != nullptr;
}

infer::KVTypes ModelReader::kv_types() const {
  if (options_.exact) return {DType::float32, DType::float32};
  if (options_.kv_dtype == DType::uint8 &&
      (has_tensor("blk.0.attn_k.bias") || has_tensor("blk.0.attn_qkv.bias")))
    return {DType::float16, DType::uint8};
  const auto& tensors = file_->tensors();
  const bool all_f32 = std::all_of(tensors.begin(), tensors.end(), [](const GgufTensor& tensor) {
    const QuantTraits* const traits = traits_from_ggml(tensor.type);
    return traits != nullptr && traits->format == QuantFormat::F32;
  });
  const DType both = options_.kv_dtype.value_or(all_f32 ? DType::float32 : DType::float16);
  return {both, both};
}

/// Counts and lengths; the tensors are compared with them one by one as they are read.
ModelConfig ModelReader::config() const {
  ModelConfig c;
  c.architecture = architecture_;
  c.name = file_->find_string("general.name").value_or("");
  c.context_length = count("context_length");
  c.embedding_length = count("embedding_length");
  c.block_count = count("block_count");
  require(c.block_count <= static_cast<int64_t>(file_->tensors().size()), kFormat,
          "key '{}.block_count' is {}, and the file has {} tensors", architecture_, c.block_count,
          file_->tensors().size());
  c.feed_forward_length = count_each("feed_forward_length", {}, c.block_count, c.feed_forward_lengths);
  require(count_or_zero("expert_count", 0) == 0, ErrorCode::kUnsupported,
          "it is a mixture of {} experts, which this build does not run", count_or_zero("expert_count", 0));

  c.head_count = count_each("attention.head_count", {}, c.block_count, c.head_counts);
  if (has_key("attention.head_count_kv"))
    c.head_count_kv = count_each("attention.head_count_kv", {}, c.block_count, c.head_counts_kv);
  else
    c.head_count_kv = c.head_count, c.head_counts_kv = c.head_counts;
  const bool layers_differ = !c.head_counts.empty() || !c.head_counts_kv.empty();
  for (int64_t i = 0; i < (layers_differ ? c.block_count : 1); ++i)
    require(c.heads_of(i) % c.heads_kv_of(i) == 0, kFormat, "{} query heads cannot share {} key heads evenly",
            c.heads_of(i), c.heads_kv_of(i));
  const bool stated = has_key("attention.key_length");
  require(stated || c.embedding_length % c.head_count == 0, kFormat,
          "{} heads do not divide the embedding length {}, and key '{}.attention.key_length' is missing",
          c.head_count, c.embedding_length, architecture_);
  c.key_length = count("attention.key_length", c.embedding_length / c.head_count);
  c.value_length = count("attention.value_length", c.key_length);
  c.norm_epsilon = real("attention.layer_norm_rms_epsilon", 1e-5f);
  require(c.norm_epsilon >= 0 && c.norm_epsilon < 1, kFormat,
          "key '{}.attention.layer_norm_rms_epsilon' is {}, outside 0 to 1", architecture_, c.norm_epsilon);

  c.rope_dims = count("rope.dimension_count", c.key_length);
  require(c.rope_dims <= c.key_length && c.rope_dims % 2 == 0, kFormat,
          "rope turns {} dimensions of heads of {}: it must be an even number of them", c.rope_dims,
          c.key_length);
  // Weights have a row for each, and tables of that length are made before the weights are looked at.
  require(c.rope_dims <= file_->bytes(), kFormat,
          "rope turns {} dimensions, more than {} bytes of tensors have", c.rope_dims, file_->bytes());
  c.rope_base = positive("rope.freq_base", 10000);
  c.sliding_window = count_or_zero("attention.sliding_window", 0);
  c.attention_scale = positive("attention.scale", 1 / std::sqrt(static_cast<float>(c.key_length)));

  const GgufTensor* const table = file_->find_tensor("token_embd.weight");
  require(table != nullptr && table->shape.size() == 2, kFormat,
          "has no tensor 'token_embd.weight' of two dimensions");
  c.vocab_size = table->shape[1];
  require(c.vocab_size <= kMost, kFormat, "tensor 'token_embd.weight' has {} rows, over {}", c.vocab_size,
          kMost);
  return c;
}

namespace {
std::string to_text(const std::vector<int64_t>& shape) {
  return to_string(Shape(shape.begin(), shape.end()));
}
}  // namespace

QuantizedMatrix ModelReader::matrix(const std::string& name, int64_t rows, int64_t cols) {
  const GgufTensor* const tensor = file_->find_tensor(name);
  require(tensor != nullptr, kFormat, "has no tensor '{}'", name);
  const std::vector<int64_t> wanted{cols, rows};
  require(std::equal(tensor->shape.begin(), tensor->shape.end(), wanted.begin(), wanted.end()), kFormat,
          "tensor '{}' has shape {}, the config wants {}", name, to_text(tensor->shape), to_text(wanted));
  const QuantTraits* const traits = traits_from_ggml(tensor->type);
  require(traits != nullptr, ErrorCode::kUnsupported,
          "tensor '{}' has type {}, which this build does not know", name, tensor->type_name());
  require(cols % traits->block == 0, kFormat,
          "tensor '{}' has rows of {}, no whole number of {} blocks of {}", name, cols, traits->name,
          traits->block);
  const int64_t bytes = row_bytes(traits->format, cols);
  require(static_cast<int64_t>(tensor->data.size()) == rows * bytes, kFormat,
          "tensor '{}' has {} bytes, its shape wants {}", name, tensor->data.size(), rows * bytes);
  taken_.insert(name);
  weight_bytes_ += rows * bytes;
  weight_count_ += rows * cols;
  const auto buffer = Buffer::view(tensor->data.data(), tensor->data.size(), file_);
  return {array::from_buffer(buffer, 0, {rows, bytes}, DType::uint8), traits->format, rows, cols};
}

array ModelReader::vector_of(const std::string& name, int64_t size) {
  const GgufTensor* const tensor = file_->find_tensor(name);
  require(tensor != nullptr, kFormat, "has no tensor '{}'", name);
  require(tensor->shape.size() == 1 && tensor->shape[0] == size, kFormat,
          "tensor '{}' has shape {}, the config wants ({},)", name, to_text(tensor->shape), size);
  const QuantTraits* const traits = traits_from_ggml(tensor->type);
  require(traits != nullptr && traits->block == 1, ErrorCode::kUnsupported,
          "tensor '{}' has type {}; F32, F16 or BF16 are known for vectors", name, tensor->type_name());
  const int64_t bytes = row_bytes(traits->format, size);
  require(static_cast<int64_t>(tensor->data.size()) == bytes, kFormat,
          "tensor '{}' has {} bytes, its shape wants {}", name, tensor->data.size(), bytes);
  taken_.insert(name);
  weight_bytes_ += bytes;
  const bool aligned = reinterpret_cast<uintptr_t>(tensor->data.data()) % alignof(float) == 0;
  if (traits->format == QuantFormat::F32 && aligned)
    return array::from_buffer(Buffer::view(tensor->data.data(), tensor->data.size(), file_), 0, {size},
                              DType::float32);
  std::vector<float> values(static_cast<size_t>(size));
  decode_reference(traits->format, tensor->data.data(), size, values.data());
  return array(std::span<const float>(values), {size});
}

infer::Linear ModelReader::linear(const std::string& name, int64_t rows, int64_t cols) {
  infer::Linear layer{.weight = matrix(name + ".weight", rows, cols), .exact = options_.exact};
  read_bias(name, layer);
  return layer;
}

void ModelReader::read_bias(const std::string& name, infer::Linear& layer) {
  if (has_tensor(name + ".bias")) layer.bias = vector_of(name + ".bias", layer.weight.rows);
}

std::vector<infer::Linear> ModelReader::stacked(const std::string& name, std::span<const int64_t> rows,
                                                int64_t cols) {
  const int64_t all_rows = std::accumulate(rows.begin(), rows.end(), int64_t{0});
  const infer::Linear all = linear(name, all_rows, cols);
  const GgufTensor& tensor = *file_->find_tensor(name + ".weight");
  const auto buffer = Buffer::view(tensor.data.data(), tensor.data.size(), file_);
  const int64_t bytes = row_bytes(all.weight.format, cols);
  const std::vector<float> bias = all.bias ? all.bias->to_vector<float>() : std::vector<float>();
  std::vector<infer::Linear> parts;
  int64_t begin = 0;
  for (const int64_t n : rows) {
    const array data = array::from_buffer(buffer, begin * bytes, {n, bytes}, DType::uint8);
    parts.push_back({.weight = {data, all.weight.format, n, cols}, .exact = all.exact});
    if (all.bias) parts.back().bias = array(std::span(bias).subspan(begin, n), {n});
    begin += n;
  }
  return parts;
}

infer::Embedding ModelReader::embedding(const std::string& name, int64_t rows, int64_t cols) {
  return {.weight = matrix(name + ".weight", rows, cols), .exact = options_.exact};
}

array ModelReader::vector(const std::string& name, int64_t size) {
  return vector_of(name + ".weight", size);
}

infer::RMSNorm ModelReader::norm(const std::string& name, int64_t size, float epsilon) {
  return {.weight = vector(name, size), .eps = epsilon};
}

void ModelReader::finish() const {
  for (const GgufTensor& tensor : file_->tensors())
    require(taken_.contains(std::string_view(tensor.name)), ErrorCode::kUnsupported,
            "tensor '{}' is none that a model of this architecture and size has", tensor.name);
}

}  // namespace uma
