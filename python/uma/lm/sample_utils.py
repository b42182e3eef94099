"""Samplers and logits processors as functions on arrays, for ``sampler=`` and ``logits_processors=``.

The same numbers as mlx-lm's for the same seed of ``mx.random``. What they do can be had from the engine as well, by
name: ``generate(..., temp=0.7, top_p=0.9)``; that is faster.
"""

import math

import uma.core as mx

_NEVER = -math.inf


def greedy_sampler(logprobs):
    return mx.argmax(logprobs, axis=-1)


def make_sampler(
    temp: float = 0.0,
    top_p: float = 0.0,
    min_p: float = 0.0,
    min_tokens_to_keep: int = 1,
    top_k: int = 0,
    xtc_probability: float = 0.0,
    xtc_threshold: float = 0.1,
    xtc_special_tokens=None,
):
    """A function of logprobs (..., vocabulary) that draws tokens. ``temp=0`` takes the likeliest; ``top_p`` of 0 or 1,
    ``min_p`` of 0 and ``top_k`` of 0 keep all."""
    if temp == 0:
        return greedy_sampler
    steps = []
    if 0 < top_p < 1:
        steps.append(lambda x: apply_top_p(x, top_p))
    if min_p != 0:
        steps.append(lambda x: apply_min_p(x, min_p, min_tokens_to_keep))
    if xtc_probability > 0:
        steps.append(lambda x: apply_xtc(x, xtc_probability, xtc_threshold, list(xtc_special_tokens or ())))
    if top_k > 0:
        steps.append(lambda x: apply_top_k(x, top_k))

    def sampler(logprobs):
        for step in steps:
            logprobs = step(logprobs)
        return categorical_sampling(logprobs, temp)

    return sampler


def categorical_sampling(logits, temp: float):
    return mx.random.categorical(logits * (1 / temp))


def apply_top_k(logprobs, top_k: int):
    """All but the k largest become -inf."""
    size = logprobs.shape[-1]
    if not isinstance(top_k, int) or not 0 < top_k < size:
        raise ValueError(f"top_k must be an integer from 1 to {size - 1}, not {top_k!r}")
    dropped = mx.argpartition(-logprobs, kth=top_k - 1, axis=-1)[..., top_k:]
    return mx.put_along_axis(logprobs, dropped, mx.array(_NEVER, logprobs.dtype), axis=-1)


def apply_top_p(logprobs, top_p: float):
    """All but the fewest tokens whose probabilities reach p become -inf; ties stay."""
    ascending = mx.sort(logprobs, axis=-1)
    p = mx.exp(ascending.astype(mx.float32))
    above = mx.cumsum(p, axis=-1, reverse=True, inclusive=False)
    total = above[..., :1] + p[..., :1]
    first_kept = mx.sum(above >= top_p * total, axis=-1, keepdims=True)
    least = mx.take_along_axis(ascending, first_kept, axis=-1)
    return mx.where(logprobs < least, _NEVER, logprobs)


def apply_min_p(logprobs, min_p: float, min_tokens_to_keep: int = 1):
    """Tokens less than ``min_p`` times as likely as the likeliest become -inf, but for the best few."""
    if not 0 <= min_p <= 1:
        raise ValueError(f"min_p must be between 0 and 1, not {min_p}")
    if not isinstance(min_tokens_to_keep, int) or min_tokens_to_keep < 1:
        raise ValueError(f"min_tokens_to_keep must be an integer of 1 or more, not {min_tokens_to_keep!r}")
    if min_p == 0:
        return logprobs
    gone = logprobs < mx.max(logprobs, axis=-1, keepdims=True) + math.log(min_p)
    if min_tokens_to_keep > 1:
        best = mx.argpartition(logprobs, kth=-min_tokens_to_keep, axis=-1)[..., -min_tokens_to_keep:]
        gone = mx.put_along_axis(gone, best, mx.array(False), axis=-1)
    return mx.where(gone, _NEVER, logprobs)


def apply_xtc(logits, xtc_probability: float, xtc_threshold: float, xtc_special_tokens):
    """With some probability, drops every token over the threshold but the least likely of them."""
    if not 0 <= xtc_threshold <= 0.5:
        raise ValueError(f"xtc_threshold must be between 0 and 0.5, not {xtc_threshold}")
    if not 0 <= xtc_probability <= 1:
        raise ValueError(f"xtc_probability must be between 0 and 1, not {xtc_probability}")
    p = mx.softmax(logits, -1)
    least = mx.min(mx.where(p > xtc_threshold, p, math.inf), axis=-1, keepdims=True)
    gone = p > least
    if xtc_special_tokens:
        gone[..., mx.array(xtc_special_tokens)] = False
    return mx.where(mx.random.uniform(0, 1) > xtc_probability, logits, mx.where(gone, _NEVER, logits))


def make_logits_processors(
    logit_bias=None,
    repetition_penalty=None,
    repetition_context_size: int = 20,
    presence_penalty=None,
    presence_context_size: int = 20,
    frequency_penalty=None,
    frequency_context_size: int = 20,
) -> list:
    """Functions of (tokens so far, logits (1, vocabulary)) that give other logits."""
    made = []
    if logit_bias:
        tokens, values = mx.array(list(logit_bias)), mx.array([float(v) for v in logit_bias.values()])
        made.append(lambda _, logits: logits.at[:, tokens].add(values))
    for make, penalty, size in (
        (make_repetition_penalty, repetition_penalty, repetition_context_size),
        (make_presence_penalty, presence_penalty, presence_context_size),
        (make_frequency_penalty, frequency_penalty, frequency_context_size),
    ):
        if penalty:
            made.append(make(penalty, size))
    return made


def _on_recent(context_size, change):
    def processor(tokens, logits):
        return change(logits, tokens[-context_size:]) if len(tokens) > 0 else logits

    return processor


def make_repetition_penalty(penalty: float, context_size: int = 20):
    """Divides the positive and multiplies the negative logits of recent tokens."""
    if not isinstance(penalty, (int, float)) or penalty < 0:
        raise ValueError(f"repetition_penalty must be a number of 0 or more, not {penalty!r}")

    def change(logits, recent):
        found = logits[:, recent]
        logits[:, recent] = mx.where(found < 0, found * penalty, found / penalty)
        return logits

    return _on_recent(context_size, change)


def make_presence_penalty(penalty: float, context_size: int = 20):
    """Subtracted once from the logit of each recent token."""

    def change(logits, recent):
        logits[:, recent] -= penalty
        return logits

    return _on_recent(context_size, change)


def make_frequency_penalty(penalty: float, context_size: int = 20):
    """Subtracted from the logit of each recent token for each time it came."""
    return _on_recent(context_size, lambda logits, recent: logits.at[:, recent].subtract(penalty))
