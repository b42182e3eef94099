#pragma once
// What /set parameter changes.
#include <string>
#include <string_view>

#include "cli/options.h"

namespace uma::cli {

/// Sets one. Names are the flags' and Ollama's (num_ctx, num_predict, temperature). An empty value sets it
/// back to what `initial` has, and it is no longer `given`, unless it is there. Returns true if the session
/// must begin anew (ctx). Throws InvalidArgument naming the parameter and its rule; nothing has changed then.
bool set_parameter(RunOptions& options, const RunOptions& initial, std::string_view name,
                   std::string_view value);

/// Name and value of each, one a line.
std::string parameters_text(const RunOptions& options, std::string_view indent, std::string_view keyword);

/// Name, meaning and bounds of each, one a line.
std::string parameters_help();

}  // namespace uma::cli
