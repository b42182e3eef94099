"""mlx-lm from the index, unmodified, under the alias; its output is compared with the same run on MLX.

Slow: each run is a process that imports transformers. Without MLX only what a run must show by itself is checked.
"""

import importlib.util
import json
import re
import sys

import alias
import oracle
import pytest
import tiny_model

pytestmark = pytest.mark.slow

for _needed in ("mlx_lm", "tokenizers", "transformers"):
    if importlib.util.find_spec(_needed) is None:
        pytest.skip(f"SKIP: {_needed} is not installed", allow_module_level=True)

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    made = {kind: tiny_model.make(root / kind, kind) for kind in tiny_model.CONFIGS}
    made["draft"] = tiny_model.make(root / "draft", "qwen2", seed=1)
    made["data"] = tiny_model.make_data(root / "data")
    return made


def on_uma(*args, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLX_DISABLE_COMPILE", raising=False)  # what the tests of MLX's layers need: see conftest.py
        return alias.output(*args, **OFFLINE, **options)


def on_mlx(*args, **options):
    """The same program on MLX, or None where that is not installed."""
    if not oracle.have_mlx():
        return None
    # MLX's compile asks for a C++ compiler when it runs; uma's does not, and stays on.
    done = alias.run([sys.executable, *args], MLX_DISABLE_COMPILE="1", **OFFLINE, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tensors_of(file):
    """A safetensors file: its metadata, and dtype, shape and bytes of each tensor."""
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", None)
    places = {name: entry.pop("data_offsets") for name, entry in header.items()}
    return metadata, {name: (entry, data[8 + size :][slice(*places[name])]) for name, entry in header.items()}


def text_of(stdout):
    """What was generated: between the two rulers, without the speeds after them."""
    return stdout.split("=" * 10)[1]


GENERATE = {
    "greedy": ("--temp", "0"),
    "sampled": ("--temp", "0.8", "--top-p", "0.9", "--top-k", "40", "--min-p", "0.01", "--seed", "3"),
    "quantized cache": ("--temp", "0", "--kv-bits", "8", "--kv-group-size", "32", "--quantized-kv-start", "0"),
    "rotating cache": ("--temp", "0", "--max-kv-size", "16"),
    "small prefill": ("--temp", "0", "--prefill-step-size", "2"),
}


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
@pytest.mark.parametrize("name", GENERATE)
def test_generate(models, kind, name):
    args = ["-m", "mlx_lm", "generate", "--model", str(models[kind]), "--prompt", "the cat sat on", "-m", "24"]
    args += GENERATE[name]
    got, want = on_uma(*args), on_mlx(*args)
    assert len(text_of(got).strip()) > 0
    if want is not None:
        assert text_of(got) == text_of(want)


def test_generate_with_a_draft_model_gives_the_same_tokens(models):
    args = ["-m", "mlx_lm", "generate", "--model", str(models["qwen2"]), "--prompt", "one black dog", "-m", "20"]
    args += ["--temp", "0"]
    plain = on_uma(*args)
    drafted = on_uma(*args, "--draft-model", str(models["draft"]), "--num-draft-tokens", "3")
    assert text_of(drafted) == text_of(plain)


BATCH = """
import sys
from mlx_lm import batch_generate, generate, load
model, tokenizer = load(sys.argv[1])
prompts = [tokenizer.encode(p) for p in ("the cat", "one black dog run over", "rain")]
for text in batch_generate(model, tokenizer, prompts, max_tokens=12).texts:
    print(repr(text))
print(repr(generate(model, tokenizer, prompts[0], max_tokens=12)))
"""


def test_batched_generation(models):
    args = ("-c", BATCH, str(models["llama"]))
    got, want = on_uma(*args), on_mlx(*args)
    lines = got.splitlines()[-4:]
    assert lines[0] == lines[3], "a prompt in a batch must give what it gives alone"
    if want is not None:
        assert got.splitlines()[-4:] == want.splitlines()[-4:]


def test_prompt_cache(models, tmp_path):
    cache = str(tmp_path / "cache.safetensors")
    model = str(models["qwen2"])
    on_uma("-m", "mlx_lm", "cache_prompt", "--model", model, "--prompt", "the cat", "--prompt-cache-file", cache)
    args = ["-m", "mlx_lm", "generate", "--prompt", " sat on", "-m", "12", "--temp", "0", "--prompt-cache-file", cache]
    got, want = on_uma(*args), on_mlx(*args)
    if want is not None:
        assert text_of(got) == text_of(want)


@pytest.mark.parametrize(
    "options", [("--q-bits", "4"), ("--q-bits", "8", "--dtype", "bfloat16"), ("--q-mode", "mxfp4")]
)
def test_convert(models, tmp_path, options):
    def convert(run, folder):
        args = ["-m", "mlx_lm", "convert", "--hf-path", str(models["llama"]), "--mlx-path", str(folder), "-q"]
        out = run(*args, "--q-group-size", "32", *options)
        return None if out is None else folder

    mine, theirs = convert(on_uma, tmp_path / "uma"), convert(on_mlx, tmp_path / "mlx")
    config = json.loads((mine / "config.json").read_text())
    assert config["quantization"]["group_size"] == 32
    if theirs is not None:
        assert config == json.loads((theirs / "config.json").read_text())
        assert tensors_of(mine / "model.safetensors") == tensors_of(theirs / "model.safetensors")
    args = ["-m", "mlx_lm", "generate", "--model", str(mine), "--prompt", "the cat sat on", "-m", "16", "--temp", "0"]
    got, want = on_uma(*args), on_mlx(*args)
    # In bfloat16 MLX's sums are rounded as they go, which turns near ties of the tiny model.
    if want is not None and "bfloat16" not in options:
        assert text_of(got) == text_of(want)


PERPLEXITY = """
import sys
import mlx.core as mx
import numpy as np
from mlx_lm import load
from mlx_lm.perplexity import eval_ppl
model, tokenizer = load(sys.argv[1])
data = mx.array(np.random.default_rng(0).integers(0, 300, (12, 32)).astype(np.int32))
print(*eval_ppl(model, data, batch_size=4))
"""


def test_perplexity(models):
    args = ("-c", PERPLEXITY, str(models["qwen2"]))
    got, want = on_uma(*args), on_mlx(*args)
    value = [float(x) for x in got.split()[-2:]]
    assert value[0] > 100  # a random model knows nothing
    if want is not None:
        reference = [float(x) for x in want.split()[-2:]]
        assert all(abs(a - b) <= 1e-3 * b for a, b in zip(value, reference)), f"{value} is not {reference}"


def losses_of(stdout):
    """Losses in the order of printing: from a table if rich is installed, else from sentences."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", stdout)
    table = re.findall(r"^ +\d+ +(?:val +)?(\d+\.\d+)", text, re.M)
    return [float(x) for x in table or re.findall(r"(?:Train|Val) loss (\d+\.\d+)", text)]


@pytest.mark.parametrize("options", [(), ("--grad-checkpoint",), ("--fine-tune-type", "full", "--optimizer", "adamw")])
def test_lora_then_fuse(models, tmp_path, options):
    def train(run, folder):
        args = ["-m", "mlx_lm", "lora", "--train", "--model", str(models["qwen2"]), "--data", str(models["data"])]
        args += ["--iters", "20", "--batch-size", "4", "--num-layers", "2", "--learning-rate", "1e-3", "--seed", "1"]
        args += ["--steps-per-report", "5", "--steps-per-eval", "10", "--val-batches", "2", "--max-seq-length", "64"]
        return run(*args, "--adapter-path", str(folder), *options)

    got, want = train(on_uma, tmp_path / "uma"), train(on_mlx, tmp_path / "mlx")
    losses = losses_of(got)
    assert len(losses) >= 6 and losses[-1] < losses[0] - 0.5, losses
    if want is not None:
        reference = losses_of(want)
        assert len(losses) == len(reference)
        assert all(abs(a - b) <= 2e-2 * max(1, b) for a, b in zip(losses, reference)), f"{losses} is not {reference}"
    if "full" in options:
        return
    fused = tmp_path / "fused"
    on_uma(
        *("-m", "mlx_lm", "fuse", "--model", str(models["qwen2"]), "--adapter-path", str(tmp_path / "uma")),
        *("--save-path", str(fused)),
    )
    prompt = ["--prompt", "the cat sat", "-m", "12", "--temp", "0"]
    apart = on_uma(
        *("-m", "mlx_lm", "generate", "--model", str(models["qwen2"]), "--adapter-path", str(tmp_path / "uma")),
        *prompt,
    )
    assert text_of(on_uma("-m", "mlx_lm", "generate", "--model", str(fused), *prompt)) == text_of(apart)
