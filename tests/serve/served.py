"""A server of the binary under test, with one model `m` and a home of its own."""
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("UMA_BINARY") or str(ROOT / "build" / "uma")
REAL = os.environ.get("UMA_TEST_MODEL_QWEN25_CODER", "")
MODEL = REAL or str(ROOT / "tests" / "golden" / "models" / "qwen2.gguf")


class Served:
    def __init__(self, *flags, model=MODEL, own_home=True):
        """own_home: false for the models that this machine has pulled."""
        self.home = tempfile.TemporaryDirectory(prefix="uma-serve-")
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith("OLLAMA")}
        if own_home:
            env.update(UMA_HOME=self.home.name)
        self.process = subprocess.Popen([BINARY, "serve", "--json", "--port", "0", "--model", f"m={model}", *flags],
                                        env=env, stdout=subprocess.PIPE)
        self.url = json.loads(self.process.stdout.readline())["url"]

    def stop(self):
        self.process.terminate()
        code = self.process.wait(60)
        self.process.stdout.close()
        self.home.cleanup()
        assert code == 0, code
