#pragma once
#include <memory>

#include "cli/options.h"
#include "models/open.h"
#include "serve/settings.h"

namespace uma::cli {

/// The conversation on a terminal: line editing, history, slash commands. draft: guesses, or nullptr. Returns
/// the exit code.
int chat(const RunOptions& flags, const serve::ModelSettings& settings, std::shared_ptr<const Model> model,
         std::shared_ptr<const Model> draft);

}  // namespace uma::cli
