"""The chat page in a browser without a window.

The page is the binary's own (UMA_BINARY), and one test lets it talk to a model. The others put a scripted server
between: it hands on the page, and answers what the prompt tells it to, piece by piece.
"""
import http.client
import http.server
import json
import pathlib
import re
import tempfile
import threading
import time
import unittest

import browser
from served import Served

SKIPPED = 77
PROGRAM = browser.main_guard(SKIPPED)

MARKDOWN = """# Title

Some **bold**, *italic*, `code` and [a link](https://example.com/x_(y)).

- one
- two
  1. inner

> quoted

| a | b |
|---|--:|
| 1 | 2 |

```python
def f(x):  # why
    return "text"
```
"""
HOSTILE = """<img src=x onerror="window.hit=1"> <script>window.hit=1</script>

[link](javascript:window.hit=1) [data](data:text/html,x) ![picture](https://example.com/p.png)

| <b>a</b> |
|---|
| <svg onload=window.hit=1> |

```html"onmouseover="window.hit=1
<script>window.hit=1</script>
```
"""
SCRIPTED = {"markdown": MARKDOWN, "hostile": HOSTILE}
# Markdown and its elements, without attributes.
RENDERED = {
    "1. one\n\n   ```\n   ls\n   ```\n\n2. two\n   - a\nafter": "<ol><li><p>one</p><pre>ls</pre></li><li>two<ul><li>aafter</li></ul></li></ol>",
    "3. a\n\nText\n- b\n    * c": "<ol><li>a</li></ol><p>Text</p><ul><li>b<ul><li>c</li></ul></li></ul>",
    "snake_case_name 5 * 3 ***both*** **a**b": "<p>snake_case_name 5 * 3 <strong><em>both</em></strong> <strong>a</strong>b</p>",
    "`*x*` ``b ` c`` \\*no\\* **open": "<p><code>*x*</code> <code>b ` c</code> *no* **open</p>",
    "| a \\| b |\n|---|\n| 1 | 2 |": "<table><thead><tr><th>a | b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
    "# H #\n---\n> a\n> > b": "<h3>H</h3><hr><blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>",
    "```\n- cut": "<pre>- cut</pre>",
    "<think>\nx\n</think>": "<p>&lt;think&gt;x&lt;/think&gt;</p>",
}


class Scripted(http.server.BaseHTTPRequestHandler):
    """`count N`: N pieces, 20 ms apart; `fail`: an error; a name of SCRIPTED: its text; else the prompt comes back."""
    protocol_version = "HTTP/1.1"
    requests, key = [], None

    def log_message(self, *_):
        pass

    def reply(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def say(self, status, value):
        self.reply(status, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def refused(self):
        if self.key and self.headers["Authorization"] != f"Bearer {self.key}":
            self.say(401, {"error": "a key is needed"})
            return True
        return False

    def do_GET(self):
        if self.path == "/":
            return self.reply(200, *page)
        if not self.refused():
            self.say(200, {"models": [{"name": "alpha:1"}, {"name": "beta:1"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.refused():
            return
        self.requests.append(body)
        prompt = body["messages"][-1]["content"]
        if prompt == "fail":
            return self.say(503, {"error": "server busy, please try again."})
        count = int(prompt[6:]) if prompt.startswith("count ") else 0
        text = SCRIPTED.get(prompt, f"{body['model']} heard: {prompt}")
        pieces = [f"{i} " for i in range(count)] or [text[i:i + 7] for i in range(0, len(text), 7)]
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for piece in pieces:
                self.line({"message": {"role": "assistant", "content": piece}, "done": False})
                time.sleep(0.02 if count else 0)
            self.line({"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop",
                       "eval_count": len(pieces), "eval_duration": 10_000_000 * len(pieces)})
        except OSError:
            self.requests.append("gone")
        self.close_connection = True

    def line(self, value):
        self.wfile.write(json.dumps(value).encode() + b"\n")


def setUpModule():
    global served, real_url, url, page, server
    served = Served()
    real_url = served.url
    connection = http.client.HTTPConnection(real_url.removeprefix("http://"))
    connection.request("GET", "/", headers={"Accept": "text/html"})
    response = connection.getresponse()
    page = ({name: response.headers[name] for name in ("Content-Type", "Content-Security-Policy")}, response.read())
    connection.close()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"


def tearDownModule():
    server.shutdown()
    server.server_close()
    served.stop()


LAST = "[...document.querySelectorAll('.answer')].at(-1)"
DONE = f"{LAST}?.getAttribute('aria-busy') === 'false' && document.querySelector('#send').textContent === 'Send'"


class Page(unittest.TestCase):
    address = None

    def setUp(self):
        Scripted.requests.clear()
        Scripted.key = None
        self.b = browser.Browser(PROGRAM)
        self.addCleanup(self.b.close)
        self.b.open(self.address or url)
        self.b.wait("document.querySelector('#model').options.length > 0")

    def ask(self, text, wait=True):
        self.b.run("document.querySelector('#prompt').focus()")
        self.b.type(text)
        self.b.press("Enter")
        if wait:
            self.b.wait(f"document.querySelector('#messages').textContent.includes({json.dumps(text)}) && {DONE}")

    def answer(self):
        return self.b.run(f"{LAST}.querySelector('.markdown').innerText")

    def messages(self):
        return [(m["role"], m["content"]) for m in Scripted.requests[-1]["messages"]]

    def fine(self):
        self.assertEqual(self.b.complaints(), [])


class Answers(Page):
    def test_streams_and_shows_the_speed(self):
        self.ask("count 60", wait=False)
        self.b.wait(f"{LAST}?.innerText.includes('5 6 7')")
        self.assertEqual(self.b.run("document.querySelector('#send').textContent"), "Stop")
        self.assertEqual(self.b.run("document.querySelector('#status').textContent"), "")  # not each token is read out
        self.b.wait(DONE)
        self.assertIn("60 tokens · 100.0 tokens/s", self.b.run(f"{LAST}.innerText"))
        self.assertIn("alpha:1 answered: 0 1 2", self.b.run("document.querySelector('#status').textContent"))
        self.assertEqual(self.b.run("document.activeElement.id"), "prompt")
        self.fine()

    def test_stops_by_button_and_by_escape(self):
        for stop in (lambda: self.b.click("#send"), lambda: self.b.press("Escape")):
            self.ask("count 3000", wait=False)
            self.b.wait(f"{LAST}?.innerText.includes('3 4 5')")
            stop()
            self.b.wait(DONE)
            self.assertIn("stopped", self.b.run(f"{LAST}.innerText"))
            self.b.wait("true")
        deadline = time.monotonic() + 20
        while Scripted.requests.count("gone") < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(Scripted.requests.count("gone"), 2)  # the server was told
        self.fine()

    def test_regenerates(self):
        self.ask("hello")
        self.b.run(f"[...{LAST}.querySelectorAll('button')].find((b) => b.textContent === 'Regenerate').click()")
        self.b.wait(DONE)
        self.assertEqual(self.messages(), [("user", "hello")])
        self.assertEqual(len(Scripted.requests), 2)
        self.assertEqual(self.b.run("document.querySelectorAll('.answer').length"), 1)
        self.fine()

    def test_goes_on_from_an_edited_message_and_keeps_the_old_course(self):
        for text in ("one", "two", "three"):
            self.ask(text)
        self.b.run("document.querySelectorAll('.user button')[1].click()")
        self.b.wait("document.activeElement.id === 'edited'")
        self.b.run("document.activeElement.select()")
        self.b.type("changed")
        self.b.press("Enter")
        self.b.wait(f"document.querySelectorAll('.answer').length === 2 && {DONE}")
        self.assertEqual(self.messages(), [("user", "one"), ("assistant", "alpha:1 heard: one"), ("user", "changed")])
        titles = self.b.run("[...document.querySelectorAll('#chats .title')].map((t) => t.textContent)")
        self.assertEqual(sorted(titles), ["one", "one (before an edit)"])
        self.fine()

    def test_a_fault_is_the_servers_sentence_and_can_be_tried_again(self):
        self.ask("fail")
        self.assertEqual(self.b.run(f"{LAST}.querySelector('[role=alert]').textContent"), "server busy, please try again.")
        self.assertIn("Regenerate", self.b.run(f"{LAST}.innerText"))

    def test_a_key_is_asked_for_and_sent(self):
        Scripted.key = "secret"
        self.b.open("about:blank")
        self.b.open(url)
        self.b.wait("document.querySelector('#settings').open && document.activeElement.name === 'key'")
        self.b.type("secret")
        self.b.press("Enter")
        self.b.wait("!document.querySelector('#settings').open && document.querySelector('#model').options.length === 2")
        self.ask("hello")
        self.assertEqual(self.answer(), "alpha:1 heard: hello")
        self.assertFalse(self.b.run("JSON.stringify(localStorage).includes('secret')"))

    def test_two_models_side_by_side(self):
        self.b.click("#both")
        self.ask("hello")
        self.assertEqual(self.b.run("[...document.querySelectorAll('.answer .markdown')].map((a) => a.innerText)"),
                         ["alpha:1 heard: hello", "beta:1 heard: hello"])
        self.ask("more")
        for request in Scripted.requests[-2:]:  # each goes on from its own answer
            self.assertEqual(request["messages"][1]["content"], f"{request['model']} heard: hello")
        self.fine()

    def test_settings_go_with_the_question(self):
        self.b.click("#open-settings")
        self.b.wait("document.activeElement.name === 'system'")
        self.b.type("Be brief.")
        for field, value in {"temperature": "0", "top_p": "0.5", "top_k": "3", "num_predict": "9", "seed": "7"}.items():
            self.b.run(f"document.querySelector('#settings [name={field}]').focus()")
            self.b.type(value)
        self.b.click("#settings .primary")
        self.ask("hello")
        self.assertEqual(self.messages(), [("system", "Be brief."), ("user", "hello")])
        self.assertEqual(Scripted.requests[-1]["options"],
                         {"temperature": 0, "top_p": 0.5, "top_k": 3, "num_predict": 9, "seed": 7})
        self.fine()


class Text(Page):
    def test_markdown(self):
        self.ask("markdown")
        found = self.b.run(f"[...{LAST}.querySelector('.markdown').querySelectorAll('*')].map((n) => n.localName)")
        for tag in ("h3", "strong", "em", "code", "a", "ul", "ol", "blockquote", "table", "th", "pre", "figure"):
            self.assertIn(tag, found)
        self.assertEqual(self.b.run(f"{LAST}.querySelector('a').href"), "https://example.com/x_(y)")
        self.assertIn("noopener", self.b.run(f"{LAST}.querySelector('a').rel"))
        self.assertEqual(self.b.run(f"{LAST}.querySelector('ul ol li').innerText"), "inner")
        self.assertEqual(self.b.run(f"{LAST}.querySelector('td:last-child').style.textAlign"), "end")
        for kind, text in {"keyword": "def", "comment": "# why", "string": '"text"'}.items():
            self.assertEqual(self.b.run(f"{LAST}.querySelector('pre .{kind}').textContent"), text)
        self.b.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        self.b.click("figure button")
        self.b.wait("document.querySelector('figure button').textContent === 'Copied'")
        self.assertEqual(self.b.run("navigator.clipboard.readText()"), 'def f(x):  # why\n    return "text"')
        self.fine()

    def test_markdown_of_many_kinds(self):
        for i, (text, wanted) in enumerate(RENDERED.items()):
            SCRIPTED[f"kind{i}"] = text
            self.ask(f"kind{i}")
            html = self.b.run(f"{LAST}.querySelector('.markdown').innerHTML")
            html = re.sub(r"<(\w+) [^>]*>", r"<\1>", html).replace("\n", "")
            html = re.sub(r"<figcaption>.*?</figcaption>|</?(figure|div|span)>|(?<=<pre>)<code>|</code>(?=</pre>)", "", html)
            self.assertEqual(html, wanted)

    def test_what_a_model_says_is_text(self):
        self.ask("hostile")
        self.ask(HOSTILE.split("\n")[0])
        self.b.run("new Promise((done) => setTimeout(done, 300))")
        self.assertIsNone(self.b.run("window.hit ?? null"))
        self.assertIn('<img src=x onerror="window.hit=1">', self.b.run("document.querySelector('.answer').innerText"))
        self.assertEqual(self.b.run("document.querySelectorAll('#messages :is(img, script, svg, iframe, b)').length"), 0)
        links = self.b.run("[...document.querySelectorAll('#messages a')].map((a) => a.href)")
        self.assertEqual(links, ["https://example.com/p.png"])
        own = self.b.run("location.origin")
        self.assertEqual([a for a in self.b.addresses() if not a.startswith((own, "data:", "about:"))], [])
        self.fine()

    def test_hostile_markdown_takes_no_time(self):
        marks = ["*a ", "**", "`", "[", "_a", "> ", "- ", "|", "~~~", "![](", "1. ", "\\", "#", "<", "```\n", " * "]
        self.b.run(f"window.marks = {json.dumps(marks)}")
        for mark in marks:
            text = (mark * 6000)[:20000]
            SCRIPTED["flood"] = text
            begin = time.monotonic()
            self.ask("flood")
            self.assertLess(time.monotonic() - begin, browser.PATIENCE_S / 2, mark)
            self.b.click("#new")


class Keeping(Page):
    def test_conversations_survive_a_reload(self):
        self.ask("first")
        self.b.click("#new")
        self.ask("second")
        self.b.open("about:blank")
        self.b.open(url)
        self.b.wait("document.querySelectorAll('#chats li').length === 2")
        self.assertEqual(self.answer(), "alpha:1 heard: second")
        self.b.click("#chats li:not(.current) .title")
        self.assertEqual(self.answer(), "alpha:1 heard: first")
        self.fine()

    def test_an_answer_goes_on_while_another_conversation_is_open(self):
        self.ask("count 50", wait=False)
        self.b.wait(f"{LAST}?.innerText.includes('1 2')")
        self.b.click("#new")
        self.ask("meanwhile")
        self.b.click("#chats li:not(.current) .title")
        self.b.wait(f"{DONE} && {LAST}.innerText.includes('48 49')")
        self.fine()

    def test_renames_and_deletes(self):
        self.ask("first")
        self.b.click("#chats [aria-label^=Rename]")
        self.b.run("document.querySelector('#question input').select()")
        self.b.type("Better name")
        self.b.press("Enter")
        self.b.wait("document.querySelector('#chats .title').textContent === 'Better name'")
        self.b.click("#chats [aria-label^=Delete]")
        self.b.press("Escape")  # not deleted
        self.b.wait("!document.querySelector('#question').open")
        self.assertEqual(self.b.run("document.querySelectorAll('.answer').length"), 1)
        self.b.click("#chats [aria-label^=Delete]")
        self.b.click("#question .primary")
        self.b.wait("document.querySelectorAll('.answer').length === 0")
        self.assertEqual(self.b.run("Object.keys(localStorage).filter((k) => k.startsWith('uma.chat.')).length"), 0)
        self.fine()

    def test_exports(self):
        folder = tempfile.TemporaryDirectory(prefix="uma-page-")
        self.addCleanup(folder.cleanup)
        self.b.call("Page.setDownloadBehavior", behavior="allow", downloadPath=folder.name)
        self.ask("first")
        self.b.click("#export-all")
        path = pathlib.Path(folder.name) / "conversations.json"
        deadline = time.monotonic() + browser.PATIENCE_S
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        exported = json.loads(path.read_text())
        self.assertEqual(exported[0]["messages"][0], {"role": "user", "content": "first"})
        self.assertEqual(exported[0]["messages"][1]["answers"][0]["content"], "alpha:1 heard: first")


class Looks(Page):
    def test_light_and_dark(self):
        colour = "getComputedStyle(document.body).backgroundColor"
        self.b.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
        light = self.b.run(colour)
        self.b.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        dark = self.b.run(colour)
        self.assertNotEqual(light, dark)
        self.b.click("#theme")
        self.assertEqual(self.b.run(colour), light)
        self.b.open("about:blank")
        self.b.open(url)
        self.assertEqual(self.b.run("document.documentElement.dataset.theme"), "light")  # the choice is kept
        self.b.click("#theme")
        self.assertEqual(self.b.run(colour), dark)

    def test_by_keyboard_alone(self):
        self.assertEqual(self.b.run("document.activeElement.id"), "prompt")
        self.b.type("line one")
        self.b.press("Enter", browser.SHIFT)
        self.b.type("line two")
        self.b.press("Enter")
        self.b.wait(DONE)
        self.assertEqual(self.messages(), [("user", "line one\nline two")])
        seen = []
        for _ in range(40):
            self.b.press("Tab")
            seen.append(self.b.run("document.activeElement.id || document.activeElement.textContent.trim()"))
            outline = self.b.run("getComputedStyle(document.activeElement).outlineStyle")
            if seen[-1] and self.b.run("document.activeElement !== document.body"):
                self.assertEqual(outline, "solid", seen[-1])
        for wanted in ("new", "model", "both", "open-settings", "theme", "messages", "Edit", "Copy", "Regenerate", "prompt", "send"):
            self.assertIn(wanted, seen)
        self.fine()

    def test_everything_has_a_name(self):
        self.ask("markdown")
        nodes = self.b.call("Accessibility.getFullAXTree")["nodes"]
        roles = {n["role"]["value"] for n in nodes if not n.get("ignored")}
        self.assertLessEqual({"navigation", "main", "banner", "article", "textbox"} - {"banner"}, roles)
        nameless = [n for n in nodes if not n.get("ignored") and not n.get("name", {}).get("value") and
                    n["role"]["value"] in ("button", "textbox", "combobox", "checkbox", "link", "spinbutton", "dialog")]
        self.assertEqual(nameless, [])

    def test_a_small_screen(self):
        self.b.call("Emulation.setDeviceMetricsOverride", width=360, height=640, deviceScaleFactor=2, mobile=True)
        self.ask("markdown")
        self.assertLessEqual(self.b.run("document.documentElement.scrollWidth"), 360)
        self.assertFalse(self.b.run("document.querySelector('#side').checkVisibility()"))
        self.b.click("#menu")
        self.assertTrue(self.b.run("document.querySelector('#side').checkVisibility()"))
        self.b.press("Escape")
        self.assertFalse(self.b.run("document.querySelector('#side').checkVisibility()"))


class WithTheServer(Page):
    def setUp(self):
        self.address = real_url + "/"
        super().setUp()

    def test_a_model_answers(self):
        self.b.run("""localStorage.setItem("uma.last", '{"options": {"num_predict": 8, "temperature": 0}}')""")
        self.b.click("#new")
        self.ask("Say hello.")
        self.assertIn(" tokens", self.b.run(f"{LAST}.innerText"))
        self.assertEqual(self.b.run(f"{LAST}.querySelectorAll('[role=alert]').length"), 0)
        self.fine()


if __name__ == "__main__":
    unittest.main(verbosity=2)
