"""Real clients, unmodified: the packages `openai` and `ollama`, with a real model where there is one.

UMA_BINARY names the binary, UMA_TEST_MODEL_QWEN25_CODER the model; without it the tiny model says its noise.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

SKIPPED = 77
try:
    import ollama
    import openai
except ImportError as e:
    print(f"SKIP: {e}")
    sys.exit(SKIPPED)

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("UMA_BINARY") or str(ROOT / "build" / "uma")
REAL = os.environ.get("UMA_TEST_MODEL_QWEN25_CODER", "")
MODEL = REAL or str(ROOT / "tests" / "golden" / "models" / "qwen2.gguf")
MESSAGES = [{"role": "system", "content": "Answer in one word."}, {"role": "user", "content": "Capital of France?"}]

PERSON = {"type": "object", "additionalProperties": False, "required": ["name", "age"],
          "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0, "maximum": 150}}}
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather in a city",
    "parameters": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string", "maxLength": 20}}}}}


def check_person(text):
    person = json.loads(text)
    assert list(person) == ["name", "age"] and isinstance(person["name"], str) and 0 <= person["age"] <= 150, text


def setUpModule():
    global process, url, home
    home = tempfile.TemporaryDirectory(prefix="uma-serve-")
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith("OLLAMA")}
    env.update(UMA_HOME=home.name)
    process = subprocess.Popen([BINARY, "serve", "--json", "--port", "0", "--model", f"m={MODEL}"], env=env,
                               stdout=subprocess.PIPE)
    url = json.loads(process.stdout.readline())["url"]


def tearDownModule():
    process.terminate()
    code = process.wait(60)
    process.stdout.close()
    home.cleanup()
    assert code == 0, code


class OpenAI(unittest.TestCase):
    def setUp(self):
        self.client = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0, timeout=300)
        self.addCleanup(self.client.close)
        self.ask = {"model": "m", "messages": MESSAGES, "temperature": 0, "max_tokens": 12}

    def test_chat(self):
        reply = self.client.chat.completions.create(**self.ask)
        self.assertIn(reply.choices[0].finish_reason, ("stop", "length"))
        self.assertEqual(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens)
        if REAL:
            self.assertIn("Paris", reply.choices[0].message.content)

    def test_a_stream_says_the_same(self):
        whole = self.client.chat.completions.create(**self.ask)
        stream = self.client.chat.completions.create(**self.ask, stream=True, stream_options={"include_usage": True})
        chunks = list(stream)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(chunks[-1].usage.completion_tokens, whole.usage.completion_tokens)
        self.assertEqual(chunks[-2].choices[0].finish_reason, whole.choices[0].finish_reason)

    def test_completions_models_and_choices(self):
        reply = self.client.completions.create(model="m", prompt="1, 2, 3,", max_tokens=6, temperature=1, n=3, seed=1)
        again = self.client.completions.create(model="m", prompt="1, 2, 3,", max_tokens=6, temperature=1, n=3, seed=1)
        self.assertEqual([c.text for c in reply.choices], [c.text for c in again.choices])
        self.assertEqual([m.id for m in self.client.models.list()], ["m:latest"])
        self.assertEqual(self.client.models.retrieve("m:latest").id, "m:latest")

    def test_a_schema_is_kept_to(self):
        ask = {**self.ask, "messages": [{"role": "user", "content": "Invent a person."}], "max_tokens": 150}
        form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}
        reply = self.client.chat.completions.create(**{**ask, "temperature": 1, "seed": 3}, response_format=form)
        check_person(reply.choices[0].message.content)
        if REAL:
            reply = self.client.chat.completions.create(**ask, response_format={"type": "json_object"})
            self.assertIsInstance(json.loads(reply.choices[0].message.content), dict)
        with self.assertRaises(openai.BadRequestError) as e:
            self.client.chat.completions.create(**ask, response_format={
                "type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}})
        self.assertIn("not", str(e.exception))

    @unittest.skipUnless(REAL, "the tiny model has no template that takes tools")
    def test_tools(self):
        messages = [{"role": "user", "content": "What is the weather in Paris?"}]
        ask = {"model": "m", "temperature": 0, "max_tokens": 200, "tools": [WEATHER]}
        choice = self.client.chat.completions.create(**ask, messages=messages, tool_choice="required").choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        call = choice.message.tool_calls[0]
        self.assertEqual(call.function.name, "get_weather")
        self.assertIn("Paris", json.loads(call.function.arguments)["city"])
        stream = self.client.chat.completions.create(**ask, messages=messages, tool_choice="required", stream=True)
        deltas = [c.choices[0].delta.tool_calls for c in stream if c.choices and c.choices[0].delta.tool_calls]
        self.assertEqual("".join(d[0].function.arguments or "" for d in deltas), call.function.arguments)
        messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "18 degrees, rain"}]
        # What so small a model makes of the result is its own affair; that it was given it is not.
        before = self.client.chat.completions.create(**ask, messages=messages[:1], tool_choice="none")
        said = self.client.chat.completions.create(**ask, messages=messages, tool_choice="none")
        self.assertIsNone(said.choices[0].message.tool_calls)
        self.assertGreater(said.usage.prompt_tokens, before.usage.prompt_tokens + 20)
        auto = self.client.chat.completions.create(**ask, messages=messages[:1]).choices[0]
        for call in auto.message.tool_calls or []:
            json.loads(call.function.arguments)

    def test_errors_are_its_exceptions(self):
        with self.assertRaises(openai.NotFoundError) as e:
            self.client.chat.completions.create(**{**self.ask, "model": "none"})
        self.assertEqual(e.exception.code, "model_not_found")
        with self.assertRaises(openai.BadRequestError) as e:
            self.client.chat.completions.create(**self.ask, tools=[{"type": "search"}])
        self.assertEqual(e.exception.param, "tools")
        long = [{"role": "user", "content": "word " * 40000}]
        with self.assertRaises(openai.BadRequestError) as e:
            self.client.chat.completions.create(**{**self.ask, "messages": long})
        self.assertEqual(e.exception.code, "context_length_exceeded")

    def test_a_stream_that_is_left_frees_its_place(self):
        stream = self.client.chat.completions.create(**{**self.ask, "max_tokens": 200}, stream=True)
        next(iter(stream))
        stream.close()
        self.test_chat()

    def test_many_at_once(self):
        whole = self.client.chat.completions.create(**self.ask).choices[0].finish_reason
        reasons = []

        def one():
            reasons.append(self.client.chat.completions.create(**self.ask).choices[0].finish_reason)

        threads = [threading.Thread(target=one) for _ in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(reasons, [whole] * 16)


class Ollama(unittest.TestCase):
    def setUp(self):
        self.client = ollama.Client(host=url)
        self.options = {"temperature": 0, "num_predict": 12}

    def test_chat_and_stream(self):
        whole = self.client.chat("m", MESSAGES, options=self.options)
        parts = list(self.client.chat("m", MESSAGES, options=self.options, stream=True))
        self.assertEqual("".join(p.message.content for p in parts), whole.message.content)
        self.assertTrue(parts[-1].done)
        self.assertEqual(parts[-1].eval_count, whole.eval_count)
        self.assertGreater(whole.total_duration, 0)
        if REAL:
            self.assertIn("Paris", whole.message.content)

    def test_a_schema_is_kept_to_and_tools_are_called(self):
        said = self.client.chat("m", [{"role": "user", "content": "Invent a person."}], format=PERSON, options={"seed": 1})
        check_person(said.message.content)
        with self.assertRaises(ollama.ResponseError) as e:
            self.client.chat("m", MESSAGES, format={"type": "odd"})
        self.assertEqual(e.exception.status_code, 400)
        if not REAL:
            return
        said = self.client.chat("m", [{"role": "user", "content": "What is the weather in Paris? Use the tool."}],
                                tools=[WEATHER], options={"temperature": 0})
        for call in said.message.tool_calls or []:
            self.assertEqual(call.function.name, "get_weather")
            self.assertIsInstance(call.function.arguments["city"], str)

    def test_generate(self):
        whole = self.client.generate("m", "1, 2, 3,", raw=True, options=self.options)
        parts = list(self.client.generate("m", "1, 2, 3,", raw=True, options=self.options, stream=True))
        self.assertEqual("".join(p.response for p in parts), whole.response)

    def test_models(self):
        self.assertEqual([m.model for m in self.client.list().models], ["m:latest"])
        shown = self.client.show("m")
        self.assertEqual(shown.details.family, "qwen2")
        self.assertEqual(shown.modelinfo["general.architecture"], "qwen2")
        self.client.generate("m", "", keep_alive="1h")
        self.assertEqual([m.model for m in self.client.ps().models], ["m:latest"])

    def test_errors_are_its_exceptions(self):
        with self.assertRaises(ollama.ResponseError) as e:
            self.client.chat("none", MESSAGES)
        self.assertEqual(e.exception.status_code, 404)
        self.assertEqual(e.exception.error, "model 'none' not found")
        with self.assertRaises(ollama.ResponseError) as e:
            self.client.chat("m", MESSAGES, options={"num_predict": -9})
        self.assertEqual(e.exception.status_code, 400)
        with self.assertRaises(ollama.ResponseError) as e:
            list(self.client.chat("m", MESSAGES, format={"not": {}}, stream=True))
        self.assertEqual(e.exception.status_code, 400)


if __name__ == "__main__":
    unittest.main(verbosity=2)
