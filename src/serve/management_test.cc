// Models pulled, made, copied and deleted over HTTP.
#include "hub/files.h"
#include "hub/testing.h"
#include "serve/testing.h"

namespace uma::serve {
namespace {

using testing::Client;
using testing::OrderedJson;
using testing::TestServer;

std::vector<OrderedJson> lines_of(const std::string& body) {
  std::vector<OrderedJson> lines;
  for (size_t at = 0; at < body.size(); at = body.find('\n', at) + 1)
    lines.push_back(OrderedJson::parse(body.substr(at, body.find('\n', at) - at)));
  return lines;
}

const std::string& tiny_file() {
  static const std::string bytes = hub::testing::read_file(TestServer::golden("qwen2"));
  return bytes;
}

void upload(const TestServer& s, const std::string& bytes) {
  const std::string path = "/api/blobs/sha256:" + hub::sha256_hex(bytes);
  EXPECT_EQ(s.ask("HEAD", path).status, 404);
  const auto sent = s.ask("POST", path, bytes);
  EXPECT_EQ(sent.status, 201) << sent.body;
  EXPECT_EQ(s.ask("HEAD", path).status, 200);
  EXPECT_EQ(s.ask("POST", path, bytes).status, 200);  // it is here already
}

OrderedJson create(const TestServer& s, OrderedJson fields) {
  const auto r = s.ask("POST", "/api/create", fields.dump());
  EXPECT_EQ(r.status, 200) << r.body;
  return lines_of(r.body).back();
}

TEST(ServeManagement, AModelIsUploadedMadeAskedCopiedAndDeleted) {
  TestServer s([](ServerOptions& o) { o.http.max_body_bytes = 4096; });  // uploads have a limit of their own
  upload(s, tiny_file());
  const std::string digest = "sha256:" + hub::sha256_hex(tiny_file());
  EXPECT_EQ(create(s, {{"model", "base"}, {"files", {{"model.gguf", digest}}}})["status"], "success");
  const auto made = create(
      s, {{"model", "mine:latest"},
          {"from", "base"},
          {"system", "Be kind."},
          {"template", "{{ messages[0].content }}|{{ messages[-1].content }}|"},
          {"parameters", {{"temperature", 0}, {"num_predict", 3}, {"stop", {"zzz"}}}},
          {"messages", {{{"role", "user"}, {"content", "a"}}, {{"role", "assistant"}, {"content", "b"}}}},
          {"license", "MIT"}});
  EXPECT_EQ(made["status"], "success");
  const auto shown = s.ask("POST", "/api/show", R"({"model":"mine"})").json();
  EXPECT_EQ(shown["system"], "Be kind.");
  EXPECT_EQ(shown["license"], "MIT");
  EXPECT_EQ(shown["messages"].size(), 2u);
  EXPECT_NE(shown["parameters"].get<std::string>().find("num_predict"), std::string::npos);
  EXPECT_NE(shown["modelfile"].get<std::string>().find("SYSTEM \"\"\"Be kind.\"\"\""), std::string::npos);
  EXPECT_EQ(shown["template"], "{{ messages[0].content }}|{{ messages[-1].content }}|");
  // Its settings count in every dialect.
  const auto ollama = s.ask("POST", "/api/chat",
                            R"({"model":"mine","stream":false,"messages":[{"role":"user","content":"hi"}]})")
                          .json();
  EXPECT_EQ(ollama["eval_count"], 3);
  const auto same =
      s.ask(
           "POST", "/api/generate",
           R"({"model":"base","raw":true,"stream":false,"prompt":"Be kind.|hi|","options":{"temperature":0,"num_predict":3}})")
          .json();
  EXPECT_EQ(ollama["message"]["content"], same["response"]);
  EXPECT_EQ(ollama["prompt_eval_count"], same["prompt_eval_count"]);
  const auto openai = s.ask("POST", "/v1/chat/completions",
                            R"({"model":"mine","messages":[{"role":"user","content":"hi"}],"temperature":0})")
                          .json();
  EXPECT_EQ(openai["choices"][0]["message"]["content"], same["response"]);
  const auto own =
      s.ask(
           "POST", "/v1/chat/completions",
           R"({"model":"mine","max_tokens":1,"messages":[{"role":"system","content":"No."},{"role":"user","content":"hi"}]})")
          .json();
  EXPECT_EQ(own["usage"]["completion_tokens"], 1);

  EXPECT_EQ(s.ask("POST", "/api/copy", R"({"source":"mine","destination":"yours"})").status, 200);
  EXPECT_EQ(s.ask("POST", "/api/show", R"({"model":"yours"})").json()["system"], "Be kind.");
  EXPECT_EQ(s.ask("DELETE", "/api/delete", R"({"model":"mine"})").status, 200);
  EXPECT_EQ(s.ask("POST", "/api/show", R"({"model":"mine"})").status, 404);
  EXPECT_EQ(s.ask("GET", "/api/tags").json()["models"].size(), 4u);  // two named, base, yours
}

TEST(ServeManagement, RefusesWhatIsWrong) {
  TestServer s;
  const auto refused = [&](const std::string& method, const std::string& path, const std::string& body,
                           int status, const std::string& words) {
    const auto r = s.ask(method, path, body);
    EXPECT_EQ(r.status, status) << path << body << r.body;
    EXPECT_NE(r.body.find(words), std::string::npos) << r.body;
    EXPECT_EQ(r.body.find(s.folder.string()), std::string::npos) << r.body;  // no path is told
  };
  const std::string zeros(64, '0');
  refused("POST", "/api/blobs/sha256:" + zeros, "x", 400, "digest mismatch, expected");
  for (const std::string& bad :
       {std::string("sha256:.."), std::string("sha256:../../uma.db"), "sha512:" + zeros, "SHA256:" + zeros,
        "sha256:" + std::string(64, 'G'), zeros}) {
    refused("POST", "/api/blobs/" + bad, "x", 400, "invalid digest");
    EXPECT_EQ(s.ask("HEAD", "/api/blobs/" + bad).status, 400);
  }
  for (const char* name : {"../x", "/etc/passwd", "a/b", "A b", "..", "x:../y", "C:\\\\x"})
    refused("POST", "/api/create", std::string(R"({"model":")") + name + R"(","from":"tiny"})", 400, "");
  refused("POST", "/api/create", R"({"model":"x"})", 400, "from");
  refused("POST", "/api/create", R"({"model":"x","from":"none"})", 404, "not found");
  refused("POST", "/api/create", R"({"model":"x","from":"tiny"})", 400, "started with");
  refused("POST", "/api/create", R"({"model":"tiny","from":"x"})", 409, "started with");
  refused("POST", "/api/create", R"({"model":"x","files":{"a":"sha256:)" + zeros + R"("}})", 400,
          "not found: send it");
  refused("POST", "/api/create", R"({"model":"x","files":{"a":"../y"}})", 400, "invalid digest");
  refused("POST", "/api/create", R"({"model":"x","files":{},"from":""})", 400, "one .gguf");
  refused("POST", "/api/create", R"({"model":"x","from":"y","quantize":"q4_K_M"})", 400, "not supported");
  refused("POST", "/api/copy", R"({"source":"none","destination":"x"})", 404, "model \\\"none\\\" not found");
  refused("POST", "/api/copy", R"({"source":"tiny"})", 400, "required");
  refused("DELETE", "/api/delete", R"({"model":"none"})", 404, "model 'none' not found");
  refused("DELETE", "/api/delete", R"({"model":"tiny"})", 409, "started with");
  refused("DELETE", "/api/delete", R"({"model":"../../etc"})", 404, "not found");
  refused("POST", "/api/pull", R"({"model":"none"})", 404, "no model 'none'");
  refused("POST", "/api/pull", R"({"model":"http://127.0.0.1:1/x.gguf"})", 400, "invalid model name");
  refused("POST", "/api/pull", R"({"model":"file:///etc/passwd"})", 400, "invalid model name");
  refused("POST", "/api/push", R"({"model":"tiny"})", 403, "pushes nowhere");
  // A file that is no model is kept out.
  upload(s, "no model");
  refused("POST", "/api/create",
          R"({"model":"x","files":{"a":"sha256:)" + hub::sha256_hex("no model") + R"("}})", 400,
          "no GGUF file");
  const std::string digest = hub::sha256_hex(tiny_file());
  upload(s, tiny_file());
  const std::string with = R"({"model":"x","files":{"a":"sha256:)" + digest + R"("},)";
  refused("POST", "/api/create", with + R"("parameters":{"temperature":"hot"}})", 400, "temperature");
  refused("POST", "/api/create", with + R"("template":"{{ .Prompt }}"})", 400, "Jinja");
  refused("POST", "/api/create", with + R"("messages":[{"role":"robot"}]})", 400, "role");
  EXPECT_EQ(s.ask("GET", "/api/tags").json()["models"].size(), 2u);
}

TEST(ServeManagement, AnUploadThatBreaksOffLeavesNothing) {
  TestServer s;
  {
    Client client(s.port());
    client.send("POST /api/blobs/sha256:" + hub::sha256_hex(tiny_file()) +
                " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(tiny_file().size()) +
                "\r\n\r\n");
    client.send(tiny_file().substr(0, tiny_file().size() / 2));
    TestServer::eventually([&] { return hub::testing::count_files(s.folder / "home" / "uploads") == 1; });
  }
  TestServer::eventually([&] { return hub::testing::count_files(s.folder / "home" / "uploads") == 0; });
  upload(s, tiny_file());
}

size_t bytes_in(const std::filesystem::path& folder) {
  size_t bytes = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error))
    if (it->is_regular_file(error)) bytes += it->file_size(error);
  return bytes;
}

struct PullServer {
  hub::Catalogue catalogue{hub::testing::row_for("pulled:1", tiny_file())};
  std::atomic<size_t> limit{std::string::npos};
  hub::testing::Server source{[this](const std::string& request, const hub::testing::Server::Peer& peer) {
    const size_t most = limit;
    hub::testing::send_file(request, peer, tiny_file(), most);
    if (most != std::string::npos) peer.wait(20000);
  }};
  const hub::testing::EnvironmentScope no_offline{"UMA_OFFLINE", nullptr}, no_proxy{"NO_PROXY", "*"},
      no_proxy2{"no_proxy", "*"};
  PullServer() { catalogue[0].sources = {{source.url("/m"), {}}}; }
};

TEST(ServeManagement, PullsWithProgressAndGoesOnAfterABreak) {
  PullServer remote;
  TestServer s([&](ServerOptions& o) { o.store.catalogue = &remote.catalogue; });
  remote.limit = tiny_file().size() / 2;
  {
    Client client(s.port());
    client.send(testing::request("POST", "/api/pull", R"({"model":"pulled:1"})"));
    client.read_until("pulling " + hub::sha256_hex(tiny_file()).substr(0, 12));
    TestServer::eventually([&] { return bytes_in(s.folder / "home" / "partial") >= tiny_file().size() / 2; });
  }
  TestServer::eventually([&] { return s.metric("uma_http_connections") == 1; });
  EXPECT_EQ(s.ask("POST", "/api/show", R"({"model":"pulled:1"})").status, 404);
  remote.limit = std::string::npos;
  const auto lines = lines_of(s.ask("POST", "/api/pull", R"({"model":"pulled:1"})").body);
  EXPECT_EQ(lines.front()["status"], "pulling manifest");
  EXPECT_EQ(lines.back()["status"], "success") << lines.back();
  bool progressed = false;
  for (const auto& line : lines) {
    if (!line.contains("total")) continue;
    progressed = true;
    EXPECT_EQ(line["digest"], "sha256:" + hub::sha256_hex(tiny_file()));
    EXPECT_EQ(line["total"], tiny_file().size());
    EXPECT_EQ(line["status"], "pulling " + hub::sha256_hex(tiny_file()).substr(0, 12));
  }
  EXPECT_TRUE(progressed);
  EXPECT_GT(hub::testing::range_of(remote.source.requests().back()), 0u);  // it went on where it was
  EXPECT_EQ(s.ask("POST", "/api/generate",
                  R"({"model":"pulled:1","prompt":"x","stream":false,"options":{"num_predict":1}})")
                .status,
            200);
  const auto again = s.ask("POST", "/api/pull", R"({"model":"pulled:1","stream":false})");
  EXPECT_EQ(again.json()["status"], "success");
  EXPECT_EQ(s.ask("DELETE", "/api/delete", R"({"name":"pulled:1"})").status, 200);
}

TEST(ServeManagement, PushesToAnotherServer) {
  const hub::testing::EnvironmentScope no_offline{"UMA_OFFLINE", nullptr}, no_proxy{"NO_PROXY", "*"},
      no_proxy2{"no_proxy", "*"};
  TestServer there([](ServerOptions& o) { o.keys = true; });
  KeyStore keys(there.folder / "home");
  KeyRecord admin{.name = "pusher", .role = Role::admin}, user{.name = "user"};
  const std::string key = keys.add(admin), poor = keys.add(user);
  const std::string address = "http://127.0.0.1:" + std::to_string(there.port()) + "/";
  TestServer here([&](ServerOptions& o) { o.push = {address, key}; });
  upload(here, tiny_file());
  const std::string digest = hub::sha256_hex(tiny_file());
  create(here, {{"model", "mine"},
                {"files", {{"m.gguf", "sha256:" + digest}}},
                {"system", "Be kind."},
                {"parameters", {{"temperature", 0}, {"num_predict", 3}}},
                {"messages", {{{"role", "user"}, {"content", "a"}}}},
                {"license", "MIT"}});
  const auto lines = lines_of(here.ask("POST", "/api/push", R"({"model":"mine:latest"})").body);
  EXPECT_EQ(lines.front()["status"], "retrieving manifest");
  EXPECT_EQ(lines[1]["status"], "pushing " + digest.substr(0, 12));
  EXPECT_EQ(lines[1]["digest"], "sha256:" + digest);
  EXPECT_EQ(lines[1]["total"], tiny_file().size());
  ASSERT_GE(lines.size(), 4u);
  EXPECT_EQ(lines[lines.size() - 3]["completed"], tiny_file().size());
  EXPECT_EQ(lines[lines.size() - 2]["status"], "pushing manifest");
  EXPECT_EQ(lines.back()["status"], "success") << lines.back();
  const std::string bearer = "Authorization: Bearer " + key + "\r\n";
  const auto shown = there.ask("POST", "/api/show", R"({"model":"mine"})", bearer).json();
  EXPECT_EQ(shown["system"], "Be kind.");
  EXPECT_EQ(shown["license"], "MIT");
  EXPECT_EQ(shown["messages"].size(), 1u);
  EXPECT_EQ(shown["parameters"], here.ask("POST", "/api/show", R"({"model":"mine"})").json()["parameters"]);
  // The file is there: another name for it sends no bytes.
  EXPECT_EQ(here.ask("POST", "/api/copy", R"({"source":"mine","destination":"yours"})").status, 200);
  EXPECT_EQ(here.ask("POST", "/api/push", R"({"model":"yours","stream":false})").json()["status"], "success");
  EXPECT_NE(there.ask("GET", "/metrics", "", bearer)
                .body.find("uma_http_replies_total{route=\"/api/blobs/*\",status=\"201\"} 1\n"),
            std::string::npos);

  EXPECT_EQ(here.ask("POST", "/api/push", R"({"model":"none"})").status, 404);
  const auto refused = [&](const std::string& url, const std::string& with, int status,
                           const std::string& words) {
    TestServer other([&](ServerOptions& o) {
      o.push = {url, with};
      o.store.home = here.folder / "home";
    });
    const auto r = other.ask("POST", "/api/push", R"({"model":"mine","stream":false})");
    EXPECT_EQ(r.status, status) << r.body;
    EXPECT_NE(r.body.find(words), std::string::npos) << r.body;
    EXPECT_EQ(r.body.find(here.folder.string()), std::string::npos) << r.body;
  };
  refused(address, "", 400, "127.0.0.1 wants a key");
  refused(address, poor, 400, "status 403");
  refused("http://127.0.0.1:1", key, 502, "cannot connect to 127.0.0.1");
}

TEST(ServeManagement, OfflineNothingIsFetchedAndTheEndStopsAPull) {
  PullServer remote;
  {
    TestServer s([&](ServerOptions& o) {
      o.store.catalogue = &remote.catalogue;
      o.offline = true;
    });
    const auto r = s.ask("POST", "/api/pull", R"({"model":"pulled:1","stream":false})");
    EXPECT_EQ(r.status, 403) << r.body;
    EXPECT_NE(r.body.find("--offline forbids"), std::string::npos) << r.body;
    EXPECT_TRUE(remote.source.requests().empty());
  }
  remote.limit = 100;
  TestServer s([&](ServerOptions& o) { o.store.catalogue = &remote.catalogue; });
  Client client(s.port());
  client.send(testing::request("POST", "/api/pull", R"({"model":"pulled:1"})"));
  client.read_until("pulling " + hub::sha256_hex(tiny_file()).substr(0, 12));
  s.stop();
  const std::string end = client.read_until("");
  EXPECT_NE(end.find("shutting down"), std::string::npos) << end;
  EXPECT_TRUE(end.ends_with("0\r\n\r\n"));
}

}  // namespace
}  // namespace uma::serve
