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
      service_(o.store, o.models, with_log(std::move(o.pool), log_), std::move(o.version),
               o.keys ? std::make_unique<KeyStore>(hub::Store(o.store).home()) : nullptr),
      http_(std::move(o.http),
            {.handle = [this](HttpRequest& request) { return route(service_, request, log_); },
             .has_sink = has_sink,
             .open_sink = [this](HttpRequest& request) { return open_sink(service_, request, log_); },
             .refuse = refusal,
             .tick = [this] { tick(); },
             .log = log_},
            service_.metrics) {
  service_.offline = o.offline;
  service_.push = std::move(o.push);
  http_.on_stop = [this] { service_.closing = true; };
}

Server::~Server() {
  flush();
}

void Server::tick() {
  service_.pool.sweep();
  flush();
}

/// What cannot be counted must not end the server.
void Server::flush() {
  try {
    service_.gate.flush();
  } catch (const Error& e) {
    log_(e.what());
  }
}

}  // namespace uma::serve
