"""Gradients of modules, checkpointing, and gradients across a group of processes."""

from functools import wraps
from typing import Any, Callable, Optional

import uma.core as mx
from uma.utils import tree_flatten, tree_map, tree_unflatten

from .layers.base import Module


class _Borrowed:
    """Puts other arrays in place of a module's parameters, and on exit the former ones back.

    What was assigned in between is kept: only an array that is still the one put there is replaced.
    """

    def __init__(self, module, params):
        self._module, self._params = module, params

    def __enter__(self):
        self._before = self._module.trainable_parameters()
        self._module.update(self._params)

    def __exit__(self, *_):
        placed = tree_flatten(self._params, destination={})
        now = tree_flatten(self._module.parameters(), destination={})
        back = [(path, array) for path, array in tree_flatten(self._before) if now.get(path) is placed.get(path, self)]
        if back:
            self._module.update(tree_unflatten(back))


def value_and_grad(model: Module, fn: Callable):
    """A function that returns ``fn(*args)`` and its gradients by the trainable parameters of ``model``, as a tree.

    ``fn`` returns a scalar, or a tuple that begins with one. The model has its own parameters again afterwards, also
    when ``fn`` raises.

        loss_and_grad = nn.value_and_grad(model, lambda x, y: nn.losses.mse_loss(model(x), y))
        loss, grads = loss_and_grad(x, y)
        optimizer.update(model, grads)
    """

    def inner(params, *args, **kwargs):
        with _Borrowed(model, params):
            return fn(*args, **kwargs)

    transformed = mx.value_and_grad(inner)

    @wraps(fn)
    def wrapped(*args, **kwargs):
        return transformed(model.trainable_parameters(), *args, **kwargs)

    return wrapped


def checkpoint(module: Module, fn: Optional[Callable] = None):
    """``fn`` (by default the module itself) without its intermediate results, which the backward pass computes again.

    Gradients by the trainable parameters of ``module`` and by the arguments are the same as without it.
    Source: Chen et al. 2016, arXiv:1604.06174.
    """
    fn = module if fn is None else fn

    def inner(params, *args, **kwargs):
        with _Borrowed(module, params):
            return fn(*args, **kwargs)

    transformed = mx.checkpoint(inner)

    @wraps(fn if hasattr(fn, "__name__") else type(fn).__call__)
    def wrapped(*args, **kwargs):
        return transformed(module.trainable_parameters(), *args, **kwargs)

    return wrapped


def _batches(arrays, limit):
    """Split a list of indices into runs of one dtype whose bytes reach ``limit``; one array a run if limit <= 0."""
    runs, run, size = [], [], 0
    for i, array in enumerate(arrays):
        if run and array.dtype != arrays[run[-1]].dtype:
            runs, run, size = [*runs, run], [], 0
        run.append(i)
        size += array.nbytes
        if size >= limit:
            runs, run, size = [*runs, run], [], 0
    return [*runs, run] if run else runs


def average_gradients(
    gradients: Any,
    group: Optional[mx.distributed.Group] = None,
    all_reduce_size: int = 32 * 1024**2,
    communication_stream: Optional[mx.Stream] = None,
):
    """The mean of each gradient over the processes of ``group`` (the global one if not given).

    Small arrays are sent together until they have ``all_reduce_size`` bytes; 0 or less sends each alone. Every
    process must have the same tree.
    """
    group = group or mx.distributed.init()
    count = group.size()
    if count == 1:
        return gradients

    def mean(x):
        return mx.distributed.all_sum(x, group=group, stream=communication_stream) / count

    arrays = [array for _, array in tree_flatten(gradients)]
    result = list(arrays)
    for run in _batches(arrays, all_reduce_size):
        if len(run) == 1:
            result[run[0]] = mean(arrays[run[0]])
            continue
        ends, total = [], 0
        for i in run:
            total += arrays[i].size
            ends.append(total)
        packed = mean(mx.concatenate([arrays[i].reshape(-1) for i in run]))
        for i, part in zip(run, mx.split(packed, ends[:-1])):
            result[i] = part.reshape(arrays[i].shape)
    averaged = iter(result)
    return tree_map(lambda _: next(averaged), gradients)


def clip_grad_norm_sharded(gradients: Any, max_norm: float, group: Optional[mx.distributed.Group] = None):
    """(gradients, norm): as ``optimizers.clip_grad_norm`` where each process of ``group`` holds a shard of them.

    The norm is that of all shards together.
    """
    group = group or mx.distributed.init()
    squares = sum((mx.sum(mx.square(g)) for _, g in tree_flatten(gradients)), mx.array(0.0))
    if group.size() > 1:
        squares = mx.distributed.all_sum(squares, group=group)
    norm = mx.sqrt(squares)
    scale = mx.minimum(max_norm / (norm + 1e-6), 1.0)
    return tree_map(lambda g: g * scale.astype(g.dtype), gradients), norm
