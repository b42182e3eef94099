#pragma once
// GGUF files, versions 2 and 3, little-endian. Everything that a file says of itself is checked when it is
// opened: lengths against the bytes that are left, types against the known ones, offsets against alignment,
// end of file and each other. After that nothing has to be believed any more. No memory is taken on a file's
// word: what is kept is a few bytes an entry that the file really has.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/mapped_file.h"
#include "core/quant_format.h"

namespace uma {

enum class GgufType : uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64,
};
/// "u8", "string", ...
std::string_view name_of(GgufType type);

/// A tensor type that GGUF files name, also those that this build cannot compute with.
struct GgmlType {
  uint32_t id;
  std::string_view name;
  int64_t block, block_bytes;
};
/// nullptr for a number that no known version of the format has.
const GgmlType* ggml_type(uint32_t id);

struct GgufTensor {
  std::string_view name;
  std::vector<int64_t> shape;  // in the file's order: the fastest axis first, so a matrix is (cols, rows)
  uint32_t type = 0;           // ggml's number; traits_from_ggml() says whether we can compute with it
  int64_t offset = 0;          // in the data section
  std::span<const uint8_t> data;

  std::string_view type_name() const { return ggml_type(type)->name; }
};

/// One metadata entry. Values stay in the file.
struct GgufEntry {
  std::string_view key;
  GgufType type;  // of the value, or of the elements of an array
  bool is_array = false;
  int64_t count = 1;               // elements
  std::span<const uint8_t> bytes;  // the value or the elements, as the file has them
};

class GgufFile {
 public:
  /// Maps and checks the file. Throws Io or NotFound (cannot be opened), Format (breaks the format: the
  /// sentence names file, place and rule), Unsupported (version 1, big-endian, a shard of a split file that
  /// is not complete).
  static std::shared_ptr<const GgufFile> open(const std::string& path);

  const std::string& path() const { return path_; }
  uint32_t version() const { return version_; }
  int64_t alignment() const { return alignment_; }
  int64_t bytes() const { return bytes_; }

  /// Metadata in the file's order.
  std::span<const GgufEntry> entries() const { return entries_; }
  bool has(std::string_view key) const { return find(key) != nullptr; }
  const GgufEntry* find(std::string_view key) const;

  /// Values; nothing where the key is missing or its value is of another kind. Any integer type will do for
  /// an integer that fits, either float type for a float.
  std::optional<uint64_t> find_uint(std::string_view key) const;
  std::optional<int64_t> find_int(std::string_view key) const;
  std::optional<double> find_float(std::string_view key) const;
  std::optional<bool> find_bool(std::string_view key) const;
  std::optional<std::string_view> find_string(std::string_view key) const;
  /// Arrays. Strings are views of the file; numbers are copied, since files need not align them. Strings
  /// throw Io where somebody rewrote the file since it was opened and their lengths lead out of it.
  std::optional<std::vector<std::string_view>> find_strings(std::string_view key) const;
  std::optional<std::vector<float>> find_floats(std::string_view key) const;
  std::optional<std::vector<int32_t>> find_ints(std::string_view key) const;

  /// A value as text, for people: at most `limit` elements of an array.
  std::string to_text(const GgufEntry& entry, int64_t limit = 8) const;

  std::span<const GgufTensor> tensors() const { return tensors_; }
  const GgufTensor* find_tensor(std::string_view name) const;

  /// Throws Io if a file was found shorter than it was when opened: what was read since may be zeros.
  void check_intact() const;

 private:
  GgufFile() = default;
  void parse(const MappedFile& file);
  void parse_intact(const MappedFile& file);
  void add_shard(const std::string& path, int64_t number, int64_t shards);

  std::string path_;
  std::vector<std::shared_ptr<const MappedFile>> files_;  // keep what the views point to
  uint32_t version_ = 0;
  int64_t alignment_ = 32, bytes_ = 0;
  std::vector<GgufEntry> entries_;
  std::unordered_map<std::string_view, size_t> by_key_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, size_t> by_name_;
};

}  // namespace uma
