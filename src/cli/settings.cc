#include "cli/settings.h"

#include <algorithm>

#include "cli/output.h"
#include "hub/hub.h"
#include "hub/names.h"

namespace uma::cli {
namespace {

/// 0.7f as 0.7: the number that was written.
double decimal(float value) {
  return std::stod(fmt::format("{}", value));
}

}  // namespace

serve::ModelSettings settings_of(const std::string& model) {
  return hub::is_path(model) ? serve::ModelSettings()
                             : serve::ModelSettings::parse(hub::Store().find(model).settings);
}

RunOptions with_parameters(RunOptions o, const serve::ModelSettings& settings, const ModelConfig& config) {
  GenerateOptions made;
  int64_t context = 0;
  settings.apply(made, context);
  const serve::Fields parameters(settings.parameters);
  const auto says = [&](const char* parameter, const char* flag) {
    return parameters.find(parameter) && !o.given.contains(flag);
  };
  const SamplingOptions& s = made.sampling;
  if (says("temperature", "temp")) o.temp = decimal(s.temperature);
  if (says("top_k", "top_k")) o.top_k = static_cast<int>(s.top_k);
  if (says("top_p", "top_p")) o.top_p = decimal(s.top_p);
  if (says("min_p", "min_p")) o.min_p = decimal(s.min_p);
  if (says("repeat_penalty", "repeat_penalty")) o.repeat_penalty = decimal(s.repeat_penalty);
  if (says("presence_penalty", "presence_penalty")) o.presence_penalty = decimal(s.presence_penalty);
  if (says("frequency_penalty", "frequency_penalty")) o.frequency_penalty = decimal(s.frequency_penalty);
  if (says("repeat_last_n", "repeat_last_n")) o.repeat_last_n = static_cast<int>(s.repeat_last_n);
  if (says("seed", "seed") && *parameters.integer("seed") != -1) o.seed = s.seed;
  if (says("num_predict", "max_tokens")) o.max_tokens = made.max_tokens;
  if (says("stop", "stop")) o.stop = made.stop;
  if (says("num_ctx", "ctx")) o.ctx = std::min(context, config.context_length);
  return o;
}

serve::ModelSettings with_flags(serve::ModelSettings settings, const RunOptions& flags) {
  if (flags.raw) settings = {};
  if (flags.raw || flags.given.contains("system")) settings.system = flags.system;
  if (!flags.template_file.empty()) settings.template_source = read_file(flags.template_file);
  return settings;
}

}  // namespace uma::cli
