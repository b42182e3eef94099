"""`uma serve` as a process: its flags, its variables, its end. What it answers is tested in src/serve."""
import http.client
import json
import signal
import threading
import time
import urllib.error
import urllib.request

from support import PATIENCE, TINY, CliTest, main


class Serve(CliTest):
    def serve(self, *words, **more):
        process = self.start("serve", "--json", *words, **more)
        line = process.stdout.readline()
        self.assertTrue(line, process.stderr.read().decode() if process.poll() is not None else "no line")
        return process, json.loads(line)

    def ask(self, where, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(where["url"] + path, data, PATIENCE) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as e:
            return e.code, e.read()

    def test_it_answers_and_ends_when_asked(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process, where = self.serve("--port", "0", "--model", f"tiny={TINY}", "--ctx", "100")
            status, body = self.ask(where, "/api/generate",
                                    {"model": "tiny", "prompt": "x", "stream": False, "options": {"num_predict": 3}})
            self.assertEqual(status, 200, body)
            self.assertEqual(json.loads(body)["eval_count"], 3)
            status, body = self.ask(where, "/api/generate", {"model": "tiny", "prompt": "x" * 400})
            self.assertEqual(status, 400)
            self.assertIn(b"the context holds 100", body)
            process.send_signal(number)
            self.assertEqual(process.wait(PATIENCE), 0)
            self.assertIn("uma: stopped", process.stderr.read().decode())

    def test_a_stream_is_ended_and_not_broken(self):
        process, where = self.serve("--port", "0", "--model", f"long={self.long_model()}")
        body = {"model": "long", "prompt": "x", "stream": True, "max_tokens": 1 << 20, "temperature": 0,
                "logit_bias": {"65": 100}}
        request = urllib.request.Request(where["url"] + "/v1/completions", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            reply.readline()
            process.send_signal(signal.SIGTERM)
            rest = reply.read()  # raises IncompleteRead for a stream that breaks off
        self.assertIn(b"the server is shutting down", rest)
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_variables_mean_what_flags_mean(self):
        for env in ({"OLLAMA_HOST": "127.0.0.1:0"}, {"OLLAMA_HOST": "http://localhost:0/"},
                    {"UMA_HOST": "127.0.0.1", "UMA_PORT": "0"}, {"OLLAMA_HOST": "0.0.0.0:0", "UMA_HOST": "127.0.0.1"}):
            process, where = self.serve(env=dict(self.env, **env))
            self.assertEqual(self.ask(where, "/health")[0], 200, env)
            self.assertEqual(json.loads(self.ask(where, "/api/tags")[1]), {"models": []})
            process.terminate()
            self.assertEqual(process.wait(PATIENCE), 0)

    def test_what_was_made_is_asked_in_the_same_way_by_run(self):
        template = "{% for m in messages %}{{ m.role }}:{{ m.content }}|{% endfor %}"
        self.make_model("mine", system="Be kind.", template=template,
                        parameters={"temperature": 0.7, "seed": 5, "num_predict": 7, "num_ctx": 5000},
                        messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
        process, where = self.serve("--port", "0")
        asked = json.loads(self.ask(where, "/api/chat", {
            "model": "mine", "messages": [{"role": "user", "content": "hi"}], "stream": False,
            "options": {"top_k": 40, "top_p": 0.95, "min_p": 0.05}})[1])
        self.assertEqual(asked["eval_count"], 7)
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), 0)
        answer = self.ok("run", "mine:latest", "hi", "--json").json
        self.assertEqual(answer["text"], asked["message"]["content"])
        self.assertEqual(answer["prompt_tokens"], asked["prompt_eval_count"])
        self.assertEqual(answer["seed"], 5)
        # Flags win.
        def tokens(text):
            return len(self.ok("tokenize", "mine", "--json", stdin=text.encode()).json["ids"])
        answer = self.ok("run", "mine", "hi", "--json", "--system", "", "--max-tokens", "2", "--seed", "6").json
        self.assertEqual((len(answer["tokens"]), answer["seed"]), (2, 6))
        self.assertEqual(answer["prompt_tokens"], tokens("user:a|assistant:b|user:hi|"))
        self.assertEqual(self.ok("run", "mine", "hi", "--json", "--raw").json["prompt_tokens"], tokens("hi"))
        self.assertEqual(self.ok("show", "mine", "--template").text, template)
        self.fails("run", "mine", "hi", "--ctx", "5000", saying="over the model's 256")

    def test_a_server_that_is_killed_has_old_or_new_and_nothing_half(self):
        self.make_model("mine", system="0")
        for turn in range(4):
            process, where = self.serve("--port", "0")
            said = json.loads(self.ask(where, "/api/show", {"model": "mine"})[1])
            told = [int(said["system"])]
            self.assertEqual(json.loads(self.ask(where, "/api/generate", {
                "model": "mine", "prompt": "x", "stream": False, "options": {"num_predict": 1}})[1])["eval_count"], 1)

            def make():  # one after the other, until nobody is there
                try:
                    while True:
                        made = {"model": "mine", "from": "mine", "system": str(told[-1] + 1)}
                        told.append(told[-1] + 1)
                        if self.ask(where, "/api/create", made)[0] != 200:
                            return
                except (OSError, http.client.HTTPException):
                    return

            thread = threading.Thread(target=make)
            thread.start()
            time.sleep(0.05 + 0.03 * turn)
            process.kill()
            process.wait(PATIENCE)
            thread.join()
            process, where = self.serve("--port", "0")
            said = json.loads(self.ask(where, "/api/show", {"model": "mine"})[1])
            self.assertIn(int(said["system"]), (told[-2:] if len(told) > 1 else told))
            process.terminate()
            self.assertEqual(process.wait(PATIENCE), 0)

    def test_push_to_another_server(self):
        self.make_model("mine", system="Be kind.", parameters={"num_predict": 3})
        there, where = self.serve("--port", "0", env=dict(self.env, UMA_HOME=str(self.folder / "there")))
        pushed = self.ok("push", "mine", "--to", where["url"], "--json").json
        self.assertEqual((pushed["name"], pushed["already"], pushed["uploaded_bytes"] > 0), ("mine", False, True))
        again = self.ok("push", "mine:latest", "--name", "yours", "--json",
                        env={"UMA_PUSH_URL": where["url"] + "/"}).json
        self.assertEqual((again["name"], again["already"], again["uploaded_bytes"]), ("yours", True, 0))
        for name in ("mine", "yours"):
            shown = json.loads(self.ask(where, "/api/show", {"model": name})[1])
            self.assertEqual(shown["system"], "Be kind.")
            self.assertIn("num_predict", shown["parameters"])
        self.fails("push", "mine", saying="--to, or UMA_PUSH_URL")
        self.fails("push", "none", "--to", where["url"], saying="no model 'none'")
        self.fails("push", "mine", "--to", "ftp://x", saying="http")
        self.fails("push", "mine", "--to", where["url"], "--name", "gemma3:270m", saying="catalogue name")
        self.fails("push", "mine", "--to", where["url"], "--offline", saying="offline")
        there.terminate()
        self.assertEqual(there.wait(PATIENCE), 0)
        self.fails("push", "mine", "--to", where["url"], saying="cannot connect to 127.0.0.1")

    def test_wrong_use_and_what_cannot_be(self):
        self.fails("serve", "--host", "0.0.0.0", "--port", "0", saying="--insecure")
        self.fails("serve", "--host", "no.such.host.invalid", saying="no address of this machine")
        self.fails("serve", "--model", "tiny", saying="NAME=FILE", code=2)
        self.fails("serve", "--model", "tiny=/nowhere.gguf", saying="nowhere")
        self.fails("serve", "--model", f"../x={TINY}", "--port", "0", saying="x")
        self.fails("serve", "--keep-alive", "soon", saying="duration", code=2)
        self.fails("serve", "--port", "70000", saying="from 0 to 65535", code=2)
        self.fails("serve", saying="OLLAMA_HOST", code=2, env=dict(self.env, OLLAMA_HOST="localhost:http"))
        process, where = self.serve("--port", "0")
        self.fails("serve", "--port", str(where["port"]), saying="cannot listen")
        process.terminate()
        self.assertIn("Examples:", self.ok("serve", "--help").text)


class Keys(CliTest):
    def test_a_key_is_made_listed_and_revoked(self):
        made = self.ok("keys", "add", "anna", "--json").json
        self.assertRegex(made["key"], r"^uma_\w{8}_\w{43}$")
        self.assertEqual(made["least_priority"], 0)
        self.ok("keys", "add", "ops", "--role", "admin")
        self.ok("keys", "add", "night", "--least-priority", "-3")
        rows = self.ok("keys", "list", "--json").json["keys"]
        self.assertEqual([(k["name"], k["least_priority"]) for k in rows],
                         [("anna", 0), ("ops", -2**31), ("night", -3)])
        self.assertEqual(self.ok("keys", "revoke", "anna", "--json").json["state"], "revoked")
        self.assertIn("revoked", self.ok("keys", "list").text)

    def test_what_is_no_key(self):
        self.fails("keys", "revoke", "nobody", saying="no key 'nobody'")
        self.ok("keys", "add", "anna")
        self.fails("keys", "add", "anna", saying="already")
        for words in (["--least-priority", "soon"], ["--least-priority", str(2**31)], ["--expires", "soon"],
                      ["--role", "king"], ["--endpoint", "v1"]):
            self.fails("keys", "add", "x", *words, code=2)


if __name__ == "__main__":
    main()
