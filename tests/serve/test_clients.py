"""Real clients, unmodified, with a real model where there is one: the packages `openai`, `ollama`, `anthropic`,
`litellm`, and LangChain's and LlamaIndex's classes for Ollama and OpenAI. Of those that are not there the tests say so.

UMA_BINARY names the binary, UMA_TEST_MODEL_QWEN25_CODER the model; without it the tiny model says its noise.
"""
import importlib
import json
import math
import sys
import threading
import unittest

from served import MODEL, REAL, Served

SKIPPED = 77


def optional(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def needs(*modules):
    return unittest.skipIf(None in modules, "the package is not installed")


try:
    import ollama
    import openai
except ImportError as e:
    print(f"SKIP: {e}")
    sys.exit(SKIPPED)

anthropic = optional("anthropic")
litellm = optional("litellm")
langchain_ollama, langchain_openai = optional("langchain_ollama"), optional("langchain_openai")
llama_ollama = optional("llama_index.llms.ollama")
llama_openai = optional("llama_index.llms.openai_like")
llama_embeddings = optional("llama_index.embeddings.ollama")

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
    global served, url
    served = Served()
    url = served.url


def tearDownModule():
    served.stop()


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

    def test_logprobs(self):
        reply = self.client.chat.completions.create(**self.ask, logprobs=True, top_logprobs=2)
        tokens = reply.choices[0].logprobs.content
        self.assertEqual(len(tokens), reply.usage.completion_tokens)
        self.assertEqual(b"".join(bytes(t.bytes) for t in tokens).decode(errors="replace").strip(),
                         reply.choices[0].message.content.strip())
        for t in tokens:
            self.assertEqual(t.top_logprobs[0].logprob, t.logprob)  # greedy
        stream = self.client.chat.completions.create(**self.ask, logprobs=True, top_logprobs=2, stream=True)
        streamed = [t for c in stream if c.choices and c.choices[0].logprobs for t in c.choices[0].logprobs.content]
        self.assertEqual([t.bytes for t in streamed], [t.bytes for t in tokens])
        old = self.client.completions.create(model="m", prompt="1, 2, 3,", max_tokens=3, temperature=0, logprobs=2)
        self.assertEqual(len(old.choices[0].logprobs.token_logprobs), 3)

    def test_embeddings(self):
        reply = self.client.embeddings.create(model="m", input=["a cat", "a kitten", "interest rates"])
        a, b, c = (d.embedding for d in reply.data)  # asked for in base64, decoded by the client
        self.assertAlmostEqual(math.dist(a, [0] * len(a)), 1, places=4)
        if REAL:
            self.assertLess(math.dist(a, b), math.dist(a, c))
        short = self.client.embeddings.create(model="m", input="a cat", dimensions=8, encoding_format="float")
        self.assertEqual(len(short.data[0].embedding), 8)

    def test_responses(self):
        ask = {"model": "m", "instructions": "Answer in one word.", "input": "Capital of France?",
               "max_output_tokens": 12, "temperature": 0}
        whole = self.client.responses.create(**ask)
        self.assertIn(whole.status, ("completed", "incomplete"))
        if REAL:
            self.assertIn("Paris", whole.output_text)
        events = list(self.client.responses.create(**ask, stream=True))
        text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        self.assertEqual(text, whole.output_text)
        self.assertEqual(events[-1].response.output_text, whole.output_text)
        with self.client.responses.stream(**ask) as stream:
            for _ in stream:
                pass
            self.assertEqual(stream.get_final_response().output_text, whole.output_text)
        with self.assertRaises(openai.BadRequestError):
            self.client.responses.create(**ask, previous_response_id="resp_1")

    def test_responses_hold_to_a_schema(self):
        ask = {"model": "m", "input": "Invent a person.", "max_output_tokens": 150,
               "text": {"format": {"type": "json_schema", "name": "person", "strict": True, "schema": PERSON}}}
        check_person(self.client.responses.create(**ask).output_text)
        with self.client.responses.stream(**ask) as stream:
            for _ in stream:
                pass
            check_person(stream.get_final_response().output_text)
        with self.assertRaises(openai.BadRequestError) as e:
            self.client.responses.create(**{**ask, "text": {"format": {"type": "json_schema", "name": "x", "schema": {"not": {}}}}})
        self.assertEqual(e.exception.param, "text.format")

    @unittest.skipUnless(REAL, "the tiny model has no template that takes tools")
    def test_responses_call_tools(self):
        tool = {"type": "function", "strict": True, **WEATHER["function"]}
        ask = {"model": "m", "temperature": 0, "max_output_tokens": 200, "tools": [tool]}
        question = [{"role": "user", "content": "What is the weather in Paris?"}]
        said = self.client.responses.create(**ask, input=question, tool_choice="required")
        call = said.output[0]
        self.assertEqual((call.type, call.name), ("function_call", "get_weather"))
        self.assertIn("Paris", json.loads(call.arguments)["city"])
        events = list(self.client.responses.create(**ask, input=question, tool_choice="required", stream=True))
        self.assertEqual("".join(e.delta for e in events if e.type == "response.function_call_arguments.delta"), call.arguments)
        with self.client.responses.stream(**ask, input=question, tool_choice="required") as stream:
            for _ in stream:
                pass
            self.assertEqual(stream.get_final_response().output[0].arguments, call.arguments)
        before = self.client.responses.create(**ask, input=question, tool_choice="none")
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees, rain"}
        after = self.client.responses.create(**ask, input=[*question, call.model_dump(), result], tool_choice="none")
        self.assertEqual(after.output[0].type, "message")
        self.assertGreater(after.usage.input_tokens, before.usage.input_tokens + 20)

    @unittest.skipUnless(REAL, "the tiny model has no template that takes tools")
    def test_tools_together_with_a_schema(self):
        form = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}
        for question in ("Invent a person.", "What is the weather in Paris? Call the tool."):
            choice = self.client.chat.completions.create(
                model="m", temperature=0, max_tokens=200, tools=[WEATHER], response_format=form,
                messages=[{"role": "user", "content": question}]).choices[0]
            if choice.finish_reason == "tool_calls":
                self.assertIsInstance(json.loads(choice.message.tool_calls[0].function.arguments)["city"], str)
                self.assertIsNone(choice.message.content)
            else:
                check_person(choice.message.content)

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

    def test_embeddings_and_logprobs(self):
        reply = self.client.embed("m", ["a cat", "a dog"])
        self.assertEqual(len(reply.embeddings), 2)
        self.assertEqual(list(self.client.embeddings("m", "a cat").embedding), list(reply.embeddings[0]))
        self.assertEqual(len(self.client.embed("m", "a cat", dimensions=4).embeddings[0]), 4)
        said = self.client.generate("m", "1, 2, 3,", raw=True, options=self.options, logprobs=True, top_logprobs=1)
        self.assertEqual(len(said.logprobs), said.eval_count)

    def test_a_model_is_made_copied_and_deleted(self):
        digest = self.client.create_blob(MODEL)
        steps = list(self.client.create("base", files={"model.gguf": digest}, stream=True))
        self.assertEqual(steps[-1].status, "success")
        made = self.client.create("mine", from_="base", system="Answer in one word.", parameters={"temperature": 0, "num_predict": 4})
        self.assertEqual(made.status, "success")
        self.assertEqual(self.client.generate("mine", "Capital of France?").eval_count <= 4, True)
        self.client.copy("mine", "yours")
        self.assertIn("temperature", self.client.show("yours").parameters)
        for name in ("mine", "yours", "base"):
            self.assertEqual(self.client.delete(name).status, "success")
        with self.assertRaises(ollama.ResponseError) as e:
            self.client.delete("mine")
        self.assertEqual(e.exception.status_code, 404)
        with self.assertRaises(ollama.ResponseError) as e:
            self.client.pull("none")
        self.assertEqual(e.exception.status_code, 404)

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


@needs(anthropic)
class Anthropic(unittest.TestCase):
    def setUp(self):
        self.client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=300)
        self.addCleanup(self.client.close)
        # This client has no argument for the temperature.
        self.ask = {"model": "m", "system": "Answer in one word.", "max_tokens": 12,
                    "extra_body": {"temperature": 0}, "messages": [{"role": "user", "content": "Capital of France?"}]}

    def test_message_stream_and_count(self):
        whole = self.client.messages.create(**self.ask)
        self.assertIn(whole.stop_reason, ("end_turn", "max_tokens"))
        if REAL:
            self.assertIn("Paris", whole.content[0].text)
        with self.client.messages.stream(**self.ask) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual(text, whole.content[0].text)
        self.assertEqual(final.stop_reason, whole.stop_reason)
        self.assertEqual(final.usage.output_tokens, whole.usage.output_tokens)
        counted = self.client.messages.count_tokens(**{k: self.ask[k] for k in ("model", "system", "messages")})
        self.assertEqual(counted.input_tokens, whole.usage.input_tokens + whole.usage.cache_read_input_tokens)

    def test_a_schema_is_kept_to(self):
        form = {"type": "json_schema", "schema": PERSON}
        for more in ({"output_format": form}, {"output_config": {"format": form}}):
            said = self.client.messages.create(model="m", max_tokens=150, extra_body={**more, "temperature": 0},
                                               messages=[{"role": "user", "content": "Invent a person."}])
            check_person(said.content[0].text)

    @unittest.skipUnless(REAL, "the tiny model has no template that takes tools")
    def test_tools(self):
        tool = {"name": "get_weather", "description": "The weather in a city",
                "input_schema": WEATHER["function"]["parameters"]}
        ask = {"model": "m", "max_tokens": 200, "tools": [tool], "tool_choice": {"type": "any"},
               "extra_body": {"temperature": 0},
               "messages": [{"role": "user", "content": "What is the weather in Paris?"}]}
        said = self.client.messages.create(**ask)
        self.assertEqual(said.stop_reason, "tool_use")
        self.assertIn("Paris", said.content[0].input["city"])
        with self.client.messages.stream(**ask) as stream:
            self.assertEqual(stream.get_final_message().content[0].input, said.content[0].input)

    def test_stop_sequences(self):
        said = self.client.messages.create(**self.ask).content[0].text
        cut = self.client.messages.create(**self.ask, stop_sequences=[said[0]])
        self.assertEqual((cut.stop_reason, cut.stop_sequence), ("stop_sequence", said[0]))

    def test_errors_are_its_exceptions(self):
        with self.assertRaises(anthropic.NotFoundError):
            self.client.messages.create(**{**self.ask, "model": "none"})
        with self.assertRaises(anthropic.BadRequestError) as e:
            self.client.messages.create(**{**self.ask, "messages": []})
        self.assertEqual(e.exception.body["error"]["type"], "invalid_request_error")


@needs(litellm)
class LiteLlm(unittest.TestCase):
    ASK = {"messages": MESSAGES, "temperature": 0, "max_tokens": 12}

    def test_every_dialect_says_the_same(self):
        said = set()
        for model, base in (("openai/m", url + "/v1"), ("ollama_chat/m", url), ("anthropic/m", url)):
            ask = {**self.ASK, "model": model, "api_base": base, "api_key": "none"}
            text = litellm.completion(**ask).choices[0].message.content
            parts = [c.choices[0].delta.content or "" for c in litellm.completion(**ask, stream=True)]
            self.assertEqual("".join(parts), text, model)
            said.add(text)
        self.assertEqual(len(said), 1, said)

    def test_embeddings(self):
        vectors = [litellm.embedding(model=m, api_base=b, api_key="none", input=["a cat"]).data[0]["embedding"]
                   for m, b in (("openai/m", url + "/v1"), ("ollama/m", url))]
        self.assertEqual(len(vectors[0]), len(vectors[1]))

    def test_errors_are_its_exceptions(self):
        with self.assertRaises(litellm.NotFoundError):
            litellm.completion(model="openai/none", api_base=url + "/v1", api_key="none", messages=MESSAGES)


class LangChain(unittest.TestCase):
    ASK = [("system", "Answer in one word."), ("user", "Capital of France?")]

    def check_chat(self, chat):
        whole = chat.invoke(self.ASK)
        self.assertEqual("".join(p.content for p in chat.stream(self.ASK)), whole.content)
        self.assertGreater(whole.usage_metadata["output_tokens"], 0)
        if REAL:
            self.assertIn("Paris", whole.content)

    @needs(langchain_ollama)
    def test_ollama(self):
        self.check_chat(langchain_ollama.ChatOllama(model="m", base_url=url, temperature=0, num_predict=12))
        vectors = langchain_ollama.OllamaEmbeddings(model="m", base_url=url).embed_documents(["a", "b"])
        self.assertEqual(len(vectors), 2)

    @needs(langchain_openai)
    def test_openai(self):
        self.check_chat(langchain_openai.ChatOpenAI(model="m", base_url=url + "/v1", api_key="none", temperature=0,
                                                    max_tokens=12, stream_usage=True))
        embeddings = langchain_openai.OpenAIEmbeddings(model="m", base_url=url + "/v1", api_key="none",
                                                       check_embedding_ctx_length=False)
        self.assertEqual(len(embeddings.embed_documents(["a", "b"])), 2)


class LlamaIndex(unittest.TestCase):
    def check(self, llm):
        whole = llm.complete("1, 2, 3,").text
        self.assertEqual(list(llm.stream_complete("1, 2, 3,"))[-1].text, whole)

    @needs(llama_ollama)
    def test_ollama(self):
        self.check(llama_ollama.Ollama(model="m", base_url=url, temperature=0, request_timeout=300,
                                       context_window=2048, additional_kwargs={"num_predict": 12}))

    @needs(llama_openai)
    def test_openai(self):
        self.check(llama_openai.OpenAILike(model="m", api_base=url + "/v1", api_key="none", temperature=0, max_tokens=12,
                                           is_chat_model=True, timeout=300))

    @needs(llama_embeddings)
    def test_embeddings(self):
        embedding = llama_embeddings.OllamaEmbedding(model_name="m", base_url=url)
        self.assertEqual(len(embedding.get_text_embedding_batch(["a", "b"])), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
