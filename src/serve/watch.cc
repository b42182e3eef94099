// What watches the server: is it alive, does it take requests, how is it doing.
#include "serve/json.h"
#include "serve/openapi.h"
#include "serve/page.h"
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

/// People get the chat page; clients that ask whether the server is there get their line.
Reply root(Service&, const HttpRequest& http) {
  if (wants_page(http.header("accept"))) return chat_page();
  return HttpReply{
      .body = "uma is running\n", .type = "text/plain; charset=utf-8", .headers = {{"Vary", "Accept"}}};
}

Reply openapi(Service& service, const HttpRequest&) {
  OrderedJson document = OrderedJson::parse(kOpenApi);
  document["info"]["version"] = service.version;
  return HttpReply{.body = dump(document)};
}

constexpr Route kRoutes[] = {
    {"GET", "/", root, Access::open},
    {"GET", "/health", health, Access::open},
    {"GET", "/ready", ready, Access::open},
    {"GET", "/metrics", metrics, Access::watch},
    {"GET", "/openapi.json", openapi, Access::open},
};

}  // namespace

std::span<const Route> watch_routes() {
  return kRoutes;
}

}  // namespace uma::serve
