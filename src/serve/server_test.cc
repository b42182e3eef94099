// The server over loopback, by a client that sends what it likes.
#include "serve/server.h"

#include "serve/testing.h"

namespace uma::serve {
namespace {

using testing::Client;
using testing::kEndless;
using testing::OrderedJson;
using testing::request;
using testing::TestServer;
using namespace std::chrono_literals;

std::vector<OrderedJson> lines_of(const std::string& body) {
  std::vector<OrderedJson> lines;
  for (size_t at = 0; at < body.size();) {
    const size_t end = body.find('\n', at);
    lines.push_back(OrderedJson::parse(body.substr(at, end - at)));
    at = end == std::string::npos ? body.size() : end + 1;
  }
  return lines;
}

std::vector<OrderedJson> events_of(std::string body) {
  std::vector<OrderedJson> events;
  const std::string done = "data: [DONE]\n\n";
  EXPECT_TRUE(body.ends_with(done)) << body;
  body.resize(body.size() - std::min(body.size(), done.size()));
  for (size_t at = 0; at < body.size();) {
    const size_t end = body.find("\n\n", at);
    EXPECT_EQ(body.substr(at, 6), "data: ");
    events.push_back(OrderedJson::parse(body.substr(at + 6, end - at - 6)));
    at = end + 2;
  }
  return events;
}

TEST(ServeOllama, ListsShowsAndVersions) {
  TestServer s;
  EXPECT_EQ(s.ask("GET", "/api/version").json()["version"], "0.0-test");
  const auto models = s.ask("GET", "/api/tags").json()["models"];
  ASSERT_EQ(models.size(), 2u);
  for (const auto& m : models) {
    EXPECT_TRUE(m["name"] == "tiny:latest" || m["name"] == "long:1") << m;
    EXPECT_EQ(m["digest"].get<std::string>().size(), 64u);
    EXPECT_EQ(m["details"]["family"], "qwen2");
  }
  const auto shown = s.ask("POST", "/api/show", R"({"model":"tiny"})").json();
  EXPECT_EQ(shown["model_info"]["qwen2.context_length"], 256);
  EXPECT_TRUE(shown["model_info"]["tokenizer.ggml.tokens"].is_null());
  const auto verbose = s.ask("POST", "/api/show", R"({"name":"tiny:latest","verbose":true})").json();
  EXPECT_EQ(verbose["model_info"]["tokenizer.ggml.tokens"].size(), 288u);
  EXPECT_GT(verbose["tensors"].size(), 0u);
  EXPECT_EQ(s.ask("GET", "/api/ps").json()["models"].size(), 0u);
  const auto head = s.ask("HEAD", "/api/tags");
  EXPECT_EQ(head.status, 200);
  EXPECT_NE(head.head.find("Content-Length: "), std::string::npos);
  EXPECT_EQ(s.ask("HEAD", "/").status, 200);
}

TEST(ServeOllama, AnswersWholeAndStreamedAlike) {
  TestServer s;
  const std::string ask = R"({"model":"tiny","prompt":"hello","options":{"temperature":0,"num_predict":8})";
  const auto whole = s.ask("POST", "/api/generate", ask + R"(,"stream":false})");
  ASSERT_EQ(whole.status, 200) << whole.body;
  EXPECT_EQ(whole.json()["done"], true);
  EXPECT_EQ(whole.json()["done_reason"], "length");
  EXPECT_EQ(whole.json()["eval_count"], 8);
  EXPECT_EQ(whole.json()["prompt_eval_count"], whole.json()["prompt_eval_count"].get<int>());
  EXPECT_GT(whole.json()["total_duration"].get<int64_t>(), 0);
  const auto streamed = s.ask("POST", "/api/generate", ask + "}");
  EXPECT_NE(streamed.head.find("Content-Type: application/x-ndjson\r\n"), std::string::npos);
  std::string text;
  const auto lines = lines_of(streamed.body);
  for (const auto& line : lines) text += line["response"].get<std::string>();
  EXPECT_EQ(text, whole.json()["response"].get<std::string>());
  EXPECT_EQ(lines.back()["done"], true);
  EXPECT_EQ(lines.front()["done"], false);
  EXPECT_EQ(lines.back()["eval_count"], 8);

  const std::string chat =
      R"({"model":"tiny","messages":[{"role":"user","content":"hello"}],"options":{"temperature":0,"num_predict":8})";
  const auto talked = s.ask("POST", "/api/chat", chat + R"(,"stream":false})").json();
  EXPECT_EQ(talked["message"]["role"], "assistant");
  EXPECT_EQ(talked["message"]["content"], whole.json()["response"]);  // this model has no template
  std::string said;
  for (const auto& line : lines_of(s.ask("POST", "/api/chat", chat + "}").body))
    said += line["message"]["content"].get<std::string>();
  EXPECT_EQ(said, text);
  const auto raw = s.ask("POST", "/api/generate", ask + R"(,"raw":true,"stream":false})").json();
  EXPECT_EQ(raw["response"], whole.json()["response"]);
}

TEST(ServeOllama, LoadsAndUnloads) {
  TestServer s;
  EXPECT_EQ(s.ask("POST", "/api/generate", R"({"model":"tiny"})").json()["done_reason"], "load");
  const auto ps = s.ask("GET", "/api/ps").json()["models"];
  ASSERT_EQ(ps.size(), 1u);
  EXPECT_EQ(ps[0]["context_length"], 256);
  EXPECT_EQ(
      s.ask("POST", "/api/chat", R"({"model":"tiny","messages":[],"keep_alive":0})").json()["done_reason"],
      "unload");
  EXPECT_EQ(s.ask("GET", "/api/ps").json()["models"].size(), 0u);
  s.ask("POST", "/api/generate", R"({"model":"tiny","keep_alive":"10ms"})");
  TestServer::eventually([&] { return s.ask("GET", "/api/ps").json()["models"].empty(); });
  // One place: the next model takes it.
  TestServer one([](ServerOptions& o) { o.pool.max_models = 1; });
  one.ask("POST", "/api/generate", R"({"model":"tiny"})");
  one.ask("POST", "/api/generate", R"({"model":"long:1","keep_alive":-1})");
  EXPECT_EQ(one.ask("GET", "/api/ps").json()["models"][0]["name"], "long:1");
}

TEST(ServeOllama, RefusesInItsWords) {
  TestServer s;
  const auto refused = [&](const std::string& body, int status, const std::string& words) {
    for (const char* path : {"/api/generate", "/api/chat"}) {
      const auto r = s.ask("POST", path, body);
      EXPECT_EQ(r.status, status) << body;
      EXPECT_NE(r.json()["error"].get<std::string>().find(words), std::string::npos) << r.body;
    }
  };
  refused("", 400, "missing request body");
  refused("{", 400, "not valid JSON");
  refused(R"({"model":"none","prompt":"x","messages":[{"role":"user","content":"x"}]})", 404,
          "model 'none' not found");
  refused(R"({"model":"../tiny"})", 404, "not found");
  refused(R"({"model":"/etc/passwd"})", 404, "not found");
  refused(R"({"prompt":"x"})", 400, "model is required");
  const auto with = [](const std::string& more) {
    return R"({"model":"tiny","prompt":"x","messages":[{"role":"user","content":"x"}],)" + more + "}";
  };
  refused(with(R"("options":{"temperature":"hot"})"), 400, R"(option "temperature" must be of type number)");
  refused(with(R"("options":{"num_predict":1.5})"), 400, R"(option "num_predict" must be of type integer)");
  refused(with(R"("options":{"num_predict":-9223372036854775808})"), 400,
          R"(option "num_predict" must be from)");
  refused(with(R"("options":{"top_k":-1})"), 400, "top_k");
  refused(with(R"("options":{"num_ctx":9223372036854775808})"), 400, "num_ctx");
  refused(with(R"("options":{"repeat_last_n":-2})"), 400, "repeat_last_n");
  refused(with(R"("options":[])"), 400, "must be of type object");
  refused(with(R"("options":{"stop":[1]})"), 400, "stop");
  refused(with(R"("options":{"stop":[""]})"), 400, "stop string is empty");
  refused(with(R"("keep_alive":"soon")"), 400, "keep_alive");
  refused(with(R"("stream":1)"), 400, R"("stream" must be of type boolean)");
  refused(with(R"("format":"yaml")"), 400, R"("format" must be "json" or a JSON schema)");
  refused(with(R"("format":{"type":"strin"})"), 400, "the type \"strin\" is unknown");
  refused(with(R"("tools":7)"), 400, "tools");
  refused(with(R"("think":true)"), 400, "does not support thinking");
  refused(with(R"("think":7)"), 400, "think");
  refused(with(R"("images":["x"])"), 400, "images");
  EXPECT_EQ(s.ask("POST", "/api/chat",
                  with(R"("think":false,"tools":[],"format":"","stream":false,"options":{"num_predict":1})"))
                .status,
            200);
  EXPECT_EQ(
      s.ask("POST", "/api/chat", R"({"model":"tiny","messages":[{"role":"robot","content":"x"}]})").status,
      400);
  EXPECT_EQ(s.ask("POST", "/api/chat", R"({"model":"tiny","messages":[7]})").status, 400);
  const auto long_prompt =
      s.ask("POST", "/api/generate", R"({"model":"tiny","prompt":")" + std::string(600, 'x') + R"("})");
  EXPECT_EQ(long_prompt.status, 400);
  EXPECT_NE(long_prompt.body.find("the context holds 256"), std::string::npos) << long_prompt.body;
}

TEST(ServeOpenAi, ChatsWholeAndStreamed) {
  TestServer s;
  const std::string ask =
      R"({"model":"tiny","messages":[{"role":"user","content":[{"type":"text","text":"hello"}]}],"temperature":0,"max_tokens":8)";
  const auto whole = s.ask("POST", "/v1/chat/completions", ask + "}");
  ASSERT_EQ(whole.status, 200) << whole.body;
  const auto json = whole.json();
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(json["usage"]["completion_tokens"], 8);
  EXPECT_EQ(json["usage"]["total_tokens"], json["usage"]["prompt_tokens"].get<int>() + 8);
  const auto stream = s.ask("POST", "/v1/chat/completions",
                            ask + R"(,"stream":true,"stream_options":{"include_usage":true}})");
  EXPECT_NE(stream.head.find("text/event-stream"), std::string::npos);
  const auto events = events_of(stream.body);
  EXPECT_EQ(events.front()["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(events.back()["usage"]["completion_tokens"], 8);
  EXPECT_TRUE(events.back()["choices"].empty());
  EXPECT_EQ(events[events.size() - 2]["choices"][0]["finish_reason"], "length");
  std::string text;
  for (const auto& e : events) {
    EXPECT_EQ(e["id"], events[0]["id"]);
    if (!e["choices"].empty()) text += e["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(text, json["choices"][0]["message"]["content"].get<std::string>());
}

TEST(ServeOpenAi, ChoicesSeedsAndBias) {
  TestServer s;
  const auto choices = [&](const std::string& more) {
    const auto r =
        s.ask("POST", "/v1/completions",
              R"({"model":"tiny","prompt":["ab","cd"],"n":2,"max_tokens":12,"temperature":2,"top_k":0,)" +
                  more + "}");
    EXPECT_EQ(r.status, 200) << r.body;
    return r.json()["choices"];
  };
  const auto a = choices(R"("seed":5)"), b = choices(R"("seed":5)");
  ASSERT_EQ(a.size(), 4u);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a[3]["index"], 3);
  const auto biased =
      s.ask("POST", "/v1/completions",
            std::string(R"({"model":"tiny","prompt":[1,2,3],"max_tokens":5,)") + kEndless + "}");
  const auto text = biased.json()["choices"][0]["text"].get<std::string>();
  EXPECT_EQ(text, std::string(5, text.at(0)));
  const auto stopped = s.ask("POST", "/v1/completions",
                             std::string(R"({"model":"tiny","prompt":"x","max_tokens":9,"stop":")") +
                                 std::string(3, text[0]) + R"(",)" + kEndless + "}");
  EXPECT_EQ(stopped.json()["choices"][0]["text"], "");
  EXPECT_EQ(stopped.json()["choices"][0]["finish_reason"], "stop");
  const auto events = events_of(
      s.ask("POST", "/v1/completions",
            std::string(R"({"model":"tiny","prompt":"x","max_tokens":3,"stream":true,)") + kEndless + "}")
          .body);
  std::string streamed;
  for (const auto& e : events) streamed += e["choices"][0]["text"].get<std::string>();
  EXPECT_EQ(streamed, std::string(3, text[0]));
  EXPECT_EQ(events[0]["object"], "text_completion");
}

TEST(ServeOpenAi, ModelsAndRefusals) {
  TestServer s;
  EXPECT_EQ(s.ask("GET", "/v1/models").json()["data"].size(), 2u);
  EXPECT_EQ(s.ask("GET", "/v1/models/tiny").json()["id"], "tiny:latest");
  EXPECT_EQ(s.ask("GET", "/v1/models/long%3A1").json()["id"], "long:1");
  const auto missing = s.ask("GET", "/v1/models/none");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.json()["error"]["code"], "model_not_found");
  const auto refused = [&](const std::string& more, const std::string& param) {
    const auto r = s.ask("POST", "/v1/chat/completions",
                         R"({"model":"tiny","messages":[{"role":"user","content":"x"}],)" + more + "}");
    EXPECT_EQ(r.status, 400) << more;
    const auto error = r.json()["error"];
    EXPECT_EQ(error["type"], "invalid_request_error");
    EXPECT_EQ(error["param"].is_null() ? "" : error["param"].get<std::string>(), param) << r.body;
  };
  refused(R"("temperature":3)", "temperature");
  refused(R"("n":0)", "n");
  refused(R"("n":1e9)", "n");
  refused(R"("max_tokens":-1)", "max_tokens");
  refused(R"("tools":[{}])", "tools");
  refused(R"("tool_choice":"required")", "tool_choice");
  refused(R"("response_format":{"type":"xml"})", "response_format");
  refused(R"("response_format":{"type":"json_schema"})", "response_format");
  refused(R"("logprobs":1)", "logprobs");
  refused(R"("top_logprobs":2)", "top_logprobs");
  refused(R"("logprobs":true,"top_logprobs":21)", "top_logprobs");
  refused(R"("logit_bias":{"x":1})", "logit_bias");
  refused(R"("logit_bias":{"1":1000})", "logit_bias");
  refused(R"("logit_bias":{"99999":1})", "");
  refused(R"("stop":5)", "stop");
  refused(R"("seed":0.5)", "seed");
  refused(R"("stream_options":{"include_usage":true})", "stream_options");
  refused(R"("reasoning_effort":"lots")", "reasoning_effort");
  const auto image = s.ask(
      "POST", "/v1/chat/completions",
      R"({"model":"tiny","messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]})");
  EXPECT_EQ(image.status, 400);
  EXPECT_EQ(s.ask("POST", "/v1/chat/completions", R"({"model":"tiny","messages":[]})").status, 400);
  EXPECT_EQ(s.ask("POST", "/v1/completions", R"({"model":"tiny","prompt":[-1]})").status, 400);
  EXPECT_EQ(s.ask("POST", "/v1/completions", R"({"model":"tiny","prompt":[300]})").status, 400);
  EXPECT_EQ(s.ask("POST", "/v1/completions", R"({"model":"tiny","prompt":""})").status, 400);
  const auto over =
      s.ask("POST", "/v1/completions", R"({"model":"tiny","prompt":")" + std::string(600, 'x') + R"("})");
  EXPECT_EQ(over.json()["error"]["code"], "context_length_exceeded");
}

TEST(ServeHttp, PathsMethodsAndConnections) {
  TestServer s;
  EXPECT_EQ(s.ask("GET", "/health").json()["status"], "ok");
  EXPECT_EQ(s.ask("GET", "/ready").status, 200);
  EXPECT_EQ(s.ask("GET", "/").body, "uma is running\n");
  const auto wrong = s.ask("GET", "/api/generate");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_NE(wrong.head.find("Allow: POST"), std::string::npos);
  for (const char* path : {"/nothing", "//health", "/v1/../health", "/%68ealth", "/health/", "/HEALTH"})
    EXPECT_EQ(s.ask("GET", path).status, 404) << path;
  EXPECT_EQ(s.ask("GET", "http://localhost/health").status, 400);
  EXPECT_EQ(s.ask("GET", "/health?x=1").status, 200);
  // Several requests at once on one connection, answered in their order.
  Client client(s.port());
  client.send(request("GET", "/health") + request("POST", "/api/show", R"({"model":"none"})") +
              request("GET", "/"));
  EXPECT_EQ(client.response().json()["status"], "ok");
  EXPECT_EQ(client.response().status, 404);
  EXPECT_EQ(client.response().body, "uma is running\n");
  client.send("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.response().status, 200);
  client.read_until("");
  EXPECT_TRUE(client.closed());
  // HTTP/1.0 knows no chunks.
  Client old(s.port());
  const std::string body = R"({"model":"tiny","prompt":"x","options":{"num_predict":3}})";
  old.send("POST /api/generate HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body);
  const auto r = old.response();
  EXPECT_EQ(r.head.find("chunked"), std::string::npos);
  EXPECT_EQ(lines_of(r.body).back()["done"], true);
  // A body in chunks, and one that waits for leave.
  Client chunked(s.port());
  chunked.send(
      "POST /api/show HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"model\": "
      "\"tiny\"\r\n1\r\n}\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.response().status, 200);
  Client polite(s.port());
  polite.send(
      "POST /api/show HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 16\r\n\r\n");
  EXPECT_EQ(polite.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  polite.send(R"({"model":"tiny"})");
  EXPECT_EQ(polite.response().status, 200);
}

TEST(ServeHttp, StrangersAreTurnedAway) {
  TestServer s([](ServerOptions& o) { o.http.host_names = {"box"}; });
  const auto with = [&](const std::string& head) {
    Client client(s.port());
    client.send("GET /health HTTP/1.1\r\n" + head + "\r\n");
    return client.response().status;
  };
  EXPECT_EQ(with("Host: evil.example\r\n"), 403);
  EXPECT_EQ(with("Host: 127.0.0.1:" + std::to_string(s.port()) + "\r\n"), 200);
  EXPECT_EQ(with("Host: box\r\n"), 200);
  EXPECT_EQ(with(""), 400);
  EXPECT_EQ(with("Host: localhost\r\nHost: box\r\n"), 400);
  EXPECT_EQ(with("Host: localhost\r\nOrigin: https://evil.example\r\n"), 403);
  EXPECT_EQ(with("Host: localhost\r\nOrigin: http://localhost\r\n"), 200);
  EXPECT_EQ(with("Host: localhost\r\nContent-Encoding: gzip\r\n"), 415);
  EXPECT_EQ(s.ask("GET", "/health").head.find("Access-Control"), std::string::npos);
  try {
    TestServer open([](ServerOptions& o) { o.http.host = "0.0.0.0"; });
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("--keys and --tls-cert, or --insecure"), std::string::npos);
  }
  TestServer insecure([](ServerOptions& o) {
    o.http.host = "0.0.0.0";
    o.http.loopback_only = false;
  });
  EXPECT_EQ(insecure.ask("GET", "/health").status, 200);
}

TEST(ServeHttp, WhatIsTooMuchIsRefused) {
  TestServer s([](ServerOptions& o) {
    o.http.max_body_bytes = 100000;
    o.http.max_bodies_bytes = 150000;
    o.http.header_timeout = 200ms;
    o.http.body_timeout = 500ms;
    o.http.idle_timeout = 500ms;
  });
  EXPECT_EQ(s.ask("POST", "/api/chat", std::string(100001, ' ')).status, 413);
  Client huge(s.port());  // announced only
  huge.send("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n\r\n");
  EXPECT_EQ(huge.response().status, 413);
  Client endless(s.port());  // in chunks, unannounced
  endless.send("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "8000\r\n" + std::string(0x8000, ' ') + "\r\n";
  for (int i = 0; i < 5; ++i) endless.send(chunk);
  EXPECT_EQ(endless.response().status, 413);
  Client head(s.port());
  head.send("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(20000, 'x'));
  EXPECT_EQ(head.response().status, 431);
  Client noise(s.port());
  noise.send(std::string("\x16\x03\x01\x02\x00\x01 hello\r\n\r\n", 17));
  EXPECT_EQ(noise.response().status, 400);
  EXPECT_EQ(s.ask("POST", "/api/chat", "{\"model\":" + std::string(90000, '[')).status, 400);
  EXPECT_EQ(s.ask("POST", "/api/chat", "{\"model\":\"\xc3\x28\"}").status, 400);
  // Half a head, half a body, nothing at all: each is closed when its time is over.
  Client slow(s.port()), half(s.port()), silent(s.port());
  slow.send("GET / HTTP/1.1\r\nHost");
  half.send("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n{");
  std::this_thread::sleep_for(50ms);
  Client second(s.port());  // no room for its body beside the half one's
  second.send("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n");
  EXPECT_EQ(second.response().status, 503);
  for (Client* c : {&slow, &half, &silent}) {
    EXPECT_EQ(c->read_until(""), "");
    EXPECT_TRUE(c->closed());
  }
  TestServer::eventually([&] { return s.metric("uma_http_connections") == 1; });  // the one that asks
}

const std::string kForever =
    std::string(R"({"model":"long:1","prompt":"x","max_tokens":1000000,)") + kEndless;

TEST(ServeStreams, AClientThatGoesAwayIsAnsweredNoMore) {
  TestServer s;
  const auto quiet = [&] {
    return s.metric("uma_sequences_active") == 0 && s.metric("uma_http_streams") == 0;
  };
  {
    Client streaming(s.port());
    streaming.send(request("POST", "/v1/completions", kForever + R"(,"stream":true})"));
    streaming.read_until("data: ");
    EXPECT_EQ(s.metric("uma_sequences_active"), 1);
  }
  TestServer::eventually(quiet);
  {
    Client waiting(s.port());  // no stream: nothing is written that could fail
    waiting.send(request("POST", "/v1/completions", kForever + "}"));
    TestServer::eventually([&] { return s.metric("uma_sequences_active") == 1; });
  }
  TestServer::eventually(quiet);
  {
    Client pipelining(s.port());  // bytes wait behind its request, and still it is seen to leave
    pipelining.send(request("POST", "/v1/completions", kForever + "}") + request("GET", "/health"));
    TestServer::eventually([&] { return s.metric("uma_sequences_active") == 1; });
  }
  TestServer::eventually(quiet);
  EXPECT_EQ(s.metric("uma_requests_cancelled_total"), 3);
}

TEST(ServeStreams, AReaderThatStopsIsCutOff) {
  TestServer s([](ServerOptions& o) {
    o.http.send_buffer_bytes = 4096;
    o.http.write_timeout = 300ms;
  });
  Client client(s.port(), 4096);
  client.send(request("POST", "/v1/completions", kForever + R"(,"stream":true})"));
  TestServer::eventually([&] { return s.metric("uma_requests_cancelled_total") == 1; });
  TestServer::eventually([&] { return s.metric("uma_http_connections") == 1; });
}

class Plain final : public AnswerFormat {
 public:
  std::string_view type() const override { return "text/plain"; }
  std::string piece(size_t, std::string_view text, std::span<const TokenLogprob>) override {
    return std::string(text);
  }
  std::string choice_end(size_t, const GenerateResult&) override { return {}; }
  std::string end(std::span<const GenerateResult>) override { return "."; }
  std::string error(const Failure& f) override { return "!" + f.message; }
  std::string whole(std::span<const GenerateResult> results) override { return results[0].text; }
  HttpReply refusal(const Failure& f) override { return {.status = f.status, .body = f.message}; }
};

TEST(ServeStreams, TheSchedulerWaitsForASlowReader) {
  TestServer files;
  Service service({.home = files.folder / "home"}, {{"long", files.long_model()}}, {}, "0");
  AnswerRequest request;
  request.model = "long";
  request.local = service.library.find("long");
  request.prompts = {"x"};
  request.options.sampling.temperature = 0;
  request.options.sampling.logit_bias = {{65, 100.f}};
  request.streamed = true;
  AnswerWork work = make_work(service, request);
  work.format = std::make_unique<Plain>();
  work.max_pending_bytes = 20;
  const Scheduler& scheduler = work.model->scheduler;
  Answering answering(std::move(work));
  TestServer::eventually([&] { return scheduler.stats().answer_tokens > 20; });
  std::this_thread::sleep_for(50ms);
  const int64_t before = scheduler.stats().answer_tokens;
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(scheduler.stats().answer_tokens, before);
  const auto first = answering.take();
  EXPECT_GT(first.bytes.size(), 20u);
  EXPECT_LT(first.bytes.size(), 60u);
  TestServer::eventually([&] { return scheduler.stats().answer_tokens > before; });
  answering.end({.status = 503, .message = "enough"});
  TestServer::eventually([&] { return answering.has_more(); });
  const auto last = answering.take();
  EXPECT_TRUE(last.done);
  EXPECT_TRUE(last.bytes.ends_with("!enough"));
}

TEST(ServeStreams, AFullQueueIs503) {
  TestServer s([](ServerOptions& o) {
    o.pool.scheduler.parallel = 1;
    o.pool.scheduler.queue = 0;
  });
  Client first(s.port());
  first.send(request("POST", "/v1/completions", kForever + R"(,"stream":true})"));
  first.read_until("data: ");
  TestServer::eventually([&] { return s.metric("uma_sequences_active") == 1; });
  const auto busy = s.ask("POST", "/api/generate", R"({"model":"long:1","prompt":"x"})");
  EXPECT_EQ(busy.status, 503);
  EXPECT_NE(busy.head.find("Retry-After: 1"), std::string::npos);
  EXPECT_EQ(busy.json()["error"], "server busy, please try again.  maximum pending requests exceeded");
}

TEST(ServeStreams, TheEndOfTheServerEndsStreamsCleanly) {
  TestServer s;
  Client openai(s.port()), ollama(s.port()), idle(s.port()), whole(s.port());
  openai.send(request("POST", "/v1/completions", kForever + R"(,"stream":true})"));
  ollama.send(
      request("POST", "/api/generate", R"({"model":"long:1","prompt":"x","options":{"num_predict":-1}})"));
  whole.send(request("POST", "/v1/completions", kForever + "}"));
  openai.read_until("data: ");
  ollama.read_until("\"done\"");
  TestServer::eventually([&] { return s.metric("uma_http_streams") >= 2; });
  s.stop();
  const std::string end = openai.read_until("");
  EXPECT_NE(end.find("\"message\":\"the server is shutting down\""), std::string::npos);
  EXPECT_TRUE(end.ends_with("0\r\n\r\n"));
  EXPECT_TRUE(ollama.read_until("").ends_with("0\r\n\r\n"));
  EXPECT_EQ(whole.response().status, 503);
  EXPECT_EQ(idle.read_until(""), "");
}

TEST(ServeStreams, ManyAtOnceGetTheSameAnswer) {
  TestServer s;
  const std::string body = request(
      "POST", "/api/generate",
      R"({"model":"tiny","prompt":"once upon a time","stream":false,"options":{"temperature":0,"num_predict":40}})");
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<Client>(s.port()));
    clients.back()->send(body);
  }
  std::string first;
  for (auto& c : clients) {
    const auto r = c->response();
    ASSERT_EQ(r.status, 200) << r.body;
    const auto text = r.json()["response"].get<std::string>();
    if (first.empty()) first = text;
    EXPECT_EQ(text, first);
  }
  EXPECT_FALSE(first.empty());
  const std::string metrics = s.ask("GET", "/metrics").body;
  EXPECT_NE(metrics.find("uma_time_to_first_token_seconds_count 40\n"), std::string::npos);
  EXPECT_NE(metrics.find("uma_answer_tokens_total{model=\"tiny:latest\"} "), std::string::npos);
}

}  // namespace
}  // namespace uma::serve
