#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/shape.h"
#include "cli/interrupt.h"
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "hub/hub.h"
#include "hub/names.h"
#include "io/gguf.h"

namespace uma::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// (rows, cols) as NumPy would say it: the file has the fastest axis first.
Shape shape_of(const GgufTensor& tensor) {
  return Shape(tensor.shape.rbegin(), tensor.shape.rend());
}

// A value in one line of a terminal.
std::string one_line(std::string text) {
  constexpr size_t kWidth = 100;
  text = printable(text);
  for (char& c : text)
    if (c == '\n' || c == '\t') c = ' ';
  if (text.size() > kWidth) text = text.substr(0, kWidth) + "...";
  return text;
}

Json to_json(const GgufFile& file, bool tensors) {
  Json json;
  json["path"] = file.path();
  json["bytes"] = file.bytes();
  json["gguf_version"] = file.version();
  json["metadata"] = Json::object();
  for (const GgufEntry& entry : file.entries())
    json["metadata"][std::string(entry.key)] = {
        {"type", name_of(entry.type)}, {"count", entry.count}, {"value", file.to_text(entry)}};
  json["tensor_count"] = file.tensors().size();
  if (!tensors) return json;
  json["tensors"] = Json::array();
  for (const GgufTensor& tensor : file.tensors()) {
    const Shape shape = shape_of(tensor);
    json["tensors"].push_back({{"name", tensor.name},
                               {"type", tensor.type_name()},
                               {"shape", std::vector<int64_t>(shape.begin(), shape.end())},
                               {"bytes", tensor.data.size()}});
  }
  return json;
}

int verify(const ModelsOptions& o) {
  check(!hub::is_path(o.model), ErrorCode::kInvalidArgument, "show",
        "{} is a file of your own: --verify compares what was pulled with the SHA-256 noted then", o.model);
  const hub::Store store;
  InterruptScope interrupt;
  ProgressBar bar("verify");
  const bool right = store.verify(
      o.model,
      [&](const hub::Progress& p) {
        bar.update(static_cast<uint64_t>(p.done_bytes), static_cast<uint64_t>(p.total_bytes));
      },
      &interrupt.flag());
  bar.finish();
  check(right, ErrorCode::kFormat, "show", "{}: the file's SHA-256 is not the one it was fetched with",
        o.model);
  if (o.json)
    outf("{}\n", dump({{"verified", true}}));
  else
    outf("{}: SHA-256 as recorded\n", o.model);
  return 0;
}

}  // namespace

int show(const ModelsOptions& o) {
  if (o.verify) return verify(o);
  const std::string path = find_local(o.model);
  if (o.path) {
    o.json ? outf("{}\n", dump({{"path", path}})) : outf("{}\n", path);
    return 0;
  }
  const auto file = GgufFile::open(path);
  if (o.show_template) {
    std::string source = settings_of(o.model).template_source;
    if (source.empty()) source = file->find_string("tokenizer.chat_template").value_or("");
    check(!source.empty(), ErrorCode::kNotFound, "show", "{} has no chat template", o.model);
    o.json ? outf("{}\n", dump({{"template", source}})) : out(source);
    return 0;
  }
  if (o.json) {
    outf("{}\n", dump(to_json(*file, o.tensors)));
    return 0;
  }
  outf("{}\n{}, GGUF version {}, {} tensors\n\n", path, human_bytes(static_cast<uint64_t>(file->bytes())),
       file->version(), file->tensors().size());
  for (const GgufEntry& entry : file->entries())
    outf("  {:<44} {}\n", printable(entry.key), one_line(file->to_text(entry, 4)));
  if (o.tensors) out("\n");
  for (const GgufTensor& tensor : file->tensors())
    if (o.tensors)
      outf("  {:<44} {:<6} {:<18} {:>10}\n", printable(tensor.name), tensor.type_name(),
           to_string(shape_of(tensor)), human_bytes(tensor.data.size()));
  return 0;
}

}  // namespace uma::cli
