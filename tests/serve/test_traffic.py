"""Random traffic for a little while, without keys and with them, over the tiny model: see traffic.py."""
import os
import subprocess
import sys

import traffic
from served import BINARY, ROOT, Served

TINY = str(ROOT / "tests" / "golden" / "models" / "qwen2.gguf")
SECONDS = float(os.environ.get("UMA_TEST_TRAFFIC_S", "20"))
SEED = int(os.environ.get("UMA_TEST_SEED", "1"))
MAX_RSS_MB = float(os.environ.get("UMA_TEST_TRAFFIC_MB", "1500"))


def run(*flags, keys=()):
    served = Served("--offline", *flags, model=TINY)
    made = []
    for words in keys:
        made.append(subprocess.run([BINARY, "keys", "add", *words], capture_output=True, text=True, check=True,
                                   env={**os.environ, "UMA_HOME": served.home.name}).stdout.strip())
    try:
        traffic.main([served.url, "--model", "m", "--minutes", str(SECONDS / 120), "--seed", str(SEED),
                      "--pid", str(served.process.pid), "--max-rss-mb", str(MAX_RSS_MB),
                      *(word for key in made + ["uma_bad"] * bool(made) for word in ("--key", key))])
    finally:
        served.stop()


if __name__ == "__main__":
    run()
    run("--keys", keys=[["a", "--role", "admin"], ["u"], ["w", "--role", "auditor"],
                        ["s", "--endpoint", "/v1/*", "--requests-per-minute", "30", "--tokens-per-day", "500"]])
    sys.exit(0)
