#pragma once
// safetensors files: a length, a JSON header that says where each tensor lies, the tensors. As with GGUF,
// everything that the header says is checked when the file is opened, against the file and against itself.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/array.h"
#include "core/mapped_file.h"

namespace uma {

struct SafetensorsTensor {
  std::string name;
  std::string_view type_name;  // as the format spells it: "BF16", "F8_E4M3"
  std::optional<DType> dtype;  // none: a kind that arrays do not have (F8, F6 and F4 of any sort)
  Shape shape;
  std::span<const uint8_t> data;
  size_t file = 0;  // which of the shards
};

class SafetensorsFile {
 public:
  /// Maps and checks a .safetensors file, or all files that a *.safetensors.index.json names. Throws Io or
  /// NotFound (cannot be opened), Format (breaks the format: the sentence names file, place and rule).
  static std::shared_ptr<const SafetensorsFile> open(const std::string& path);

  const std::string& path() const { return path_; }
  /// Of all files together.
  int64_t bytes() const { return bytes_; }
  /// __metadata__ of the file; of shards, the first one's.
  const std::map<std::string, std::string, std::less<>>& metadata() const { return metadata_; }
  /// In the order in which they lie in the file.
  std::span<const SafetensorsTensor> tensors() const { return tensors_; }
  const SafetensorsTensor* find(std::string_view name) const;

  /// A view of the mapped file; a copy only where the file does not align it. Throws NotFound, Unsupported (a
  /// dtype that arrays do not have), Format (a bool that is neither 0 nor 1).
  array load(std::string_view name) const;

 private:
  SafetensorsFile() = default;
  void add_file(const std::string& path);
  void add_shards(const std::string& index_path);

  std::string path_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
  int64_t bytes_ = 0;
  std::map<std::string, std::string, std::less<>> metadata_;
  std::vector<SafetensorsTensor> tensors_;
  std::unordered_map<std::string_view, size_t>
      by_name_;  // views of what tensors_ holds, made once it is whole
};

/// Writes arrays and metadata, the widest dtypes first so that each tensor is aligned. The file appears whole
/// or not at all. Throws Io; InvalidArgument for a name that comes twice, is "__metadata__" or is not UTF-8.
void write_safetensors(const std::string& path, std::span<const std::pair<std::string, array>> tensors,
                       const std::map<std::string, std::string, std::less<>>& metadata = {});

}  // namespace uma
