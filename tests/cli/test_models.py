"""uma pull, list, show, cp, rm against a server on this machine."""
import os
import pathlib
import resource
import signal
import time

from support import PATIENCE, TINY, BINARY, CliTest, Server, Terminal, main

BODY = pathlib.Path(TINY).read_bytes()


class ModelTest(CliTest):
    def setUp(self):
        super().setUp()
        self.server = Server(BODY)
        self.addCleanup(self.server.close)

    def names(self):
        return [m["name"] for m in self.ok("list", "--json").json["models"]]

    def pull(self, *words, **more):
        return self.ok("pull", self.server.url(), *words, **more)

    def left_over(self):
        """Files of the home that belong to no model."""
        return [p for p in self.home.rglob("*") if p.is_file() and p.suffix == ".gguf" and "blobs" in p.parts]


class Pull(ModelTest):
    def test_a_model_is_fetched_and_can_be_used(self):
        document = self.pull("--name", "tiny", "--json").json
        self.assertEqual((document["name"], document["bytes"], document["already"]), ("tiny", len(BODY), False))
        self.assertEqual(document["downloaded_bytes"], len(BODY))
        self.assertEqual(self.names(), ["tiny"])
        path = self.ok("show", "tiny", "--path").text.strip()
        self.assertEqual(pathlib.Path(path).read_bytes(), BODY)
        self.assertEqual(self.ok("show", "tiny", "--path", "--json").json, {"path": path})
        self.assertTrue(self.ok("show", "tiny", "--verify", "--json").json["verified"])
        self.assertEqual(self.ok("run", "tiny", "hi", "--max-tokens", "2", "--logit-bias", "65=100").out, b"AA\n")
        again = self.pull("--name", "tiny", "--json").json
        self.assertEqual((again["already"], again["downloaded_bytes"]), (True, 0))

    def test_progress_is_for_stderr(self):
        result = self.pull("--name", "tiny")
        self.assertEqual(result.out, b"")
        self.assertRegex(result.said, r"tiny: 81\.5 kB, fetched, SHA-256 [0-9a-f]{12}\.\.\.\n$")
        self.assertNotIn("\r", result.said)

    def test_a_dropped_connection_is_taken_up(self):
        self.server.drops = [1000, 30_000]
        self.pull("--name", "tiny")
        self.assertEqual([r[2] for r in self.server.requests], [None, "bytes=1000-", "bytes=31000-"])
        self.assertEqual(pathlib.Path(self.ok("show", "tiny", "--path").text.strip()).read_bytes(), BODY)

    def test_killed_in_the_middle_then_pulled_again(self):
        for number, size in ((signal.SIGKILL, 50_000), (signal.SIGINT, 60_000)):
            self.server.hold = 50_000 if number == signal.SIGKILL else 10_000
            process = self.start("pull", self.server.url(), "--name", "tiny")
            self.wait_for_partial(size)
            process.send_signal(number)
            _, err = process.communicate(timeout=PATIENCE)
            self.assertEqual(process.returncode, -number if number == signal.SIGKILL else 130, err)
            self.assertEqual(self.names(), [])
            self.assertEqual(self.left_over(), [])
            self.fails("run", "tiny", "hi", saying="no model 'tiny'")
        self.server.hold = None
        self.pull("--name", "tiny")
        self.assertEqual(self.server.requests[-1][2], "bytes=60000-")
        self.assertTrue(self.ok("show", "tiny", "--verify", "--json").json["verified"])
        self.assertEqual(self.names(), ["tiny"])

    def wait_for_partial(self, size):
        end = time.monotonic() + 30
        while sum(p.stat().st_size for p in self.home.glob("partial/**/*") if p.is_file()) < size:
            self.assertLess(time.monotonic(), end, "nothing arrives")
            time.sleep(0.02)

    def test_a_full_disk_leaves_no_half_model(self):
        def little():
            resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
        result = self.fails("pull", self.server.url(), "--name", "tiny", preexec_fn=little)
        self.assertNotIn("terminate", result.said)
        self.assertEqual((self.names(), self.left_over()), ([], []))
        self.pull("--name", "tiny")
        self.assertEqual(self.names(), ["tiny"])

    def test_what_is_no_model_is_not_kept(self):
        for body in (b"<html>not here</html>" * 100, b"", b"BGGUF"):
            self.server.body = body
            self.fails("pull", self.server.url(), "--name", "tiny")
            self.assertEqual((self.names(), self.left_over()), ([], []))
        for status in (404, 403, 500):
            self.server.status = status
            self.fails("pull", self.server.url(), "--name", "tiny", saying=str(status))
        self.assertEqual(self.names(), [])

    def test_a_server_that_is_not_there(self):
        url = self.server.url()
        self.server.close()
        result = self.fails("pull", url, "--json", saying="127.0.0.1")
        self.assertEqual(result.json["code"], "io")

    def test_names_and_addresses_that_are_none(self):
        for name in ("../up", "A B", "-x", "a/b", "x" * 200, "gemma3:270m"):
            self.fails("pull", self.server.url(), f"--name={name}")
        self.fails("pull", self.server.url(), "--name=", code=2)
        for url in ("ftp://127.0.0.1/x.gguf", "http://", "http://127.0.0.1:99999/x.gguf", "file:///etc/passwd",
                    "http://user:word@127.0.0.1/x.gguf"):
            self.fails("pull", url)
        self.fails("pull", "nothing:here", saying="nothing:here")
        self.assertEqual(self.names(), [])
        self.assertEqual(self.server.requests, [])

    def test_two_pulls_of_one_model(self):
        self.server.hold = 40_000
        first = self.start("pull", self.server.url(), "--name", "tiny")
        self.wait_for_partial(40_000)
        second = self.start("pull", self.server.url(), "--name", "tiny", "--json")
        time.sleep(0.5)
        self.server.release.set()
        for process in (first, second):
            out, err = process.communicate(timeout=PATIENCE)
            self.assertEqual(process.returncode, 0, err)
        self.assertEqual(self.names(), ["tiny"])
        self.assertEqual(len(self.server.requests), 1, "the second one waits and finds it")

    def test_a_bar_on_a_terminal(self):
        self.server.hold = 50_000
        terminal = Terminal([BINARY, "pull", self.server.url(), "--name", "tiny"], self.env, self.folder)
        self.addCleanup(terminal.close)
        terminal.wait_for(r"tiny \[=* *\] \S+ k?B of 81\.5 kB")
        # Half a minute may pass before it is given up: an average of better times would look alive.
        terminal.wait_for(r"81\.5 kB, nothing came for \d+ s")
        self.server.release.set()
        terminal.wait_for(r"\r\x1b\[Ktiny: 81\.5 kB, fetched")
        self.assertEqual(terminal.ended(), 0)


class Offline(ModelTest):
    """The server is every way out: the address, both proxies, the Python index."""

    def setUp(self):
        super().setUp()
        base = self.server.url("")
        self.env.update(HTTP_PROXY=base, HTTPS_PROXY=base, http_proxy=base, https_proxy=base, all_proxy=base,
                        PIP_INDEX_URL=base + "/simple", PIP_PROXY=base, PIP_RETRIES="0", PIP_CONFIG_FILE=os.devnull)

    def test_no_socket_is_opened(self):
        for how, env in ((("--offline",), {}), ((), {"UMA_OFFLINE": "1"}), ((), {"UMA_OFFLINE": "yes"})):
            for words in (("pull", "gemma3:270m"), ("pull", self.server.url()), ("run", "gemma3:270m", "hi"),
                          ("bench", "gemma3:270m"), ("pull", "hf.co/a/b/c.gguf")):
                self.assertNotIn("fetching", self.fails(*words, *how, env=env).said)
            for words in (("list",), ("list", "--available"), ("doctor",), ("show", TINY),
                          ("run", TINY, "hi", "--max-tokens", "1")):
                self.ok(*words, *how, env=env)
        self.assertEqual((self.server.connections, self.server.requests), (0, []))

    def test_without_it_the_server_is_asked(self):
        """Or the test above could not fail."""
        self.server.status = 404
        for model in ("gemma3:270m", self.server.url(), "hf.co/a/b/c.gguf"):
            before = self.server.connections
            self.fails("pull", model, timeout=2 * PATIENCE)
            self.assertGreater(self.server.connections, before, model)

    def test_uma_offline_0_is_no(self):
        self.pull("--name", "tiny", env={"UMA_OFFLINE": "0"})


class Store(ModelTest):
    def test_an_empty_home(self):
        self.assertEqual(self.ok("list", "--json").json, {"models": []})
        result = self.ok("list")
        self.assertEqual(result.out, b"")
        self.assertIn("uma pull", result.said)
        self.assertFalse(self.home.exists())

    def test_a_table_for_people(self):
        self.pull("--name", "tiny")
        lines = self.ok("list").text.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertRegex(lines[0], r"^NAME +SIZE +SHA-256 +ADDED +LICENCE$")
        self.assertRegex(lines[1], r"^tiny +81\.5 kB +[0-9a-f]{12} +\d{4}-\d\d-\d\d")
        self.assertEqual(self.ok("ls").out, self.ok("list").out)

    def test_json_of_list(self):
        self.pull("--name", "tiny")
        (model,) = self.ok("list", "--json").json["models"]
        for field, kind in {"name": str, "path": str, "bytes": int, "sha256": str, "licence": str, "source": str,
                            "added": int, "present": bool}.items():
            self.assertIsInstance(model[field], kind, field)
        catalogue = self.ok("list", "--available", "--json").json["models"]
        self.assertTrue({"qwen2.5-coder:0.5b", "gemma3:270m"} <= {row["name"] for row in catalogue})

    def test_copy_and_remove(self):
        self.pull("--name", "tiny")
        path = pathlib.Path(self.ok("show", "tiny", "--path").text.strip())
        self.ok("cp", "tiny", "other:1b")
        self.assertEqual(self.names(), ["other:1b", "tiny"])
        self.fails("cp", "tiny", "other:1b", saying="other:1b")
        self.fails("cp", "tiny", "Bad Name")
        self.fails("cp", "nothing", "else", saying="no model 'nothing'")
        self.assertEqual(self.ok("rm", "tiny", "--json").json, {"removed": "tiny"})
        self.assertTrue(path.exists(), "the other name still needs it")
        self.ok("rm", "other:1b")
        self.assertFalse(path.exists())
        self.fails("rm", "tiny", saying="no model 'tiny'")
        self.assertEqual(self.names(), [])

    def test_a_near_name_is_suggested(self):
        self.pull("--name", "tiny-model")
        self.fails("run", "tiny-modle", "hi", saying="tiny-model")

    def test_damage_is_seen(self):
        self.pull("--name", "tiny")
        path = pathlib.Path(self.ok("show", "tiny", "--path").text.strip())
        path.chmod(0o644)
        path.write_bytes(BODY[:-1] + bytes([BODY[-1] ^ 1]))
        self.fails("show", "tiny", "--verify", saying="SHA-256")
        self.fails("show", TINY, "--verify", saying="a file of your own")
        path.write_bytes(BODY[:-1])
        self.fails("run", "tiny", "hi", saying="pull")
        path.unlink()
        self.fails("run", "tiny", "hi", saying="pull")
        self.assertIn("file missing", self.ok("list").text)
        self.assertFalse(self.ok("list", "--json").json["models"][0]["present"])
        self.pull("--name", "tiny")
        self.assertEqual(path.read_bytes(), BODY)

    def test_show(self):
        text = self.ok("show", TINY).text
        self.assertRegex(text, r"qwen2\.context_length +256\n")
        self.assertNotIn("blk.0", text)
        self.assertRegex(self.ok("show", TINY, "--tensors").text, r"output\.weight +F16 +\(288, 32\) +18\.4 kB\n")
        document = self.ok("show", TINY, "--tensors", "--json").json
        self.assertEqual(document["bytes"], len(BODY))
        self.assertEqual(document["metadata"]["general.architecture"]["value"], "qwen2")
        self.assertEqual(len(document["tensors"]), document["tensor_count"])
        self.assertIn({"name": "output.weight", "type": "F16", "shape": [288, 32], "bytes": 288 * 32 * 2},
                      document["tensors"])
        self.fails("show", TINY, "--template", saying="no chat template")


if __name__ == "__main__":
    main()
