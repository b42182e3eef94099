// Reading and writing files by path. uma/_files.py makes load(), save() and their kin of these, for file
// objects as well.
#include "base/error.h"
#include "bind.h"
#include "core/quant_format.h"
#include "fast/quantized.h"
#include "io/gguf.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "ops/cast.h"
#include "ops/shape.h"

namespace uma::python {
namespace {

nb::dict load_safetensors(const std::string& path, nb::dict& metadata) {
  const auto file = SafetensorsFile::open(path);
  for (const auto& [key, value] : file->metadata()) metadata[key.c_str()] = value;
  nb::dict out;
  for (const auto& tensor : file->tensors()) out[tensor.name.c_str()] = file->load(tensor.name);
  return out;
}

/// A tensor of a GGUF file: floats as they are, quantized blocks as float16, the fastest axis last.
array gguf_array(const std::shared_ptr<const GgufFile>& file, const GgufTensor& tensor) {
  const QuantTraits* row = traits_from_ggml(tensor.type);
  check(row != nullptr, ErrorCode::kUnsupported, "gguf",
        "{}: tensor '{}' has the type {}, which cannot be read", file->path(), tensor.name,
        tensor.type_name());
  const Shape shape(tensor.shape.rbegin(), tensor.shape.rend());
  const auto buffer = Buffer::view(tensor.data.data(), tensor.data.size(), file);
  const int64_t columns = shape.back(), rows = columns ? num_elements(shape) / columns : 0;
  const auto bytes = static_cast<int64_t>(tensor.data.size());
  const array blocks = array::from_buffer(buffer, 0, {rows, rows ? bytes / rows : 0}, DType::uint8);
  const array full = dequantize(QuantizedMatrix{blocks, row->format, rows, columns});
  const DType d = row->format == QuantFormat::F32    ? DType::float32
                  : row->format == QuantFormat::BF16 ? DType::bfloat16
                                                     : DType::float16;
  return reshape(astype(full, d), shape);
}

nb::object gguf_value(const GgufFile& file, const GgufEntry& entry) {
  const std::string key(entry.key);
  if (entry.type == GgufType::string) {
    if (!entry.is_array) return nb::cast(std::string(*file.find_string(key)));
    nb::list out;
    const auto strings = file.find_strings(key);
    for (const std::string_view s : *strings)
      out.append(nb::steal(PyUnicode_DecodeUTF8(s.data(), static_cast<Py_ssize_t>(s.size()), "replace")));
    return out;
  }
  if (!entry.is_array) {
    if (const auto b = file.find_bool(key)) return nb::cast(array(*b));
    if (const auto i = file.find_int(key))
      return nb::cast(array(*i, *i > INT32_MAX || *i < INT32_MIN ? DType::int64 : DType::int32));
    if (const auto f = file.find_float(key)) return nb::cast(array(*f, DType::float32));
    return nb::none();
  }
  if (const auto v = file.find_ints(key))
    return nb::cast(array(std::span<const int32_t>(*v), {static_cast<int64_t>(v->size())}));
  if (const auto v = file.find_floats(key))
    return nb::cast(array(std::span<const float>(*v), {static_cast<int64_t>(v->size())}));
  return nb::cast(file.to_text(entry));
}

nb::dict load_gguf(const std::string& path, nb::dict& metadata) {
  const auto file = GgufFile::open(path);
  for (const GgufEntry& entry : file->entries())
    metadata[std::string(entry.key).c_str()] = gguf_value(*file, entry);
  nb::dict out;
  for (const GgufTensor& tensor : file->tensors())
    out[std::string(tensor.name).c_str()] = gguf_array(file, tensor);
  return out;
}

std::vector<std::pair<std::string, array>> named(const nb::dict& arrays) {
  std::vector<std::pair<std::string, array>> out;
  for (auto [key, value] : arrays) {
    check(nb::isinstance<array>(value), ErrorCode::kInvalidArgument, "save", "'{}' is no array",
          nb::cast<std::string>(nb::str(key)));
    out.emplace_back(nb::cast<std::string>(key), nb::cast<array>(value));
  }
  return out;
}

}  // namespace

void bind_files(nb::module_& parent) {
  nb::module_ m = parent.def_submodule("_io", "Files by path; see uma._files.");
  m.def("read_npy", &read_npy);
  m.def("write_npy", [](const std::string& path, const array& a) {
    evaluate(a);
    write_npy(path, a);
  });
  m.def("read_safetensors", &load_safetensors);
  m.def("write_safetensors", [](const std::string& path, const nb::dict& arrays, const nb::dict& metadata) {
    const auto tensors = named(arrays);
    std::vector<array> all;
    for (const auto& [name, a] : tensors) all.push_back(a);
    evaluate(all);
    std::map<std::string, std::string, std::less<>> texts;
    for (auto [key, value] : metadata)
      texts.emplace(nb::cast<std::string>(key), nb::cast<std::string>(value));
    write_safetensors(path, tensors, texts);
  });
  m.def("read_gguf", &load_gguf);
  static constexpr const char* kNames[] = {"load", "save", "savez", "savez_compressed", "save_safetensors"};
  for (const char* name : kNames)
    parent.def(name, [name](const nb::args& args, const nb::kwargs& kwargs) {
      return nb::module_::import_("uma._files").attr(name)(*args, **kwargs);
    });
}

}  // namespace uma::python
