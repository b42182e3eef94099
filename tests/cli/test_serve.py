"""`uma serve` as a process: its flags, its variables, its end. What it answers is tested in src/serve."""
import json
import signal
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
