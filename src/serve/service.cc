#include "serve/service.h"

#include <algorithm>

#include "hub/names.h"

namespace uma::serve {

namespace {

bool may_use(const HttpRequest& http, std::string_view name) {
  return http.models.empty() ||
         std::any_of(http.models.begin(), http.models.end(),
                     [&](const std::string& m) { return with_tag(m) == with_tag(name); });
}

}  // namespace

LocalModel find_model(const Service& service, const HttpRequest& http, std::string_view name) {
  if (!may_use(http, name))
    throw ApiError(403, fmt::format("this key may not use the model '{}'", hub::printable(name)), "model");
  return service.library.find(name);
}

std::vector<LocalModel> list_models(const Service& service, const HttpRequest& http) {
  std::vector<LocalModel> models = service.library.list();
  std::erase_if(models, [&](const LocalModel& m) { return !may_use(http, m.name); });
  return models;
}

int64_t read_priority(const Fields& body, const HttpRequest& http) {
  const int64_t priority = body.integer("priority", INT32_MIN, INT32_MAX).value_or(0);
  if (priority < http.least_priority && body.find("priority"))
    throw ApiError(403, fmt::format("this key may not ask for a \"priority\" under {}", http.least_priority),
                   "priority");
  return std::max(priority, http.least_priority);
}

std::function<void(const GenerateTimings&)> count_answers(Service& service, const std::string& tenant) {
  return [&service, tenant](const GenerateTimings& timings) {
    service.metrics.add(timings, tenant);
    service.gate.add_tokens(tenant, timings.prompt_tokens + timings.answer_tokens);
  };
}

namespace {

/// The template's variables, with the tools among them.
std::string with_tools(const std::string& variables, const std::string& tools) {
  if (tools.empty()) return variables;
  const std::string own = "{\"tools\":" + tools;
  return variables.empty() ? own + "}" : own + "," + variables.substr(1);
}

}  // namespace

AnswerWork make_work(Service& service, const AnswerRequest& request) {
  AnswerWork work;
  GenerateOptions options = request.options;
  options.grammar = service.grammars.get(request.constraint);
  work.model = service.pool.take(request.local, request.keep_alive);
  if (!request.tools.empty()) {
    options.tools = tool_style_of(work.model->prompts.template_source());
    if (!options.tools)
      throw ApiError(400, fmt::format("\"{}\" does not support tools", request.model), "tools");
    options.calls_or_text = options.grammar != nullptr;
    options.grammar = service.grammars.get(*options.tools, request.tools, request.constraint);
  }
  work.streamed = request.streamed;
  work.metrics = &service.metrics;
  work.on_ended = count_answers(service, request.tenant);
  const PromptMaker& maker = work.model->prompts;
  std::vector<std::vector<int32_t>> prompts;
  for (const Prompt& prompt : request.prompts) {
    const auto* text = std::get_if<std::string>(&prompt);
    prompts.push_back(text ? maker.plain(*text, true) : std::get<std::vector<int32_t>>(prompt));
  }
  if (prompts.empty())
    prompts.push_back(maker.conversation(work.model->settings.begin(request.messages),
                                         with_tools(request.template_json, request.tools.json)));
  for (const auto& prompt : prompts) {
    for (int64_t i = 0; i < request.choices; ++i) {
      ScheduledRequest& r = work.choices.emplace_back();
      r.prompt = prompt;
      r.options = options;
      r.options.sampling.seed += work.choices.size() - 1;
      r.context = request.context;
      r.tenant = request.tenant;
      r.priority = request.priority;
    }
  }
  return work;
}

}  // namespace uma::serve
