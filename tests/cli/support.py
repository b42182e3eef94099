"""What the tests of the command line share. Python's standard library only."""
import ast
import array
import fcntl
import hashlib
import http.server
import json
import os
import pathlib
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("UMA_BINARY") or str(ROOT / "build" / "uma")
MODELS = ROOT / "tests" / "golden" / "models"
TINY = str(MODELS / "qwen2.gguf")  # 288 tokens: the 256 bytes, 30 pairs, <|endoftext|>, <|end|>
TINY_VOCAB, TINY_CONTEXT, TINY_EOS = 288, 256, 287
SKIPPED = 77  # what ctest takes for "skipped"
# Seconds after which something is taken to hang; sanitizers on a busy machine need ten times the usual.
PATIENCE = float(os.environ.get("UMA_TEST_PATIENCE", "60"))


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def text(self):
        return self.out.decode("utf-8", "replace")

    @property
    def said(self):
        """What stderr has."""
        return self.err.decode("utf-8", "replace")

    @property
    def json(self):
        """The one JSON document of stdout, in one line; it must be strict."""
        text = self.out.decode("utf-8")
        if text.count("\n") != 1 or not text.endswith("\n"):
            raise AssertionError(f"not one line of JSON: {text[:200]!r}; stderr: {self.said[:500]!r}")
        return json.loads(text, parse_constant=lambda name: self._no_constant(name))

    @staticmethod
    def _no_constant(name):
        raise AssertionError(f"{name} is no JSON")


class CliTest(unittest.TestCase):
    """Each test has a home of its own, and no way to the network but what it opens itself."""

    maxDiff = 2000

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="uma-cli-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.home = self.folder / "home"
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith("UMA_") and not k.lower().endswith("_proxy")}
        self.env.update(UMA_HOME=str(self.home), LC_ALL="C.UTF-8", TERM="xterm", NO_PROXY="")

    def start(self, *words, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        env = dict(self.env, **more.pop("env", {}))
        process = subprocess.Popen([BINARY, *map(str, words)], env=env, cwd=self.folder, **more)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def uma(self, *words, stdin=None, timeout=2 * PATIENCE, **more):
        if stdin is not None:
            more["stdin"] = subprocess.PIPE
        process = self.start(*words, **more)
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            self.fail(f"uma {' '.join(map(str, words))} did not end in {timeout} s")
        self.assertGreaterEqual(process.returncode, 0, f"ended by signal {-process.returncode}: {words}\n{err}")
        return Result(process.returncode, out or b"", err or b"")

    def ok(self, *words, **more):
        result = self.uma(*words, **more)
        self.assertEqual(result.code, 0, f"{words}: {result.said[-1000:]}")
        return result

    def fails(self, *words, saying=".", code=1, **more):
        """One sentence on stderr, nothing on stdout."""
        result = self.uma(*words, **more)
        self.assertEqual(result.code, code, f"{words}: {result.said[-1000:]}")
        if "--json" not in words:
            self.assertEqual(result.out, b"", words)
        last = result.said.strip().split("\n")[-1]
        self.assertRegex(last, r"^uma: ", words)
        self.assertNotRegex(last, r"\.$", words)
        self.assertRegex(last, saying, words)
        return result

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def make_model(self, name, **fields):
        """One of the tiny model and these settings, as a client of the server makes it."""
        server = self.start("serve", "--json", "--port", "0")
        url = json.loads(server.stdout.readline())["url"]
        data = pathlib.Path(TINY).read_bytes()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        body = dict(fields, model=name, files={"tiny.gguf": digest})
        for path, sent in ((f"/api/blobs/{digest}", data), ("/api/create", json.dumps(body).encode())):
            urllib.request.urlopen(url + path, sent, PATIENCE).close()
        server.terminate()
        self.assertEqual(server.wait(PATIENCE), 0)

    def long_model(self):
        """The tiny model with a context so long that an answer can be stopped before it ends."""
        data = pathlib.Path(TINY).read_bytes()
        key = data.index(b"qwen2.context_length") + len(b"qwen2.context_length") + 4
        self.assertEqual(struct.unpack_from("<I", data, key)[0], TINY_CONTEXT)
        return self.write("long.gguf", data[:key] + struct.pack("<I", 1 << 20) + data[key + 4:])


# An answer that never ends by itself, of whole letters.
ENDLESS = ("--temp", "0", "--logit-bias", "65=100", "--ctx", str(1 << 20))


def read_npy(path):
    """(shape, values) of a float32 .npy file in C order."""
    data = pathlib.Path(path).read_bytes()
    assert data[:6] == b"\x93NUMPY", data[:10]
    size = struct.unpack_from("<H", data, 8)[0]
    header = ast.literal_eval(data[10:10 + size].decode("latin1"))
    assert header["descr"] == "<f4" and header["fortran_order"] is False, header
    values = array.array("f")
    values.frombytes(data[10 + size:])
    return header["shape"], values


class Server(http.server.ThreadingHTTPServer):
    """Serves `body` at every path, with ranges; counts what is asked for."""

    daemon_threads = True

    def __init__(self, body):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = body
        self.requests = []         # (method, path, Range header)
        self.connections = 0
        self.status = 200
        self.drops = []            # bytes after which the next answers break off
        self.hold = None           # bytes after which answers wait for `release`
        self.release = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def get_request(self):
        self.connections += 1
        return super().get_request()

    def handle_error(self, request, client_address):
        pass  # a client that is killed is what some tests want

    def url(self, path="/tiny.gguf"):
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def close(self):
        self.release.set()
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_CONNECT(self):
        self.server.requests.append(("CONNECT", self.path, None))
        self.send_error(403)

    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.requests.append(("GET", self.path, wanted))
        self.close_connection = True
        if server.status != 200:
            return self.send_error(server.status)
        begin = int(re.fullmatch(r"bytes=(\d+)-", wanted).group(1)) if wanted else 0
        body = server.body[begin:]
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {begin}-{len(server.body) - 1}/{len(server.body)}")
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.drops:
            return self.wfile.write(body[:server.drops.pop(0)])
        if server.hold is not None:
            self.wfile.write(body[:server.hold])
            self.wfile.flush()
            server.release.wait(60)
            body = body[server.hold:]
        self.wfile.write(body)


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, words, env, cwd, columns=100, rows=30, stdin=None):
        self.master, self.slave = os.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        self.process = subprocess.Popen(words, env=env, cwd=cwd, stdin=stdin or self.slave,
                                        stdout=self.slave, stderr=self.slave, start_new_session=True, preexec_fn=self._control)

    @staticmethod
    def _control():
        fcntl.ioctl(1, termios.TIOCSCTTY, 0)

    def send(self, text):
        os.write(self.master, text.encode())

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait_for(self, pattern, timeout=PATIENCE):
        """Reads until the pattern comes, and returns what came up to its end; it is then past."""
        end = time.monotonic() + timeout
        while True:
            match = re.search(pattern.encode(), self.seen, re.DOTALL)
            if match:
                text, self.seen = self.seen[:match.end()], self.seen[match.end():]
                return text.decode("utf-8", "replace")
            if not self._read(end - time.monotonic()):
                raise AssertionError(f"no {pattern!r} in {timeout} s after {self.seen[-1500:]!r}")

    def _read(self, timeout):
        ready, _, _ = select.select([self.master], [], [], max(timeout, 0))
        if not ready:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the other side is closed
            return False
        self.seen += data
        return bool(data)

    def ended(self, timeout=PATIENCE):
        """The exit code. Reads on: a program that nobody reads may not end."""
        end = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < end:
            self._read(0.05)
        return self.process.poll()

    def settings(self):
        return termios.tcgetattr(self.slave)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def main():
    if not os.access(BINARY, os.X_OK):
        sys.exit(f"{BINARY} is not there: build it, or say where it is with UMA_BINARY")
    unittest.main(verbosity=2)
