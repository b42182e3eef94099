#include "io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/utf8.h"
#include "core/kernel.h"
#include "io/file_writer.h"
#include "io/mapped_array.h"
#include "io/safetensors_header.h"

namespace uma {
namespace {

static_assert(std::endian::native == std::endian::little, "values are read as they lie in the file");

constexpr auto kFormat = ErrorCode::kFormat;
constexpr size_t kLengthBytes = 8;
// The format's own limit: what its reference implementation takes.
constexpr uint64_t kMaxHeader = 100'000'000;

struct TypeRow {
  std::string_view name;
  int64_t bits;
  std::optional<DType> dtype;
};
constexpr TypeRow kTypes[] = {
    {"BOOL", 8, DType::bool_},
    {"U8", 8, DType::uint8},
    {"I8", 8, DType::int8},
    {"U16", 16, DType::uint16},
    {"I16", 16, DType::int16},
    {"F16", 16, DType::float16},
    {"BF16", 16, DType::bfloat16},
    {"U32", 32, DType::uint32},
    {"I32", 32, DType::int32},
    {"F32", 32, DType::float32},
    {"U64", 64, DType::uint64},
    {"I64", 64, DType::int64},
    {"F64", 64, DType::float64},
    {"C64", 64, DType::complex64},
    {"F8_E4M3", 8, {}},
    {"F8_E5M2", 8, {}},
    {"F8_E8M0", 8, {}},
    {"F8_E4M3FNUZ", 8, {}},
    {"F8_E5M2FNUZ", 8, {}},
    {"F6_E2M3", 6, {}},
    {"F6_E3M2", 6, {}},
    {"F4", 4, {}},
};

const TypeRow* find_type(std::string_view name) {
  for (const TypeRow& row : kTypes)
    if (row.name == name) return &row;
  return nullptr;
}

/// The tensor that an entry describes, checked against the bytes of the data section.
SafetensorsTensor checked(SafetensorsHeader::Tensor&& entry, std::span<const uint8_t> data,
                          const std::string& path) {
  const std::string name = shown(entry.name);
  const TypeRow* const type = find_type(entry.dtype);
  check(type != nullptr, kFormat, "safetensors", "{}: tensor '{}' has the unknown dtype '{}'", path, name,
        shown(entry.dtype));
  const auto bits = bits_of(entry.shape, type->bits);
  check(bits.has_value(), kFormat, "safetensors",
        "{}: tensor '{}' of shape {} has more bits than 63 bits can count", path, name, entry.shape);
  check(*bits % 8 == 0, kFormat, "safetensors", "{}: tensor '{}' of shape {} fills no whole bytes as {}",
        path, name, entry.shape, type->name);
  check(entry.begin <= entry.end, kFormat, "safetensors",
        "{}: tensor '{}' ends at {}, before its begin at {}", path, name, entry.end, entry.begin);
  check(entry.end <= data.size(), kFormat, "safetensors",
        "{}: tensor '{}' ends at byte {} of the data, which has {}", path, name, entry.end, data.size());
  check(static_cast<uint64_t>(*bits / 8) == entry.end - entry.begin, kFormat, "safetensors",
        "{}: tensor '{}' of shape {} and dtype {} needs {} bytes, its offsets give {}", path, name,
        entry.shape, type->name, *bits / 8, entry.end - entry.begin);
  return {std::move(entry.name), type->name, type->dtype, std::move(entry.shape),
          data.subspan(entry.begin, entry.end - entry.begin)};
}

/// Tensors cover the data section, each byte once. They are sorted by where they lie.
void check_cover(std::span<const SafetensorsTensor> tensors, std::span<const uint8_t> data,
                 const std::string& path) {
  const uint8_t* at = data.data();
  for (const SafetensorsTensor& tensor : tensors) {
    const uint8_t* const begin = tensor.data.data();
    check(begin >= at, kFormat, "safetensors", "{}: tensor '{}' overlaps the one before it", path,
          shown(tensor.name));
    check(begin <= at, kFormat, "safetensors", "{}: {} bytes before tensor '{}' belong to no tensor", path,
          begin - at, shown(tensor.name));
    at = begin + tensor.data.size();
  }
  check(at == data.data() + data.size(), kFormat, "safetensors",
        "{}: the last {} bytes of the file belong to no tensor", path, data.data() + data.size() - at);
}

}  // namespace

void SafetensorsFile::add_file(const std::string& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  check(bytes.size() >= kLengthBytes, kFormat, "safetensors",
        "{}: the file has {} bytes, too few for the length of a header", path, bytes.size());
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  check(length <= kMaxHeader, kFormat, "safetensors", "{}: a header of {} bytes is stated, over {}", path,
        length, kMaxHeader);
  check(length <= bytes.size() - kLengthBytes, kFormat, "safetensors",
        "{}: a header of {} bytes is stated, and the file has {} after its length", path, length,
        bytes.size() - kLengthBytes);
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
  check(json.starts_with('{'), kFormat, "safetensors", "{}: the header does not begin with '{{'", path);
  SafetensorsHeader header = parse_safetensors_header(json, path);
  const auto data = bytes.subspan(kLengthBytes + length);
  const size_t first = tensors_.size();
  for (SafetensorsHeader::Tensor& entry : header.tensors) {
    tensors_.push_back(checked(std::move(entry), data, path));
    tensors_.back().file = files_.size();
  }
  // An empty tensor shares its place with the one behind it.
  std::sort(tensors_.begin() + static_cast<std::ptrdiff_t>(first), tensors_.end(),
            [](const auto& a, const auto& b) {
              return a.data.data() != b.data.data() ? a.data.data() < b.data.data()
                                                    : a.data.size() < b.data.size();
            });
  check_cover(std::span(tensors_).subspan(first), data, path);
  if (files_.empty()) metadata_ = std::move(header.metadata);
  bytes_ += static_cast<int64_t>(bytes.size());
  files_.push_back(file);
  file->check();
}

void SafetensorsFile::add_shards(const std::string& index_path) {
  const auto index = MappedFile::open(index_path);
  const auto bytes = index->bytes();
  check(bytes.size() <= kMaxHeader, kFormat, "safetensors", "{}: an index of {} bytes is over {}", index_path,
        bytes.size(), kMaxHeader);
  const auto map =
      parse_safetensors_index({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, index_path);
  index->check();
  std::set<std::string_view> names;
  for (const auto& [tensor, file] : map) {
    check(!file.empty() && file != "." && file != ".." &&
              file.find_first_of(std::string_view("/\\\0", 3)) == file.npos,
          kFormat, "safetensors", "{}: tensor '{}' is in '{}', which is no file beside the index", index_path,
          shown(tensor), shown(file));
    names.insert(file);
  }
  const std::string folder = index_path.substr(0, index_path.rfind('/') + 1);
  for (const std::string_view name : names) {
    const size_t first = tensors_.size();
    add_file(folder + std::string(name));
    for (const SafetensorsTensor& tensor : std::span(tensors_).subspan(first)) {
      const auto it = map.find(tensor.name);
      check(it != map.end() && it->second == name, kFormat, "safetensors",
            "{}: tensor '{}' is in '{}', and the index does not say so", index_path, shown(tensor.name),
            shown(name));
    }
  }
  // Each tensor of a shard is in the index, in that shard only: what is missing is in no shard.
  check(tensors_.size() == map.size(), kFormat, "safetensors",
        "{}: the index names {} tensors, the files hold {}", index_path, map.size(), tensors_.size());
}

std::shared_ptr<const SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  std::shared_ptr<SafetensorsFile> file(new SafetensorsFile);
  file->path_ = path;
  path.ends_with(".index.json") ? file->add_shards(path) : file->add_file(path);
  file->by_name_.reserve(file->tensors_.size());
  for (size_t i = 0; i < file->tensors_.size(); ++i) file->by_name_.emplace(file->tensors_[i].name, i);
  return file;
}

const SafetensorsTensor* SafetensorsFile::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

array SafetensorsFile::load(std::string_view name) const {
  const SafetensorsTensor* const tensor = find(name);
  check(tensor != nullptr, ErrorCode::kNotFound, "safetensors", "{}: has no tensor '{}'", path_, shown(name));
  const auto& file = files_[tensor->file];
  check(tensor->dtype.has_value(), ErrorCode::kUnsupported, "safetensors",
        "{}: tensor '{}' has dtype {}, which arrays do not have", file->path(), shown(name),
        tensor->type_name);
  return mapped_array(file, tensor->data, tensor->shape, *tensor->dtype, "safetensors",
                      fmt::format("tensor '{}'", shown(name)));
}

void write_safetensors(const std::string& path, std::span<const std::pair<std::string, array>> tensors,
                       const std::map<std::string, std::string, std::less<>>& metadata) {
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  std::vector<const std::pair<std::string, array>*> order;
  std::set<std::string_view> names;
  for (const auto& tensor : tensors) {
    check(tensor.first != "__metadata__" && is_utf8(tensor.first), kBad, "safetensors",
          "'{}' cannot be the name of a tensor", shown(tensor.first));
    check(names.insert(tensor.first).second, kBad, "safetensors", "two tensors have the name '{}'",
          shown(tensor.first));
    order.push_back(&tensor);
  }
  for (const auto& [key, value] : metadata)
    check(is_utf8(key) && is_utf8(value), kBad, "safetensors", "the metadata '{}' are not UTF-8", shown(key));
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    const int64_t x = size_of(a->second.dtype()), y = size_of(b->second.dtype());
    return x != y ? x > y : a->first < b->first;
  });

  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t at = 0;
  for (const auto* const tensor : order) {
    const array& a = tensor->second;
    const auto* const row = std::find_if(std::begin(kTypes), std::end(kTypes),
                                         [&](const TypeRow& r) { return r.dtype == a.dtype(); });
    header[tensor->first] = {{"dtype", row->name},
                             {"shape", std::vector<int64_t>(a.shape().begin(), a.shape().end())},
                             {"data_offsets", {at, at + a.nbytes()}}};
    at += a.nbytes();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // so that the data are aligned
  check(text.size() <= kMaxHeader, ErrorCode::kLimit, "safetensors", "{}: a header of {} bytes is over {}",
        path, text.size(), kMaxHeader);

  FileWriter file(path);
  const uint64_t length = text.size();
  file.write(std::string_view(reinterpret_cast<const char*>(&length), kLengthBytes));
  file.write(text);
  for (const auto* const tensor : order) {
    tensor->second.eval();
    const array values = row_contiguous(tensor->second);
    file.write({values.bytes(), static_cast<size_t>(values.nbytes())});
  }
  file.commit();
}

}  // namespace uma
