// GGUF files in Python: arrays and metadata as MLX shows them.
#include "io/gguf.h"
#include "base/error.h"
#include "bind.h"
#include "fast/quantized.h"
#include "files.h"
#include "io/gguf_writer.h"
#include "io/mapped_array.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/shape.h"
#include "ops/view.h"

namespace uma::python {
namespace {

/// Tensor types of plain numbers that are no weights' formats.
std::optional<DType> number_type(uint32_t ggml_type) {
  constexpr uint32_t kFirst = 24;  // I8
  constexpr DType kTypes[] = {DType::int8, DType::int16, DType::int32, DType::int64, DType::float64};
  const uint32_t i = ggml_type - kFirst;
  return i < std::size(kTypes) ? std::optional(kTypes[i]) : std::nullopt;
}

/// Blocks of 32 codes as MLX packs them (fast/packed.h, affine in groups of 32): weight, scales, biases.
std::vector<array> packed_blocks(const array& blocks, QuantFormat format, const Shape& shape) {
  const auto bytes = [&](int64_t first, int64_t last) { return slice_axis(blocks, -1, first, last); };
  const auto half_at = [&](int64_t at) { return view(bytes(at, at + 2), DType::float16); };
  const array scales = half_at(0);
  array codes = blocks, biases = scales;
  if (format == QuantFormat::Q8_0) {
    codes = bitwise_xor(bytes(2, 34), array(uint8_t{0x80}));  // from -128...127 to 0...255
    biases = scales * array(-128.0, DType::float16);
  } else {
    const bool has_least = format == QuantFormat::Q4_1;
    const array nibbles = has_least ? bytes(4, 20) : bytes(2, 18);
    // Element i is in the low half of byte i, element 16 + i in the high half; here they alternate.
    const array low = bitwise_and(nibbles, array(uint8_t{15})),
                high = right_shift(nibbles, array(uint8_t{4}));
    Shape pairs = blocks.shape();
    pairs.back() = 16;
    pairs.push_back(2);
    const array each = reshape(concatenate({low, high}, -1), pairs);
    const auto half = [&](int64_t i) { return squeeze(slice_axis(each, -1, i, i + 1), {-1}); };
    codes = bitwise_or(half(0), left_shift(half(1), array(uint8_t{4})));
    biases = has_least ? half_at(2) : scales * array(-8.0, DType::float16);
  }
  Shape packed = shape, groups = shape;
  packed.back() = shape.back() * (format == QuantFormat::Q8_0 ? 8 : 4) / 32;
  groups.back() = shape.back() / 32;
  return {reshape(view(codes, DType::uint32), packed), reshape(scales, groups), reshape(biases, groups)};
}

/// Adds a tensor under its name. Floats and integers stay what they are, the fastest axis last; weights of
/// Q4_0, Q4_1 and Q8_0 become three packed arrays; other formats become float16.
void add_tensor(nb::dict& out, const std::shared_ptr<const GgufFile>& file, const GgufTensor& tensor) {
  const std::string name(tensor.name);
  const Shape shape(tensor.shape.rbegin(), tensor.shape.rend());
  const auto put = [&](const std::string& key, const array& a) { out[key.c_str()] = a; };
  const auto buffer = Buffer::view(tensor.data.data(), tensor.data.size(), file);
  if (const auto dtype = number_type(tensor.type))
    return put(name, array::from_buffer(buffer, 0, shape, *dtype));
  const QuantTraits* row = traits_from_ggml(tensor.type);
  check(row != nullptr, ErrorCode::kUnsupported, "gguf",
        "{}: tensor '{}' has the type {}, which cannot be read", file->path(), name, tensor.type_name());
  if (row->format == QuantFormat::F32) return put(name, array::from_buffer(buffer, 0, shape, DType::float32));
  if (row->format == QuantFormat::F16) return put(name, array::from_buffer(buffer, 0, shape, DType::float16));
  if (row->format == QuantFormat::BF16)
    return put(name, array::from_buffer(buffer, 0, shape, DType::bfloat16));
  const int64_t columns = shape.back(), rows = num_elements(shape) / columns;
  const auto bytes = static_cast<int64_t>(tensor.data.size());
  constexpr std::string_view kWeight = ".weight";
  const bool packs = row->format == QuantFormat::Q4_0 || row->format == QuantFormat::Q4_1 ||
                     row->format == QuantFormat::Q8_0;
  if (packs && name.ends_with(kWeight)) {
    const array blocks =
        array::from_buffer(buffer, 0, {bytes / row->block_bytes, row->block_bytes}, DType::uint8);
    const std::vector<array> parts = packed_blocks(blocks, row->format, shape);
    const std::string stem = name.substr(0, name.size() - kWeight.size());
    put(name, parts[0]);
    put(stem + ".scales", parts[1]);
    return put(stem + ".biases", parts[2]);
  }
  const array blocks = array::from_buffer(buffer, 0, {rows, bytes / rows}, DType::uint8);
  put(name, reshape(astype(dequantize(QuantizedMatrix{blocks, row->format, rows, columns}), DType::float16),
                    shape));
}

nb::object text_of(std::string_view s) {
  return nb::steal(PyUnicode_DecodeUTF8(s.data(), static_cast<Py_ssize_t>(s.size()), "replace"));
}

DType dtype_of_value(GgufType type) {
  switch (type) {
    case GgufType::u8:
      return DType::uint8;
    case GgufType::i8:
      return DType::int8;
    case GgufType::u16:
      return DType::uint16;
    case GgufType::i16:
      return DType::int16;
    case GgufType::u32:
      return DType::uint32;
    case GgufType::i32:
      return DType::int32;
    case GgufType::u64:
      return DType::uint64;
    case GgufType::i64:
      return DType::int64;
    case GgufType::f64:
      return DType::float64;
    case GgufType::boolean:
      return DType::bool_;
    default:
      return DType::float32;
  }
}

nb::object gguf_value(const std::shared_ptr<const GgufFile>& file, const GgufEntry& entry) {
  const std::string key(entry.key);
  if (entry.type == GgufType::string) {
    if (!entry.is_array) return text_of(*file->find_string(key));
    nb::list out;
    const auto strings = file->find_strings(key);
    for (const std::string_view s : *strings) out.append(text_of(s));
    return out;
  }
  const DType dtype = dtype_of_value(entry.type);
  // Values lie anywhere in the file: a copy is aligned, and small.
  const auto copy = std::make_shared<std::vector<uint64_t>>((entry.bytes.size() + 7) / 8 + 1);
  std::memcpy(copy->data(), entry.bytes.data(), entry.bytes.size());
  const Shape shape = entry.is_array ? Shape{entry.count} : Shape{};
  return nb::cast(array::from_buffer(Buffer::view(copy->data(), entry.bytes.size(), copy), 0, shape, dtype));
}

nb::dict load_gguf(const std::string& path, nb::dict& metadata) {
  const auto file = GgufFile::open(path);
  for (const GgufEntry& entry : file->entries())
    metadata[std::string(entry.key).c_str()] = gguf_value(file, entry);
  nb::dict out;
  for (const GgufTensor& tensor : file->tensors()) add_tensor(out, file, tensor);
  return out;
}

GgufValue value_from(const std::string& key, nb::handle value) {
  if (nb::isinstance<array>(value)) return nb::cast<array>(value);
  if (nb::isinstance<nb::str>(value)) return nb::cast<std::string>(value);
  std::vector<std::string> texts;
  bool all = nb::isinstance<nb::list>(value) || nb::isinstance<nb::tuple>(value);
  if (all)
    for (const nb::handle item : value) {
      all = nb::isinstance<nb::str>(item);
      if (!all) break;
      texts.push_back(nb::cast<std::string>(item));
    }
  check(all, ErrorCode::kInvalidArgument, "save_gguf",
        "the metadata '{}' are {}; they can be an array, a str or a list of str", key,
        nb::cast<std::string>(nb::str(value.type().attr("__name__"))));
  return texts;
}

void save_gguf(const std::string& path, const nb::dict& arrays, const nb::dict& metadata) {
  const auto tensors = named_arrays(arrays);
  std::vector<array> all;
  for (const auto& [name, a] : tensors) all.push_back(a);
  std::vector<std::pair<std::string, GgufValue>> values;
  for (auto [key, value] : metadata) {
    const auto name = nb::cast<std::string>(nb::str(key));
    values.emplace_back(name, value_from(name, value));
    if (const array* a = std::get_if<array>(&values.back().second)) all.push_back(*a);
  }
  evaluate(all);
  write_gguf(path, tensors, values);
}

}  // namespace

void bind_gguf(Module& io) {
  io.def("read_gguf", &load_gguf);
  io.def("write_gguf", &save_gguf);
}

}  // namespace uma::python
