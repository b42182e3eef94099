#include "serve/service.h"

namespace uma::serve {

Reply not_yet(Service&, const HttpRequest& http) {
  throw ApiError(501, fmt::format("{} is not supported yet", http.path));
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
  if (!request.tools.empty() && request.constraint.kind != Constraint::Kind::none)
    throw ApiError(400, "tools and a format for the answer together are not supported", "tools");
  options.grammar = service.grammars.get(request.constraint);
  work.model = service.pool.take(service.library.find(request.model), request.keep_alive);
  if (!request.tools.empty()) {
    options.tools = tool_style_of(work.model->prompts.template_source());
    if (!options.tools)
      throw ApiError(400, fmt::format("\"{}\" does not support tools", request.model), "tools");
    options.grammar = service.grammars.get(*options.tools, request.tools);
  }
  work.streamed = request.streamed;
  work.metrics = &service.metrics;
  const PromptMaker& maker = work.model->prompts;
  std::vector<std::vector<int32_t>> prompts;
  for (const Prompt& prompt : request.prompts) {
    const auto* text = std::get_if<std::string>(&prompt);
    prompts.push_back(text ? maker.plain(*text, true) : std::get<std::vector<int32_t>>(prompt));
  }
  if (prompts.empty())
    prompts.push_back(
        maker.conversation(request.messages, with_tools(request.template_json, request.tools.json)));
  for (const auto& prompt : prompts) {
    for (int64_t i = 0; i < request.choices; ++i) {
      ScheduledRequest& r = work.choices.emplace_back();
      r.prompt = prompt;
      r.options = options;
      r.options.sampling.seed += work.choices.size() - 1;
      r.context = request.context;
    }
  }
  return work;
}

}  // namespace uma::serve
