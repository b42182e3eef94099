"""scan, while_loop and cond of uma.core: control flow over trees of arrays."""

import functools

import uma.core as mx
from uma.utils import tree_flatten, tree_map


def _length_of(xs, length):
    extents = {}
    for name, x in tree_flatten(xs):
        if isinstance(x, mx.array):
            if x.ndim == 0:
                raise ValueError(f"[scan] '{name}' of xs is 0-d, and has no axis to go along")
            extents[name] = x.shape[0]
    found = set(extents.values()) | ({length} if length is not None else set())
    if len(found) > 1:
        raise ValueError(f"[scan] xs and length must agree: {extents}, length {length}")
    if not found:
        raise ValueError("[scan] needs xs or a length")
    return found.pop()


def _stacked(ys):
    if isinstance(ys[0], mx.array):
        return mx.stack(ys)
    if isinstance(ys[0], dict):
        return {key: _stacked([y[key] for y in ys]) for key in ys[0]}
    if isinstance(ys[0], (list, tuple)):
        return type(ys[0])(_stacked(list(parts)) for parts in zip(*ys, strict=True))
    if ys[0] is None:
        return None
    raise ValueError(f"[scan] f must give trees of arrays, not {type(ys[0]).__name__}")


def scan(f, init, xs=None, length=None, reverse=False):
    """carry, y = f(carry, x) for each x along the first axis of the arrays of xs, beginning with init; gives the
    last carry and the stacked ys (None where there was no step). reverse begins at the end. Its graph is that of
    the steps, one after the other, so it has gradients and may be compiled."""
    length = _length_of(xs, length)
    carry, ys = init, [None] * length
    for i in reversed(range(length)) if reverse else range(length):
        carry, ys[i] = f(carry, tree_map(lambda x, i=i: x[i] if isinstance(x, mx.array) else x, xs))
    return carry, _stacked(ys) if ys else None


def while_loop(cond_fun, body_fun, init_val):
    """val = body_fun(val) while cond_fun(val), which is read at every step: not within compile or vmap."""
    val = init_val
    while bool(cond_fun(val)):
        val = body_fun(val)
    return val


def cond(pred, true_fun, false_fun, *operands):
    """true_fun(*operands) or false_fun(*operands). pred is read: not within compile or vmap, where mx.where
    chooses."""
    return (true_fun if bool(pred) else false_fun)(*operands)


def named_as(fun, transformed):
    """transformed under the name, module and docstring of fun: what a transformation of uma.core returns."""

    @functools.wraps(fun, updated=())
    def call(*args, **kwargs):
        return transformed(*args, **kwargs)

    return call
