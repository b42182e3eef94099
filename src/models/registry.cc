#include "models/registry.h"

#include <array>

namespace uma {

std::unique_ptr<LanguageModel> make_gemma2(ModelReader& file);
std::unique_ptr<LanguageModel> make_gemma3(ModelReader& file);
std::unique_ptr<LanguageModel> make_llama(ModelReader& file);
std::unique_ptr<LanguageModel> make_qwen2(ModelReader& file);
std::unique_ptr<LanguageModel> make_qwen3(ModelReader& file);

namespace {

constexpr std::array<Architecture, 5> kArchitectures{{
    {"gemma2", make_gemma2},
    {"gemma3", make_gemma3},
    {"llama", make_llama},  // Llama 2 and 3, Mistral
    {"qwen2", make_qwen2},
    {"qwen3", make_qwen3},
}};

}  // namespace

std::span<const Architecture> architectures() {
  return kArchitectures;
}

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture& row : kArchitectures)
    if (row.name == name) return &row;
  return nullptr;
}

}  // namespace uma
