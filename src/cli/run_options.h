#pragma once
// What `run` and the chat share.
#include <string>

#include "cli/options.h"
#include "engine/generate.h"

namespace uma::cli {

/// The engine's options for these flags. Throws InvalidArgument for a --logit-bias that is not ID=VALUE, and
/// what reading and compiling a schema, grammar or expression throws.
GenerateOptions generate_options(const RunOptions& options);

/// Says on stderr why an answer ended where a reader could not see it.
void explain_stop(const GenerateResult& result, int64_t context);

std::string timings_line(const GenerateResult& result, const Model& model);

}  // namespace uma::cli
