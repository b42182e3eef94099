"""Dropout: in training some values become zero, the others grow so that their mean stays."""

import uma.core as mx

from .base import Module


class Dropout(Module):
    """Zero each element with probability ``p`` in training and scale the rest by ``1 / (1 - p)``.

    Does nothing in evaluation mode. Raises ValueError unless 0 <= p < 1. Source: Srivastava et al. 2014.
    """

    #: the axes along which a draw is shared, and the ranks that an input may have (None: any)
    _shared_axes: tuple = ()
    _ranks = None

    def __init__(self, p: float = 0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"[{type(self).__name__}] the probability p must be in [0, 1), not {p}")
        self._p_1 = 1 - p

    def _extra_repr(self) -> str:
        return f"p={1 - self._p_1}"

    def __call__(self, x: mx.array) -> mx.array:
        if self._ranks is not None and x.ndim not in self._ranks:
            low, high = self._ranks
            raise ValueError(f"[{type(self).__name__}] the input must have {low} or {high} dimensions, not {x.ndim}")
        if self._p_1 == 1 or not self.training:
            return x
        shape = list(x.shape)
        for axis in self._shared_axes:
            shape[axis] = 1
        mask = mx.random.bernoulli(self._p_1, shape)
        return (mask * x) * (1 / self._p_1)


class Dropout2d(Dropout):
    """Zero whole channels of images, (N, H, W, C) or (H, W, C), with probability ``p`` in training.

    Raises ValueError for another rank. Source: Tompson et al. 2015, arXiv:1411.4280.
    """

    _shared_axes = (-2, -3)
    _ranks = (3, 4)


class Dropout3d(Dropout):
    """Zero whole channels of volumes, (N, D, H, W, C) or (D, H, W, C), with probability ``p`` in training.

    Raises ValueError for another rank.
    """

    _shared_axes = (-2, -3, -4)
    _ranks = (4, 5)
