// What watches the server: is it alive, does it take requests, how is it doing.
#include "serve/json.h"
#include "serve/service.h"

namespace uma::serve {
namespace {

Reply health(Service&, const HttpRequest&) {
  return HttpReply{.body = dump({{"status", "ok"}})};
}

Reply ready(Service& service, const HttpRequest&) {
  if (service.closing) throw ApiError(503, "the server is shutting down");
  return HttpReply{.body = dump({{"status", "ready"}})};
}

Reply metrics(Service& service, const HttpRequest&) {
  return HttpReply{.body = service.metrics.print(service.pool),
                   .type = "text/plain; version=0.0.4; charset=utf-8"};
}

Reply root(Service&, const HttpRequest&) {
  return HttpReply{.body = "uma is running\n", .type = "text/plain; charset=utf-8"};
}

constexpr Route kRoutes[] = {
    {"GET", "/", root}, {"GET", "/health", health}, {"GET", "/ready", ready}, {"GET", "/metrics", metrics}};

}  // namespace

std::span<const Route> watch_routes() {
  return kRoutes;
}

}  // namespace uma::serve
