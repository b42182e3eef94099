#include "serve/router.h"

namespace uma::serve {
namespace {

bool matches(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with('*')) return pattern == path;
  pattern.remove_suffix(1);
  return path.size() > pattern.size() && path.starts_with(pattern);
}

}  // namespace

HttpReply refusal(std::string_view path, const Failure& failure) {
  HttpReply reply = path.starts_with("/v1/") ? openai_refusal(failure) : ollama_refusal(failure);
  if (failure.status == 503) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

Reply route(Service& service, const HttpRequest& request, const std::function<void(std::string_view)>& log) {
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::string_view label = "other";  // of figures: names that clients make up are not kept
  const Route* known = nullptr;
  Failure failure{.status = 404, .message = "there is no such path"};
  try {
    for (const auto routes : {ollama_routes(), openai_routes(), watch_routes()}) {
      for (const Route& r : routes) {
        if (!matches(r.path, request.path)) continue;
        known = &r;
        label = r.path;
        if (method != r.method) continue;
        Reply reply = r.handle(service, request);
        service.metrics.count_reply(label, 200);
        return reply;
      }
    }
    if (known) failure = {.status = 405, .message = fmt::format("{} takes {}", known->path, known->method)};
  } catch (...) {
    failure = failure_of(std::current_exception());
  }
  if (!failure.detail.empty() && log) log(fmt::format("{}: {}", label, failure.detail));
  service.metrics.count_reply(label, failure.status);
  HttpReply reply = refusal(request.path, failure);
  if (failure.status == 405) reply.headers.emplace_back("Allow", known->method);
  return reply;
}

}  // namespace uma::serve
