// Log probabilities, embeddings, Anthropic's messages and OpenAI's responses, over the tiny model.
#include <cmath>

#include "serve/testing.h"

namespace uma::serve {
namespace {

using testing::Client;
using testing::kEndless;
using testing::OrderedJson;
using testing::TestServer;

/// The data of server-sent events; each must name its type.
std::vector<OrderedJson> named_events(const std::string& body) {
  std::vector<OrderedJson> events;
  for (size_t at = 0; at < body.size();) {
    const size_t end = body.find("\n\n", at), data = body.find("\ndata: ", at);
    EXPECT_EQ(body.substr(at, 7), "event: ") << body.substr(at);
    events.push_back(OrderedJson::parse(body.substr(data + 7, end - data - 7)));
    EXPECT_EQ(events.back()["type"], body.substr(at + 7, data - at - 7));
    at = end + 2;
  }
  return events;
}

const std::string kAsk =
    R"({"model":"tiny","messages":[{"role":"user","content":"hello"}],"temperature":0,"max_tokens":6)";

TEST(ServeLogprobs, OpenAiWholeAndStreamed) {
  TestServer s;
  const auto whole =
      s.ask("POST", "/v1/chat/completions", kAsk + R"(,"logprobs":true,"top_logprobs":3})").json();
  const auto content = whole["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 6u) << whole;
  for (const auto& token : content) {
    EXPECT_LE(token["logprob"], 0);
    ASSERT_EQ(token["top_logprobs"].size(), 3u);
    EXPECT_EQ(token["top_logprobs"][0]["logprob"], token["logprob"]);  // greedy
    EXPECT_EQ(token["top_logprobs"][0]["bytes"], token["bytes"]);
  }
  const auto stream =
      s.ask("POST", "/v1/chat/completions", kAsk + R"(,"logprobs":true,"top_logprobs":3,"stream":true})")
          .body;
  OrderedJson streamed = OrderedJson::array();
  for (size_t at = 0; (at = stream.find("data: {", at)) != std::string::npos; ++at) {
    const auto chunk = OrderedJson::parse(stream.substr(at + 6, stream.find("\n\n", at) - at - 6));
    const auto& logprobs = chunk["choices"][0]["logprobs"];
    if (!logprobs.is_null())
      for (const auto& token : logprobs["content"]) streamed.push_back(token);
  }
  EXPECT_EQ(streamed, content);
  const auto none = s.ask("POST", "/v1/chat/completions", kAsk + "}").json();
  EXPECT_TRUE(none["choices"][0]["logprobs"].is_null());
}

TEST(ServeLogprobs, CompletionsAndEcho) {
  TestServer s;
  const std::string ask = R"({"model":"tiny","prompt":"ab","temperature":0,"max_tokens":4)";
  const auto choice = s.ask("POST", "/v1/completions", ask + R"(,"logprobs":2})").json()["choices"][0];
  const auto logprobs = choice["logprobs"];
  ASSERT_EQ(logprobs["tokens"].size(), 4u) << choice;
  EXPECT_EQ(logprobs["token_logprobs"].size(), 4u);
  EXPECT_EQ(logprobs["top_logprobs"][0].size(), 2u);
  EXPECT_EQ(logprobs["text_offset"][0], 0);
  const auto echoed = s.ask("POST", "/v1/completions", ask + R"(,"echo":true})").json();
  EXPECT_EQ(echoed["choices"][0]["text"], "ab" + choice["text"].get<std::string>());
  const auto stream = s.ask("POST", "/v1/completions", ask + R"(,"echo":true,"stream":true})").body;
  EXPECT_NE(stream.find(R"("text":"ab")"), std::string::npos) << stream;
  EXPECT_EQ(s.ask("POST", "/v1/completions", ask + R"(,"echo":true,"logprobs":1})").status, 400);
  EXPECT_EQ(s.ask("POST", "/v1/completions", ask + R"(,"logprobs":21})").status, 400);
}

TEST(ServeLogprobs, Ollama) {
  TestServer s;
  const std::string ask =
      R"({"model":"tiny","prompt":"hello","options":{"temperature":0,"num_predict":5},"logprobs":true,"top_logprobs":1)";
  const auto whole = s.ask("POST", "/api/generate", ask + R"(,"stream":false})").json();
  ASSERT_EQ(whole["logprobs"].size(), 5u) << whole;
  EXPECT_EQ(whole["logprobs"][0]["top_logprobs"].size(), 1u);
  size_t streamed = 0;
  const std::string body = s.ask("POST", "/api/generate", ask + "}").body;
  for (size_t at = 0; (at = body.find("\"top_logprobs\"", at)) != std::string::npos; ++at) ++streamed;
  EXPECT_EQ(streamed, 5u);
  EXPECT_EQ(
      s.ask("POST", "/api/generate", R"({"model":"tiny","prompt":"x","logprobs":true,"top_logprobs":21})")
          .status,
      400);
}

std::vector<float> unbase64(const std::string& text) {
  static const std::string kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const size_t value = kLetters.find(c);
    if (value == std::string::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(value);
    held += 6;
    if (held >= 8) bytes += static_cast<char>(bits >> (held -= 8) & 0xff);
  }
  std::vector<float> numbers(bytes.size() / 4);
  std::memcpy(numbers.data(), bytes.data(), numbers.size() * 4);
  return numbers;
}

TEST(ServeEmbeddings, OllamaAndOpenAiGiveTheSame) {
  TestServer s;
  const auto ollama = s.ask("POST", "/api/embed", R"({"model":"tiny","input":["hello","world"]})").json();
  ASSERT_EQ(ollama["embeddings"].size(), 2u) << ollama;
  const auto first = ollama["embeddings"][0].get<std::vector<float>>();
  double squares = 0;
  for (const float x : first) squares += static_cast<double>(x) * static_cast<double>(x);
  EXPECT_NEAR(squares, 1, 1e-5);
  EXPECT_NE(ollama["embeddings"][0], ollama["embeddings"][1]);
  EXPECT_GT(ollama["prompt_eval_count"], 0);
  EXPECT_EQ(s.ask("POST", "/api/embeddings", R"({"model":"tiny","prompt":"hello"})").json()["embedding"],
            ollama["embeddings"][0]);
  const auto openai = s.ask("POST", "/v1/embeddings", R"({"model":"tiny","input":"hello"})").json();
  EXPECT_EQ(openai["data"][0]["embedding"], ollama["embeddings"][0]);
  EXPECT_EQ(openai["usage"]["prompt_tokens"], openai["usage"]["total_tokens"]);
  const auto encoded =
      s.ask("POST", "/v1/embeddings", R"({"model":"tiny","input":["hello"],"encoding_format":"base64"})")
          .json();
  EXPECT_EQ(unbase64(encoded["data"][0]["embedding"].get<std::string>()), first);
  EXPECT_EQ(s.ask("POST", "/v1/embeddings", R"({"model":"tiny","input":[[1,2],[3]]})").json()["data"].size(),
            2u);
  const auto cut = s.ask("POST", "/api/embed", R"({"model":"tiny","input":"hello","dimensions":4})")
                       .json()["embeddings"][0];
  ASSERT_EQ(cut.size(), 4u);
  EXPECT_NEAR(cut[0].get<float>() / cut[1].get<float>(), first[0] / first[1], 1e-4);
  // More than are computed at a time.
  OrderedJson many{{"model", "tiny"}, {"input", std::vector<std::string>(300, "hello")}};
  const auto all = s.ask("POST", "/v1/embeddings", many.dump()).json();
  ASSERT_EQ(all["data"].size(), 300u);
  EXPECT_EQ(all["data"][299]["embedding"], ollama["embeddings"][0]);
  EXPECT_EQ(s.metric("uma_sequences_active"), 0);
}

TEST(ServeEmbeddings, RefusesAndSaysWhatItCut) {
  TestServer s;
  const std::string long_text(600, 'x');
  const auto refused = s.ask("POST", "/api/embed", R"({"model":"tiny","input":")" + long_text + R"("})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("the context holds 256"), std::string::npos);
  const auto cut =
      s.ask("POST", "/api/embed", R"({"model":"tiny","truncate":true,"input":["a",")" + long_text + R"("]})");
  EXPECT_EQ(cut.status, 200);
  EXPECT_EQ(cut.json()["truncated_inputs"], OrderedJson::array({1}));
  EXPECT_NE(cut.head.find("X-Uma-Truncated-Inputs: 1\r\n"), std::string::npos);
  EXPECT_TRUE(s.ask("POST", "/api/embed", R"({"model":"tiny","input":[]})").json()["embeddings"].empty());
  const auto status = [&](const std::string& path, const std::string& rest) {
    return s.ask("POST", path, R"({"model":"tiny",)" + rest + "}").status;
  };
  EXPECT_EQ(status("/api/embed", R"("input":[1])"), 400);
  EXPECT_EQ(status("/api/embed", R"("input":["a",""])"), 400);
  EXPECT_EQ(status("/v1/embeddings", R"("input":"a","dimensions":0)"), 400);
  EXPECT_EQ(status("/v1/embeddings", R"("input":"a","dimensions":100000)"), 400);
  EXPECT_EQ(status("/v1/embeddings", R"("input":"a","encoding_format":"int8")"), 400);
  EXPECT_EQ(status("/v1/embeddings", R"("input":[99999])"), 400);
  EXPECT_EQ(status("/v1/embeddings", R"("input":[])"), 400);
  EXPECT_EQ(s.ask("POST", "/v1/embeddings", R"({"model":"none","input":"a"})").status, 404);
}

TEST(ServeAnthropic, WholeStreamedAndCounted) {
  TestServer s;
  const std::string ask =
      R"({"model":"tiny","system":[{"type":"text","text":"Be brief."}],"messages":[{"role":"user","content":[{"type":"text","text":"hello"}]}],"max_tokens":6,)" +
      std::string(kEndless) + "}";
  // The bias is OpenAI's field: it is unknown here, and left alone.
  const auto whole = s.ask("POST", "/v1/messages", ask, "anthropic-version: 2023-06-01\r\n");
  ASSERT_EQ(whole.status, 200) << whole.body;
  const auto message = whole.json();
  EXPECT_EQ(message["type"], "message");
  EXPECT_EQ(message["stop_reason"], "max_tokens");
  EXPECT_TRUE(message["stop_sequence"].is_null());
  EXPECT_EQ(message["usage"]["output_tokens"], 6);
  const auto counted = s.ask("POST", "/v1/messages/count_tokens", ask).json();
  EXPECT_EQ(counted["input_tokens"], message["usage"]["input_tokens"].get<int>() +
                                         message["usage"]["cache_read_input_tokens"].get<int>());
  std::string streaming = ask;
  streaming.insert(1, R"("stream":true,)");
  const auto events = named_events(s.ask("POST", "/v1/messages", streaming).body);
  ASSERT_GE(events.size(), 7u);
  EXPECT_EQ(events[0]["message"]["usage"]["input_tokens"], counted["input_tokens"]);
  EXPECT_EQ(events[1]["type"], "ping");
  EXPECT_EQ(events[2]["type"], "content_block_start");
  std::string text;
  for (const auto& e : events)
    if (e["type"] == "content_block_delta") text += e["delta"]["text"].get<std::string>();
  EXPECT_EQ(text, message["content"][0]["text"].get<std::string>());
  EXPECT_EQ(events[events.size() - 2]["delta"]["stop_reason"], "max_tokens");
  EXPECT_EQ(events.back()["type"], "message_stop");
  // What stopped it is said.
  std::string stopping = ask;
  stopping.insert(1, R"("stop_sequences":[")" + text.substr(0, 1) + R"("],)");
  const auto stopped = s.ask("POST", "/v1/messages", stopping).json();
  EXPECT_EQ(stopped["stop_reason"], "stop_sequence");
  EXPECT_EQ(stopped["stop_sequence"], text.substr(0, 1));
}

TEST(ServeAnthropic, RefusesInItsWords) {
  TestServer s;
  const auto refused = [&](const std::string& body, int status, const std::string& type) {
    const auto r = s.ask("POST", "/v1/messages", body);
    EXPECT_EQ(r.status, status) << body << r.body;
    EXPECT_EQ(r.json()["type"], "error");
    EXPECT_EQ(r.json()["error"]["type"], type) << r.body;
    EXPECT_NE(r.head.find("request-id: req_"), std::string::npos);
  };
  const std::string user = R"("messages":[{"role":"user","content":"x"}])";
  const std::string bad = "invalid_request_error";
  refused("", 400, bad);
  refused("{}", 400, bad);
  refused(R"({"model":"none","max_tokens":1,)" + user + "}", 404, "not_found_error");
  refused(R"({"model":"tiny",)" + user + "}", 400, bad);
  refused(R"({"model":"tiny","max_tokens":0,)" + user + "}", 400, bad);
  refused(R"({"model":"tiny","max_tokens":1,"temperature":1.5,)" + user + "}", 400, bad);
  refused(R"({"model":"tiny","max_tokens":1,"thinking":{"type":"enabled"},)" + user + "}", 400, bad);
  refused(R"({"model":"tiny","max_tokens":1,"messages":[]})", 400, bad);
  refused(R"({"model":"tiny","max_tokens":1,"messages":[{"role":"system","content":"x"}]})", 400, bad);
  refused(R"({"model":"tiny","max_tokens":1,"messages":[{"role":"assistant","content":"x"}]})", 400, bad);
  refused(R"({"model":"tiny","max_tokens":1,"messages":[{"role":"user","content":[{"type":"image"}]}]})", 400,
          bad);
  EXPECT_EQ(s.ask("POST", "/v1/messages", "{}", "anthropic-version: soon\r\n").status, 400);
  EXPECT_EQ(s.ask("GET", "/v1/messages").json()["type"], "error");
}

TEST(ServeResponses, WholeAndStreamed) {
  TestServer s;
  const std::string ask =
      R"({"model":"tiny","instructions":"Be brief.","input":[{"role":"user","content":[{"type":"input_text","text":"hello"}]}],"temperature":0,"max_output_tokens":6)";
  const auto whole = s.ask("POST", "/v1/responses", ask + R"(,"top_logprobs":2})");
  ASSERT_EQ(whole.status, 200) << whole.body;
  const auto response = whole.json();
  EXPECT_EQ(response["object"], "response");
  EXPECT_EQ(response["status"], "incomplete");
  EXPECT_EQ(response["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(response["usage"]["output_tokens"], 6);
  EXPECT_EQ(response["output"][0]["content"][0]["logprobs"].size(), 6u);
  EXPECT_EQ(response["instructions"], "Be brief.");
  const auto events = named_events(s.ask("POST", "/v1/responses", ask + R"(,"stream":true})").body);
  ASSERT_GE(events.size(), 9u);
  const char* const first[] = {"response.created", "response.in_progress", "response.output_item.added",
                               "response.content_part.added", "response.output_text.delta"};
  for (size_t i = 0; i < std::size(first); ++i) EXPECT_EQ(events[i]["type"], first[i]);
  std::string text;
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i]["sequence_number"], i);
    if (events[i]["type"] == "response.output_text.delta") text += events[i]["delta"].get<std::string>();
  }
  EXPECT_EQ(text, response["output"][0]["content"][0]["text"].get<std::string>());
  EXPECT_EQ(events.back()["type"], "response.incomplete");
  EXPECT_EQ(events.back()["response"]["output"][0]["content"][0]["text"], text);
  EXPECT_EQ(s.ask("POST", "/v1/responses", R"({"model":"tiny","input":"hi","max_output_tokens":1})").status,
            200);
  const auto refused = [&](const std::string& rest, const std::string& param) {
    const auto r = s.ask("POST", "/v1/responses", R"({"model":"tiny",)" + rest + "}");
    EXPECT_EQ(r.status, 400) << rest;
    EXPECT_EQ(r.json()["error"]["param"], param) << r.body;
  };
  refused(R"("input":"x","previous_response_id":"resp_1")", "previous_response_id");
  refused(R"("input":"x","background":true)", "background");
  refused(R"("input":"x","truncation":"auto")", "truncation");
  refused(R"("input":"x","text":{"format":{"type":"yaml"}})", "text.format");
  refused(R"("input":"x","text":{"format":{"type":"json_schema"}})", "text.format");
  refused(R"("input":"x","text":7)", "text");
  refused(R"("input":"x","tools":[{"type":"web_search"}])", "tools");
  refused(R"("input":"x","tool_choice":"required")", "tool_choice");
  refused(R"("input":[])", "input");
  refused(R"("input":7)", "input");
  refused(R"("input":[{"type":"function_call","name":"f","arguments":"{"}])", "arguments");
  refused(R"("input":[{"type":"function_call_output","call_id":"c"}])", "output");
  refused(R"("input":[{"type":"item_reference","id":"x"}])", "input");
  refused(R"("input":[{"role":"robot","content":"x"}])", "input");
  refused(R"("input":"x","max_output_tokens":0)", "max_output_tokens");
}

}  // namespace
}  // namespace uma::serve
