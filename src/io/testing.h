#pragma once
// For tests and fuzz targets: files that hold whatever is asked for, and a GGUF writer that can lie.
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "io/gguf.h"

namespace uma::testing_files {

inline std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A folder of its own, gone with the object.
class Folder {
 public:
  Folder() {
    static std::atomic<int> next{0};
    path_ =
        (std::filesystem::temp_directory_path() / fmt::format("uma_test_{}_{}", getpid(), next++)).string();
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path(std::string_view name) const { return path_ + "/" + std::string(name); }
  std::string write(std::string_view name, std::string_view bytes) const {
    const std::string file = path(name);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
    return file;
  }
  size_t files() const {
    const auto all = std::filesystem::directory_iterator(path_);
    return static_cast<size_t>(std::distance(begin(all), end(all)));
  }

 private:
  std::string path_;
};

/// What the Error of `work` says, `folder` shortened to nothing; "" where there is none.
template <class Work>
std::string sentence_of(const Folder& folder, Work work) {
  try {
    work();
  } catch (const Error& e) {
    std::string text = e.what();
    const std::string prefix = folder.path("");
    for (size_t at; (at = text.find(prefix)) != std::string::npos;) text.erase(at, prefix.size());
    return text;
  }
  return "";
}

template <class T>
std::string bytes_of_value(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// Writes GGUF files. What it is given it writes, right or wrong; what is left out is right.
class GgufBuilder {
 public:
  struct Entry {
    std::string key;
    uint32_t type;
    std::string value;  // as the file has it; of an array: type, count, elements
  };
  struct Tensor {
    std::string name;
    std::vector<uint64_t> dims;
    uint32_t type = 0;
    std::string data = {};
    std::optional<uint64_t> offset = {};
    std::optional<uint32_t> stated_dims = {};
  };
  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t alignment = 32;
  std::optional<uint64_t> stated_tensors, stated_entries;
  std::vector<Entry> entries;
  std::vector<Tensor> tensors;

  static std::string string(std::string_view text) {
    return bytes_of_value<uint64_t>(text.size()) + std::string(text);
  }

  GgufBuilder& raw(std::string_view key, uint32_t type, std::string value) {
    for (Entry& entry : entries)
      if (entry.key == key) {
        entry = {std::string(key), type, std::move(value)};
        return *this;
      }
    entries.push_back({std::string(key), type, std::move(value)});
    return *this;
  }
  GgufBuilder& raw(std::string_view key, GgufType type, std::string value) {
    return raw(key, static_cast<uint32_t>(type), std::move(value));
  }
  template <class T>
  requires std::is_arithmetic_v<T> GgufBuilder& set(std::string_view key, T value) {
    return raw(key, type_of<T>(), bytes_of_value(value));
  }
  GgufBuilder& set(std::string_view key, std::string_view value) {
    return raw(key, GgufType::string, string(value));
  }
  GgufBuilder& set(std::string_view key, const char* value) { return set(key, std::string_view(value)); }
  GgufBuilder& set(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes;
    for (const std::string& value : values) bytes += string(value);
    return set_array(key, GgufType::string, values.size(), bytes);
  }
  template <class T>
  requires std::is_arithmetic_v<T> GgufBuilder& set(std::string_view key, const std::vector<T>& values) {
    std::string bytes;
    for (const T value : values) bytes += bytes_of_value(value);
    return set_array(key, type_of<T>(), values.size(), bytes);
  }
  GgufBuilder& set_array(std::string_view key, GgufType type, uint64_t count, std::string_view bytes) {
    return raw(key, GgufType::array,
               bytes_of_value(static_cast<uint32_t>(type)) + bytes_of_value(count) + std::string(bytes));
  }
  GgufBuilder& erase(std::string_view key) {
    std::erase_if(entries, [&](const Entry& entry) { return entry.key == key; });
    return *this;
  }
  GgufBuilder& add(Tensor tensor) {
    tensors.push_back(std::move(tensor));
    return *this;
  }
  Tensor& tensor(std::string_view name) {
    for (Tensor& t : tensors)
      if (t.name == name) return t;
    throw std::out_of_range(std::string(name));
  }

  /// What a valid file holds.
  static GgufBuilder from(const std::string& path) {
    const auto file = GgufFile::open(path);
    GgufBuilder builder;
    builder.version = file->version();
    builder.alignment = static_cast<uint64_t>(file->alignment());
    for (const GgufEntry& e : file->entries()) {
      const std::string value(e.bytes.begin(), e.bytes.end());
      if (e.is_array)
        builder.set_array(e.key, e.type, static_cast<uint64_t>(e.count), value);
      else
        builder.raw(e.key, e.type, value);
    }
    for (const GgufTensor& t : file->tensors())
      builder.add({std::string(t.name),
                   {t.shape.begin(), t.shape.end()},
                   t.type,
                   std::string(t.data.begin(), t.data.end())});
    return builder;
  }

  std::string bytes() const {
    std::string head = magic + bytes_of_value(version);
    head += bytes_of_value<uint64_t>(stated_tensors.value_or(tensors.size()));
    head += bytes_of_value<uint64_t>(stated_entries.value_or(entries.size()));
    for (const Entry& e : entries) head += string(e.key) + bytes_of_value(e.type) + e.value;
    std::string data;
    for (const Tensor& t : tensors) {
      data.resize((data.size() + alignment - 1) / alignment * alignment);
      head += string(t.name) +
              bytes_of_value<uint32_t>(t.stated_dims.value_or(static_cast<uint32_t>(t.dims.size())));
      for (const uint64_t extent : t.dims) head += bytes_of_value(extent);
      head += bytes_of_value(t.type) + bytes_of_value<uint64_t>(t.offset.value_or(data.size()));
      data += t.data;
    }
    if (!tensors.empty()) head.resize((head.size() + alignment - 1) / alignment * alignment);
    return head + data;
  }

 private:
  template <class T>
  static constexpr GgufType type_of() {
    if constexpr (std::is_same_v<T, bool>) return GgufType::boolean;
    if constexpr (std::is_same_v<T, float>) return GgufType::f32;
    if constexpr (std::is_same_v<T, double>) return GgufType::f64;
    constexpr GgufType kUnsigned[] = {GgufType::u8, GgufType::u16, GgufType::u32, GgufType::u64};
    constexpr GgufType kSigned[] = {GgufType::i8, GgufType::i16, GgufType::i32, GgufType::i64};
    constexpr int kWidth = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return std::is_signed_v<T> ? kSigned[kWidth] : kUnsigned[kWidth];
  }
};

}  // namespace uma::testing_files
