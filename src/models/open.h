#pragma once
// Opens a model file: everything is checked before it is used, and weights stay where they are.
#include <memory>
#include <string>

#include "models/model.h"
#include "models/vocab.h"

namespace uma {

/// An opened model, ready for its first token. Shared by any number of sequences and threads.
struct Model {
  std::string path;
  ModelOptions options;
  std::shared_ptr<const LanguageModel> network;
  std::shared_ptr<const Vocabulary> vocabulary;
  double load_s = 0;  // open to ready for the first token

  const ModelConfig& config() const { return network->config(); }
};

/// Opens a .gguf file. Costs no more memory than the vocabulary: weights are views of the mapped file.
/// throws Io, Format (a file that breaks its format or contradicts itself), Unsupported (an architecture,
///        rope scaling or tensor type outside what this build knows), all naming the file.
std::shared_ptr<const Model> open_model(const std::string& path, const ModelOptions& options = {});

/// Architectures that open_model knows, as GGUF spells them, sorted.
std::vector<std::string> known_architectures();

}  // namespace uma
