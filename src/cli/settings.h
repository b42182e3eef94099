#pragma once
// A model that was made (/api/create) brings settings; flags win over them.
#include <string>

#include "cli/options.h"
#include "models/model.h"
#include "serve/settings.h"

namespace uma::cli {

/// What MODEL was made with; nothing where it is a file, or was pulled. Throws Format where the store's entry
/// is damaged.
serve::ModelSettings settings_of(const std::string& model);

/// The flags, and where none was given the parameters of the settings. Like the server, a num_ctx over what
/// the model has counts as that.
RunOptions with_parameters(RunOptions flags, const serve::ModelSettings& settings, const ModelConfig& config);

/// What a conversation begins with: the settings, but for what flags say. --raw leaves only what they say.
serve::ModelSettings with_flags(serve::ModelSettings settings, const RunOptions& flags);

}  // namespace uma::cli
