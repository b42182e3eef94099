"""Answers: ``generate``, ``stream_generate``, ``batch_generate``, and ``generate_step`` under them."""

import copy
import operator
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, List, Optional

import uma.core as mx
from uma.core import _lm
from uma.lm.answer import Answer, stop_strings
from uma.lm.model import Model
from uma.lm.models import cache as caches
from uma.lm.sampling import DEFAULTS, Sampling
from uma.lm.tokenizer_utils import TokenizerWrapper


@dataclass
class GenerationResponse:
    """A step of :func:`stream_generate`. The last one has a ``finish_reason``: "stop" (the model ended its answer, or a
    stop string came) or "length" (``max_tokens``, or the context is full); ``stop_reason`` tells these four apart as
    "eos", "stop", "length", "context"."""

    text: str
    token: int
    logprobs: mx.array
    from_draft: bool
    prompt_tokens: int
    prompt_tps: float
    generation_tokens: int
    generation_tps: float
    peak_memory: float  # GB
    finish_reason: Optional[str] = None
    stop_reason: Optional[str] = None


@dataclass
class BatchStats:
    """What a batch took; times in seconds, ``peak_memory`` in GB. A step decodes one token of each running answer."""

    prompt_tokens: int = 0
    prompt_time: float = 0.0
    generation_tokens: int = 0
    generation_steps: int = 0
    decode_time: float = 0.0
    wall_time: float = 0.0
    peak_memory: float = 0.0

    @property
    def prompt_tps(self) -> float:
        return _rate(self.prompt_tokens, self.prompt_time)

    @property
    def decode_tps(self) -> float:
        return _rate(self.generation_tokens, self.decode_time)

    @property
    def generation_time(self) -> float:
        return max(0.0, self.wall_time - self.prompt_time)

    @property
    def generation_tps(self) -> float:
        return _rate(self.generation_tokens, self.generation_time)


@dataclass
class BatchResponse:
    """What :func:`batch_generate` gives: lists in the order of the prompts."""

    texts: List[str]
    stats: BatchStats
    caches: Optional[List[List[Any]]]
    token_ids: Optional[List[List[int]]] = None
    logprobs: Optional[List[List[float]]] = None


def _rate(count, seconds):
    return count / seconds if seconds > 0 else 0.0


# -- arguments


@dataclass
class _Limits:
    max_kv_size: Optional[int] = None
    prefill_step_size: int = 512
    prompt_progress_callback: Any = None
    kv_bits: Optional[int] = None
    draft_model: Any = None

    def __post_init__(self):
        for name in ("kv_bits", "draft_model"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} is not supported: keys and values are float16, and each token is the model's")
        if not _whole(self.prefill_step_size) or self.prefill_step_size < 1:
            raise ValueError(f"prefill_step_size must be 1 or more, not {self.prefill_step_size!r}")
        if self.max_kv_size is not None and (not _whole(self.max_kv_size) or self.max_kv_size < 1):
            raise ValueError(f"max_kv_size must be 1 or more, not {self.max_kv_size!r}")
        if self.prompt_progress_callback is not None and not callable(self.prompt_progress_callback):
            raise ValueError("prompt_progress_callback is a function of (done, total)")

    def context(self, model):
        if self.max_kv_size is None:
            return min(model.context, _lm.DEFAULT_CONTEXT)
        if self.max_kv_size > model.context:
            raise ValueError(f"max_kv_size of {self.max_kv_size} is over the model's context of {model.context}")
        return self.max_kv_size


def _whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _split(function, keywords, more=()):
    """The keywords that are limits, and those of sampling. Raises TypeError for any other."""
    limits = {k: keywords.pop(k) for k in list(keywords) if k in _Limits.__dataclass_fields__}
    for name in keywords:
        if name not in DEFAULTS:
            known = ", ".join([*more, *_Limits.__dataclass_fields__, *DEFAULTS])
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}; it takes {known}")
    return _Limits(**limits), keywords


_UNNEEDED = object()


def _check(model, tokenizer=_UNNEEDED):
    if not isinstance(model, Model):
        raise TypeError(f"the model is what uma.lm.load gives, not {type(model).__name__}")
    if tokenizer is not _UNNEEDED and not isinstance(tokenizer, TokenizerWrapper):
        raise TypeError(f"the tokenizer is what uma.lm.load gives, not {type(tokenizer).__name__}")


def _check_max_tokens(value):
    if not _whole(value) or value < -1 or value == 0:
        raise ValueError(f"max_tokens must be 1 or more, or -1 for no limit, not {value!r}")
    return value


def _is_id(value):
    return hasattr(value, "__index__") and not isinstance(value, (bool, mx.array))


def _tokens(prompt, tokenizer=None):
    """Ids of a prompt: text, ids or an array of ids. The beginning of text is added where text has it not."""
    if isinstance(prompt, str) and tokenizer is not None:
        ids = tokenizer.encode(prompt, not (tokenizer.bos_token and prompt.startswith(tokenizer.bos_token)))
    else:
        listed = prompt.tolist() if hasattr(prompt, "tolist") else prompt
        if not isinstance(listed, (list, tuple)) or not all(_is_id(t) for t in listed):
            raise ValueError(f"a prompt is text or ids in one row, not {type(prompt).__name__}")
        ids = [operator.index(t) for t in listed]
    if not ids:
        raise ValueError("the prompt is empty")
    return ids


# -- one sequence


class _Sequence:
    """A prompt, the cache it is read into, and the choice of what follows."""

    def __init__(self, model, prompt, prompt_cache, sampling, limits, nth=0):
        self.cache = caches.of(prompt_cache if prompt_cache is not None else model.make_cache())
        if self.cache._engine is not model._engine or len(self.cache._rows) != 1:
            raise ValueError("prompt_cache was made for another model, or holds a batch")
        context, held = limits.context(model), self.cache.offset
        if held + len(prompt) > context:
            kept = f" and the cache {held}" if held else ""
            raise ValueError(f"the prompt has {len(prompt)} tokens{kept}, the context holds {context}")
        for t in prompt:
            if not 0 <= t < model.config["vocab_size"]:
                raise ValueError(f"token {t} is outside the vocabulary of {model.config['vocab_size']}")
        self.model, self.prompt, self._limits = model, prompt, limits
        #: tokens an answer may have: the last is chosen, and need not be read
        self.room = context - held - len(prompt) + 1
        self.chooser = sampling.start(prompt, nth)

    def prefill(self):
        """Reads the prompt, chunk after chunk, so that Ctrl-C need not wait for all of it; logits of its last token."""
        report = self._limits.prompt_progress_callback or (lambda done, total: None)
        total, step = len(self.prompt), self._limits.prefill_step_size
        report(0, total)
        for begin in range(0, total, step):
            chunk = self.prompt[begin : begin + step]
            logits = self.model.read([(chunk, self.cache)], "none" if begin + step < total else "last")
            report(begin + len(chunk), total)
        return logits

    def choose(self, logits, row=0):
        token, logprobs = self.chooser.choose(logits, row)
        self.cache._rows[0].push(token)
        return token, logprobs


def _steps(sequence):
    """Tokens and logprobs for as long as there is room."""
    token_logprobs = sequence.choose(sequence.prefill())
    yield token_logprobs
    for _ in range(sequence.room - 1):
        yield sequence.choose(sequence.model.read([([], sequence.cache)]))


def generate_step(prompt, model, *, max_tokens: int = 256, prompt_cache=None, **keywords):
    """(token, logprobs) after a prompt of ids: ``max_tokens`` of them (-1: no limit), or until the context is full.

    Nothing else ends it. Takes the keywords of :func:`stream_generate` but ``stop``.
    """
    _check(model)
    limits, given = _split("generate_step", keywords)
    sampling = Sampling(model.config["vocab_size"], given)
    _check_max_tokens(max_tokens)
    sequence = _Sequence(model, _tokens(prompt), prompt_cache, sampling, limits)
    if max_tokens > 0:
        sequence.room = min(sequence.room, max_tokens)
    return _steps(sequence)


def stream_generate(model, tokenizer, prompt, max_tokens: int = 256, *, stop=None, prompt_cache=None, **keywords):
    """The answer to a prompt, token by token, as :class:`GenerationResponse`.

    ``prompt`` is text (taken as it is: make a conversation's with ``tokenizer.apply_chat_template``) or ids.
    ``max_tokens`` of -1 means no limit. ``stop`` is a string, or several, before which the answer ends.
    ``prompt_cache`` (``make_prompt_cache(model)``) holds what came before, and holds prompt and answer afterwards.

    Sampling: ``temp`` (0: the likeliest token), ``top_p``, ``min_p``, ``top_k``, ``seed``, ``repetition_penalty``,
    ``presence_penalty``, ``frequency_penalty`` (over the last ``repetition_context_size`` tokens), ``logit_bias``; or
    ``sampler``, a function of logprobs (1, vocabulary), and ``logits_processors``, functions of (tokens, logits).
    Limits: ``max_kv_size``, the most tokens the context may hold; ``prefill_step_size``; ``prompt_progress_callback``.

    Raises at once: TypeError for an unknown keyword; ValueError for a value outside its rule, and for a prompt over the
    context, which is never cut.
    """
    _check(model, tokenizer)
    limits, given = _split("stream_generate", keywords, ("prompt", "max_tokens", "stop", "prompt_cache"))
    sampling = Sampling(model.config["vocab_size"], given)
    stops = stop_strings(stop)
    _check_max_tokens(max_tokens)
    sequence = _Sequence(model, _tokens(prompt, tokenizer), prompt_cache, sampling, limits)
    return _stream(sequence, Answer(tokenizer, stops, max_tokens, sequence.room))


def _stream(sequence, answer):
    start = time.perf_counter()
    prompt_tps = 0.0
    for n, (token, logprobs) in enumerate(_steps(sequence), 1):
        now = time.perf_counter()
        if n == 1:
            prompt_tps, start = _rate(len(sequence.prompt), now - start), now
        text = answer.put(token)
        yield GenerationResponse(
            text=text,
            token=token,
            logprobs=logprobs,
            from_draft=False,
            prompt_tokens=len(sequence.prompt),
            prompt_tps=prompt_tps,
            generation_tokens=n,
            generation_tps=_rate(n - 1, now - start),  # the first came with the prompt
            peak_memory=mx.get_peak_memory() / 1e9,
            finish_reason=answer.finish_reason,
            stop_reason=answer.stop_reason,
        )
        if answer.finish_reason is not None:
            return


def generate(model, tokenizer, prompt, verbose: bool = False, **keywords) -> str:
    """The answer to a prompt. ``verbose`` prints it as it comes, and how fast it came; further keywords are those of
    :func:`stream_generate`."""
    if verbose:
        print("=" * 10)
    parts, response = [], None
    for response in stream_generate(model, tokenizer, prompt, **keywords):
        parts.append(response.text)
        if verbose:
            print(response.text, end="", flush=True)
    if verbose:
        print("\n" + "=" * 10)
        print(f"Prompt: {response.prompt_tokens} tokens, {response.prompt_tps:.3f} tokens-per-sec")
        print(f"Generation: {response.generation_tokens} tokens, {response.generation_tps:.3f} tokens-per-sec")
        print(f"Peak memory: {response.peak_memory:.3f} GB")
    return "".join(parts)


# -- several sequences


class _Running:
    """One answer of a batch."""

    def __init__(self, sequence, answer, keep_logprobs, keep_cache):
        self.sequence, self.answer, self._keep_cache = sequence, answer, keep_cache
        self.logprobs = [] if keep_logprobs else None
        self.texts = []

    def take(self, logits, row):
        """Chooses and keeps a token; True while the answer goes on."""
        token, logprobs = self.sequence.choose(logits, row)
        before = len(self.answer.tokens)
        self.texts.append(self.answer.put(token))
        if self.logprobs is not None and len(self.answer.tokens) > before:
            self.logprobs.append(logprobs[token].item())
        going_on = self.answer.finish_reason is None
        if not going_on and not self._keep_cache:
            self.sequence.cache = None
        return going_on


def batch_generate(
    model,
    tokenizer,
    prompts,
    prompt_caches=None,
    max_tokens=128,
    verbose: bool = False,
    return_prompt_caches: bool = False,
    return_token_ids: bool = False,
    return_logprobs: bool = False,
    *,
    stop=None,
    completion_batch_size: int = 32,
    **keywords,
) -> BatchResponse:
    """Answers to several prompts, texts or ids. ``max_tokens`` is one number or one a prompt.

    Prompts are read one after the other; the answers are decoded together, up to ``completion_batch_size`` at a time,
    so that each step reads the weights once for all. The n-th prompt draws with ``seed + n``. ``prompt_caches`` are
    copied, not changed. Further keywords are those of :func:`stream_generate`, and so are the errors, before anything
    is computed.
    """
    _check(model, tokenizer)
    limits, given = _split("batch_generate", keywords, ("prompts", "prompt_caches", "max_tokens", "stop"))
    sampling = Sampling(model.config["vocab_size"], given)
    stops, prompts = stop_strings(stop), list(prompts)
    most = [max_tokens] * len(prompts) if _whole(max_tokens) else list(max_tokens)
    held = [None] * len(prompts) if prompt_caches is None else list(prompt_caches)
    for name, values in (("max_tokens", most), ("prompt_caches", held)):
        if len(values) != len(prompts):
            raise ValueError(f"{len(prompts)} prompts, and {name} has {len(values)}")
    if not _whole(completion_batch_size) or completion_batch_size < 1:
        raise ValueError(f"completion_batch_size must be 1 or more, not {completion_batch_size!r}")
    runs = []
    for i, (prompt, cache) in enumerate(zip(prompts, held)):
        _check_max_tokens(most[i])
        sequence = _Sequence(model, _tokens(prompt, tokenizer), copy.deepcopy(cache), sampling, limits, i)
        answer = Answer(tokenizer, stops, most[i], sequence.room)
        runs.append(_Running(sequence, answer, return_logprobs, return_prompt_caches))
    stats = _run_batch(model, runs, completion_batch_size, verbose)
    return BatchResponse(
        texts=["".join(r.texts) for r in runs],
        stats=stats,
        caches=[[r.sequence.cache] for r in runs] if return_prompt_caches else None,
        token_ids=[r.answer.tokens for r in runs] if return_token_ids else None,
        logprobs=[r.logprobs for r in runs] if return_logprobs else None,
    )


def _run_batch(model, runs, at_once, verbose):
    stats, start = BatchStats(), time.perf_counter()
    waiting, active = deque(runs), []
    while waiting or active:
        while waiting and len(active) < at_once:
            run, begin = waiting.popleft(), time.perf_counter()
            logits = run.sequence.prefill()
            stats.prompt_tokens += len(run.sequence.prompt)
            stats.prompt_time += time.perf_counter() - begin
            if run.take(logits, 0):
                active.append(run)
        if active:
            begin = time.perf_counter()
            logits = model.read([([], run.sequence.cache) for run in active])
            active = [run for row, run in enumerate(active) if run.take(logits, row)]
            stats.generation_steps += 1
            stats.decode_time += time.perf_counter() - begin
        if verbose:
            done = len(runs) - len(waiting) - len(active)
            print(f"[batch_generate] {done}/{len(runs)} answers", end="\r", flush=True)
    stats.generation_tokens = sum(len(run.answer.tokens) for run in runs)
    stats.wall_time, stats.peak_memory = time.perf_counter() - start, mx.get_peak_memory() / 1e9
    if verbose:
        print(f"[batch_generate] {len(runs)}/{len(runs)} answers")
        print(f"[batch_generate] Prompt: {stats.prompt_tokens} tokens, {stats.prompt_tps:.3f} tokens-per-sec")
        rate = f"{stats.generation_tps:.3f} tokens-per-sec"
        print(f"[batch_generate] Generation: {stats.generation_tokens} tokens, {rate}")
        print(f"[batch_generate] Peak memory: {stats.peak_memory:.3f} GB")
    return stats
