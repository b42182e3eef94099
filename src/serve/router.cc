#include "serve/router.h"

#include <algorithm>
#include <array>

namespace uma::serve {
namespace {

std::array<std::span<const Route>, 7> all_routes() {
  return {ollama_routes(),    openai_routes(),     embedding_routes(), anthropic_routes(),
          responses_routes(), management_routes(), watch_routes()};
}

const Route* find_route(std::string_view path, std::string_view method, const Route*& other_method) {
  if (method == "HEAD") method = "GET";
  for (const auto routes : all_routes()) {
    for (const Route& r : routes) {
      if (!path_matches(r.path, path)) continue;
      if (method == r.method) return &r;
      other_method = &r;
    }
  }
  return nullptr;
}

/// The methods of a path, as Allow has them.
std::string methods_of(std::string_view path) {
  std::string all;
  for (const auto routes : all_routes())
    for (const Route& r : routes)
      if (path_matches(r.path, path))
        all += fmt::format("{}{}", all.empty() ? "" : ", ",
                           r.method == std::string_view("GET") ? "GET, HEAD" : r.method);
  return all;
}

/// A sink whose errors become its reply; after one, the rest of the body is not looked at.
class GuardedSink final : public BodySink {
 public:
  template <class Open>
  GuardedSink(std::string path, const Open& open, std::function<void(const Failure&)> tell)
      : path_(std::move(path)), tell_(std::move(tell)) {
    guard([&] { inner_ = open(); });
  }
  void write(std::string_view bytes) override {
    if (!failure_) guard([&] { inner_->write(bytes); });
  }
  HttpReply finish() override {
    HttpReply reply;
    if (!failure_) guard([&] { reply = inner_->finish(); });
    if (failure_) reply = refusal(path_, *failure_);
    tell_(failure_.value_or(Failure{.status = reply.status}));
    return reply;
  }

 private:
  template <class F>
  void guard(const F& f) {
    try {
      f();
    } catch (...) {
      failure_ = failure_of(std::current_exception());
    }
  }
  std::string path_;
  std::function<void(const Failure&)> tell_;
  std::unique_ptr<BodySink> inner_;
  std::optional<Failure> failure_;
};

}  // namespace

bool has_sink(const HttpRequest& request) {
  const Route* other = nullptr;
  const Route* route = find_route(request.path, request.method, other);
  return route && route->receive;
}

std::unique_ptr<BodySink> open_sink(Service& service, HttpRequest& request,
                                    const std::function<void(std::string_view)>& log) {
  const Route* other = nullptr;
  const Route* route = find_route(request.path, request.method, other);
  return std::make_unique<GuardedSink>(
      request.path,
      [&] {
        service.gate.admit(request, route->access);
        return route->receive(service, request);
      },
      [&service, log, label = std::string_view(route->path)](const Failure& failure) {
        if (!failure.detail.empty() && log) log(fmt::format("{}: {}", label, failure.detail));
        service.metrics.count_reply(label, failure.status);
      });
}

HttpReply refusal(std::string_view path, const Failure& failure) {
  HttpReply reply = path.starts_with("/v1/messages") ? anthropic_refusal(failure)
                    : path.starts_with("/v1/")       ? openai_refusal(failure)
                                                     : ollama_refusal(failure);
  const int64_t wait =
      failure.status == 503 ? std::max<int64_t>(failure.retry_after, 1) : failure.retry_after;
  if (wait > 0) reply.headers.emplace_back("Retry-After", std::to_string(wait));
  if (failure.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

Reply route(Service& service, HttpRequest& request, const std::function<void(std::string_view)>& log) {
  std::string_view label = "other";  // of figures: names that clients make up are not kept
  const Route* other = nullptr;
  Failure failure{.status = 404, .message = "there is no such path"};
  try {
    const Route* known = find_route(request.path, request.method, other);
    if (known) {
      label = known->path;
      service.gate.admit(request, known->access);
      Reply reply = known->handle(service, request);
      service.metrics.count_reply(label, 200);
      return reply;
    }
    if (other) {
      label = other->path;
      failure = {.status = 405, .message = fmt::format("{} takes {}", other->path, methods_of(request.path))};
    }
  } catch (...) {
    failure = failure_of(std::current_exception());
  }
  if (!failure.detail.empty() && log) log(fmt::format("{}: {}", label, failure.detail));
  service.metrics.count_reply(label, failure.status);
  HttpReply reply = refusal(request.path, failure);
  if (failure.status == 405) reply.headers.emplace_back("Allow", methods_of(request.path));
  return reply;
}

}  // namespace uma::serve
