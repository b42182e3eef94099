#pragma once
// The only list of architectures.
#include <memory>
#include <span>
#include <string_view>

#include "models/loader.h"
#include "models/model.h"

namespace uma {

struct Architecture {
  std::string_view name;  // as GGUF spells it
  std::unique_ptr<LanguageModel> (*make)(ModelReader& file);
};

std::span<const Architecture> architectures();
/// The row, or nullptr.
const Architecture* find_architecture(std::string_view name);

}  // namespace uma
