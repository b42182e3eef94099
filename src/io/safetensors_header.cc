#include "io/safetensors_header.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"

namespace uma {
namespace {

using Json = nlohmann::json;
constexpr auto kFormat = ErrorCode::kFormat;
constexpr size_t kMaxDims = 32;

/// A SAX handler that refuses whatever its subclass does not expect. The parser keeps its own stack, a bit a
/// level, and hands over one value at a time: nothing here recurses.
class StrictReader : public nlohmann::json_sax<Json> {
 public:
  explicit StrictReader(const std::string& path) : path_(path) {}

  void read(std::string_view text) {
    // The parser takes a NUL byte for the end of its input.
    const size_t zero = text.find('\0');
    require(zero == text.npos, "the header has a NUL byte at {}", zero);
    Json::sax_parse(text.begin(), text.end(), this);
  }

  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("a bool"); }
  bool number_integer(number_integer_t value) override { return refuse(fmt::format("{}", value)); }
  bool number_unsigned(number_unsigned_t value) override { return refuse(fmt::format("{}", value)); }
  bool number_float(number_float_t, const string_t& text) override { return refuse(shown(text)); }
  bool string(string_t& text) override { return refuse(fmt::format("'{}'", shown(text))); }
  bool binary(binary_t&) override { return refuse("bytes"); }
  bool start_object(size_t) override { return refuse("an object"); }
  bool start_array(size_t) override { return refuse("an array"); }
  bool end_array() override { return true; }
  bool parse_error(size_t at, const std::string&, const nlohmann::detail::exception&) override {
    fail(kFormat, "safetensors", "{}: the header is no JSON in UTF-8 from byte {} on", path_, at);
  }

 protected:
  template <class... Args>
  void require(bool ok, fmt::format_string<Args...> format, Args&&... args) const {
    if (!ok) [[unlikely]]
      throw Error(kFormat, "safetensors", path_ + ": " + fmt::format(format, std::forward<Args>(args)...));
  }
  virtual std::string place() const = 0;
  bool refuse(std::string_view value) const {
    require(false, "{} is not expected {}", value, place());
    return false;
  }
  const std::string& path_;
};

class HeaderReader final : public StrictReader {
 public:
  using StrictReader::StrictReader;
  SafetensorsHeader header;

  bool null() override {
    // What MLX writes of a file without metadata.
    if (at_ == At::name && name_ == "__metadata__") return go(At::names);
    return refuse("null");
  }
  bool start_object(size_t) override {
    if (at_ == At::start) return go(At::names);
    if (at_ == At::name) return go(name_ == "__metadata__" ? At::metadata : At::fields);
    return refuse("an object");
  }
  bool key(string_t& key) override {
    if (at_ == At::names) {
      name_ = key;
      require(names_.emplace(key, true).second, "tensor '{}' comes twice", shown(key));
      if (key != "__metadata__") {
        header.tensors.emplace_back().name = key;
        seen_ = 0;
      }
      return go(At::name);
    }
    if (at_ == At::metadata) {
      name_ = key;
      require(!header.metadata.contains(key), "the metadata '{}' come twice", shown(key));
      return go(At::metadata_value);
    }
    static constexpr std::string_view kFields[] = {"dtype", "shape", "data_offsets"};
    static constexpr At kStates[] = {At::dtype, At::shape, At::offsets};
    for (size_t i = 0; i < std::size(kFields); ++i) {
      if (key != kFields[i]) continue;
      require(!(seen_ >> i & 1), "tensor '{}' has '{}' twice", shown(name_), key);
      seen_ |= 1u << i;
      offsets_ = 0;
      return go(kStates[i]);
    }
    require(false, "tensor '{}' has the unknown field '{}'", shown(name_), shown(key));
    return false;
  }
  bool string(string_t& text) override {
    if (at_ == At::dtype) {
      header.tensors.back().dtype = text;
      return go(At::fields);
    }
    if (at_ != At::metadata_value) return StrictReader::string(text);
    header.metadata.emplace(name_, text);
    return go(At::metadata);
  }
  bool start_array(size_t) override {
    if (at_ == At::shape) return go(At::extents);
    if (at_ == At::offsets) return go(At::offset);
    return refuse("an array");
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (at_ == At::extents) {
      Shape& shape = header.tensors.back().shape;
      require(shape.size() < kMaxDims, "tensor '{}' has more than {} dimensions", shown(name_), kMaxDims);
      require(value <= static_cast<uint64_t>(INT64_MAX), "tensor '{}' has the extent {}", shown(name_),
              value);
      shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (at_ != At::offset) return StrictReader::number_unsigned(value);
    require(offsets_ < 2, "tensor '{}' has more than two offsets", shown(name_));
    (offsets_++ == 0 ? header.tensors.back().begin : header.tensors.back().end) = value;
    return true;
  }
  bool end_array() override {
    require(at_ != At::offset || offsets_ == 2, "tensor '{}' has {} offsets, not two", shown(name_),
            offsets_);
    return go(At::fields);
  }
  bool end_object() override {
    if (at_ == At::names) return go(At::end);
    require(at_ == At::metadata || seen_ == 7, "tensor '{}' lacks its dtype, shape or data_offsets",
            shown(name_));
    return go(At::names);
  }

 private:
  enum class At {
    start,
    names,
    name,
    metadata,
    metadata_value,
    fields,
    dtype,
    shape,
    extents,
    offsets,
    offset,
    end,
  };
  bool go(At at) {
    at_ = at;
    return true;
  }
  std::string place() const override {
    if (at_ == At::start) return "where the header begins";
    if (at_ == At::metadata_value) return fmt::format("as the metadata '{}'", shown(name_));
    if (at_ == At::name) return fmt::format("as tensor '{}'", shown(name_));
    const std::string_view field = at_ == At::dtype                          ? "dtype"
                                   : at_ == At::shape || at_ == At::extents  ? "shape"
                                   : at_ == At::offsets || at_ == At::offset ? "data_offsets"
                                                                             : "a field";
    return fmt::format("in {} of tensor '{}'", field, shown(name_));
  }

  At at_ = At::start;
  std::string name_;  // of the tensor or the metadata being read
  unsigned seen_ = 0, offsets_ = 0;
  std::map<std::string, bool, std::less<>> names_;
};

class IndexReader final : public StrictReader {
 public:
  using StrictReader::StrictReader;
  std::map<std::string, std::string, std::less<>> files;
  bool found = false;

  bool start_object(size_t) override { return open(); }
  bool start_array(size_t) override { return depth_ == 0 || in_map() ? refuse("an array") : open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& key) override {
    if (depth_ == 1) {
      require(key != "weight_map" || !found, "'weight_map' comes twice");
      found |= key == "weight_map";
      mapped_ = key == "weight_map";
    }
    key_ = key;
    return true;
  }
  bool string(string_t& text) override {
    if (!in_map()) return scalar("a string");
    require(files.emplace(key_, text).second, "tensor '{}' comes twice", shown(key_));
    return true;
  }
  bool null() override { return scalar("null"); }
  bool boolean(bool) override { return scalar("a bool"); }
  bool number_integer(number_integer_t) override { return scalar("a number"); }
  bool number_unsigned(number_unsigned_t) override { return scalar("a number"); }
  bool number_float(number_float_t, const string_t&) override { return scalar("a number"); }

 private:
  static constexpr int kMaxDepth = 16;
  bool in_map() const { return mapped_ && depth_ >= 1; }
  bool open() {
    require(!(mapped_ && depth_ == 2), "tensor '{}' has no file's name", shown(key_));
    require(++depth_ <= kMaxDepth, "the index is nested deeper than {} levels", kMaxDepth);
    return true;
  }
  bool close() {
    --depth_;
    return true;
  }
  bool scalar(std::string_view what) const { return depth_ == 0 || in_map() ? refuse(what) : true; }
  std::string place() const override {
    return depth_ == 0 ? "where the index begins" : fmt::format("as the file of '{}'", shown(key_));
  }

  int depth_ = 0;
  bool mapped_ = false;  // within "weight_map"
  std::string key_;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& path) {
  HeaderReader reader(path);
  reader.read(json);
  return std::move(reader.header);
}

std::map<std::string, std::string, std::less<>> parse_safetensors_index(std::string_view json,
                                                                        const std::string& path) {
  IndexReader reader(path);
  reader.read(json);
  check(reader.found, kFormat, "safetensors", "{}: the index has no 'weight_map'", path);
  return std::move(reader.files);
}

}  // namespace uma
