"""What holds for every command: help, exit codes, streams, errors."""
import json
import os
import re
import resource
import subprocess

from support import PATIENCE, BINARY, ENDLESS, ROOT, TINY, CliTest, Terminal, main

COMMANDS = ("run", "serve", "pull", "push", "list", "show", "rm", "cp", "bench", "perplexity", "tokenize",
            "template", "embed", "doctor")
GROUPS = {"keys": ("add", "list", "revoke")}  # commands of commands
# The least words that each takes.
WORDS = {"run": (TINY, "hi"), "serve": (), "pull": ("nothing:here",), "push": ("nothing:here",), "list": (),
         "show": (TINY,), "rm": ("nothing:here",), "cp": ("nothing:here", "other"), "bench": (TINY,), "perplexity": (TINY, "text"),
         "tokenize": (TINY,), "template": (TINY, "chat.json"), "embed": (TINY, "text"),
         "doctor": ()}


class Help(CliTest):
    def test_the_commands_are_listed(self):
        text = self.ok("--help").text
        listed = re.findall(r"^  ([a-z]+)(?:, [a-z]+)?  +\S", text.split("Subcommands:")[1], re.MULTILINE)
        self.assertEqual(sorted(listed), sorted((*COMMANDS, *GROUPS)))

    def test_groups_list_their_commands(self):
        for group, commands in GROUPS.items():
            self.fails(group, code=2)
            self.assertRegex(self.ok(group, "--help").text, rf"Examples?:\n  uma {group}")
            for command in commands:
                self.assertIn(command, self.ok(group, "--help").text)
                self.assertRegex(self.ok(group, command, "--help").text, rf"Usage: uma {group} {command}")
                self.fails(group, command, "name", "--nonsense", code=2, saying="--nonsense")

    def test_every_command_has_help_with_an_example_and_the_common_flags(self):
        for command in COMMANDS:
            result = self.ok(command, "--help")
            self.assertEqual(result.err, b"")
            self.assertRegex(result.text, rf"Examples?:\n(.*\n)*  (.*\| )?uma {command}", command)
            for flag in ("--json", "--offline", "--threads", "--device"):
                self.assertIn(flag, result.text, command)
            self.assertEqual(self.ok("help", command).out, result.out)
            self.assertTrue(result.out.endswith(b"\n"), command)

    def test_version(self):
        self.assertRegex(self.ok("--version").text, r"^\d+\.\d+\.\d+\n$")

    def test_every_flag_of_the_readme_is_one(self):
        text = (ROOT / "README.md").read_text()
        for line in re.findall(r"(?:^|\| )build/uma (.*)$", text, re.MULTILINE):
            words = line.split("#")[0].split()
            known = self.ok(words[0], "--help").text
            for flag in re.findall(r"(?<!\S)(--[a-z-]+)", line.split("#")[0]):
                self.assertIn(flag, known, line)


class WrongUse(CliTest):
    def test_wrong_words_exit_with_2(self):
        self.fails(code=2, saying="uma --help")
        self.fails("frobnicate", code=2, saying="no command 'frobnicate'")
        for command in COMMANDS:
            self.fails(command, *WORDS[command], "--nonsense", code=2, saying="--nonsense")
            self.fails(command, *WORDS[command], "--threads", "0", code=2, saying="from 1 to 1024, not '0'")
            self.fails(command, *WORDS[command], "--device", "gpu", code=2, saying="names no device")
            self.fails(command, *WORDS[command], "--device", "cuda", code=2, saying="no backend")
            self.fails(command, *WORDS[command], "--device", "null", code=2, saying="computes nothing")
            if WORDS[command]:
                self.fails(command, code=2)

    def test_values_out_of_their_bounds_exit_with_2(self):
        for flag, values in {"--temp": ("-1", "nan", "inf", "x", ""), "--top-k": ("-1", "1.5"),
                             "--top-p": ("1.1", "nan"), "--min-p": ("-0.1",), "--seed": ("-1", "1e3", "2e64"),
                             "--max-tokens": ("-2", "99999999999999999999"), "--ctx": ("0", "-1"),
                             "--repeat-penalty": ("0", "nan"), "--repeat-last-n": ("-2",), "--stop": ("",),
                             "--threads": ("-1", "1e1", "100000")}.items():
            for value in values:
                self.fails("run", TINY, "hi", f"{flag}={value}", code=2)
        for flag in ("--prompt", "--gen", "--batch", "--runs"):
            self.fails("bench", TINY, flag, "0", code=2)
        self.fails("perplexity", TINY, "text", "--ctx", "1", code=2)
        # "1 or more" would be no answer to a number that is more than fits.
        self.fails("run", TINY, "hi", "--top-k", "99999999999", code=2, saying="from 0 to 2147483647, not")
        self.fails("run", TINY, "hi", "--seed", "2" + "0" * 20, code=2, saying="from 0 to 18446744073709551615, not")
        for words in (("run", TINY, "hi", "--template", ""), ("perplexity", TINY, "text", "--logits-out", ""),
                      ("template", "--file", "", "chat"), ("pull", "gemma3:270m", "--name", "")):
            self.fails(*words, code=2, saying="takes a name, not ''")
        self.fails("template", TINY, code=2, saying="MODEL FILE")
        self.fails("template", "--file", "t", "a", "b", code=2)

    def test_wrong_use_with_json(self):
        result = self.fails("run", TINY, "hi", "--temp", "nan", "--json", code=2)
        self.assertEqual(result.json["code"], "wrong use")
        self.assertIn("--temp", result.json["error"])

    def test_a_chat_has_no_json(self):
        terminal = Terminal([BINARY, "run", TINY, "--json"], self.env, self.folder)
        self.addCleanup(terminal.close)
        terminal.wait_for("--json needs a PROMPT")
        self.assertEqual(terminal.ended(), 2)


class BadModels(CliTest):
    def commands(self, model):
        text = self.write("text", "some text to score")
        return (("run", model, "hi"), ("bench", model), ("perplexity", model, text), ("tokenize", model),
                ("template", model, self.write("chat.json", '{"messages":[]}')), ("show", model))

    def refused(self, model, saying):
        for words in self.commands(model):
            self.fails(*words, "--offline", saying=saying)
            document = self.fails(*words, "--offline", "--json", saying=saying).json
            self.assertEqual(sorted(document), ["code", "error"])
            self.assertRegex(document["error"], saying)

    def test_no_such_model(self):
        self.refused("nothing:here", "no model 'nothing:here'")
        self.refused("./nothing.gguf", "no file")
        self.refused("Not A Name", "not a model's name")
        self.refused("gemma3:270m", "not on this machine yet: uma pull gemma3:270m")

    def test_what_is_no_model_file(self):
        valid = (ROOT / "tests/golden/models/qwen2.gguf").read_bytes()
        self.refused(self.write("empty.gguf", b""), "empty.gguf")
        self.refused(str(self.folder), "is a folder")
        self.refused(self.write("garbage.gguf", os.urandom(4096)), "garbage.gguf")
        self.refused(self.write("half.gguf", valid[:200]), "half.gguf")
        self.refused("/dev/null", "not a regular file")
        self.refused("/dev/zero", "not a regular file")
        os.mkfifo(self.folder / "pipe.gguf")
        self.refused("./pipe.gguf", "not a regular file")
        short = self.write("short.gguf", valid[:-1])
        self.fails("run", short, "hi", saying="short.gguf")

    def test_names_cannot_steer_the_terminal(self):
        for name in ("\x1b[31mred\x07/x", "\u009b31m/x", "a\rb/x"):
            result = self.fails("run", name, "hi", "--json")
            self.assertNotRegex(result.said, "[\x00-\x09\x0b-\x1f\x7f\u0080-\u009f]")
            self.assertNotRegex(result.json["error"], "[\x00-\x1f]")
        self.assertIsInstance(self.fails("run", b"\xff\xfe/x".decode("utf-8", "surrogateescape"), "hi", "--json")
                              .json["error"], str)

    def test_homes_that_cannot_be_used(self):
        self.write("file", "not a folder")
        for home in (self.folder / "file", self.folder / "file" / "under"):
            env = {"UMA_HOME": str(home)}
            self.fails("pull", "http://127.0.0.1:9/x.gguf", env=env, saying="folder")
            self.ok("run", TINY, "hi", "--max-tokens", "1", env=env)
            self.fails("run", "nothing:here", "hi", env=env)
        self.home.mkdir()
        (self.home / "uma.db").write_bytes(b"no database at all" * 100)
        self.fails("list", saying="uma.db")
        self.fails("run", "some:model", "hi", saying="uma.db")
        self.ok("run", TINY, "hi", "--max-tokens", "1")


class Streams(CliTest):
    def test_a_full_disk_under_stdout(self):
        chat = self.write("chat.json", '{"messages":[]}')
        template = self.write("t.jinja", "some text")
        for words in (("--help",), ("--version",), ("run", "--help"), ("list", "--json"), ("list", "--available"),
                      ("show", TINY), ("run", TINY, "hi", "--max-tokens", "2"), ("tokenize", TINY, "--json"),
                      ("run", TINY, "hi", "--max-tokens", "2", "--json"), ("template", "--file", template, chat),
                      ("nothing",)):
            with open("/dev/full", "wb") as full:
                result = self.uma(*words, stdout=full)
            if words == ("nothing",):
                self.assertEqual(result.code, 2)
                continue
            self.assertEqual(result.code, 1, words)
            self.assertRegex(result.said, r"^uma: \[output\] standard output cannot be written: No space left.*\n$")

    def test_a_closed_stdout(self):
        def shut():
            os.close(1)
        for words in (("list", "--json"), ("--help",), ("run", TINY, "hi", "--max-tokens", "2")):
            result = self.uma(*words, stdout=None, preexec_fn=shut)
            self.assertEqual(result.code, 1, words)
            self.assertIn("standard output cannot be written: Bad file descriptor", result.said)
        # All three, and still what is written goes nowhere it should not.
        def shut_all():
            os.closerange(0, 3)
        self.assertEqual(self.uma("show", TINY, stdout=None, stderr=None, stdin=None, preexec_fn=shut_all).code, 1)

    def test_a_reader_that_goes_away(self):
        line = f"'{BINARY}' run '{self.long_model()}' hello {' '.join(ENDLESS)} | head -c 1; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", line], capture_output=True, env=self.env, timeout=PATIENCE)
        self.assertEqual(done.stdout, b"A1\n")
        self.assertEqual(done.stderr.count(b"\n"), 1)
        self.assertIn(b"Broken pipe", done.stderr)

    def test_no_bar_where_stderr_is_no_terminal(self):
        self.assertEqual(self.ok("doctor").err, b"")
        self.assertEqual(self.ok("bench", TINY, "--prompt", "8", "--gen", "4").err, b"")

    def test_a_bar_where_it_is_one_and_only_for_what_lasts(self):
        def on_terminal(*words):
            terminal = Terminal([BINARY, *words], self.env, self.folder)
            self.addCleanup(terminal.close)
            self.assertEqual(terminal.ended(), 0)
            return terminal.seen.decode()
        long = ("bench", self.long_model(), "--prompt", "20000", "--gen", "200", "--runs", "2")
        self.assertRegex(on_terminal(*long), r"\r\x1b\[Kbench \[=* *\] \d of 4 steps.*\r\x1b\[K")
        self.assertNotIn("\x1b", on_terminal("list", "--available"))

    def test_memory_that_runs_out_is_an_error(self):
        def little():
            resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
        if "asan" in BINARY or "tsan" in BINARY:
            self.skipTest("sanitizers map terabytes")
        result = self.uma("run", TINY, "-", stdin=b"x" * (500 << 20), preexec_fn=little)
        self.assertEqual(result.code, 1)
        self.assertIn("out of memory", result.said)


class Doctor(CliTest):
    def test_json(self):
        document = self.ok("doctor", "--json", "--threads", "1").json
        self.assertEqual(document["threads"], 1)
        for name in ("cores", "memory_bytes", "read_gb_s", "int8_gop_s", "f32_gflop_s", "free_bytes"):
            self.assertGreater(document[name], 0, name)
        self.assertIn(document["isa"], document["isas"])
        self.assertEqual(document["home"], str(self.home))
        self.assertFalse(self.home.exists(), "looking makes no folder")

    def test_uma_isa_is_followed_or_refused(self):
        self.assertEqual(self.ok("doctor", "--json", env={"UMA_ISA": "generic"}).json["isa"], "generic")
        self.fails("doctor", env={"UMA_ISA": "z80"}, saying="z80")


if __name__ == "__main__":
    main()
