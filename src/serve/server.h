#pragma once
// The server as a program starts it: models, scheduler, dialects and HTTP put together.
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "serve/http_server.h"
#include "serve/service.h"

namespace uma::serve {

struct ServerOptions {
  HttpOptions http;
  Pool::Options pool;
  hub::StoreConfig store;
  std::vector<std::pair<std::string, std::string>> models;  // names and their files, besides the store's
  std::string version;
  bool offline = false;  // models are not fetched or pushed
  PushTarget push;
  bool keys = false;                          // whoever asks needs a key of the store's folder
  std::function<void(std::string_view)> log;  // a line; from any thread, one at a time
};

class Server {
 public:
  /// Listens, so that a client that comes now waits. Throws what Library and HttpServer throw.
  explicit Server(ServerOptions options);
  ~Server();

  uint16_t port() const { return http_.port(); }
  /// Until stop(), or SIGINT or SIGTERM where `signals` says so. Returns when the last connection is closed.
  void run(bool signals) { http_.run(signals); }
  void stop() { http_.stop(); }

 private:
  void tick();
  void flush();

  std::function<void(std::string_view)> log_;
  Service service_;
  HttpServer http_;  // last: its connections use the others
};

}  // namespace uma::serve
