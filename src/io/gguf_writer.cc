#include "io/gguf_writer.h"

#include <algorithm>
#include <bit>
#include <set>
#include <string_view>

#include "base/utf8.h"
#include "core/kernel.h"
#include "io/file_writer.h"
#include "io/gguf.h"

namespace uma {
namespace {

constexpr auto kBad = ErrorCode::kInvalidArgument;
constexpr std::string_view kName = "save_gguf";
constexpr uint32_t kVersion = 3;
constexpr int64_t kAlignment = 32;
// What readers allow, ours among them.
constexpr size_t kMaxTensorName = 64, kMaxKey = 65535, kMaxDims = 4;

struct TensorRow {
  DType dtype;
  uint32_t type;  // ggml's number
};
constexpr TensorRow kTensors[] = {
    {DType::float32, 0}, {DType::float16, 1}, {DType::int8, 24}, {DType::int16, 25}, {DType::int32, 26}};

struct ValueRow {
  DType dtype;
  GgufType type;
};
constexpr ValueRow kValues[] = {{DType::uint8, GgufType::u8},    {DType::int8, GgufType::i8},
                                {DType::uint16, GgufType::u16},  {DType::int16, GgufType::i16},
                                {DType::uint32, GgufType::u32},  {DType::int32, GgufType::i32},
                                {DType::uint64, GgufType::u64},  {DType::int64, GgufType::i64},
                                {DType::float32, GgufType::f32}, {DType::bool_, GgufType::boolean}};

template <size_t N, class Row>
const Row* find_row(const Row (&rows)[N], DType dtype) {
  const Row* row = std::find_if(rows, rows + N, [&](const Row& r) { return r.dtype == dtype; });
  return row == rows + N ? nullptr : row;
}

/// The head of the file as it grows.
class Head {
 public:
  template <class T>
  Head& number(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Head& type(GgufType type) { return number(static_cast<uint32_t>(type)); }
  Head& string(std::string_view text) {
    number(static_cast<uint64_t>(text.size()));
    text_ += text;
    return *this;
  }
  Head& bytes(const array& a) {
    const array values = row_contiguous(a);
    text_.append(reinterpret_cast<const char*>(values.bytes()), static_cast<size_t>(values.nbytes()));
    return *this;
  }
  std::string& text() { return text_; }

 private:
  std::string text_;
};

void put_value(Head& head, const std::string& key, const array& a) {
  const ValueRow* row = find_row(kValues, a.dtype());
  check(row != nullptr, ErrorCode::kDType, kName,
        "the metadata '{}' are {}; they can be bool, float32 or an integer dtype", shown(key),
        name_of(a.dtype()));
  check(a.ndim() <= 1 && a.size() > 0, ErrorCode::kUnsupported, kName,
        "the metadata '{}' have shape {}; they can be one value or a list of one or more", shown(key),
        a.shape());
  a.eval();
  if (a.ndim() == 1) head.type(GgufType::array);
  head.type(row->type);
  if (a.ndim() == 1) head.number(static_cast<uint64_t>(a.size()));
  head.bytes(a);
}

void put_value(Head& head, const std::string& key, const std::string& text) {
  check(is_utf8(text), kBad, kName, "the metadata '{}' are not UTF-8", shown(key));
  head.type(GgufType::string).string(text);
}

void put_value(Head& head, const std::string& key, const std::vector<std::string>& texts) {
  head.type(GgufType::array).type(GgufType::string).number(static_cast<uint64_t>(texts.size()));
  for (const std::string& text : texts) {
    check(is_utf8(text), kBad, kName, "the metadata '{}' are not UTF-8", shown(key));
    head.string(text);
  }
}

int64_t alignment_of(std::span<const std::pair<std::string, GgufValue>> metadata) {
  for (const auto& [key, value] : metadata) {
    if (key != "general.alignment") continue;
    const array* a = std::get_if<array>(&value);
    check(a && a->ndim() == 0 && a->dtype() == DType::uint32, kBad, kName,
          "general.alignment must be one uint32");
    const auto alignment = a->item<uint32_t>();
    check(std::has_single_bit(alignment) && alignment >= 8 && alignment <= 1 << 20, kBad, kName,
          "general.alignment must be a power of two from 8 to 1048576, not {}", alignment);
    return alignment;
  }
  return kAlignment;
}

int64_t padded(int64_t at, int64_t alignment) {
  return (at + alignment - 1) / alignment * alignment;
}

void put_tensor(Head& head, const std::string& name, const array& a, int64_t offset) {
  check(!name.empty() && name.size() <= kMaxTensorName && is_utf8(name), kBad, kName,
        "'{}' cannot be the name of a tensor: the format has UTF-8 of 1 to {} bytes", shown(name),
        kMaxTensorName);
  const TensorRow* row = find_row(kTensors, a.dtype());
  check(row != nullptr, ErrorCode::kUnsupported, kName,
        "'{}' is {}; tensors can be float32, float16, int8, int16 or int32", shown(name), name_of(a.dtype()));
  check(a.ndim() >= 1 && a.ndim() <= kMaxDims && a.size() > 0, ErrorCode::kUnsupported, kName,
        "'{}' has shape {}; tensors have 1 to {} dimensions and no extent 0", shown(name), a.shape(),
        kMaxDims);
  head.string(name).number(static_cast<uint32_t>(a.ndim()));
  for (size_t i = a.ndim(); i-- > 0;) head.number(a.shape()[i]);
  head.number(row->type).number(static_cast<uint64_t>(offset));
}

void check_keys(std::span<const std::pair<std::string, GgufValue>> metadata) {
  std::set<std::string_view> keys;
  for (const auto& entry : metadata) {
    check(!entry.first.empty() && entry.first.size() <= kMaxKey && is_utf8(entry.first), kBad, kName,
          "'{}' cannot be a key: the format has UTF-8 of 1 to {} bytes", shown(entry.first), kMaxKey);
    check(keys.insert(entry.first).second, kBad, kName, "the key '{}' comes twice", shown(entry.first));
  }
}

}  // namespace

void write_gguf(const std::string& path, std::span<const std::pair<std::string, array>> tensors,
                std::span<const std::pair<std::string, GgufValue>> metadata) {
  check_keys(metadata);
  const int64_t alignment = alignment_of(metadata);
  Head head;
  head.text() = "GGUF";
  head.number(kVersion).number(static_cast<uint64_t>(tensors.size()));
  head.number(static_cast<uint64_t>(metadata.size()));
  for (const auto& entry : metadata) {
    head.string(entry.first);
    std::visit([&](const auto& value) { put_value(head, entry.first, value); }, entry.second);
  }
  std::set<std::string_view> names;
  int64_t at = 0;
  for (const auto& [name, a] : tensors) {
    check(names.insert(name).second, kBad, kName, "two tensors have the name '{}'", shown(name));
    put_tensor(head, name, a, at);
    at = padded(at + a.nbytes(), alignment);
  }
  head.text().resize(static_cast<size_t>(padded(static_cast<int64_t>(head.text().size()), alignment)));

  FileWriter file(path);
  file.write(head.text());
  for (const auto& tensor : tensors) {
    tensor.second.eval();
    const array values = row_contiguous(tensor.second);
    file.write({values.bytes(), static_cast<size_t>(values.nbytes())});
    file.write(std::string(static_cast<size_t>(padded(values.nbytes(), alignment) - values.nbytes()), '\0'));
  }
  file.commit();
}

}  // namespace uma
