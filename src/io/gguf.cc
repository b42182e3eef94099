#include "io/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/shape.h"
#include "base/utf8.h"

namespace uma {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF values are read as they lie in the file");

constexpr GgmlType kGgmlTypes[] = {
    {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},      {3, "Q4_1", 32, 20},
    {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},      {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},   {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},   {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},        {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},
    {40, "NVFP4", 64, 36},    {41, "Q1_0", 128, 18},
};

struct TypeRow {
  std::string_view name;
  int64_t bytes;  // 0: strings and arrays have no fixed size
};
constexpr TypeRow kTypes[] = {{"u8", 1},  {"i8", 1},  {"u16", 2},  {"i16", 2},    {"u32", 4},
                              {"i32", 4}, {"f32", 4}, {"bool", 1}, {"string", 0}, {"array", 0},
                              {"u64", 8}, {"i64", 8}, {"f64", 8}};

// The format says 64 bytes for tensor names and 65535 for keys.
constexpr uint64_t kMaxTensorName = 64;
constexpr uint64_t kMaxKey = 65535;
// The format wants a multiple of 8, which also aligns every number in a tensor.
constexpr int64_t kMinAlignment = 8;
constexpr int64_t kMaxAlignment = int64_t{1} << 20;
constexpr int64_t kMaxDims = 4;

// Reads forward and never past the end.
class Cursor {
 public:
  Cursor(std::span<const uint8_t> bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  size_t at() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }

  std::span<const uint8_t> take(uint64_t n, std::string_view what) {
    check(n <= left(), ErrorCode::kFormat, "gguf", "{}: {} at byte {} needs {} bytes, the file has {} left",
          path_, what, at_, n, left());
    const auto part = bytes_.subspan(at_, n);
    at_ += n;
    return part;
  }
  template <class T>
  T read(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }
  std::string_view string(std::string_view what) {
    const auto length = read<uint64_t>(what);
    const auto bytes = take(length, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::span<const uint8_t> bytes_;
  const std::string& path_;
  size_t at_ = 0;
};

template <class T>
T load(const uint8_t* data) {
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

GgufType checked_type(uint32_t id, std::string_view key, const std::string& path) {
  check(id < std::size(kTypes), ErrorCode::kFormat, "gguf", "{}: key '{}' has the unknown value type {}",
        path, shown(key), id);
  return static_cast<GgufType>(id);
}

void check_bools(std::span<const uint8_t> bytes, std::string_view key, const std::string& path) {
  for (const uint8_t b : bytes)
    check(b <= 1, ErrorCode::kFormat, "gguf", "{}: key '{}' holds the bool {}, which is neither 0 nor 1",
          path, shown(key), b);
}

GgufEntry read_entry(Cursor& cursor, const std::string& path) {
  const std::string_view key = cursor.string("a key");
  check(!key.empty() && key.size() <= kMaxKey && is_utf8(key), ErrorCode::kFormat, "gguf",
        "{}: the key before byte {} is empty, too long or not UTF-8", path, cursor.at());
  GgufEntry entry{key, checked_type(cursor.read<uint32_t>("a value type"), key, path), false, 1, {}};
  if (entry.type == GgufType::array) {
    entry.is_array = true;
    entry.type = checked_type(cursor.read<uint32_t>("an array's type"), key, path);
    check(entry.type != GgufType::array, ErrorCode::kFormat, "gguf", "{}: key '{}' is an array of arrays",
          path, shown(key));
    const auto count = cursor.read<uint64_t>("an array's length");
    const auto least =
        static_cast<uint64_t>(std::max<int64_t>(kTypes[static_cast<size_t>(entry.type)].bytes, 1));
    check(count <= cursor.left() / (entry.type == GgufType::string ? 8 : least), ErrorCode::kFormat, "gguf",
          "{}: key '{}' states {} elements, more than the {} bytes left can hold", path, shown(key), count,
          cursor.left());
    entry.count = static_cast<int64_t>(count);
  }
  const size_t begin = cursor.at();
  if (entry.type == GgufType::string) {
    Cursor start = cursor;
    for (int64_t i = 0; i < entry.count; ++i) cursor.string("a string");
    entry.bytes = start.take(cursor.at() - begin, "strings");
  } else {
    const auto bytes = static_cast<uint64_t>(entry.count * kTypes[static_cast<size_t>(entry.type)].bytes);
    entry.bytes = cursor.take(bytes, "a value");
  }
  if (entry.type == GgufType::boolean) check_bools(entry.bytes, key, path);
  return entry;
}

GgufTensor read_tensor(Cursor& cursor, const std::string& path) {
  GgufTensor tensor;
  tensor.name = cursor.string("a tensor's name");
  check(!tensor.name.empty() && tensor.name.size() <= kMaxTensorName && is_utf8(tensor.name),
        ErrorCode::kFormat, "gguf", "{}: the tensor name before byte {} is empty, over {} bytes or not UTF-8",
        path, cursor.at(), kMaxTensorName);
  const auto dims = cursor.read<uint32_t>("a tensor's dimensions");
  check(dims >= 1 && dims <= kMaxDims, ErrorCode::kFormat, "gguf",
        "{}: tensor '{}' has {} dimensions, not 1 to {}", path, shown(tensor.name), dims, kMaxDims);
  for (uint32_t i = 0; i < dims; ++i) {
    const auto extent = cursor.read<int64_t>("a tensor's extent");
    check(extent >= 1, ErrorCode::kFormat, "gguf", "{}: tensor '{}' has the extent {}", path,
          shown(tensor.name), extent);
    tensor.shape.push_back(extent);
  }
  tensor.type = cursor.read<uint32_t>("a tensor's type");
  check(ggml_type(tensor.type) != nullptr, ErrorCode::kFormat, "gguf",
        "{}: tensor '{}' has the unknown type {}", path, shown(tensor.name), tensor.type);
  const auto offset = cursor.read<uint64_t>("a tensor's offset");
  check(offset <= static_cast<uint64_t>(INT64_MAX), ErrorCode::kFormat, "gguf",
        "{}: tensor '{}' has the offset {}, past the end of any file", path, shown(tensor.name), offset);
  tensor.offset = static_cast<int64_t>(offset);
  return tensor;
}

int64_t bytes_of(const GgufTensor& tensor, const std::string& path) {
  const GgmlType& type = *ggml_type(tensor.type);
  check(tensor.shape[0] % type.block == 0, ErrorCode::kFormat, "gguf",
        "{}: tensor '{}' has rows of {}, not a multiple of {}'s block of {}", path, shown(tensor.name),
        tensor.shape[0], type.name, type.block);
  int64_t bytes = tensor.shape[0] / type.block;
  bool fits = mul_fits(bytes, type.block_bytes, &bytes);
  int64_t elements = tensor.shape[0];
  for (size_t i = 1; i < tensor.shape.size(); ++i)
    fits = fits && mul_fits(bytes, tensor.shape[i], &bytes) && mul_fits(elements, tensor.shape[i], &elements);
  check(fits, ErrorCode::kFormat, "gguf", "{}: tensor '{}' of shape {} has more bytes than 64 bits can count",
        path, shown(tensor.name), to_string(Shape(tensor.shape.begin(), tensor.shape.end())));
  return bytes;
}

void check_overlap(std::span<const GgufTensor> tensors, const std::string& path) {
  std::vector<const GgufTensor*> order;
  for (const GgufTensor& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    const auto end = order[i - 1]->offset + static_cast<int64_t>(order[i - 1]->data.size());
    check(end <= order[i]->offset, ErrorCode::kFormat, "gguf", "{}: tensors '{}' and '{}' overlap", path,
          shown(order[i - 1]->name), shown(order[i]->name));
  }
}

}  // namespace

std::string_view name_of(GgufType type) {
  return kTypes[static_cast<size_t>(type)].name;
}

const GgmlType* ggml_type(uint32_t id) {
  for (const GgmlType& type : kGgmlTypes)
    if (type.id == id) return &type;
  return nullptr;
}

void GgufFile::parse(const MappedFile& file) {
  const std::string& path = file.path();
  const auto bytes = file.bytes();
  Cursor cursor(bytes, path);
  const auto magic = cursor.take(4, "the magic 'GGUF'");
  check(std::memcmp(magic.data(), "GGUF", 4) == 0, ErrorCode::kFormat, "gguf",
        "{}: the first four bytes are not 'GGUF', so this is another kind of file", path);
  version_ = cursor.read<uint32_t>("the version");
  check((version_ & 0xffff) != 0 || version_ == 0, ErrorCode::kUnsupported, "gguf",
        "{}: the file is big-endian; convert it on the machine that it is for", path);
  check(version_ != 1, ErrorCode::kUnsupported, "gguf",
        "{}: version 1 of the format is too old; convert the model again", path);
  check(version_ == 2 || version_ == 3, ErrorCode::kUnsupported, "gguf",
        "{}: version {} of the format is unknown; this build reads 2 and 3", path, version_);
  const auto tensor_count = cursor.read<uint64_t>("the number of tensors");
  const auto entry_count = cursor.read<uint64_t>("the number of keys");
  // The shortest tensor takes 36 bytes, the shortest key 14.
  check(tensor_count <= cursor.left() / 32 && entry_count <= cursor.left() / 13, ErrorCode::kFormat, "gguf",
        "{}: {} tensors and {} keys are stated, more than the {} bytes left can hold", path, tensor_count,
        entry_count, cursor.left());
  const size_t first_entry = entries_.size(), first_tensor = tensors_.size();
  for (uint64_t i = 0; i < entry_count; ++i) entries_.push_back(read_entry(cursor, path));
  if (first_entry == 0) {
    for (size_t i = 0; i < entries_.size(); ++i)
      check(by_key_.emplace(entries_[i].key, i).second, ErrorCode::kFormat, "gguf",
            "{}: key '{}' comes twice", path, shown(entries_[i].key));
    alignment_ = 32;
    if (const GgufEntry* entry = find("general.alignment")) {
      check(!entry->is_array && entry->type == GgufType::u32, ErrorCode::kFormat, "gguf",
            "{}: key 'general.alignment' is no u32", path);
      alignment_ = load<uint32_t>(entry->bytes.data());
      check(std::has_single_bit(static_cast<uint64_t>(alignment_)) && alignment_ >= kMinAlignment &&
                alignment_ <= kMaxAlignment,
            ErrorCode::kFormat, "gguf", "{}: alignment {} is not a power of two from {} to {}", path,
            alignment_, kMinAlignment, kMaxAlignment);
    }
  }
  for (uint64_t i = 0; i < tensor_count; ++i) {
    tensors_.push_back(read_tensor(cursor, path));
    check(by_name_.emplace(tensors_.back().name, tensors_.size() - 1).second, ErrorCode::kFormat, "gguf",
          "{}: tensor '{}' comes twice", path, shown(tensors_.back().name));
  }
  const auto alignment = static_cast<uint64_t>(alignment_);
  const uint64_t data = (cursor.at() + alignment - 1) / alignment * alignment;
  for (size_t i = first_tensor; i < tensors_.size(); ++i) {
    GgufTensor& tensor = tensors_[i];
    check(tensor.offset % alignment_ == 0, ErrorCode::kFormat, "gguf",
          "{}: tensor '{}' has the offset {}, not a multiple of {}", path, shown(tensor.name), tensor.offset,
          alignment_);
    const int64_t size = bytes_of(tensor, path);
    int64_t end = 0;
    check(add_fits(tensor.offset, size, &end) && add_fits(end, static_cast<int64_t>(data), &end) &&
              static_cast<uint64_t>(end) <= bytes.size(),
          ErrorCode::kFormat, "gguf",
          "{}: tensor '{}' ends {} bytes after offset {}, past the end of the file at {}", path,
          shown(tensor.name), size, tensor.offset, bytes.size());
    tensor.data = bytes.subspan(data + static_cast<uint64_t>(tensor.offset), static_cast<size_t>(size));
  }
  check_overlap(std::span(tensors_).subspan(first_tensor), path);
  bytes_ += static_cast<int64_t>(bytes.size());
}

void GgufFile::parse_intact(const MappedFile& file) {
  try {
    parse(file);
  } catch (const Error&) {
    file.check();  // the fault may be the zeros in place of what is gone
    throw;
  }
  file.check();
}

std::shared_ptr<const GgufFile> GgufFile::open(const std::string& path) {
  std::shared_ptr<GgufFile> file(new GgufFile);
  file->path_ = path;
  file->files_.push_back(MappedFile::open(path));
  file->parse_intact(*file->files_[0]);
  if (file->has("split.count")) {
    const auto shards = file->find_uint("split.count"), number = file->find_uint("split.no");
    check(shards && number && *shards >= 1 && *shards <= 99999 && *number < *shards, ErrorCode::kFormat,
          "gguf", "{}: 'split.count' and 'split.no' do not number a shard", path);
    check(*number == 0, ErrorCode::kInvalidArgument, "gguf", "{}: this is shard {} of {}; open the first one",
          path, *number + 1, *shards);
    for (uint64_t i = 1; i < *shards; ++i)
      file->add_shard(path, static_cast<int64_t>(i), static_cast<int64_t>(*shards));
    const auto total = file->find_uint("split.tensors.count");
    check(!total || *total == file->tensors_.size(), ErrorCode::kFormat, "gguf",
          "{}: 'split.tensors.count' is {}, the shards hold {}", path, total.value_or(0),
          file->tensors_.size());
  }
  return file;
}

void GgufFile::add_shard(const std::string& path, int64_t number, int64_t shards) {
  const std::string tail = fmt::format("-{:05}-of-{:05}.gguf", 1, shards);
  check(path.ends_with(tail), ErrorCode::kUnsupported, "gguf",
        "{}: a model in {} shards must be named NAME{}", path, shards, tail);
  const std::string shard_path =
      path.substr(0, path.size() - tail.size()) + fmt::format("-{:05}-of-{:05}.gguf", number + 1, shards);
  std::error_code ignored;  // opening it says what is wrong
  check(std::filesystem::exists(shard_path, ignored) || ignored, ErrorCode::kNotFound, "gguf",
        "{}: shard {} of {} is missing: {}", path, number + 1, shards, shard_path);
  // Its keys repeat the first one's; only its own number is looked at.
  GgufFile shard;
  shard.path_ = shard_path;
  auto mapped = MappedFile::open(shard_path);
  shard.parse_intact(*mapped);
  const auto stated = shard.find_uint("split.no"), count = shard.find_uint("split.count");
  check(
      stated && *stated == static_cast<uint64_t>(number) && count && *count == static_cast<uint64_t>(shards),
      ErrorCode::kFormat, "gguf", "{}: this file does not say that it is shard {} of {}", shard_path,
      number + 1, shards);
  for (const GgufTensor& tensor : shard.tensors_) {
    tensors_.push_back(tensor);
    check(by_name_.emplace(tensor.name, tensors_.size() - 1).second, ErrorCode::kFormat, "gguf",
          "{}: tensor '{}' is in another shard as well", shard_path, shown(tensor.name));
  }
  bytes_ += shard.bytes_;
  files_.push_back(std::move(mapped));
}

const GgufEntry* GgufFile::find(std::string_view key) const {
  const auto it = by_key_.find(key);
  return it == by_key_.end() ? nullptr : &entries_[it->second];
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

void GgufFile::check_intact() const {
  for (const auto& file : files_) file->check();
}

namespace {

// The value of an integer entry: its sign and its bits.
struct Integer {
  bool negative;
  uint64_t bits;
};
std::optional<Integer> integer_at(GgufType type, const uint8_t* data) {
  const auto with_sign = [](int64_t v) { return Integer{v < 0, static_cast<uint64_t>(v)}; };
  switch (type) {
    case GgufType::u8:
      return Integer{false, load<uint8_t>(data)};
    case GgufType::u16:
      return Integer{false, load<uint16_t>(data)};
    case GgufType::u32:
      return Integer{false, load<uint32_t>(data)};
    case GgufType::u64:
      return Integer{false, load<uint64_t>(data)};
    case GgufType::i8:
      return with_sign(load<int8_t>(data));
    case GgufType::i16:
      return with_sign(load<int16_t>(data));
    case GgufType::i32:
      return with_sign(load<int32_t>(data));
    case GgufType::i64:
      return with_sign(load<int64_t>(data));
    default:
      return std::nullopt;
  }
}

int64_t element_bytes(GgufType type) {
  return kTypes[static_cast<size_t>(type)].bytes;
}

// Lengths were checked when the file was opened; they are checked again because a mapped file can be
// rewritten in place meanwhile.
std::vector<std::string_view> strings_of(const GgufEntry& entry, int64_t limit, const std::string& path) {
  std::vector<std::string_view> out;
  out.reserve(static_cast<size_t>(std::min(entry.count, limit)));
  auto rest = entry.bytes;
  for (int64_t i = 0; i < std::min(entry.count, limit); ++i) {
    const uint64_t length = rest.size() < 8 ? UINT64_MAX : load<uint64_t>(rest.data());
    check(rest.size() >= 8 && length <= rest.size() - 8, ErrorCode::kIo, "gguf",
          "{}: the file was changed while it was in use", path);
    out.emplace_back(reinterpret_cast<const char*>(rest.data() + 8), length);
    rest = rest.subspan(8 + length);
  }
  return out;
}

}  // namespace

std::optional<uint64_t> GgufFile::find_uint(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (!entry || entry->is_array) return std::nullopt;
  const auto value = integer_at(entry->type, entry->bytes.data());
  if (!value || value->negative) return std::nullopt;
  return value->bits;
}

std::optional<int64_t> GgufFile::find_int(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (!entry || entry->is_array) return std::nullopt;
  const auto value = integer_at(entry->type, entry->bytes.data());
  if (!value || (!value->negative && value->bits > static_cast<uint64_t>(INT64_MAX))) return std::nullopt;
  return static_cast<int64_t>(value->bits);
}

std::optional<double> GgufFile::find_float(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (!entry || entry->is_array) return std::nullopt;
  if (entry->type == GgufType::f32) return load<float>(entry->bytes.data());
  if (entry->type == GgufType::f64) return load<double>(entry->bytes.data());
  return std::nullopt;
}

std::optional<bool> GgufFile::find_bool(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (!entry || entry->is_array || entry->type != GgufType::boolean) return std::nullopt;
  return entry->bytes[0] != 0;
}

std::optional<std::string_view> GgufFile::find_string(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (!entry || entry->is_array || entry->type != GgufType::string) return std::nullopt;
  return strings_of(*entry, 1, path_)[0];
}

std::optional<std::vector<std::string_view>> GgufFile::find_strings(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (!entry || !entry->is_array || entry->type != GgufType::string) return std::nullopt;
  return strings_of(*entry, entry->count, path_);
}

std::optional<std::vector<float>> GgufFile::find_floats(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (!entry || !entry->is_array || entry->type != GgufType::f32) return std::nullopt;
  std::vector<float> out(static_cast<size_t>(entry->count));
  if (!out.empty()) std::memcpy(out.data(), entry->bytes.data(), entry->bytes.size());
  return out;
}

std::optional<std::vector<int32_t>> GgufFile::find_ints(std::string_view key) const {
  const GgufEntry* entry = find(key);
  if (!entry || !entry->is_array) return std::nullopt;
  std::vector<int32_t> out;
  out.reserve(static_cast<size_t>(entry->count));
  for (int64_t i = 0; i < entry->count; ++i) {
    const auto value = integer_at(entry->type, entry->bytes.data() + i * element_bytes(entry->type));
    if (!value) return std::nullopt;
    const auto number = static_cast<int64_t>(value->bits);
    if (value->negative ? number < INT32_MIN : value->bits > static_cast<uint64_t>(INT32_MAX))
      return std::nullopt;
    out.push_back(static_cast<int32_t>(number));
  }
  return out;
}

std::string GgufFile::to_text(const GgufEntry& entry, int64_t limit) const {
  const auto one = [&](int64_t i) -> std::string {
    const uint8_t* data = entry.bytes.data() + i * element_bytes(entry.type);
    if (entry.type == GgufType::boolean) return *data ? "true" : "false";
    if (entry.type == GgufType::f32) return fmt::format("{}", load<float>(data));
    if (entry.type == GgufType::f64) return fmt::format("{}", load<double>(data));
    const auto value = integer_at(entry.type, data);
    return value->negative ? fmt::format("{}", static_cast<int64_t>(value->bits))
                           : fmt::format("{}", value->bits);
  };
  const int64_t n = std::min(entry.count, limit);
  std::string text;
  if (entry.type == GgufType::string) {
    for (const std::string_view s : strings_of(entry, n, path_)) {
      if (!entry.is_array) return std::string(s);
      text += fmt::format("{}'{}'", text.empty() ? "" : ", ", s);
    }
  } else {
    if (!entry.is_array) return one(0);
    for (int64_t i = 0; i < n; ++i) text += (i ? ", " : "") + one(i);
  }
  return fmt::format("[{}{}] ({} of {})", text, entry.count > n ? ", ..." : "", entry.count,
                     name_of(entry.type));
}

}  // namespace uma
