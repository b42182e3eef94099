"""Opening models: ``load``."""

import os
import sys
import time

from uma.core import _lm
from uma.lm.model import Model
from uma.lm.tokenizer_utils import TokenizerWrapper

_TOKENIZER_KEYS = ("chat_template", "eos_token", "trust_remote_code")


def load(
    path_or_hf_repo,
    tokenizer_config=None,
    model_config=None,
    adapter_path=None,
    lazy: bool = False,
    return_config: bool = False,
    revision=None,
    trust_remote_code: bool = False,
    *,
    exact: bool = False,
):
    """(model, tokenizer), and the model's configuration with ``return_config``.

    The model is a name of the catalogue, which is fetched once if it is not here (never with ``UMA_OFFLINE=1``), the
    name of a model that was pulled, or the path of a ``.gguf`` file. It is mapped, so opening costs no memory and takes
    milliseconds, with ``lazy`` or without. ``exact`` never rounds activations to 8 bits and keeps keys and values in
    f32. ``tokenizer_config`` may hold ``chat_template`` and ``eos_token``.

    Raises FileNotFoundError: no such model; ValueError: a file that is broken, a folder, an argument outside its rule;
    RuntimeError: an architecture that the engine has not, or a fetch that failed.
    """
    for name, value in (("adapter_path", adapter_path), ("revision", revision), ("model_config", model_config)):
        if value:
            raise ValueError(f"{name} is not supported: a model here is one GGUF file, taken as it is")
    settings = dict(tokenizer_config or {})
    for key in settings:
        if key not in _TOKENIZER_KEYS:
            raise ValueError(f"tokenizer_config has {key!r}, where {', '.join(_TOKENIZER_KEYS)} are known")
    settings.pop("trust_remote_code", None)
    engine = _lm.open_model(find(path_or_hf_repo), exact)
    model, tokenizer = Model(engine), TokenizerWrapper(engine, **settings)
    return (model, tokenizer, model.config) if return_config else (model, tokenizer)


def find(name) -> str:
    """The file of a model; one of the catalogue that is not here is fetched first."""
    if not isinstance(name, (str, os.PathLike)):
        raise ValueError(f"a model is given by its name or path, not as {type(name).__name__}")
    is_path = isinstance(name, os.PathLike)
    name = os.path.abspath(name) if is_path else name
    try:
        if os.path.isdir(name):
            raise ValueError(
                f"{name} is a folder, and uma.lm opens GGUF files only: for a folder run mlx-lm itself, "
                "with `python -m uma.mlx` and without --lm"
            )
        return _lm.resolve(name)
    except FileNotFoundError:
        if not _lm.in_catalogue(name):
            raise
    with _Progress(name) as progress:
        return _lm.pull(name, progress.update, progress.note)


class _Progress:
    """Tells stderr how a fetch goes: a line that moves on a terminal, two lines elsewhere."""

    def __init__(self, name):
        self._name, self._moving, self._width = name, sys.stderr.isatty(), 0
        self._last = None  # when something was shown

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._show("")

    def note(self, text):
        self._show("")
        print(f"uma: {text}", file=sys.stderr, flush=True)

    def update(self, stage, done, total):
        now = time.monotonic()
        if self._last is None:
            self.note(f"{self._name} is not here yet; fetching it once")
            self._last = now
        if self._moving and (now - self._last > 0.1 or done == total):
            self._last = now
            share = f"{100 * done / total:5.1f} % of {total / 1e6:.0f} MB" if total else f"{done / 1e6:.0f} MB"
            self._show(f"uma: {stage} {self._name}  {share}")

    def _show(self, line):
        if self._moving and (line or self._width):
            print("\r" + line.ljust(self._width) + ("" if line else "\r"), end="", file=sys.stderr, flush=True)
            self._width = len(line)
