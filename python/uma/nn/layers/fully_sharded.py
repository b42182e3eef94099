"""Full sharding: each process keeps a part of every parameter and gathers the rest for the time of a call.

Source: Rajbhandari et al. 2020, arXiv:1910.02054.
"""

from typing import Optional

import uma.core as mx
from uma.utils import tree_flatten, tree_unflatten

from .base import Module


def _make_gather_fn(group, dtypes, compute_dtype):
    """A function from the shards to the whole parameters, with one message each way.

    The gradient of a shard is the mean over the processes of the gradients of that part.
    """
    size = group.size()

    @mx.custom_function
    def gather(*shards):
        cast = shards if compute_dtype is None else [s.astype(compute_dtype) for s in shards]
        row = mx.concatenate([c.reshape(1, -1) for c in cast], axis=1)
        everyone = mx.distributed.all_gather(row, group=group) if size > 1 else row
        ends = _running_totals([s.size for s in shards])
        parts = mx.split(everyone, ends, axis=1)
        return tuple(p.reshape(size * s.shape[0], *s.shape[1:]) for p, s in zip(parts, shards))

    @gather.vjp
    def gather_vjp(shards, cotangents, _):
        rows = mx.concatenate([c.reshape(size, -1) for c in cotangents], axis=1)
        mine = rows if size == 1 else mx.distributed.sum_scatter(rows, group=group) / size
        ends = _running_totals([s.size for s in shards])
        parts = mx.split(mine, ends, axis=1)
        return tuple(p.reshape(s.shape).astype(dtype) for p, s, dtype in zip(parts, shards, dtypes))

    return gather


def _running_totals(sizes):
    ends, total = [], 0
    for size in sizes[:-1]:
        total += size
        ends.append(total)
    return ends


class FullyShardedModule(Module):
    """Holds a shard of each parameter of ``module`` along axis 0, and gathers them for the time of a call.

    ``parameters()`` are the shards, so an optimizer keeps state for a shard only. In the forward pass the whole
    parameters are gathered, cast to ``compute_dtype`` if given; in the backward pass each process gets the mean of
    the group's gradients of its shard. Modules in ``module`` that are sharded already keep doing it themselves.
    Raises ValueError for a parameter whose axis 0 the group's size does not divide.
    """

    def __init__(
        self,
        module: Module,
        group: Optional[mx.distributed.Group] = None,
        compute_dtype: Optional[mx.Dtype] = None,
    ):
        super().__init__()
        group = group or mx.distributed.init()
        size, rank = group.size(), group.rank()
        # the paths are no parameters: keep them out of the items
        object.__setattr__(self, "_paths", [path for path, _ in self._own_arrays(module)])
        shards, dtypes = [], []
        for path, array in self._own_arrays(module):
            if array.ndim == 0 or array.shape[0] % size != 0:
                raise ValueError(
                    f"[fully_shard] axis 0 of {path} {tuple(array.shape)} cannot be divided among {size} processes"
                )
            shards.append((path, array if size == 1 else mx.contiguous(mx.split(array, size)[rank])))
            dtypes.append(array.dtype)
        if shards:
            module.update(tree_unflatten(shards))
        self.module = module
        self._gather_fn = _make_gather_fn(group, dtypes, compute_dtype)

    @staticmethod
    def _own_arrays(module):
        """(path, array) of the parameters, but for those in modules that are sharded already."""

        def keep(m, k, v):
            return not isinstance(v, FullyShardedModule) and Module.valid_parameter_filter(m, k, v)

        return tree_flatten(module.filter_and_map(keep))

    def _extra_repr(self) -> str:
        return f"num_sharded_params={len(self._paths)}"

    def _gathered_call(self, fn, *args, **kwargs):
        if not self._paths:
            return fn(*args, **kwargs)
        have = dict(self._own_arrays(self.module))
        shards = [have[path] for path in self._paths]
        self.module.update(tree_unflatten(list(zip(self._paths, self._gather_fn(*shards)))))
        try:
            return fn(*args, **kwargs)
        finally:
            self.module.update(tree_unflatten(list(zip(self._paths, shards))))

    def __call__(self, *args, **kwargs):
        return self._gathered_call(self.module, *args, **kwargs)

    def as_linear(self, *args, **kwargs):
        """``module.as_linear`` with the gathered parameters."""
        return self._gathered_call(self.module.as_linear, *args, **kwargs)


def fully_shard(
    module: Module,
    *,
    group: Optional[mx.distributed.Group] = None,
    compute_dtype: Optional[mx.Dtype] = None,
) -> Module:
    """``FullyShardedModule(module)``, or ``module`` itself in a group of one."""
    group = group or mx.distributed.init()
    return module if group.size() == 1 else FullyShardedModule(module, group, compute_dtype)
