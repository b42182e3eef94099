// The document says what the server has, and nothing else.
#include <algorithm>
#include <set>

#include "serve/openapi.h"
#include "serve/testing.h"

namespace uma::serve {
namespace {

using testing::OrderedJson;
using testing::TestServer;

TEST(OpenApi, NamesEveryRouteAndNoOther) {
  std::set<std::string> routes, documented;
  for (const auto table : {ollama_routes(), openai_routes(), embedding_routes(), anthropic_routes(),
                           responses_routes(), management_routes(), watch_routes()})
    for (const Route& r : table) routes.insert(std::string(r.method) + " " + r.path);
  const auto document = OrderedJson::parse(kOpenApi);
  for (const auto& [path, operations] : document["paths"].items()) {
    // {name} stands where a route has '*'.
    const std::string pattern =
        path.substr(0, path.find('{')) + (path.find('{') == std::string::npos ? "" : "*");
    for (const auto& [method, operation] : operations.items()) {
      std::string name = method;
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return static_cast<char>(c - 32); });
      if (name != "HEAD") documented.insert(name + " " + pattern);
      EXPECT_TRUE(operation.contains("responses")) << path;
    }
  }
  EXPECT_EQ(documented, routes);
}

TEST(OpenApi, ReferencesLeadSomewhereAndItIsServed) {
  const auto document = OrderedJson::parse(kOpenApi);
  const std::string text(kOpenApi), mark = "#/components/";
  for (size_t at = 0; (at = text.find(mark, at)) != std::string::npos; ++at) {
    const size_t begin = at + mark.size();
    const std::string name = text.substr(begin, text.find('"', begin) - begin);
    EXPECT_TRUE(document["components"].contains(OrderedJson::json_pointer("/" + name))) << name;
  }
  TestServer s;
  const auto served = s.ask("GET", "/openapi.json").json();
  EXPECT_EQ(served["info"]["version"], "0.0-test");
  EXPECT_EQ(served["paths"], document["paths"]);
}

}  // namespace
}  // namespace uma::serve
