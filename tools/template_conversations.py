"""Conversations of every kind that chat templates know, and of kinds that they refuse."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a town. Handles \"quotes\", <angles> & ampersands, é and 日本.",
        "parameters": {
            "type": "object",
            "properties": {
                "town": {"type": "string", "description": "Town and country\nsecond line"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": "integer", "minimum": 1, "maximum": 14},
            },
            "required": ["town"],
        },
        "return": {"type": "object", "description": "temperature and sky"},
    },
}
SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Full text search.",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": ["string", "null"], "nullable": True},
                "filters": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "field": {"type": "string", "description": "name of a field"},
                            "values": {"type": "array", "items": {"type": "number"}},
                        },
                    },
                },
                "exact": {"type": "boolean", "default": True},
                "mode": {"oneOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "integer", "description": "n"}]},
                "extra": {"type": "object", "additionalProperties": True},
            },
            "required": ["query", "filters"],
        },
    },
}
BARE = {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}}}

SYSTEM = {"role": "system", "content": "You are a terse assistant."}
USER = {"role": "user", "content": "What is the capital of France?"}
ANSWER = {"role": "assistant", "content": "Paris."}
MORE = {"role": "user", "content": "And of Japan? "}


def call(name, arguments, id="abc123xyz", content=None, **more):
    function = {"name": name, "arguments": arguments}
    m = {"role": "assistant", "content": content, "tool_calls": [{"id": id, "type": "function", "function": function}]}
    m.update(more)
    return m


def result(content, id="abc123xyz", name="get_weather"):
    return {"role": "tool", "tool_call_id": id, "name": name, "content": content}


def parts(*items):
    return [{"type": "text", "text": i} if isinstance(i, str) else i for i in items]


def conversations():
    """name -> variables"""
    c = {}

    def add(name, messages, **variables):
        v = {"messages": messages}
        v.update({"bos_token": "<s>", "eos_token": "</s>", "date_string": "03 May 2025"})
        v.update(variables)
        c[name] = v

    gen = {"add_generation_prompt": True}
    arguments = {"town": "Paris, France", "days": 3, "unit": "celsius", "deep": {"a": [1, 2.5, None, True], "é": "ü\n\"x\""}}
    add("plain", [USER], **gen)
    add("plain_no_prompt", [USER])
    add("system", [SYSTEM, USER], **gen)
    add("turns", [SYSTEM, USER, ANSWER, MORE], **gen)
    add("turns_end_assistant", [USER, ANSWER])
    add("no_system_turns", [USER, ANSWER, MORE, ANSWER, USER], **gen)
    add("whitespace", [{"role": "system", "content": "  padded \n"}, {"role": "user", "content": "\n\n  hi\t\n"}], **gen)
    add("unicode", [{"role": "user", "content": "naïve 日本語 🙂 <b>&amp;</b> 'q' \"d\" {{ x }} {% y %}"}], **gen)
    add("empty_content", [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}, USER], **gen)
    add("empty", [], **gen)
    add("two_users", [USER, MORE], **gen)
    add("starts_assistant", [ANSWER, USER], **gen)
    add("only_system", [SYSTEM], **gen)
    add("late_system", [USER, SYSTEM, MORE], **gen)
    add("unknown_role", [USER, {"role": "critic", "content": "boo"}], **gen)
    add("developer", [{"role": "developer", "content": "Speak like a pirate."}, USER], **gen)
    add("none_content", [USER, {"role": "assistant", "content": None}, MORE], **gen)
    add("missing_content", [USER, {"role": "assistant"}, MORE], **gen)
    add("missing_role", [{"content": "who am I"}], **gen)
    add("number_content", [{"role": "user", "content": 5}], **gen)
    tools = [WEATHER, SEARCH, BARE]
    add("tools", [SYSTEM, USER], tools=tools, **gen)
    add("tools_no_system", [USER], tools=[WEATHER], **gen)
    add("tools_empty", [USER], tools=[], **gen)
    add("tools_none", [USER], tools=None, **gen)
    add("tool_call", [USER, call("get_weather", arguments)], tools=tools)
    add("tool_result", [SYSTEM, USER, call("get_weather", arguments), result("22 degrees")], tools=tools, **gen)
    add("tool_result_dict", [USER, call("get_weather", arguments), result({"t": 22, "sky": "clear"})], tools=tools, **gen)
    add("tool_result_list", [USER, call("get_weather", arguments), result([{"t": 22}, {"t": 23}])], tools=tools, **gen)
    add("tool_result_parts", [USER, call("get_weather", arguments), result(parts("22", " degrees"))], tools=tools, **gen)
    add("tool_text_arguments", [USER, call("get_weather", '{"town": "Oslo"}'), result("1")], tools=tools, **gen)
    add("tool_after_text", [USER, call("get_weather", {"town": "Oslo"}, content="Let me look."), result("1"), ANSWER, MORE], tools=tools, **gen)
    add("tool_empty_content", [USER, call("now", {}, content=""), result("noon", name="now"), ANSWER], tools=[BARE])
    two = call("get_weather", {"town": "Rome"}, id="aaaaaaaaa")
    two["tool_calls"].append({"id": "bbbbbbbbb", "type": "function", "function": {"name": "now", "arguments": {}}})
    add("two_calls", [USER, two, result("20", "aaaaaaaaa"), result("noon", "bbbbbbbbb", "now")], tools=tools, **gen)
    add("two_rounds", [USER, call("now", {}, id="aaaaaaaaa"), result("noon", "aaaaaaaaa", "now"), call("get_weather", {"town": "Rome"}, id="bbbbbbbbb"), result("20", "bbbbbbbbb"), ANSWER, MORE], tools=tools, **gen)
    add("flat_call", [USER, {"role": "assistant", "content": "", "tool_calls": [{"name": "now", "arguments": {}}]}, result("noon")], tools=tools, **gen)
    add("bad_call_id", [USER, call("now", {}, id="1"), result("noon", "1", "now")], tools=tools, **gen)
    add("result_without_call", [USER, result("22")], tools=tools, **gen)
    add("tools_flat", [USER], tools=[WEATHER["function"]], **gen)
    add("builtin_tools", [SYSTEM, USER], builtin_tools=["wolfram_alpha", "code_interpreter", "python", "browser"], tools=[WEATHER], **gen)
    add("tools_in_user", [SYSTEM, USER], tools=[WEATHER], tools_in_user_message=False, **gen)
    add("ipython", [USER, {"role": "ipython", "content": {"out": 3}}], **gen)
    add("custom_tools", [USER], custom_tools=[WEATHER], xml_tools=[WEATHER["function"]], python_tools=["def f(): pass"], **gen)
    reason = {"role": "assistant", "content": "Paris.", "reasoning_content": "\nThe user asks.\nEasy. "}
    add("reasoning", [USER, reason, MORE], **gen)
    add("reasoning_last", [USER, reason])
    add("reasoning_tool", [USER, call("get_weather", {"town": "Oslo"}, reasoning_content="I need data.", thinking="I need data."), result("1")], tools=tools, **gen)
    think = {"reasoning_content": "I need data.", "thinking": "I need data."}
    add("reasoning_tool_text", [SYSTEM, USER, call("get_weather", arguments, content="", **think), result("1"), dict(ANSWER, **think), MORE], tools=tools, **gen)
    add("reasoning_tool_only", [USER, call("get_weather", {"town": "Oslo"}, content="", **think), result("1")], tools=tools, reasoning_effort="low", **gen)
    add("tool_call_text_last", [USER, call("now", {}, content="Wait.")], tools=[BARE])
    add("thinking_field", [USER, {"role": "assistant", "content": "Paris.", "thinking": "Easy."}, MORE], **gen)
    add("think_tags", [USER, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nParis."}, MORE], **gen)
    add("think_tags_last", [USER, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nParis."}])
    add("seed_think", [USER, {"role": "assistant", "content": "<seed:think>hm</seed:think>Paris."}, MORE], thinking_budget=512, **gen)
    add("no_think", [SYSTEM, {"role": "user", "content": "Quick! /no_think"}], enable_thinking=False, **gen)
    add("yes_think", [{"role": "system", "content": "/think be good"}, USER], enable_thinking=True, thinking=True, **gen)
    add("thinking_true", [USER, reason, MORE], thinking=True, **gen)
    add("budget", [USER], thinking_budget=0, **gen)
    add("effort", [SYSTEM, USER], reasoning_effort="high", model_identity="You are someone.", **gen)
    add("parts", [{"role": "user", "content": parts("Describe ", {"type": "image"}, " this ", {"type": "image_url", "image_url": {"url": "http://x"}})}], **gen)
    add("parts_text", [{"role": "system", "content": parts("sys")}, {"role": "user", "content": parts("one", "two")}, {"role": "assistant", "content": parts("three")}, USER], **gen)
    add("parts_unknown", [{"role": "user", "content": parts({"type": "audio", "audio": "x"}, "hm")}], **gen)
    simple = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {"a": {"type": "integer", "description": "first"}, "b": {"type": "number"}}, "required": ["a", "b"]}}}
    add("simple_tool", [SYSTEM, USER, call("add", {"a": 1, "b": 2.5}, id="functions.add:0"), result("3.5", "functions.add:0", "add"), ANSWER], tools=[simple], **gen)
    add("simple_tool_only", [USER], tools=[simple], **gen)
    add("documents", [USER], documents=[{"title": "A", "text": "alpha", "doc_id": 1}, {"title": "B", "text": "beta", "doc_id": 2, "snippet": "s"}], **gen)
    add("documents_controls", [USER], documents=[{"title": "A", "text": "alpha", "contents": "x"}], controls={"citations": True, "hallucinations": True, "length": "short"}, available_tools=[WEATHER], **gen)
    add("chat_extras", [USER], safety_mode="STRICT", citation_mode="FAST", preamble="P", developer_preamble="D", date="2025-01-01", **gen)
    add("no_tokens", [SYSTEM, USER, ANSWER], bos_token="", eos_token="")
    add("prefix", [USER, {"role": "assistant", "content": "Par", "prefix": True}], add_generation_prompt=False, continue_final_message=True)
    add("keep_past", [USER, reason, MORE], keep_past_thinking=True, clear_thinking=False, truncate_history_thinking=False, **gen)
    add("many", [SYSTEM] + [USER, ANSWER] * 6 + [MORE], **gen)
    add("names", [dict(USER, name="Ada"), dict(ANSWER, name="bot", weight=1), dict(MORE, name="Bo")], **gen)
    return c
