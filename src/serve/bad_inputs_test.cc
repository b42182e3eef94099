// What breaks other servers, sent to this one: each is refused with a sentence or does no harm, and the
// server goes on.
#include <csignal>

#include "hub/files.h"
#include "hub/testing.h"
#include "hub/upload.h"
#include "serve/testing.h"

namespace uma::serve {
namespace {

using testing::Client;
using testing::kEndless;
using testing::OrderedJson;
using testing::request;
using testing::TestServer;
using namespace std::chrono_literals;

/// A call of a dialect: what it needs, without its closing brace.
struct Call {
  const char *path, *body;
};
constexpr Call kGenerate{"/api/generate", R"({"model":"tiny","prompt":"x","stream":false)"};
constexpr Call kChat{"/api/chat",
                     R"({"model":"tiny","messages":[{"role":"user","content":"x"}],"stream":false)"};
constexpr Call kEmbed{"/api/embed", R"({"model":"tiny","input":"x")"};
constexpr Call kOpenAi{"/v1/chat/completions",
                       R"({"model":"tiny","messages":[{"role":"user","content":"x"}])"};
constexpr Call kCompletion{"/v1/completions", R"({"model":"tiny","prompt":"x")"};
constexpr Call kVectors{"/v1/embeddings", R"({"model":"tiny","input":"x")"};
constexpr Call kResponses{"/v1/responses", R"({"model":"tiny","input":"x")"};
constexpr Call kMessages{"/v1/messages",
                         R"({"model":"tiny","max_tokens":1,"messages":[{"role":"user","content":"x"}])"};
constexpr Call kCalls[] = {kGenerate, kChat, kEmbed, kOpenAi, kCompletion, kVectors, kResponses, kMessages};

struct BadInputs : ::testing::Test {
  TestServer s;

  /// Never an internal error, never a path or an address in the sentence.
  Client::Response ask(const Call& call, const std::string& rest) const {
    const auto r = s.ask("POST", call.path, call.body + rest + "}");
    EXPECT_LT(r.status, 500) << call.path << rest << r.body;
    if (r.status != 200) expect_sentence(r);
    return r;
  }
  void expect_sentence(const Client::Response& r) const {
    EXPECT_EQ(r.body.find(s.folder.string()), std::string::npos) << r.body;
    EXPECT_EQ(r.body.find("/tests/golden"), std::string::npos) << r.body;
    const auto json = r.json();
    ASSERT_TRUE(json.contains("error")) << r.body;
    const auto& error = json["error"];
    const auto sentence = (error.is_string() ? error : error["message"]).get<std::string>();
    EXPECT_FALSE(sentence.empty());
    EXPECT_EQ(sentence.find("0x"), std::string::npos) << sentence;
  }
  void refused(const Call& call, const std::string& rest, const std::string& words) const {
    const auto r = ask(call, rest);
    EXPECT_EQ(r.status, 400) << call.path << rest << r.body;
    EXPECT_NE(r.body.find(words), std::string::npos) << r.body;
  }
};

TEST_F(BadInputs, EveryNumberOfEveryDialect) {
  struct Row {
    Call call;
    std::vector<const char*> fields;
    bool options = false;
  };
  const Row rows[] = {
      {kGenerate,
       {"temperature", "top_k", "top_p", "min_p", "repeat_last_n", "repeat_penalty", "presence_penalty",
        "frequency_penalty", "seed", "num_predict", "num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu",
        "num_thread", "typical_p"},
       true},
      {kChat, {"top_logprobs"}},
      {kEmbed, {"dimensions"}},
      {kOpenAi,
       {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty",
        "frequency_penalty", "seed", "max_tokens", "max_completion_tokens", "n", "top_logprobs"}},
      {kCompletion, {"temperature", "seed", "max_tokens", "n", "logprobs", "best_of"}},
      {kVectors, {"dimensions"}},
      {kResponses, {"temperature", "top_p", "max_output_tokens", "top_logprobs"}},
      {kMessages, {"temperature", "top_p", "top_k", "max_tokens"}},
  };
  for (const Row& row : rows) {
    for (const char* field : row.fields) {
      for (const char* value : {"9223372036854775808", "-9223372036854775809", "18446744073709551616",
                                "1e400", "-1e400", "1e308", "NaN", "Infinity", "\"1\"", "true", "[]", "{}"}) {
        const std::string pair = fmt::format("\"{}\":{}", field, value);
        refused(row.call, row.options ? ",\"options\":{" + pair + "}" : "," + pair, "");
      }
    }
  }
  for (const char* value : {"1e400", "NaN", "\"soon\"", "\"\"", "\"1e9999h\"", "[]", "{}", "true"})
    refused(kGenerate, std::string(",\"keep_alive\":") + value, "");
  for (const char* value : {"9223372036854775808", "-9223372036854775809", "1e308", "-1e308"})
    EXPECT_EQ(ask(kGenerate, std::string(",\"options\":{\"num_predict\":1},\"keep_alive\":") + value).status,
              200);
  // Tokens are numbers too.
  for (const char* value : {"[9223372036854775808]", "[-1]", "[2147483648]", "[1.5]", "[1e400]", "[[1],2]"}) {
    EXPECT_EQ(
        s.ask("POST", "/v1/completions", fmt::format(R"({{"model":"tiny","prompt":{}}})", value)).status,
        400);
    EXPECT_EQ(s.ask("POST", "/v1/embeddings", fmt::format(R"({{"model":"tiny","input":{}}})", value)).status,
              400);
  }
}

TEST_F(BadInputs, TextThatIsNone) {
  for (const Call& call : kCalls) {
    refused(call, R"(,"user":"\ud800")", "not valid JSON");
    refused(call, R"(,"user":"\udc00\ud800")", "not valid JSON");
    refused(call, ",\"user\":\"\xed\xa0\x80\"", "not valid JSON");
    refused(call, ",\"user\":\"\xff\"", "not valid JSON");
    refused(call, ",\"user\":" + std::string(100000, '['), "nests over 64 deep");
    const std::string zipped("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", 10);
    const auto r = s.ask("POST", call.path, zipped);
    EXPECT_EQ(r.status, 400) << r.body;
    expect_sentence(r);
    EXPECT_EQ(s.ask("POST", call.path, zipped, "Content-Encoding: gzip\r\n").status, 415);
    EXPECT_EQ(s.ask("POST", call.path, "{}", "Content-Encoding: zstd\r\n").status, 415);
  }
}

TEST_F(BadInputs, NamesThatLeadElsewhere) {
  for (const char* name :
       {"..", "../tiny", "/etc/passwd", "tiny\\u0000", "\\u0000", "C:\\\\x", "tiny/../tiny", "TINY",
        "tiny:", "hf.co/../../etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/x"}) {
    const std::string body =
        fmt::format(R"({{"model":"{}","prompt":"x","messages":[{{"role":"user","content":"x"}}],)"
                    R"("input":"x","max_tokens":1,"source":"{}","destination":"x","from":"{}"}})",
                    name, name, name);
    for (const char* path :
         {"/api/generate", "/api/chat", "/api/show", "/api/embed", "/api/copy", "/api/push",
          "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages"}) {
      const auto r = s.ask("POST", path, body);
      EXPECT_TRUE(r.status == 404 || r.status == 400 || r.status == 403) << path << name << r.body;
      expect_sentence(r);
    }
  }
  // No address in a request is ever asked.
  hub::testing::Server trap([](const std::string&, const hub::testing::Server::Peer&) {});
  const std::string image =
      fmt::format(R"([{{"type":"image_url","image_url":{{"url":"{}"}}}}])", trap.url("/x.png"));
  refused(kOpenAi, R"(,"messages":[{"role":"user","content":)" + image + "}]", "image_url");
  refused(kChat, R"(,"messages":[{"role":"user","content":"x","images":[")" + trap.url("/x") + "\"]}]",
          "images");
  EXPECT_TRUE(trap.requests().empty());
}

TEST_F(BadInputs, ListsWithoutMeasure) {
  std::string stops = "\"a\"", biases = "\"0\":1", tools = "7", names;
  for (int i = 1; i < 5000; ++i) stops += ",\"a\"";
  for (int i = 1; i < 100000; ++i) biases += fmt::format(",\"{}\":1", i);
  for (int i = 1; i < 5000; ++i) tools += ",7";
  refused(kGenerate, ",\"options\":{\"stop\":[" + stops + "]}", "strings");
  refused(kOpenAi, ",\"stop\":[" + stops + "]", "strings");
  refused(kMessages, ",\"stop_sequences\":[" + stops + "]", "strings");
  refused(kOpenAi, ",\"logit_bias\":{" + biases + "}", "");
  for (const Call& call : {kChat, kOpenAi}) refused(call, ",\"tools\":[" + tools + "]", "tools");
  for (const Call& call : {kResponses, kMessages})
    refused(call, ",\"tools\":[" + tools + "]", "must hold objects");
  refused(kCompletion, ",\"n\":128,\"prompt\":[\"x\",\"y\"]", "over 128");
}

TEST_F(BadInputs, FormsThatCannotBeCompiled) {
  std::string deep = "root ::= ";
  deep += std::string(60000, '(') + "\"a\"" + std::string(60000, ')');
  refused(kOpenAi, ",\"grammar\":" + OrderedJson(deep).dump(), "deep");
  refused(kOpenAi, ",\"guided_regex\":" + OrderedJson(std::string(60000, '(')).dump(), "");
  refused(kOpenAi, R"(,"guided_regex":"(a|a)*(a|aa)*b{0,1000000000}")", "");
  for (const char* pattern :
       {"^+", "{2}", "*", "a{0,1000000000}", "a{2,1}", "(?=a)", "\\\\1", "[z-a]", "(", "[", "a**b("})
    refused(kOpenAi, fmt::format(R"(,"guided_json":{{"type":"string","pattern":"{}"}})", pattern),
            "guided_json");
  const std::string cyclic =
      R"({"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}})";
  const auto schemas = {cyclic,
                        std::string(R"({"$ref":"http://127.0.0.1:1/x"})"),
                        std::string(R"({"$ref":"#/none"})"),
                        std::string(R"({"type":"odd"})"),
                        std::string(R"({"not":{}})"),
                        std::string(R"({"enum":[]})"),
                        std::string(R"({"type":"integer","minimum":5,"maximum":4})"),
                        std::string(R"({"allOf":[{"type":"string"},{"type":"integer"}]})")};
  for (const std::string& schema : schemas) {
    refused(kChat, ",\"format\":" + schema, "");
    refused(kOpenAi, R"(,"response_format":{"type":"json_schema","json_schema":{"schema":)" + schema + "}}",
            "");
    refused(kResponses, R"(,"text":{"format":{"type":"json_schema","schema":)" + schema + "}}", "");
    refused(kMessages, R"(,"output_config":{"format":{"type":"json_schema","schema":)" + schema + "}}", "");
  }
  // A great alternation is no trouble: what is held to it is found while it runs.
  std::string many = "a0";
  for (int i = 1; i < 3000; ++i) many += fmt::format("|a{}", i);
  EXPECT_EQ(ask(kOpenAi, R"(,"max_tokens":8,"guided_regex":"()" + many + ")\"").status, 200);
}

TEST(BadTools, ParametersThatCannotBeCompiled) {
  TestServer probe;
  TestServer s([&](ServerOptions& o) {
    o.models.push_back(
        {"tools:1", probe.with_template(probe.long_model(), "{{ tools }}<tool_call>arguments")});
  });
  for (const char* parameters :
       {R"({"$ref":"#"})", R"({"type":"object","properties":{"a":{"pattern":"^+"}}})", R"({"type":"odd"})",
        R"({"type":"object","properties":{"a":{"$ref":"#/properties/a"}},"required":["a"]})",
        R"({"not":{}})"}) {
    const auto r =
        s.ask("POST", "/v1/chat/completions",
              fmt::format(R"({{"model":"tools:1","messages":[{{"role":"user","content":"x"}}],)"
                          R"("tools":[{{"type":"function","function":{{"name":"f","parameters":{}}}}}]}})",
                          parameters));
    EXPECT_EQ(r.status, 400) << parameters << r.body;
  }
}

TEST_F(BadInputs, ThousandsOfSchemasLeaveRoom) {
  const auto resident = [] {
    std::ifstream in("/proc/self/statm");
    size_t pages = 0, held = 0;
    in >> pages >> held;
    return held * static_cast<size_t>(::getpagesize());
  };
  const auto ask_one = [&](int i) {
    EXPECT_EQ(ask(kOpenAi, fmt::format(R"(,"max_tokens":1,"guided_json":{{"type":"object","properties":)"
                                       R"({{"field{}":{{"type":"string"}}}},"required":["field{}"]}})",
                                       i, i))
                  .status,
              200);
  };
  for (int i = 0; i < 100; ++i) ask_one(i);
  const size_t before = resident();
  for (int i = 100; i < 2000; ++i) ask_one(i);
  EXPECT_LT(resident(), before + (size_t{64} << 20));
}

TEST(BadClients, WhoLeavesWhileHisPromptIsRead) {
  TestServer s;
  const std::string long_prompt(30'000, 'x');
  const std::string body = R"({"model":"long:1","max_tokens":5,"prompt":")" + long_prompt + "\"}";
  const auto quiet = [&] {
    return s.metric("uma_sequences_active") == 0 && s.metric("uma_http_streams") == 0;
  };
  {
    Client leaves(s.port());
    leaves.send(request("POST", "/v1/completions", body));
    TestServer::eventually([&] { return s.metric("uma_sequences_active") == 1; });
  }
  TestServer::eventually(quiet);
  Client half(s.port());  // says that it sends no more: nobody is computed for it
  half.send(request(
      "POST", "/v1/completions",
      std::string(R"({"model":"long:1","prompt":"x","max_tokens":1000000,"stream":true,)") + kEndless + "}"));
  half.read_until("data: ");
  half.end_sending();
  TestServer::eventually(quiet);
  half.read_until("");
  EXPECT_TRUE(half.closed());
  EXPECT_EQ(s.metric("uma_requests_cancelled_total"), 2);
  EXPECT_EQ(s.ask("GET", "/health").status, 200);
}

// Each of the two runs twice: as the test, and as the process that is killed (a death test of the style
// "threadsafe" starts the program again). What the first left is what the second finds.
struct Killed : ::testing::Test {
  Killed() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    if (const char* given = std::getenv(kHome)) {
      home = given;
    } else {
      home = folder.path / "home";
      ::setenv(kHome, home.c_str(), 1);
      owner = true;
    }
  }
  ~Killed() override {
    if (owner) ::unsetenv(kHome);
  }
  [[noreturn]] static void die() {
    ::raise(SIGKILL);
    std::abort();
  }
  static constexpr const char* kHome = "UMA_TEST_KILLED_HOME";
  hub::testing::TempFolder folder;
  std::filesystem::path home;
  bool owner = false;
};

const std::string& tiny_file() {
  static const std::string bytes = hub::testing::read_file(TestServer::golden("qwen2"));
  return bytes;
}

bool holds_bytes(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder)) return false;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.file_size() > 0) return true;
  return false;
}

TEST_F(Killed, InTheMiddleOfAPull) {
  hub::Catalogue catalogue{hub::testing::row_for("pulled:1", tiny_file())};
  std::atomic<size_t> limit{tiny_file().size() / 2};
  hub::testing::Server source([&](const std::string& asked, const hub::testing::Server::Peer& peer) {
    const size_t most = limit;
    hub::testing::send_file(asked, peer, tiny_file(), most);
    if (most != std::string::npos) peer.wait(20000);
  });
  catalogue[0].sources = {{source.url("/m"), {}}};
  const hub::testing::EnvironmentScope no_offline{"UMA_OFFLINE", nullptr}, no_proxy{"NO_PROXY", "*"};
  const auto serve = [&](ServerOptions& o) {
    o.store.home = home;
    o.store.catalogue = &catalogue;
  };
  EXPECT_EXIT(
      {
        TestServer s(serve);
        Client client(s.port());
        client.send(request("POST", "/api/pull", R"({"model":"pulled:1"})"));
        TestServer::eventually([&] { return holds_bytes(home / "partial"); });
        die();
      },
      ::testing::KilledBySignal(SIGKILL), "");
  limit = std::string::npos;
  TestServer s(serve);
  EXPECT_EQ(s.ask("GET", "/api/tags").json()["models"].size(), 2u);  // the two named ones: nothing half
  EXPECT_EQ(s.ask("POST", "/api/pull", R"({"model":"pulled:1","stream":false})").json()["status"], "success");
  ASSERT_FALSE(source.requests().empty());
  EXPECT_GT(hub::testing::range_of(source.requests().back()), 0u);  // nothing that came was lost
  EXPECT_EQ(s.ask("POST", "/api/show", R"({"model":"pulled:1"})").status, 200);
}

TEST_F(Killed, InTheMiddleOfAnUpload) {
  const std::string blob = "/api/blobs/sha256:" + hub::sha256_hex(tiny_file());
  const auto serve = [&](ServerOptions& o) { o.store.home = home; };
  EXPECT_EXIT(
      {
        TestServer s(serve);
        Client client(s.port());
        client.send("POST " + blob +
                    " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(tiny_file().size()) +
                    "\r\n\r\n" + tiny_file().substr(0, tiny_file().size() / 2));
        TestServer::eventually([&] { return hub::testing::count_files(home / "uploads") == 1; });
        die();
      },
      ::testing::KilledBySignal(SIGKILL), "");
  TestServer s(serve);
  EXPECT_EQ(s.ask("HEAD", blob).status, 404);  // half a file is no file
  EXPECT_EQ(s.ask("POST", blob, tiny_file()).status, 201);
  const std::string made =
      R"({"model":"mine","stream":false,"files":{"m":"sha256:)" + hub::sha256_hex(tiny_file()) + "\"}}";
  EXPECT_EQ(s.ask("POST", "/api/create", made).json()["status"], "success");
}

}  // namespace
}  // namespace uma::serve
