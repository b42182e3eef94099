"""How the next token is chosen: by the engine from arguments given by name, or by the caller's functions."""

import math

import uma.core as mx
from uma.core import _lm
from uma.lm.sample_utils import make_logits_processors

#: what generate and its kin take by name, and what each is where it is not given
DEFAULTS = {
    "temp": 0.0,
    "top_p": 1.0,
    "min_p": 0.0,
    "top_k": 0,
    "seed": None,
    "repetition_penalty": None,
    "repetition_context_size": 20,
    "presence_penalty": None,
    "frequency_penalty": None,
    "logit_bias": None,
    "sampler": None,
    "logits_processors": None,
}
_OF_THE_SAMPLER = ("temp", "top_p", "min_p", "top_k", "seed")


def _number(name, value, otherwise, whole=False):
    if value is None:
        return otherwise
    kind = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind):
        raise ValueError(f"{name} must be a {'whole ' if whole else ''}number, not {value!r}")
    if whole and abs(value) >= 2**63:
        raise ValueError(f"{name} is out of range: {value}")
    return value


def _bias(value):
    if value is None:
        return []
    if not isinstance(value, dict):
        raise ValueError(f"logit_bias is a dict of token to number, not {type(value).__name__}")
    return [(_number("a token of logit_bias", k, 0, True), _number("logit_bias", v, 0)) for k, v in value.items()]


def _functions(value):
    given = [] if value is None else [value] if callable(value) else list(value)
    for f in given:
        if not callable(f):
            raise ValueError(f"logits_processors are functions of (tokens, logits), not {type(f).__name__}")
    return given


class Sampling:
    """The arguments of one call, checked. ``start`` gives a :class:`Chooser` for a sequence.

    The engine's sampler applies them in this order: logit_bias, penalties, top_k, top_p, min_p, temp. ``temp=0`` takes
    the likeliest token. Without ``seed`` the draws follow ``mx.random``'s state, so ``mx.random.seed`` fixes them.
    """

    def __init__(self, vocab_size, given):
        for name in given:
            if name not in DEFAULTS:
                raise TypeError(f"unexpected keyword argument {name!r}; sampling takes {', '.join(DEFAULTS)}")
        values = {**DEFAULTS, **given}
        self._vocab_size = vocab_size
        self._processors = _functions(values["logits_processors"])
        self._sampler = values["sampler"]
        penalty = _number("repetition_penalty", values["repetition_penalty"], 1)
        context = _number("repetition_context_size", values["repetition_context_size"], 20, True)
        if penalty < 0 or not math.isfinite(penalty):
            raise ValueError(f"repetition_penalty must be a number above 0, or 0 or None for none, not {penalty}")
        if context < -1:
            raise ValueError(f"repetition_context_size must be -1 (all), 0 (none) or more, not {context}")
        top_p = _number("top_p", values["top_p"], 1)
        self._options = {
            "temp": _number("temp", values["temp"], 0),
            "top_k": _number("top_k", values["top_k"], 0, True),
            "top_p": 1 if top_p == 0 else top_p,  # 0 is how mlx-lm says that there is none
            "min_p": _number("min_p", values["min_p"], 0),
            "repetition_penalty": penalty or 1,
            "presence_penalty": _number("presence_penalty", values["presence_penalty"], 0),
            "frequency_penalty": _number("frequency_penalty", values["frequency_penalty"], 0),
            "context_size": context,
            "logit_bias": _bias(values["logit_bias"]),
        }
        self._seed = _number("seed", values["seed"], None, True)
        if self._seed is not None and self._seed < 0:
            raise ValueError(f"seed must be 0 or more, not {self._seed}")
        _lm.Sampler(vocab_size, **self._options)  # says what is wrong before anything is computed
        if self._sampler is not None:
            self._use_functions(given, values)

    def _use_functions(self, given, values):
        if not callable(self._sampler):
            raise ValueError(f"sampler is a function of logprobs, not {type(self._sampler).__name__}")
        for name in _OF_THE_SAMPLER:
            if given.get(name) is not None:
                raise ValueError(f"{name} and sampler exclude each other: the sampler chooses")
        o = self._options
        size = o["context_size"] if o["context_size"] >= 0 else 2**31
        penalties = {"repetition_penalty": o["repetition_penalty"] if o["repetition_penalty"] != 1 else None}
        penalties.update({n: o[n] for n in ("presence_penalty", "frequency_penalty")})
        sizes = {f"{n.split('_')[0]}_context_size": size for n in penalties}
        if size == 0:
            penalties, sizes = {}, {}
        self._processors = make_logits_processors(dict(o["logit_bias"]), **penalties, **sizes) + self._processors

    def start(self, prompt, nth=0) -> "Chooser":
        """For a sequence that begins with these tokens; the ``nth`` of a batch draws numbers of its own."""
        sampler = self._sampler
        if sampler is None:
            seed = self._seed
            if seed is None and self._options["temp"] > 0:
                high, low = mx.random.randint(0, 2**31 - 1, (2,)).tolist()
                seed = high << 31 | low
            sampler = _lm.Sampler(self._vocab_size, **self._options, seed=((seed or 0) + nth) % 2**64)
            sampler.accept(prompt)
        return Chooser(sampler, self._processors, prompt)


class Chooser:
    """Chooses the tokens of one sequence."""

    def __init__(self, sampler, processors, prompt):
        self._sampler, self._processors = sampler, processors
        self._by_engine = isinstance(sampler, _lm.Sampler)
        self._tokens = list(prompt)

    def choose(self, logits, row=0):
        """The token, and the logprobs (vocabulary) that it was chosen from, as yet uncomputed.

        Logprobs are of the logits after ``logits_processors``; what the engine's sampler does to them is not in them.
        """
        if self._processors or not self._by_engine:
            logits, row = logits[row : row + 1], 0
            tokens = mx.array(self._tokens, mx.uint32)
            for process in self._processors:
                logits = process(tokens, logits)
        one = logits[row]
        logprobs = one - mx.logsumexp(one)
        if self._by_engine:
            token = self._sampler.sample(logits, row)
            self._sampler.accept([token])
        else:
            token = _token(self._sampler(logprobs[None]), logprobs.size)
        self._tokens.append(token)
        return token, logprobs


def _token(chosen, vocab_size):
    if isinstance(chosen, mx.array):
        if chosen.size != 1 or not mx.issubdtype(chosen.dtype, mx.integer):
            raise ValueError(f"the sampler gave {chosen.dtype} of {chosen.shape}, where one token is needed")
        chosen = chosen.item()
    if isinstance(chosen, bool) or not isinstance(chosen, int) or not 0 <= chosen < vocab_size:
        raise ValueError(f"the sampler gave {chosen!r}, which is no token of a vocabulary of {vocab_size}")
    return chosen
