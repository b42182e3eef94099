// Keys and what they may: the store, the gate, and both over HTTP.
#include "serve/gate.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <ctime>

#include "hub/testing.h"
#include "serve/testing.h"

namespace uma::serve {
namespace {

using hub::testing::error_of;
using hub::testing::TempFolder;
using testing::TestServer;

TEST(Keys, AreKeptAsHashesForTheirOwnerOnly) {
  TempFolder folder;
  KeyRecord record{.name = "anna", .role = Role::user, .models = {"a:1"}, .endpoints = {"/v1/*"}};
  std::string key;
  {
    KeyStore store(folder.path);
    key = store.add(record);
    EXPECT_EQ(key.size(), 4u + 8 + 1 + 43);
    EXPECT_TRUE(key.starts_with("uma_" + record.id + "_"));
    KeyRecord same{.name = "anna"};
    EXPECT_EQ(error_of([&] { store.add(same); }).code(), ErrorCode::kInvalidArgument);
    for (const std::string& bad : {std::string(), std::string(65, 'x'), std::string("a\nb")}) {
      KeyRecord named{.name = bad};
      EXPECT_EQ(error_of([&] { store.add(named); }).code(), ErrorCode::kInvalidArgument);
    }
  }
  struct stat status {};
  ASSERT_EQ(::stat((folder.path / "keys.db").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(hub::testing::read_file(folder.path / "keys.db").find(key.substr(13)), std::string::npos);
  KeyStore store(folder.path);  // another process
  const auto found = store.check(key);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->name, "anna");
  EXPECT_EQ(found->models, record.models);
  EXPECT_EQ(found->endpoints, record.endpoints);
  for (const std::string& wrong : {key.substr(1), key + "x", std::string(key.size(), 'x'), std::string()})
    EXPECT_FALSE(store.check(wrong));
  for (size_t i = 0; i < key.size(); ++i) {
    std::string wrong = key;
    wrong[i] = wrong[i] == 'q' ? 'r' : 'q';
    EXPECT_FALSE(store.check(wrong)) << i;
  }
  EXPECT_EQ(store.revoke("anna").id, record.id);
  EXPECT_FALSE(store.check(key));
  EXPECT_EQ(store.list().size(), 1u);
  EXPECT_GT(store.list()[0].revoked, 0);
  EXPECT_EQ(error_of([&] { store.revoke("nobody"); }).code(), ErrorCode::kNotFound);
}

TEST(Keys, ExpireAndCountTokens) {
  TempFolder folder;
  KeyStore store(folder.path);
  KeyRecord old{.name = "old", .expires = std::time(nullptr) - 1},
      good{.name = "good", .expires = std::time(nullptr) + 60};
  EXPECT_FALSE(store.check(store.add(old)));
  const std::string key = store.add(good);
  store.add_tokens(good.id, 5);
  store.add_tokens(good.id, 7);
  store.add_tokens("nobody", 7);
  EXPECT_EQ(store.check(key)->tokens_today, 12);
}

TEST(Keys, AStoreOfAnEarlierVersionGetsItsNewColumn) {
  TempFolder folder;
  KeyRecord record{.name = "old", .least_priority = -3};
  std::string key;
  {
    KeyStore store(folder.path);
    key = store.add(record);
    EXPECT_EQ(store.check(key)->may_ask_priority(), -3);
  }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((folder.path / "keys.db").c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "ALTER TABLE keys DROP COLUMN least_priority", nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(KeyStore(folder.path).check(key)->may_ask_priority(), 0);
}

TEST(Keys, ADamagedStoreIsSaid) {
  TempFolder folder;
  hub::testing::write_file(folder.path / "keys.db", std::string(5000, 'x'));
  EXPECT_EQ(error_of([&] { KeyStore store(folder.path); }).code(), ErrorCode::kFormat);
}

struct Keyed {
  TestServer server;
  KeyStore store;
  explicit Keyed(const std::function<void(ServerOptions&)>& change = {})
      : server([&](ServerOptions& o) {
          o.keys = true;
          if (change) change(o);
        }),
        store(server.folder / "home") {}
  std::string add(KeyRecord record) {
    record.name += fmt::format("{}", store.list().size());
    return "Authorization: Bearer " + store.add(record) + "\r\n";
  }
  int status(const std::string& header, const std::string& method, const std::string& path,
             const std::string& body = "") const {
    return server.ask(method, path, body, header).status;
  }
};

const std::string kAsk =
    R"({"model":"tiny","prompt":"x","messages":[{"role":"user","content":"x"}],"max_tokens":1,"stream":false,"options":{"num_predict":1}})";

TEST(Gate, RolesAndWrongKeys) {
  Keyed k;
  const std::string admin = k.add({.name = "a", .role = Role::admin}), user = k.add({.name = "u"}),
                    auditor = k.add({.name = "w", .role = Role::auditor});
  struct Row {
    const char *method, *path;
    bool admin, user, auditor;
  };
  const Row rows[] = {{"POST", "/api/generate", true, true, false},
                      {"POST", "/v1/chat/completions", true, true, false},
                      {"POST", "/v1/messages", true, true, false},
                      {"POST", "/v1/embeddings", true, true, false},
                      {"GET", "/api/tags", true, true, true},
                      {"GET", "/v1/models", true, true, true},
                      {"GET", "/metrics", true, false, true},
                      {"POST", "/api/pull", true, false, false},
                      {"POST", "/api/create", true, false, false},
                      {"DELETE", "/api/delete", true, false, false},
                      {"HEAD", "/api/blobs/sha256:x", true, false, false},
                      {"POST", "/api/blobs/sha256:x", true, false, false}};
  for (const Row& row : rows) {
    const auto may = [&](const std::string& key) {
      const int status = k.status(key, row.method, row.path, row.method == std::string("GET") ? "" : kAsk);
      EXPECT_NE(status, 401) << row.path;
      return status != 403;
    };
    EXPECT_EQ(may(admin), row.admin) << row.path;
    EXPECT_EQ(may(user), row.user) << row.path;
    EXPECT_EQ(may(auditor), row.auditor) << row.path;
    EXPECT_EQ(k.status("", row.method, row.path), 401) << row.path;
    EXPECT_EQ(k.status("Authorization: Bearer uma_x\r\n", row.method, row.path), 401);
    EXPECT_EQ(k.status("Authorization: Basic eDp5\r\n", row.method, row.path), 401);
  }
  for (const char* path : {"/", "/health", "/ready"}) EXPECT_EQ(k.status("", "GET", path), 200) << path;
  // Tricks with the path lead to no route, whatever the key.
  for (const char* path : {"//api/tags", "/api/../api/tags", "/API/tags", "/api/tags/", "/api%2ftags",
                           "/api/tags.", "/api/tags%00", "/api/./tags", "/api\\tags", "/api;x/tags"})
    EXPECT_EQ(k.status("", "GET", path), 404) << path;
  for (const char* target : {"http://localhost/api/tags", "*", "localhost/api/tags"})
    EXPECT_EQ(k.status("", "GET", target), 400) << target;
  EXPECT_EQ(k.status("x-api-key: " + user.substr(22), "POST", "/v1/messages", kAsk), 200);
  const auto refused = k.server.ask("POST", "/v1/messages", kAsk);
  EXPECT_EQ(refused.json()["error"]["type"], "authentication_error");
  EXPECT_NE(refused.head.find("WWW-Authenticate: Bearer"), std::string::npos);
  EXPECT_EQ(k.server.ask("POST", "/v1/completions", kAsk).json()["error"]["code"], "invalid_api_key");
}

TEST(Gate, ScopesLimitsAndQuotas) {
  Keyed k;
  const std::string scoped = k.add({.name = "s", .models = {"tiny"}, .endpoints = {"/v1/*", "/api/tags"}});
  EXPECT_EQ(k.status(scoped, "POST", "/v1/completions", kAsk), 200);
  EXPECT_EQ(k.status(scoped, "POST", "/api/generate", kAsk), 403);
  std::string other = kAsk;
  other.replace(other.find("tiny"), 4, "long:1");
  EXPECT_EQ(k.status(scoped, "POST", "/v1/completions", other), 403);
  EXPECT_EQ(k.status(scoped, "POST", "/v1/embeddings", R"({"model":"long:1","input":"x"})"), 403);
  EXPECT_EQ(k.status(scoped, "POST", "/v1/responses", R"({"model":"long:1","input":"x"})"), 403);
  EXPECT_EQ(k.status(scoped, "GET", "/v1/models/long:1"), 403);
  EXPECT_EQ(k.server.ask("GET", "/api/tags", "", scoped).json()["models"].size(), 1u);
  EXPECT_EQ(k.server.ask("GET", "/v1/models", "", scoped).json()["data"].size(), 1u);

  const std::string slow = k.add({.name = "r", .requests_per_minute = 2});
  EXPECT_EQ(k.status(slow, "GET", "/api/tags"), 200);
  EXPECT_EQ(k.status(slow, "GET", "/api/tags"), 200);
  const auto limited = k.server.ask("GET", "/api/tags", "", slow);
  EXPECT_EQ(limited.status, 429);
  EXPECT_NE(limited.head.find("Retry-After: "), std::string::npos);

  const std::string poor = k.add({.name = "q", .tokens_per_day = 3});
  EXPECT_EQ(k.status(poor, "POST", "/v1/completions", kAsk), 200);
  TestServer::eventually([&] {
    return k.status(poor, "POST", "/v1/completions", R"({"model":"tiny","prompt":"xyz","max_tokens":1})") ==
           429;
  });
  EXPECT_EQ(k.status(poor, "GET", "/api/tags"), 200);
  TestServer::eventually([&] { return k.store.list().back().tokens_today >= 3; });  // it reached the store
  const std::string auditor = k.add({.name = "w", .role = Role::auditor});
  EXPECT_NE(k.server.ask("GET", "/metrics", "", auditor)
                .body.find("uma_key_tokens_total{key=\"" + k.store.list()[0].id),
            std::string::npos);

  const std::string gone = k.add({.name = "x"});
  EXPECT_EQ(k.status(gone, "GET", "/api/tags"), 200);
  k.store.revoke(k.store.list().back().id);
  EXPECT_EQ(k.status(gone, "GET", "/api/tags"), 401);
}

TEST(Gate, APriorityMayBeAskedForAsLowAsTheKeySays) {
  Keyed k;
  const std::string user = k.add({.name = "u"}), urgent = k.add({.name = "v", .least_priority = -5}),
                    batch = k.add({.name = "w", .least_priority = 5}),
                    admin = k.add({.name = "x", .role = Role::admin});
  const std::pair<const char*, const char*> dialects[] = {
      {"/api/generate", R"("prompt":"x","options":{"num_predict":1})"},
      {"/api/chat", R"("messages":[{"role":"user","content":"x"}],"options":{"num_predict":1})"},
      {"/api/embed", R"("input":"x")"},
      {"/v1/completions", R"("prompt":"x","max_tokens":1)"},
      {"/v1/chat/completions", R"("messages":[{"role":"user","content":"x"}],"max_tokens":1)"},
      {"/v1/embeddings", R"("input":"x")"},
      {"/v1/responses", R"("input":"x","max_output_tokens":1)"},
      {"/v1/messages", R"("messages":[{"role":"user","content":"x"}],"max_tokens":1)"}};
  for (const auto& [path, fields] : dialects) {
    const auto status = [&](const std::string& key, const std::string& priority) {
      return k.status(key, "POST", path,
                      fmt::format(R"({{"model":"tiny",{},"priority":{}}})", fields, priority));
    };
    EXPECT_EQ(status(user, "0"), 200) << path;
    EXPECT_EQ(status(user, "7"), 200) << path;
    EXPECT_EQ(status(user, "-1"), 403) << path;
    EXPECT_EQ(status(urgent, "-5"), 200) << path;
    EXPECT_EQ(status(urgent, "-6"), 403) << path;
    EXPECT_EQ(status(batch, "0"), 403) << path;
    EXPECT_EQ(status(batch, "null"), 200) << path;
    EXPECT_EQ(status(admin, "-2147483648"), 200) << path;
    for (const char* bad : {"\"0\"", "1.5", "2147483648", "[0]"}) EXPECT_EQ(status(admin, bad), 400) << path;
  }
}

TEST(Gate, CachedPromptsAreTheirTenantsAlone) {
  Keyed k;
  const std::string a = k.add({.name = "a"}), b = k.add({.name = "b"});
  const std::string ask = R"({"model":"tiny","prompt":")" + std::string(150, 'y') + R"(","max_tokens":1})";
  const auto cached = [&](const std::string& key) {
    return k.server.ask("POST", "/v1/completions", ask, key)
        .json()["usage"]["prompt_tokens_details"]["cached_tokens"]
        .get<int>();
  };
  EXPECT_EQ(cached(a), 0);
  EXPECT_GT(cached(a), 0);
  EXPECT_EQ(cached(b), 0);
}

}  // namespace
}  // namespace uma::serve
