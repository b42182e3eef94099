"""Chromium without a window, driven through a pipe by the DevTools protocol: enough of it to type, click and look."""
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_S = float(os.environ.get("UMA_TEST_PATIENCE", "60"))
KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "Space": (32, " "), "ArrowDown": (40, "")}
SHIFT = 8


def find_browser():
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Browser:
    """One page. Messages of the protocol are JSON that ends in a zero byte: ours go to descriptor 3, its come from 4."""

    def __init__(self, program):
        self.folder = tempfile.TemporaryDirectory(prefix="uma-page-", ignore_cleanup_errors=True)
        theirs_in, self.out = os.pipe()
        self.input, theirs_out = os.pipe()
        flags = ["--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self.folder.name}", "--no-first-run",
                 "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking",
                 "--disable-component-update", "--no-proxy-server"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # root may not have it
        def place():  # through high numbers, for one of the ends may be 3 or 4 already
            for end, high in ((theirs_in, 100), (theirs_out, 101)):
                os.dup2(end, high)
            os.dup2(100, 3)
            os.dup2(101, 4)

        self.process = subprocess.Popen([program, *flags, "about:blank"], preexec_fn=place, pass_fds=(3, 4),
                                        stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.numbers = itertools.count(1)
        self.received = b""
        self.events = []
        self.session = None
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
            self.process.wait(20)
        except (OSError, AssertionError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.input)
        self.folder.cleanup()

    def call(self, method, **params):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        give_up = time.monotonic() + PATIENCE_S
        while True:
            reply = self._read(give_up)
            if reply.get("id") == number:
                assert "error" not in reply, (method, reply["error"])
                return reply["result"]
            self.events.append(reply)

    def _read(self, give_up):
        while b"\0" not in self.received:
            ready, _, _ = select.select([self.input], [], [], max(0, give_up - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self.input, 1 << 20)
            assert data, "the browser has gone"
            self.received += data
        text, _, self.received = self.received.partition(b"\0")
        return json.loads(text)

    def run(self, script):
        """The value of an expression, or of a promise, in the page."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, (script, result)
        return result["result"].get("value")

    def wait(self, condition):
        """Until an expression is true in the page; its value."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            value = self.run(condition)
            if value:
                return value
            assert time.monotonic() < give_up, (condition, self.run("document.body.innerText"))
            time.sleep(0.02)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    def click(self, selector):
        self.wait(f"document.querySelector({json.dumps(selector)}) !== null")
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, text):
        self.call("Input.insertText", text=text)

    def press(self, key, modifiers=0):
        code, text = KEYS[key]
        common = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def complaints(self):
        """What went wrong in the page: exceptions, and what its policy or the network refused."""
        self.run("0")
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"]["text"] + str(params["exceptionDetails"].get("exception")))
            if event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(params["entry"]["text"])
        return found

    def addresses(self):
        """Every address that the page has asked for."""
        return [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]


def main_guard(skipped):
    """The browser's program, or the end of this test."""
    program = find_browser()
    if not program:
        print(f"SKIP: no browser here: one of {', '.join(BROWSERS)}")
        raise SystemExit(skipped)
    return program
