#include "models/open.h"

#include <fmt/ranges.h>

#include <chrono>

#include "base/utf8.h"
#include "io/gguf.h"
#include "models/loader.h"
#include "models/registry.h"
#include "text/tokenizer.h"

namespace uma {

std::shared_ptr<const Model> open_model(const std::string& path, const ModelOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const auto file = GgufFile::open(path);
  ModelReader reader(file, options);
  const Architecture* const architecture = find_architecture(reader.architecture());
  check(architecture != nullptr, ErrorCode::kUnsupported, "gguf", "{}: architecture '{}' is not one of {}",
        path, shown(reader.architecture()), fmt::join(known_architectures(), ", "));
  auto model = std::make_shared<Model>();
  model->path = path;
  model->options = options;
  model->network = architecture->make(reader);
  model->vocabulary = load_vocabulary(file);
  reader.require(model->vocabulary->size == model->config().vocab_size, ErrorCode::kFormat,
                 "the vocabulary has {} tokens, tensor 'token_embd.weight' has {} rows",
                 model->vocabulary->size, model->config().vocab_size);
  model->vocabulary->tokenizer->prepare();
  file->check_intact();
  model->load_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return model;
}

std::vector<std::string> known_architectures() {
  std::vector<std::string> names;
  for (const Architecture& row : architectures()) names.emplace_back(row.name);
  return names;
}

}  // namespace uma
