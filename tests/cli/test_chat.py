"""The chat, on a terminal."""
import json
import os
import re
import signal
import time

from support import PATIENCE, BINARY, ENDLESS, TINY, CliTest, Terminal, main

FORCED = ("--max-tokens", "3", "--logit-bias", "65=100")  # every answer is AAA
PROMPT = r">>> (\x1b\[[0-9;?]*[a-zA-Z])*"


def plain(text):
    """Without the terminal's own sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "")


class Chat(CliTest):
    def chat(self, *words, model=TINY):
        terminal = Terminal([BINARY, "run", model, *(words or FORCED)], self.env, self.folder)
        self.addCleanup(terminal.close)
        self.assertIn("/? for help", terminal.wait_for(PROMPT))
        return terminal

    def say(self, terminal, line, answer=""):
        """Sends a line; returns what comes until the next prompt."""
        terminal.send(line + "\r")
        return terminal.wait_for(answer + ".*" + PROMPT)

    def leave(self, terminal):
        terminal.send("\x04")
        self.assertEqual(terminal.ended(), 0)
        self.assertEqual(terminal.settings(), terminal.before)

    def messages(self, terminal):
        text = plain(self.say(terminal, "/show messages"))
        return text.split("/show messages\n", 1)[1].rsplit(">>> ", 1)[0]

    def test_a_question_an_answer_and_out(self):
        terminal = self.chat()
        self.say(terminal, "hello", "AAA\r\n")
        self.assertEqual(self.messages(terminal), "user: hello\nassistant: AAA\n")
        self.leave(terminal)

    def test_bye_leaves(self):
        for word in ("/bye", "/exit", "/bye "):
            terminal = self.chat()
            terminal.send(word + "\r")
            self.assertEqual(terminal.ended(), 0)
            self.assertEqual(terminal.settings(), terminal.before)

    def test_several_lines(self):
        terminal = self.chat()
        for begin in ('"""first', '"""'):
            terminal.send(begin + "\r")
            terminal.wait_for(r"\.\.\. ")
            if begin == '"""':
                terminal.send("first\r")
                terminal.wait_for(r"\.\.\. ")
            terminal.send("second\r")
            terminal.wait_for(r"\.\.\. ")
            self.say(terminal, '"""', "AAA")
            self.assertEqual(self.messages(terminal), "user: first\nsecond\nassistant: AAA\n")
            self.say(terminal, "/clear")
        terminal.send("one\\\r")
        terminal.wait_for(r"\.\.\. ")
        self.say(terminal, "two", "AAA")
        self.assertEqual(self.messages(terminal), "user: one\ntwo\nassistant: AAA\n")
        self.say(terminal, "/clear")
        self.say(terminal, '"""all in one"""', "AAA")
        self.assertEqual(self.messages(terminal), "user: all in one\nassistant: AAA\n")

    def test_quotes_within_several_lines_are_text(self):
        terminal = self.chat()
        for line in ('"""def f():', '  """What """ is in it.', "  return 1"):
            terminal.send(line + "\r")
            terminal.wait_for(r"\.\.\. ")
        self.say(terminal, '""" ', "AAA")
        self.assertEqual(self.messages(terminal),
                         'user: def f():\n  """What """ is in it.\n  return 1\nassistant: AAA\n')

    def test_pasted_lines_are_one_message(self):
        terminal = self.chat()
        terminal.send("see: \x1b[200~int f() {\r  return 1;  // é漢\r}\r\x1b[201~")
        self.say(terminal, " ok?", "AAA")
        self.assertEqual(self.messages(terminal),
                         "user: see: int f() {\n  return 1;  // é漢\n} ok?\nassistant: AAA\n")

    def test_history_outlives_the_chat(self):
        terminal = self.chat()
        self.say(terminal, "remember me", "AAA")
        self.say(terminal, "/set nohistory")
        self.say(terminal, "but not me", "AAA")
        self.leave(terminal)
        self.assertEqual((self.home / "history").stat().st_mode & 0o077, 0, "others need not read it")
        terminal = self.chat()
        terminal.send("\x1b[A")
        self.say(terminal, "", "/set nohistory")
        terminal.send("\x1b[A\x1b[A")
        self.say(terminal, "!", "remember me.*!.*AAA")

    def test_line_editing(self):
        terminal = self.chat()
        terminal.send("wörld\x01Hello \x05!\x1b[D\x1b[D\x7f")  # start, text, end, two left, delete before: the l
        self.say(terminal, "", "AAA")
        self.assertEqual(self.messages(terminal), "user: Hello wörd!\nassistant: AAA\n")

    def test_system_messages(self):
        terminal = self.chat("--system", "Be brief", *FORCED)
        self.assertIn("Be brief", self.say(terminal, "/show system"))
        self.say(terminal, "/set system Be kind")
        self.assertIn("Be kind", self.say(terminal, "/show system"))
        terminal.send('/set system """one\r')
        terminal.wait_for(r"\.\.\. ")
        self.say(terminal, 'two"""')
        self.assertIn("one\r\ntwo\r\n", self.say(terminal, "/show system"))
        self.say(terminal, "/set system")
        self.assertIn("no system message", self.say(terminal, "/show system"))

    def test_parameters(self):
        terminal = self.chat()
        for line, shown in {"temp 0.5": r"temp +0\.5", "temperature 0": r"temp +0\r", "num_predict 2": r"max_tokens +2",
                            "seed 7": r"seed +7", "stop X Y": r"stop +X\r\n +stop +Y", "top_k 5": r"top_k +5"}.items():
            self.say(terminal, f"/set parameter {line}")
            self.assertRegex(self.say(terminal, "/show parameters"), shown)
        self.say(terminal, "hello", r"AA\r\n")
        self.say(terminal, "/set parameter num_ctx 4")
        self.assertIn("context holds 4", self.say(terminal, "a long question"))
        self.assertIn("over the model's 256", self.say(terminal, "/set parameter num_ctx 100000"))
        self.say(terminal, "/set parameter ctx")
        self.say(terminal, "a long question", "AA")
        for wrong in ("temp -1", "temp x", "temp nan", "top_k 1.5", "nothing 1", "seed 1e300"):
            self.assertIn("uma: [chat]", self.say(terminal, f"/set parameter {wrong}"), wrong)
        self.say(terminal, "/set parameter max_tokens")
        self.assertRegex(self.say(terminal, "/show parameters"), r"max_tokens +3\r")

    def test_what_can_be_shown(self):
        template = self.write("t.jinja", "{% for m in messages %}{{m.content}}{% endfor %}")
        terminal = self.chat("--template", template, *FORCED)
        self.assertRegex(self.say(terminal, "/show info"), r"context +256 of 256 tokens, 0 in use")
        self.assertIn("names no licence", self.say(terminal, "/show license"))
        self.assertIn("{{m.content}}", self.say(terminal, "/show template"))
        self.say(terminal, "/set system Be kind")
        text = self.say(terminal, "/show modelfile")
        self.assertRegex(text, r'FROM /.*qwen2\.gguf\r\nTEMPLATE """\{%.*"""\r\nSYSTEM """Be kind"""\r\nPARAMETER temp')
        for line in ("/show", "/set", "/?", "/help", "/? set", "/? show", "/? /set", "/? shortcuts", "/? parameters",
                     "/set parameter"):
            self.assertGreater(self.say(terminal, line).count("\r\n"), 5, line)

    def test_mistakes_keep_the_chat(self):
        terminal = self.chat()
        for line, saying in {"/frob": "no command /frob", "/sett verbose": "no command /sett",
                             "/": "no command /", "/set think": "template", "/show nothing": "/show takes no 'nothing'",
                             "/set nothing": "/set takes no 'nothing'", "/load": "/load wants",
                             "/load no:such": "no model 'no:such'", "/load ./x.gguf": "no file", "/save": "/save wants",
                             "/load x.json": "x.json", "/save no/folder/x.json": "no/folder/x.json",
                             "/save a/b": "letters", "/undo": "nothing to undo", "/set format json": "not there yet"}.items():
            self.assertIn(saying, self.say(terminal, line))
        self.say(terminal, "/etc/passwd", "AAA")
        self.say(terminal, "/etc/passwd is what?", "AAA")
        self.assertEqual(self.messages(terminal).count("assistant"), 2)

    def test_undo_and_clear(self):
        terminal = self.chat()
        for line in ("one", "two"):
            self.say(terminal, line, "AAA")
        self.say(terminal, "/undo")
        self.assertEqual(self.messages(terminal), "user: one\nassistant: AAA\n")
        self.say(terminal, "/clear")
        self.assertEqual(self.messages(terminal), "")

    def test_save_and_load(self):
        terminal = self.chat()
        self.say(terminal, "/set system Be kind")
        self.say(terminal, "one", "AAA")
        self.say(terminal, "/save mine", "saved to")
        self.say(terminal, "/save file.json", "saved to")
        saved = json.loads((self.folder / "file.json").read_text())
        self.assertEqual(saved["messages"], [{"role": "system", "content": "Be kind"},
                                             {"role": "user", "content": "one"},
                                             {"role": "assistant", "content": "AAA"}])
        template = self.write("t.jinja", "{% for m in messages %}{{m.role}},{% endfor %}")
        self.assertEqual(self.ok("template", "--file", template, "file.json").text, "system,user,assistant,")
        self.leave(terminal)
        terminal = self.chat()
        for name in ("mine", "file.json"):
            self.say(terminal, "/clear")
            self.say(terminal, f"/load {name}", "2 messages")
            self.assertEqual(self.messages(terminal), "user: one\nassistant: AAA\n")
            self.assertIn("Be kind", self.say(terminal, "/show system"))
        for bad in ("", "[]", '{"messages": 1}', '{"messages": [1]}', '{"messages": [{"role": "user"}]}', "[" * 9999):
            self.write("bad.json", bad)
            self.assertIn("uma: [chat]", self.say(terminal, "/load bad.json"))
        self.assertEqual(self.messages(terminal), "user: one\nassistant: AAA\n")

    def test_another_model(self):
        terminal = self.chat()
        self.say(terminal, "one", "AAA")
        self.say(terminal, f"/load {os.path.dirname(TINY)}/llama.gguf", "tiny random llama answers")
        self.assertRegex(self.say(terminal, "/show info"), "architecture +llama")
        self.say(terminal, "two", "AAA")
        self.assertEqual(self.messages(terminal).count("assistant"), 2)

    def test_what_a_model_was_made_with(self):
        self.make_model("mine", system="Be kind", parameters={"temperature": 0.7, "num_predict": 2, "num_ctx": 9999})
        self.make_model("other")
        terminal = self.chat("--logit-bias", "65=100", model="mine")
        self.assertIn("Be kind", self.say(terminal, "/show system"))
        shown = self.say(terminal, "/show parameters")
        for line in (r"temp +0\.7\r", r"max_tokens +2\r", r"ctx +256\r", r"top_k +40\r"):
            self.assertRegex(shown, line)
        self.say(terminal, "/set parameter temp 0.5")
        self.assertRegex(self.say(terminal, "/show parameters"), r"temp +0\.5\r")
        self.say(terminal, "/set parameter temp")
        self.assertRegex(self.say(terminal, "/show parameters"), r"temp +0\.7\r")
        self.say(terminal, "hello", r"AA\r\n")
        self.say(terminal, "/load other", "answers now")
        self.assertIn("no system message", self.say(terminal, "/show system"))
        self.assertRegex(self.say(terminal, "/show parameters"), r"temp +0\.8\r")
        self.say(terminal, "/set system Be brief")
        self.say(terminal, "/load mine", "answers now")
        self.assertIn("Be brief", self.say(terminal, "/show system"))
        self.leave(terminal)
        terminal = self.chat("--temp", "0", "--system", "", *FORCED, model="mine")
        self.assertIn("no system message", self.say(terminal, "/show system"))
        self.assertRegex(self.say(terminal, "/show parameters"), r"temp +0\r\n(.*\r\n)*.*max_tokens +3\r")

    def test_ctrl_c_drops_the_line(self):
        terminal = self.chat()
        terminal.send("half a line")
        terminal.wait_for("half a line")
        terminal.send("\x03")
        terminal.wait_for(r"Ctrl-D or /bye leaves.*" + PROMPT)
        terminal.send('"""half\r')
        terminal.wait_for(r"\.\.\. ")
        terminal.send("\x03")
        terminal.wait_for(PROMPT)
        self.say(terminal, "whole", "AAA")
        self.assertEqual(self.messages(terminal), "user: whole\nassistant: AAA\n")
        self.leave(terminal)

    def test_ctrl_c_stops_the_answer_and_keeps_the_chat(self):
        terminal = self.chat(*ENDLESS, model=self.long_model())
        for _ in range(2):
            terminal.send("go\r")
            terminal.wait_for("AAAA")
            terminal.send("\x03")
            terminal.wait_for("uma: stopped.*" + PROMPT)
        self.assertIn("user: go", self.say(terminal, "/show messages"))
        self.leave(terminal)

    def test_ctrl_c_at_any_moment(self):
        # As soon as the prompt is out, before the terminal is read; and many at once, while an answer stops.
        terminal = self.chat(*ENDLESS, model=self.long_model())
        for i in range(100):
            terminal.send("\x03")
            terminal.wait_for(r"\^C.*" + PROMPT)
        for _ in range(3):
            terminal.send("go\r")
            terminal.wait_for("AAAA")
            for _ in range(20):
                terminal.send("\x03")
            # It lives and answers to a command. What it says meanwhile may be lost, as the kernel throws away output
            # with every Ctrl-C, and so may a key within microseconds of one: hence more than one try.
            for attempt in range(20):
                terminal.send("\x03")
                time.sleep(0.2)
                terminal.send("/show messages\r")
                try:
                    terminal.wait_for("user: go\r\n.*" + PROMPT, timeout=PATIENCE / 20)
                    break
                except AssertionError:
                    self.assertIsNone(terminal.process.poll())
            else:
                self.fail("the chat answers no more")
        self.leave(terminal)

    def test_a_resized_window_and_a_stop_keep_the_line(self):
        terminal = self.chat()
        terminal.send("hel")
        terminal.wait_for("hel")
        for number in (signal.SIGWINCH, signal.SIGWINCH):
            terminal.signal(number)
        terminal.send("lo €\r")
        terminal.wait_for("AAA.*" + PROMPT)
        self.assertEqual(self.messages(terminal), "user: hello €\nassistant: AAA\n")
        self.leave(terminal)

    def test_speed_on_request(self):
        terminal = self.chat()
        self.assertIn("are shown", self.say(terminal, "/set verbose"))
        self.assertRegex(self.say(terminal, "hello"), r"answer +3 tokens")
        self.assertIn("are not shown", self.say(terminal, "/set quiet"))
        self.assertNotRegex(self.say(terminal, "hello"), r"answer +3 tokens")

    def test_a_signal_restores_the_terminal(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            terminal = self.chat()
            self.assertNotEqual(terminal.settings(), terminal.before)
            terminal.signal(number)
            self.assertEqual(terminal.ended(), -number)
            self.assertEqual(terminal.settings(), terminal.before)

    def test_answers_cannot_steer_the_terminal(self):
        terminal = self.chat("--max-tokens", "3", "--logit-bias", "27=100")  # ESC
        text = self.say(terminal, "hello")
        self.assertNotIn("\x1b\x1b", text)
        terminal.send("/bye\r")
        self.assertEqual(terminal.ended(), 0)

    def test_terminals_that_know_nothing(self):
        for term in ("dumb", "", "no-such-terminal"):
            self.env["TERM"] = term
            terminal = self.chat()
            self.say(terminal, "hello", "AAA")
            self.leave(terminal)

    def test_words_are_wrapped_at_the_edge(self):
        # An answer of A and spaces, drawn.
        terminal = self.chat("--max-tokens", "200", "--logit-bias", "65=100", "--logit-bias", "32=100", "--temp", "1",
                             "--seed", "1", "--top-k", "2")
        lines = plain(self.say(terminal, "go")).split("go\n", 1)[1].split("\n")
        self.assertGreater(len(lines), 2)
        self.assertLessEqual(max(map(len, lines[:-1])), 100)

    def test_without_a_home(self):
        self.env["UMA_HOME"] = "/dev/null/home"
        terminal = self.chat()
        self.say(terminal, "hello", "AAA")
        self.leave(terminal)


if __name__ == "__main__":
    main()
