"""``uma.lm``: opening models, programs written for mlx-lm, Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import alias
import pytest
import tiny_lm
import uma.lm.utils
from uma.lm import load

TINY = str(tiny_lm.MODELS / "qwen2.gguf")

PROGRAM = """
import mlx.core as mx
import mlx.nn as nn
from mlx_lm import load, generate
model, tokenizer = load({model!r})
response = generate(model, tokenizer, prompt="Explain zero-copy memory", max_tokens={tokens}, temp=0.7)
print(response)
"""


def run_program(tmp_path, model, tokens, **env):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(model=model, tokens=tokens))
    return alias.run(alias.command("--lm", str(script)), **env)


def says_more_than(characters, program):
    """The programs draw with a seed that nobody chose, and a random model's answer may end where it begins: of six
    answers one is longer."""
    return any(len(program()) > characters for _ in range(6))


def test_a_program_for_mlx_lm_runs(tmp_path):
    def program():
        done = run_program(tmp_path, TINY, 64)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout

    assert says_more_than(1, program)


@pytest.mark.parametrize("variable", ["UMA_TEST_MODEL_GEMMA3", "UMA_TEST_MODEL_QWEN25_CODER"])
def test_a_program_for_mlx_lm_runs_on_a_real_model(tmp_path, variable):
    if not os.environ.get(variable):
        pytest.skip(f"SKIP: {variable} names no model")
    done = run_program(tmp_path, os.environ[variable], 48, UMA_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 8


def test_the_examples_of_the_readme_run(tmp_path):
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    section = readme.split("### Language models in Python")[1].split("\n## ")[0]
    programs = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(programs) == 2 and "### " not in section
    model = str(tiny_lm.with_template(tmp_path / "chatty.gguf"))
    for i, program in enumerate(programs):
        assert program.count('"qwen2.5-coder:0.5b"') == 1
        script = tmp_path / f"readme_{i}.py"
        script.write_text(program.replace('"qwen2.5-coder:0.5b"', repr(model)))
        assert says_more_than(8, lambda: alias.output("--lm", str(script)))


def test_modules_of_mlx_lm():
    code = """
import sys
import mlx_lm, mlx_lm.utils, uma.lm, uma.lm.sample_utils
from mlx_lm import batch_generate, generate, load, stream_generate
from mlx_lm.generate import GenerationResponse, generate_step
from mlx_lm.models.cache import KVCache, can_trim_prompt_cache, make_prompt_cache, trim_prompt_cache
from mlx_lm.sample_utils import make_logits_processors, make_sampler
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.utils import load as same
assert mlx_lm is uma.lm and same is load and make_sampler is uma.lm.sample_utils.make_sampler
assert uma.lm.__name__ == "uma.lm" and callable(mlx_lm.generate)
print(sys.argv)
"""
    assert alias.output("--lm", "-c", code, "a") == "['-c', 'a']\n"


def test_without_lm_there_is_no_mlx_lm_of_ours():
    code = "try:\n    import mlx_lm\n    print(mlx_lm.__name__)\nexcept ImportError:\n    print('none')"
    assert alias.output("-c", code) in ("none\n", "mlx_lm\n")


def test_help_says_what_lm_is():
    said = alias.run(alias.command("--help")).stdout
    assert "--lm" in said and "mlx_lm" in said and "uma.lm" in said


# -- opening


def test_load():
    model, tokenizer, config = load(Path(TINY), lazy=True, return_config=True)
    assert config is model.config and config["model_type"] == model.model_type == "qwen2"
    assert config["max_position_embeddings"] == model.context == tiny_lm.CONTEXT
    assert config["vocab_size"] == tokenizer.vocab_size == tiny_lm.VOCAB
    assert config["num_hidden_layers"] == 2
    assert "qwen2" in repr(model) and len(load(TINY)) == 2


@pytest.mark.parametrize(
    "keywords",
    [{"adapter_path": "x"}, {"revision": "main"}, {"model_config": {"a": 1}}, {"tokenizer_config": {"padding": 1}}],
    ids=str,
)
def test_load_refuses_what_it_would_have_to_ignore(keywords):
    with pytest.raises(ValueError, match=next(iter(keywords))):
        load(TINY, **keywords)


def test_models_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("UMA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UMA_OFFLINE", "1")
    cases = [
        (str(tmp_path / "none.gguf"), FileNotFoundError, "there is no file"),
        ("no-such-model:1b", FileNotFoundError, "no-such-model"),
        (str(tmp_path), ValueError, "is a folder, and uma.lm opens GGUF files only"),
        (tmp_path, ValueError, "is a folder"),
        ("", ValueError, "empty"),
        (7, ValueError, "by its name or path, not as int"),
        ("gemma3:270m", RuntimeError, "offline|UMA_OFFLINE"),
    ]
    (tmp_path / "broken.gguf").write_bytes(b"no model" * 8)
    cases.append((str(tmp_path / "broken.gguf"), ValueError, "broken.gguf"))
    for name, error, text in cases:
        with pytest.raises(error, match=text) as e:
            load(name)
        assert "\n" not in str(e.value)
    assert not list((tmp_path / "home" / "blobs").glob("*"))


class _Pull:
    """Stands for the engine where nothing is to be fetched."""

    def __init__(self, error=None):
        self.error = error

    def resolve(self, name):
        raise FileNotFoundError(name)

    def in_catalogue(self, name):
        return name == "tiny"

    def pull(self, name, on_progress, on_note):
        on_progress("connecting", 0, 0)
        on_note("the first source failed")
        for done in (10**6, 2 * 10**6):
            on_progress("fetching", done, 2 * 10**6)
        if self.error:
            raise self.error
        return TINY


@pytest.mark.parametrize("terminal", [False, True])
def test_a_model_of_the_catalogue_is_fetched_with_progress(monkeypatch, capsys, terminal):
    monkeypatch.setattr(uma.lm.utils, "_lm", _Pull())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert uma.lm.utils.find("tiny") == TINY
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.replace("\r", "\n").split("\n")
    assert "uma: tiny is not here yet; fetching it once" in [line.rstrip() for line in lines]
    assert "uma: the first source failed" in [line.rstrip() for line in lines]
    assert ("uma: fetching tiny  100.0 % of 2 MB" in said.err) == terminal
    with pytest.raises(FileNotFoundError):
        uma.lm.utils.find("other")
    monkeypatch.setattr(uma.lm.utils, "_lm", _Pull(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        uma.lm.utils.find("tiny")


# -- Ctrl-C

INTERRUPTED = """
import sys
from uma.lm import load, stream_generate, generate
from uma.lm.models.cache import make_prompt_cache, trim_prompt_cache
model, tokenizer = load(sys.argv[1])
ids, tokens = tokenizer.encode("the cat and the "), []
cache = make_prompt_cache(model)
# an answer that does not end, of letters
try:
    while True:
        trim_prompt_cache(cache, 10**6)
        del tokens[:]
        for r in stream_generate(model, tokenizer, ids, max_tokens=200, prompt_cache=cache, logit_bias={65: 1e4}):
            tokens.append(r.token)
            if len(tokens) == 20:
                print("going", flush=True)
except KeyboardInterrupt:
    # at most the token that was chosen when it came
    extra = cache[0].offset - len(ids) - len(tokens)
    print("stopped", extra if cache[0].offset else 0)
trim_prompt_cache(cache, 10**6)
again = generate(model, tokenizer, ids, max_tokens=5, prompt_cache=cache)
print(again == generate(model, tokenizer, ids, max_tokens=5))
"""


def test_ctrl_c_stops_within_a_token_and_the_session_lives_on():
    path = os.pathsep.join([alias.PACKAGE, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, TINY],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        ) as process:
            try:
                assert process.stdout.readline() == "going\n"
                process.send_signal(signal.SIGINT)
                rest = [line for line in process.stdout.read().split("\n") if line != "going"]
                assert process.wait(60) == 0
            finally:
                process.kill()
        assert rest[0] in ("stopped 0", "stopped 1") and rest[1] == "True", rest
