#include "serve/server.h"

#include <mutex>

#include "serve/router.h"

namespace uma::serve {
namespace {

std::function<void(std::string_view)> one_at_a_time(std::function<void(std::string_view)> log) {
  if (!log) return [](std::string_view) {};
  return [log = std::move(log), mutex = std::make_shared<std::mutex>()](std::string_view line) {
    std::lock_guard lock(*mutex);
    log(line);
  };
}

Pool::Options with_log(Pool::Options options, const std::function<void(std::string_view)>& log) {
  options.log = log;
  return options;
}

}  // namespace

Server::Server(ServerOptions o)
    : log_(one_at_a_time(std::move(o.log))),
      service_(std::move(o.store), o.models, with_log(std::move(o.pool), log_), std::move(o.version)),
      http_(std::move(o.http),
            {.handle = [this](const HttpRequest& request) { return route(service_, request, log_); },
             .refuse = refusal,
             .tick = [this] { service_.pool.sweep(); },
             .log = log_},
            service_.metrics) {
  http_.on_stop = [this] { service_.closing = true; };
}

}  // namespace uma::serve
