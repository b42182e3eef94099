// Reading and writing files by path. uma/_files.py makes load(), save() and their kin of these, for file
// objects as well.
#include "files.h"

#include "base/error.h"
#include "io/npy.h"
#include "io/safetensors.h"

namespace uma::python {
namespace {

// Of uma/_files.py; the signatures are what stubs and help() show.
constexpr std::pair<const char*, const char*> kForwarded[] = {
    {"load",
     "def load(file: str | pathlib.Path | typing.BinaryIO, /, format: str | None = None, return_metadata: "
     "bool = "
     "False, *, stream: uma.core.Stream | uma.core.Device | None = None) -> uma.core.array | dict[str, "
     "uma.core.array] | tuple[dict[str, uma.core.array], dict[str, typing.Any]]"},
    {"save", "def save(file: str | pathlib.Path | typing.BinaryIO, arr: uma.core.array) -> None"},
    {"savez",
     "def savez(file: str | pathlib.Path | typing.BinaryIO, *args: uma.core.array, **kwargs: "
     "uma.core.array) -> None"},
    {"savez_compressed",
     "def savez_compressed(file: str | pathlib.Path | typing.BinaryIO, *args: "
     "uma.core.array, **kwargs: uma.core.array) -> None"},
    {"save_safetensors",
     "def save_safetensors(file: str | pathlib.Path | typing.BinaryIO, arrays: dict[str, "
     "uma.core.array], metadata: dict[str, str] | None = None) -> None"},
    {"save_gguf",
     "def save_gguf(file: str | pathlib.Path | typing.BinaryIO, arrays: dict[str, uma.core.array], "
     "metadata: dict[str, uma.core.array | str | list[str]] | None = None) -> None"}};

nb::dict load_safetensors(const std::string& path, nb::dict& metadata) {
  const auto file = SafetensorsFile::open(path);
  for (const auto& [key, value] : file->metadata()) metadata[key.c_str()] = value;
  nb::dict out;
  for (const auto& tensor : file->tensors()) out[tensor.name.c_str()] = file->load(tensor.name);
  return out;
}

}  // namespace

std::vector<std::pair<std::string, array>> named_arrays(const nb::dict& arrays) {
  std::vector<std::pair<std::string, array>> out;
  for (auto [key, value] : arrays) {
    check(nb::isinstance<array>(value), ErrorCode::kInvalidArgument, "save", "'{}' is no array",
          nb::cast<std::string>(nb::str(key)));
    out.emplace_back(nb::cast<std::string>(key), nb::cast<array>(value));
  }
  return out;
}

void bind_files(Module& parent) {
  Module m = parent.def_submodule("_io", "Files by path; see uma._files.");
  m.def("read_npy", &read_npy);
  m.def("write_npy", [](const std::string& path, const array& a) {
    evaluate(a);
    write_npy(path, a);
  });
  m.def("read_safetensors", &load_safetensors);
  m.def("write_safetensors", [](const std::string& path, const nb::dict& arrays, const nb::dict& metadata) {
    const auto tensors = named_arrays(arrays);
    std::vector<array> all;
    for (const auto& [name, a] : tensors) all.push_back(a);
    evaluate(all);
    std::map<std::string, std::string, std::less<>> texts;
    for (auto [key, value] : metadata)
      texts.emplace(nb::cast<std::string>(key), nb::cast<std::string>(value));
    write_safetensors(path, tensors, texts);
  });
  bind_gguf(m);
  for (const auto& [name, signature] : kForwarded)
    parent.def(
        name,
        [name = name](const nb::args& args, const nb::kwargs& kwargs) {
          return nb::module_::import_("uma._files").attr(name)(*args, **kwargs);
        },
        nb::sig(signature));
}

}  // namespace uma::python
