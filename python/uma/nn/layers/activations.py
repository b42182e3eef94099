"""The modules that apply activation functions, which are here as well."""

from typing import Any

import uma.core as mx

from .activation_functions import (
    celu as celu,
    elu as elu,
    gelu as gelu,
    gelu_approx as gelu_approx,
    gelu_fast_approx as gelu_fast_approx,
    glu as glu,
    hard_shrink as hard_shrink,
    hard_tanh as hard_tanh,
    hardswish as hardswish,
    leaky_relu as leaky_relu,
    log_sigmoid as log_sigmoid,
    log_softmax as log_softmax,
    mish as mish,
    prelu as prelu,
    relu as relu,
    relu2 as relu2,
    relu6 as relu6,
    selu as selu,
    sigmoid as sigmoid,
    silu as silu,
    softmax as softmax,
    softmin as softmin,
    softplus as softplus,
    softshrink as softshrink,
    softsign as softsign,
    step as step,
    tanh as tanh,
)
from .base import Module


def _module_of(fn):
    """Make a parameterless Module class whose call is ``fn(x)``."""

    def decorate(cls):
        cls.__call__ = lambda _, x: fn(x)
        return cls

    return decorate


class GLU(Module):
    """``glu`` along ``axis``."""

    def __init__(self, axis: int = -1):
        super().__init__()
        self.axis = axis

    def __call__(self, x) -> Any:
        return glu(x, axis=self.axis)


@_module_of(sigmoid)
class Sigmoid(Module):
    """``sigmoid`` as a module."""


@_module_of(mish)
class Mish(Module):
    """``mish`` as a module."""


@_module_of(relu)
class ReLU(Module):
    """``relu`` as a module."""


@_module_of(relu2)
class ReLU2(Module):
    """``relu2`` as a module."""


@_module_of(relu6)
class ReLU6(Module):
    """``relu6`` as a module."""


class LeakyReLU(Module):
    """``leaky_relu`` with a fixed slope."""

    def __init__(self, negative_slope=1e-2):
        super().__init__()
        self._negative_slope = negative_slope

    def __call__(self, x):
        return leaky_relu(x, self._negative_slope)


class ELU(Module):
    """``elu`` with a fixed alpha."""

    def __init__(self, alpha=1.0):
        super().__init__()
        self._alpha = alpha

    def __call__(self, x):
        return elu(x, self._alpha)


@_module_of(softmax)
class Softmax(Module):
    """``softmax`` over the last axis."""


@_module_of(softplus)
class Softplus(Module):
    """``softplus`` as a module."""


@_module_of(softsign)
class Softsign(Module):
    """``softsign`` as a module."""


class Softshrink(Module):
    """``softshrink`` with a fixed lambda."""

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def __call__(self, x):
        return softshrink(x, self.lambd)


class CELU(Module):
    """``celu`` with a fixed alpha."""

    def __init__(self, alpha=1.0):
        super().__init__()
        self._alpha = alpha

    def __call__(self, x):
        return celu(x, self._alpha)


@_module_of(silu)
class SiLU(Module):
    """``silu`` as a module."""


@_module_of(log_softmax)
class LogSoftmax(Module):
    """``log_softmax`` over the last axis."""


@_module_of(log_sigmoid)
class LogSigmoid(Module):
    """``log_sigmoid`` as a module."""


class PReLU(Module):
    """``prelu`` with ``num_parameters`` learned slopes (one, or one for each feature of the last axis)."""

    def __init__(self, num_parameters=1, init=0.25):
        super().__init__()
        self.weight = mx.full((num_parameters,), init)

    def __call__(self, x: mx.array):
        return prelu(x, self.weight)


class GELU(Module):
    """``gelu``; ``approx`` is "none", "precise" (or "tanh") for ``gelu_approx``, "fast" for ``gelu_fast_approx``.

    Raises ValueError for any other ``approx``.
    """

    _FUNCTIONS = {"none": gelu, "precise": gelu_approx, "tanh": gelu_approx, "fast": gelu_fast_approx}

    def __init__(self, approx="none"):
        super().__init__()
        if approx not in self._FUNCTIONS:
            raise ValueError(f"[GELU] approx must be one of {list(self._FUNCTIONS)}, not {approx!r}")
        self._approx = approx

    def __call__(self, x):
        return self._FUNCTIONS[self._approx](x)


@_module_of(tanh)
class Tanh(Module):
    """``tanh`` as a module."""


@_module_of(hardswish)
class Hardswish(Module):
    """``hardswish`` as a module."""


class Step(Module):
    """``step`` with a fixed threshold."""

    def __init__(self, threshold: float = 0.0):
        super().__init__()
        self.threshold = threshold

    def __call__(self, x: mx.array):
        return step(x, self.threshold)


@_module_of(selu)
class SELU(Module):
    """``selu`` as a module."""


@_module_of(hard_tanh)
class HardTanh(Module):
    """``hard_tanh`` within [-1, 1]."""


class HardShrink(Module):
    """``hard_shrink`` with a fixed lambda."""

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def __call__(self, x):
        return hard_shrink(x, self.lambd)


@_module_of(softmin)
class Softmin(Module):
    """``softmin`` over the last axis."""
