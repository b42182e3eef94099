#pragma once
#include <string>

#include "cli/options.h"
#include "models/model.h"

namespace uma::cli {

/// The file of MODEL; one of the catalogue that is not here yet is pulled first, with a progress bar.
/// Throws NotFound, and what a pull throws.
std::string find_or_pull(const std::string& model, bool offline);

/// The file of MODEL, which must be here. Throws NotFound.
std::string find_local(const std::string& model);

/// The key of the server that models are pushed to, from UMA_PUSH_KEY; "" where that is not set.
std::string push_key();

ModelOptions model_options(const Precision& precision);

}  // namespace uma::cli
