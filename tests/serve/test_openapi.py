"""The server does what its OpenAPI document says, and refuses what it does not: the tool schemathesis makes requests
of the document, right ones and wrong ones, and looks at the replies. SKIP where it is not installed.

UMA_BINARY names the binary. SCHEMATHESIS_EXAMPLES is how many requests it makes up for each call (10).
"""
import importlib.util
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from served import ROOT, Served

SKIPPED = 77
if importlib.util.find_spec("schemathesis") is None:
    print("SKIP: the package schemathesis is not installed")
    sys.exit(SKIPPED)

# Calls whose rules a schema cannot hold, so that a request may fit it and be refused all the same.
UNWRITTEN = {
    "/api/blobs/{digest}": "a file has the digest that it is sent under",
    "/api/embed": "an empty prompt is one only where the model has a token for its beginning",
    "/api/create": "the file must be here, and the template must be one",
    "/v1/chat/completions": "top_logprobs are had with logprobs",
    "/v1/embeddings": "a vector has as many dimensions as the model",
    "/v1/completions": "an empty prompt is one only where the model has a token for its beginning",
    "/v1/messages": "a conversation ends with the user's message",
    "/v1/messages/count_tokens": "a conversation ends with the user's message",
}
CONFIG = "".join(f'[[operations]]\ninclude-path = "{path}"\n'
                 'checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409"]\n\n'
                 for path in UNWRITTEN)


def with_template(path):
    """The model with a chat template, so that no conversation is an empty prompt."""
    data = path.read_bytes()
    key, source = b"tokenizer.chat_template", b"{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    source += b"{#" + b" " * (-(8 + len(key) + 4 + 8 + len(source) + 4) % 32) + b"#}"
    entry = struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(source)) + source
    count, = struct.unpack_from("<Q", data, 16)
    return data[:16] + struct.pack("<Q", count + 1) + entry + data[24:]


class OpenApi(unittest.TestCase):
    def test_document_and_server_agree(self):
        with tempfile.TemporaryDirectory(prefix="uma-openapi-") as name:
            folder = pathlib.Path(name)
            model = folder / "m.gguf"
            model.write_bytes(with_template(ROOT / "tests" / "golden" / "models" / "qwen2.gguf"))
            served = Served("--offline", "--ctx", "128", model=model)
            self.addCleanup(served.stop)
            with urllib.request.urlopen(served.url + "/openapi.json", timeout=60) as reply:
                text = reply.read().decode()
            # The document's example of a model is one that most have; here it is the one that there is.
            (folder / "openapi.json").write_text(text.replace("qwen2.5-coder:0.5b", "m"))
            (folder / "schemathesis.toml").write_text(CONFIG)
            env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
            run = subprocess.run(
                [sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", served.url, "--seed", "1",
                 "--phases", "examples,coverage,fuzzing", "-n", os.environ.get("SCHEMATHESIS_EXAMPLES", "10"),
                 "--no-color", "--warnings", "off", "--request-timeout", "60"],
                cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1500)
            self.assertEqual(run.returncode, 0, run.stdout[-20000:])


if __name__ == "__main__":
    unittest.main(verbosity=2)
