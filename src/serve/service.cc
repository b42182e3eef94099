#include "serve/service.h"

namespace uma::serve {

Reply not_yet(Service&, const HttpRequest& http) {
  throw ApiError(501, fmt::format("{} is not supported yet", http.path));
}

AnswerWork make_work(Service& service, const AnswerRequest& request) {
  AnswerWork work;
  work.model = service.pool.take(service.library.find(request.model), request.keep_alive);
  work.streamed = request.streamed;
  work.metrics = &service.metrics;
  const PromptMaker& maker = work.model->prompts;
  std::vector<std::vector<int32_t>> prompts;
  for (const Prompt& prompt : request.prompts) {
    const auto* text = std::get_if<std::string>(&prompt);
    prompts.push_back(text ? maker.plain(*text, true) : std::get<std::vector<int32_t>>(prompt));
  }
  if (prompts.empty()) prompts.push_back(maker.conversation(request.messages, request.template_json));
  for (const auto& prompt : prompts) {
    for (int64_t i = 0; i < request.choices; ++i) {
      ScheduledRequest& r = work.choices.emplace_back();
      r.prompt = prompt;
      r.options = request.options;
      r.options.sampling.seed += work.choices.size() - 1;
      r.context = request.context;
    }
  }
  return work;
}

}  // namespace uma::serve
