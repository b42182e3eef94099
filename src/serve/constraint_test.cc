// Answers that are held to something, and calls of tools, over loopback.
#include "serve/constraint.h"

#include <gtest/gtest.h>

#include "serve/api.h"
#include "serve/testing.h"

namespace uma::serve {
namespace {

using testing::TestServer;
using OrderedJson = nlohmann::ordered_json;

TEST(FieldText, KeepsTheOrderAndTakesTheLast) {
  const std::string body =
      R"( {"a" : {"z":1,"b":[2,"}\""]} , "t\u006f":"x\"}", "a": [ {"q":1}, 2 ] , "n":-1.5e3 } )";
  EXPECT_EQ(field_text(body, "a"), R"([ {"q":1}, 2 ])");
  EXPECT_EQ(field_text(body, "to"), R"("x\"}")");
  EXPECT_EQ(field_text(body, "n"), "-1.5e3");
  EXPECT_EQ(field_text(body, "z"), "");
  EXPECT_EQ(field_text("{}", "z"), "");
  EXPECT_EQ(field_text(R"({"s":{"z":1,"a":2}})", "s"), R"({"z":1,"a":2})");
}

TEST(GrammarCache, IsBoundedAndSaysWhatIsWrong) {
  GrammarCache cache;
  const Constraint first{Constraint::Kind::regex, "a", "guided_regex"};
  const auto grammar = cache.get(first);
  EXPECT_EQ(cache.get(first), grammar);
  for (int i = 0; i < 100; ++i) cache.get({Constraint::Kind::regex, std::to_string(i), ""});
  EXPECT_LE(cache.size(), 16u);
  EXPECT_NE(cache.get(first), grammar);
  EXPECT_EQ(cache.get(Constraint{}), nullptr);
  try {
    cache.get({Constraint::Kind::regex, "(?=a)", "guided_regex"});
    FAIL();
  } catch (const ApiError& e) {
    EXPECT_EQ(e.status(), 400);
    EXPECT_EQ(e.param(), "guided_regex");
    EXPECT_NE(e.message().find("look-around"), std::string_view::npos);
  }
}

/// Whatever a model without knowledge says, hot.
std::string chat(const std::string& more, const std::string& model = "long:1") {
  return R"({"model":")" + model + R"(","messages":[{"role":"user","content":"x"}],"stream":false,)" + more +
         "}";
}
constexpr const char* kSchema =
    R"({"type":"object","properties":{"z":{"type":"integer","minimum":1,"maximum":20},"a":{"enum":["x","y"]}},"required":["z","a"]})";

void expect_fits(const std::string& text) {
  const auto json = OrderedJson::parse(text, nullptr, false);
  ASSERT_TRUE(json.is_object()) << text;
  EXPECT_EQ(json.begin().key(), "z") << text;  // in the schema's order
  EXPECT_GE(json["z"].get<int>(), 1);
  EXPECT_LE(json["z"].get<int>(), 20);
  EXPECT_TRUE(json["a"] == "x" || json["a"] == "y");
}

TEST(ServeConstraints, EveryDialectAndStreamed) {
  TestServer s;
  for (int seed = 0; seed < 5; ++seed) {
    const std::string hot = R"("options":{"temperature":5,"seed":)" + std::to_string(seed) + "}";
    const auto r = s.ask("POST", "/api/chat", chat(hot + R"(,"format":)" + kSchema));
    ASSERT_EQ(r.status, 200) << r.body;
    EXPECT_EQ(r.json()["done_reason"], "stop");
    expect_fits(r.json()["message"]["content"]);
  }
  const auto generated =
      s.ask("POST", "/api/generate",
            std::string(R"({"model":"long:1","prompt":"x","stream":false,"format":)") + kSchema + "}");
  expect_fits(generated.json()["response"]);
  const std::string openai =
      std::string(
          R"("temperature":2,"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":)") +
      kSchema + "}}";
  const auto whole = s.ask("POST", "/v1/chat/completions", chat(openai));
  ASSERT_EQ(whole.status, 200) << whole.body;
  expect_fits(whole.json()["choices"][0]["message"]["content"]);
  EXPECT_EQ(whole.json()["choices"][0]["finish_reason"], "stop");
  const auto text_of = [&](const std::string& more) {
    const auto r = s.ask("POST", "/v1/completions",
                         R"({"model":"long:1","prompt":"x","max_tokens":500,"temperature":2,)" + more + "}");
    EXPECT_EQ(r.status, 200) << r.body;
    return r.json()["choices"][0]["text"].get<std::string>();
  };
  EXPECT_TRUE(Grammar::from_regex("[a-c]{3}(x|y)")->matches(text_of(R"j("guided_regex":"[a-c]{3}(x|y)")j")));
  const std::string greeting = text_of(R"("grammar":"root ::= \"yes\" | \"no\"")");
  EXPECT_TRUE(greeting == "yes" || greeting == "no") << greeting;
  expect_fits(text_of(std::string(R"("guided_json":)") + kSchema));
  EXPECT_EQ(text_of(R"("response_format":{"type":"json_object"})").substr(0, 1), "{");
}

TEST(ServeConstraints, WhatCannotBeEnforcedIsRefused) {
  TestServer s;
  const auto refused = [&](const std::string& more, const std::string& param, const std::string& words) {
    const auto r = s.ask("POST", "/v1/chat/completions", chat(more, "tiny"));
    EXPECT_EQ(r.status, 400) << more;
    const auto error = r.json()["error"];
    EXPECT_EQ(error["param"], param) << r.body;
    EXPECT_NE(error["message"].get<std::string>().find(words), std::string::npos) << r.body;
  };
  refused(R"("response_format":{"type":"json_schema","json_schema":{"schema":{"not":{}}}})",
          "response_format", "\"not\"");
  refused(R"("response_format":{"type":"json_schema","json_schema":{"schema":{"pattern":"^+"}}})",
          "response_format", "repeat");
  refused(R"("grammar":"root ::= root")", "grammar", "left recursion");
  refused(R"("guided_regex":"(a{1000}){10000}")", "guided_regex", "states");
  refused(R"("guided_regex":"a","grammar":"root ::= \"a\"")", "grammar", "second format");
  refused(R"("tools":[{"type":"function","function":{"name":"f"}}])", "tools", "does not support tools");
  refused(
      R"("tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f"}}])",
      "tools", "two functions");
  refused(
      R"("tool_choice":{"type":"function","function":{"name":"g"}},"tools":[{"type":"function","function":{"name":"f"}}])",
      "tool_choice", "not among");
  refused(R"("tools":[{"type":"search"}])", "tools", "must be \"function\"");
}

constexpr const char* kTemplate =
    "{% for t in tools %}{{ t | tojson }}{% endfor %}{% for m in messages %}[{{ m.role }}]{{ m.content }}"
    "{% for c in m.tool_calls %}<tool_call>{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ "
    "c.function.arguments | tojson }}}"
    "</tool_call>{% endfor %}{% endfor %}";
constexpr const char* kTools =
    R"("tools":[{"type":"function","function":{"name":"add","description":"adds","parameters":{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":9}},"required":["n"]}}},
               {"type":"function","function":{"name":"stop","parameters":{}}}])";
constexpr const char* kAdd = R"(,"tool_choice":{"type":"function","function":{"name":"add"}})";

void expect_call(const OrderedJson& function) {
  EXPECT_EQ(function["name"], "add");
  const auto arguments = function["arguments"].is_string()
                             ? OrderedJson::parse(function["arguments"].get<std::string>())
                             : function["arguments"];
  EXPECT_EQ(arguments.size(), 1u);
  EXPECT_GE(arguments["n"].get<int>(), 1);
  EXPECT_LE(arguments["n"].get<int>(), 9);
}

TEST(ServeTools, CallsAreMadeParsedAndGivenBack) {
  TestServer probe;
  TestServer s([&](ServerOptions& o) {
    o.models.push_back({"tools:1", probe.with_template(probe.long_model(), kTemplate)});
  });
  const auto whole = s.ask("POST", "/v1/chat/completions", chat(std::string(kTools) + kAdd, "tools:1"));
  ASSERT_EQ(whole.status, 200) << whole.body;
  const auto choice = whole.json()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_TRUE(choice["message"]["content"].is_null());
  ASSERT_EQ(choice["message"]["tool_calls"].size(), 1u) << whole.body;
  EXPECT_EQ(choice["message"]["tool_calls"][0]["type"], "function");
  expect_call(choice["message"]["tool_calls"][0]["function"]);

  std::string streamed = chat(std::string(kTools) + kAdd, "tools:1");
  streamed.replace(streamed.find("\"stream\":false"), 14, "\"stream\":true ");
  const auto stream = s.ask("POST", "/v1/chat/completions", streamed);
  size_t calls = 0;
  for (size_t at = 0; (at = stream.body.find("data: {", at)) != std::string::npos; ++at) {
    const auto event = OrderedJson::parse(stream.body.substr(at + 6, stream.body.find("\n\n", at) - at - 6));
    const auto& delta = event["choices"][0]["delta"];
    EXPECT_EQ(delta.value("content", ""), "");
    if (!delta.contains("tool_calls")) continue;
    ++calls;
    EXPECT_EQ(delta["tool_calls"][0]["index"], 0);
    EXPECT_TRUE(delta["tool_calls"][0]["id"].get<std::string>().starts_with("call_"));
    expect_call(delta["tool_calls"][0]["function"]);
  }
  EXPECT_EQ(calls, 1u) << stream.body;
  EXPECT_NE(stream.body.find(R"("finish_reason":"tool_calls")"), std::string::npos);

  const auto ollama = s.ask("POST", "/api/chat", chat(std::string(kTools) + kAdd, "tools:1")).json();
  expect_call(ollama["message"]["tool_calls"][0]["function"]);
  EXPECT_TRUE(ollama["message"]["tool_calls"][0]["function"]["arguments"].is_object());
  EXPECT_EQ(ollama["message"]["content"], "");

  // Calls and results of earlier turns; arguments that are no JSON are the client's mistake.
  const auto turn = [&](const std::string& arguments) {
    return s.ask(
        "POST", "/v1/chat/completions",
        R"({"model":"tools:1","max_tokens":2,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":
                    [{"id":"c1","type":"function","function":{"name":"add","arguments":)" +
            arguments + R"(}}]},
                    {"role":"tool","tool_call_id":"c1","content":"3"}],)" +
            kTools + "}");
  };
  EXPECT_EQ(turn(R"("{\"n\":2}")").status, 200);
  for (const char* bad : {R"("{\"n\":")", "7", R"("[1]")"}) {
    const auto r = turn(bad);
    EXPECT_EQ(r.status, 400) << r.body;
    EXPECT_NE(r.body.find("must be a JSON object"), std::string::npos) << r.body;
  }
  EXPECT_EQ(s.ask("POST", "/v1/chat/completions",
                  chat(std::string(R"("max_tokens":2,"tool_choice":"none",)") + kTools, "tools:1"))
                .status,
            200);
}

TEST(ServeTools, TogetherWithAFormatAnAnswerIsEither) {
  TestServer probe;
  TestServer s([&](ServerOptions& o) {
    o.models.push_back({"tools:1", probe.with_template(probe.long_model(), kTemplate)});
  });
  // One call at most, or a model without knowledge goes on with them.
  const std::string tools =
      R"("parallel_tool_calls":false,"tools":[{"type":"function","function":{"name":"add","parameters":{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":9}},"required":["n"]}}}])";
  const std::string flat_tools =
      R"("parallel_tool_calls":false,"tools":[{"type":"function","name":"add","parameters":{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":9}},"required":["n"]}}])";
  const std::string their_tools =
      R"("tool_choice":{"type":"auto","disable_parallel_tool_use":true},"tools":[{"name":"add","input_schema":{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":9}},"required":["n"]}}])";
  const std::string schema = std::string(R"({"type":"json_schema","schema":)") + kSchema + "}";
  const std::string head = R"({"model":"tools:1","temperature":1.0,)";
  const std::string openai =
      head +
      R"("messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"schema":)" +
      kSchema + "}}," + tools;
  // Which of the two comes is the model's choice; a bias makes it.
  const auto text =
      s.ask("POST", "/v1/chat/completions", openai + R"(,"logit_bias":{"60":-100,"123":100}})").json();
  EXPECT_EQ(text["choices"][0]["finish_reason"], "stop") << text;
  EXPECT_FALSE(text["choices"][0]["message"].contains("tool_calls"));
  expect_fits(text["choices"][0]["message"]["content"].get<std::string>());
  const auto call =
      s.ask("POST", "/v1/chat/completions", openai + R"(,"logit_bias":{"123":-5,"60":100}})").json();
  EXPECT_EQ(call["choices"][0]["finish_reason"], "tool_calls") << call;
  EXPECT_TRUE(call["choices"][0]["message"]["content"].is_null());
  expect_call(call["choices"][0]["message"]["tool_calls"][0]["function"]);
  // Whatever comes elsewhere is one of the two.
  for (int seed = 0; seed < 4; ++seed) {
    const auto ollama =
        s.ask("POST", "/api/chat",
              chat(fmt::format(R"("format":{},"options":{{"seed":{}}},{})", kSchema, seed, tools), "tools:1"))
            .json();
    if (ollama["message"].contains("tool_calls")) {
      EXPECT_EQ(ollama["message"]["content"], "");
    } else {
      expect_fits(ollama["message"]["content"].get<std::string>());
    }
    const auto response = s.ask("POST", "/v1/responses",
                                head + R"("input":"x","text":{"format":)" + schema + "}," + flat_tools + "}")
                              .json();
    ASSERT_EQ(response["status"], "completed") << response;
    if (response["output"][0]["type"] == "message") {
      EXPECT_EQ(response["output"].size(), 1u);
      expect_fits(response["output"][0]["content"][0]["text"].get<std::string>());
    } else {
      expect_call(response["output"][0]);
    }
    const auto message =
        s.ask(
             "POST", "/v1/messages",
             head +
                 R"("max_tokens":300,"messages":[{"role":"user","content":"x"}],"output_config":{"format":)" +
                 schema + "}," + their_tools + "}")
            .json();
    if (message["content"][0]["type"] == "text") {
      EXPECT_EQ(message["stop_reason"], "end_turn") << message;
      expect_fits(message["content"][0]["text"].get<std::string>());
    } else {
      EXPECT_EQ(message["stop_reason"], "tool_use");
    }
  }
}

TEST(ServeTools, InResponsesWords) {
  TestServer probe;
  TestServer s([&](ServerOptions& o) {
    o.models.push_back({"tools:1", probe.with_template(probe.long_model(), kTemplate)});
  });
  const std::string tools =
      R"("tools":[{"type":"function","name":"add","description":"adds","strict":true,"parameters":{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":9}},"required":["n"]}},
               {"type":"function","name":"stop"}])";
  const auto ask = [&](const std::string& input, const std::string& more) {
    return s.ask("POST", "/v1/responses",
                 R"({"model":"tools:1","temperature":0,"max_output_tokens":200,"input":)" + input + "," +
                     tools + more + "}");
  };
  const std::string named = R"(,"tool_choice":{"type":"function","name":"add"})";
  const auto response = ask(R"("x")", named).json();
  EXPECT_EQ(response["status"], "completed") << response;
  EXPECT_EQ(response["tools"].size(), 2u);
  ASSERT_EQ(response["output"].size(), 1u);
  const auto& item = response["output"][0];
  EXPECT_EQ(item["type"], "function_call");
  EXPECT_TRUE(item["id"].get<std::string>().starts_with("fc_"));
  EXPECT_TRUE(item["call_id"].get<std::string>().starts_with("call_"));
  expect_call(item);

  const std::string stream = ask(R"("x")", named + R"(,"stream":true)").body;
  std::vector<std::string> types;
  OrderedJson last;
  int number = 0;
  for (size_t at = 0; (at = stream.find("data: {", at)) != std::string::npos; ++at) {
    last = OrderedJson::parse(stream.substr(at + 6, stream.find("\n\n", at) - at - 6));
    types.push_back(last["type"]);
    EXPECT_EQ(last["sequence_number"], number++);
    if (last["type"] == "response.function_call_arguments.delta") {
      EXPECT_EQ(last["delta"], item["arguments"]);
    }
  }
  EXPECT_EQ(types, (std::vector<std::string>{
                       "response.created", "response.in_progress", "response.output_item.added",
                       "response.function_call_arguments.delta", "response.function_call_arguments.done",
                       "response.output_item.done", "response.completed"}));
  expect_call(last["response"]["output"][0]);

  // A call and its result belong to the conversation.
  const std::string turns =
      R"([{"role":"user","content":"x"},{"type":"function_call","call_id":"c1","name":"add","arguments":"{\"n\":2}"},
          {"type":"function_call","call_id":"c2","name":"add","arguments":"{\"n\":3}"},
          {"type":"function_call_output","call_id":"c1","output":"3"},
          {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"4"}]}])";
  const auto count = [&](const std::string& input) {
    return ask(input, R"(,"tool_choice":"none")").json()["usage"]["input_tokens"].get<int>();
  };
  EXPECT_GT(count(turns), count(R"("x")") + 60);
  // Held to a schema.
  const auto held =
      s.ask(
           "POST", "/v1/responses",
           std::string(
               R"({"model":"tools:1","input":"x","text":{"format":{"type":"json_schema","name":"s","schema":)") +
               kSchema + "}}}")
          .json();
  expect_fits(held["output"][0]["content"][0]["text"].get<std::string>());
  EXPECT_EQ(held["text"]["format"]["name"], "s");
}

TEST(ServeConstraints, AnthropicsFormats) {
  TestServer s;
  const auto ask = [&](const std::string& more) {
    return s.ask(
        "POST", "/v1/messages",
        R"({"model":"long:1","max_tokens":300,"messages":[{"role":"user","content":"x"}],)" + more + "}");
  };
  const std::string format = std::string(R"({"type":"json_schema","schema":)") + kSchema + "}";
  for (const std::string& more :
       {R"("output_format":)" + format, R"("output_config":{"format":)" + format + "}"}) {
    const auto message = ask(more).json();
    ASSERT_EQ(message["stop_reason"], "end_turn") << message;
    expect_fits(message["content"][0]["text"].get<std::string>());
  }
  EXPECT_EQ(ask(R"("output_config":{"effort":"low"},"max_tokens":1)").status, 200);
  for (const std::string& bad :
       {R"("output_format":)" + format + R"(,"output_config":{"format":)" + format + "}",
        std::string(R"("output_format":{"type":"json_object"})"), std::string(R"("output_config":7)"),
        std::string(R"("output_format":{"type":"json_schema"})"),
        std::string(R"("output_format":{"type":"json_schema","schema":{"not":{}}})")})
    EXPECT_EQ(ask(bad).status, 400) << bad;
}

TEST(ServeTools, InAnthropicsWords) {
  TestServer probe;
  TestServer s([&](ServerOptions& o) {
    o.models.push_back({"tools:1", probe.with_template(probe.long_model(), kTemplate)});
  });
  const std::string tools =
      R"("tools":[{"name":"add","description":"adds","input_schema":{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":9}},"required":["n"]}},
               {"type":"custom","name":"stop","input_schema":{"type":"object","additionalProperties":false}}])";
  const auto ask = [&](const std::string& messages, const std::string& more) {
    return s.ask(
        "POST", "/v1/messages",
        R"({"model":"tools:1","temperature":0,"max_tokens":200,"messages":[)" + messages + "]," + more + "}");
  };
  const std::string user = R"({"role":"user","content":"x"})",
                    named = R"(,"tool_choice":{"type":"tool","name":"add"})";
  const auto message = ask(user, tools + named).json();
  EXPECT_EQ(message["stop_reason"], "tool_use") << message;
  ASSERT_EQ(message["content"].size(), 1u);
  EXPECT_EQ(message["content"][0]["type"], "tool_use");
  EXPECT_TRUE(message["content"][0]["id"].get<std::string>().starts_with("toolu_"));
  expect_call({{"name", message["content"][0]["name"]}, {"arguments", message["content"][0]["input"]}});

  const std::string stream = ask(user, tools + named + R"(,"stream":true)").body;
  std::string name, input;
  for (size_t at = 0; (at = stream.find("data: {", at)) != std::string::npos; ++at) {
    const auto event = OrderedJson::parse(stream.substr(at + 6, stream.find("\n\n", at) - at - 6));
    if (event["type"] == "content_block_start") name = event["content_block"].value("name", "");
    if (event["type"] == "content_block_delta") input += event["delta"].value("partial_json", "");
  }
  expect_call({{"name", name}, {"arguments", input}});
  EXPECT_NE(stream.find(R"("stop_reason":"tool_use")"), std::string::npos);
  EXPECT_EQ(ask(user, tools + R"(,"tool_choice":{"type":"any"})").json()["stop_reason"], "tool_use");

  // A call and its result, and what the user says to it.
  const std::string turns =
      user +
      R"(,{"role":"assistant","content":[{"type":"text","text":"so"},{"type":"tool_use","id":"t1","name":"add","input":{"n":2}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"3"}]},{"type":"text","text":"and?"}]})";
  const auto count = [&](const std::string& messages) {
    return s
        .ask("POST", "/v1/messages/count_tokens",
             R"({"model":"tools:1","messages":[)" + messages + "]," + tools + "}")
        .json()["input_tokens"]
        .get<int>();
  };
  EXPECT_GT(count(turns), count(user) + 40);
  for (const char* bad :
       {R"("tools":7)", R"("tools":[7])", R"("tools":[{"name":"f"}])",
        R"("tools":[{"type":"web_search_20250305","name":"web_search"}])",
        R"("tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"tool","name":"g"})",
        R"("tools":[{"name":"f","input_schema":{}}],"tool_choice":"any")"}) {
    const auto r = ask(user, bad);
    EXPECT_EQ(r.status, 400) << bad << r.body;
    EXPECT_EQ(r.json()["error"]["type"], "invalid_request_error");
  }
  EXPECT_EQ(
      ask(R"({"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":3}]},)" + user,
          tools)
          .status,
      400);
}

}  // namespace
}  // namespace uma::serve
