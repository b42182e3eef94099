#include "serve/library.h"

#include <sys/stat.h>

#include <algorithm>

#include "hub/files.h"
#include "hub/names.h"
#include "io/gguf.h"
#include "serve/api.h"

namespace uma::serve {
namespace {

/// general.file_type as llama.cpp numbers it.
std::string quantization_name(std::optional<uint64_t> type) {
  static constexpr std::pair<uint64_t, const char*> kNames[] = {
      {0, "F32"},     {1, "F16"},     {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},
      {8, "Q5_0"},    {9, "Q5_1"},    {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"},
      {13, "Q3_K_L"}, {14, "Q4_K_S"}, {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"},
      {18, "Q6_K"},   {25, "IQ4_NL"}, {30, "IQ4_XS"}, {32, "BF16"},   {38, "MXFP4"}};
  for (const auto& [number, name] : kNames)
    if (type == number) return name;
  return "unknown";
}

/// 494032768 -> "494.03M", as Ollama has it.
std::string count_in_words(double n) {
  if (n >= 1e9) return fmt::format("{:.1f}B", n / 1e9);
  if (n >= 1e6) return fmt::format("{:.2f}M", n / 1e6);
  return fmt::format("{:.2f}K", n / 1e3);
}

}  // namespace

std::string with_tag(std::string_view name) {
  return std::string(name) + (name.find(':') == std::string_view::npos ? ":latest" : "");
}

Library::Library(hub::StoreConfig store, const std::vector<std::pair<std::string, std::string>>& named)
    : store_(std::move(store)) {
  for (const auto& [name, path] : named) {
    hub::check_model_name(name);
    named_.push_back({name, path, "", "", ""});
    describe(named_.back());  // a file that cannot be served is said now
  }
}

std::vector<Library::Entry> Library::entries() const {
  std::vector<Entry> all = named_;
  for (const hub::ModelRecord& m : hub::Store(store_).list())
    if (m.present) all.push_back({m.name, m.path.string(), m.sha256, m.settings, m.licence});
  return all;
}

LocalModel Library::describe(const Entry& entry) const {
  struct stat status {};
  check(::stat(entry.path.c_str(), &status) == 0, ErrorCode::kNotFound, "serve", "there is no file '{}'",
        entry.path);
  const std::string key =
      fmt::format("{}|{}|{}.{}", entry.path, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  LocalModel model;
  {
    std::lock_guard lock(mutex_);
    if (const auto at = described_.find(key); at != described_.end()) model = at->second;
  }
  if (model.path.empty()) {
    const auto file = GgufFile::open(entry.path);
    const std::string family(file->find_string("general.architecture").value_or("unknown"));
    model.path = entry.path;
    model.bytes = file->bytes();
    model.modified = status.st_mtim.tv_sec;
    model.family = family;
    double weights = 0;
    for (const GgufTensor& tensor : file->tensors()) {
      double size = 1;
      for (const int64_t n : tensor.shape) size *= static_cast<double>(n);
      weights += size;
    }
    model.parameter_size = count_in_words(weights);
    model.quantization = quantization_name(file->find_uint("general.file_type"));
    model.context_length = file->find_int(family + ".context_length").value_or(0);
    model.embedding_length = file->find_int(family + ".embedding_length").value_or(0);
    std::lock_guard lock(mutex_);
    described_[key] = model;
  }
  model.name = with_tag(entry.name);
  model.settings = entry.settings;
  model.licence = entry.licence;
  model.digest = entry.sha256.empty() ? hub::sha256_hex(key) : entry.sha256;
  return model;
}

std::vector<LocalModel> Library::list() const {
  std::vector<LocalModel> models;
  for (const Entry& entry : entries()) {
    const std::string name = with_tag(entry.name);
    if (std::any_of(models.begin(), models.end(), [&](const LocalModel& m) { return m.name == name; }))
      continue;
    try {
      models.push_back(describe(entry));
    } catch (const Error&) {
      // A spoiled file is no reason to hide the others; asking for it says what is wrong.
    }
  }
  std::stable_sort(models.begin(), models.end(), [](auto& a, auto& b) { return a.modified > b.modified; });
  return models;
}

bool Library::is_named(std::string_view name) const {
  return std::any_of(named_.begin(), named_.end(),
                     [&](const Entry& e) { return with_tag(e.name) == with_tag(name); });
}

LocalModel Library::find(std::string_view name) const {
  const std::string wanted = with_tag(name);
  // Only names of the store's alphabet are looked for: no path ever gets here.
  if (hub::is_model_name(wanted))
    for (const Entry& entry : entries())
      if (with_tag(entry.name) == wanted) return describe(entry);
  if (hub::is_model_name(name)) {
    try {
      const hub::ModelRecord m = hub::Store(store_).find(name);  // knows aliases
      if (m.present) return describe({m.name, m.path.string(), m.sha256, m.settings, m.licence});
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kNotFound) throw;
    }
  }
  throw ApiError(404, fmt::format("model '{}' not found", hub::printable(name)), "model");
}

}  // namespace uma::serve
