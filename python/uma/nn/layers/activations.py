"""Activation functions and the modules that apply them.

Every function takes an array of any shape and returns one of the same shape (``glu`` halves an axis). They are plain
compositions: evaluation fuses an elementwise chain into one pass, so none of them needs ``compile``.
"""

import math
from typing import Any

import uma.core as mx

from .base import Module


def _module_of(fn):
    """Make a parameterless Module class whose call is ``fn(x)``."""

    def decorate(cls):
        cls.__call__ = lambda _, x: fn(x)
        return cls

    return decorate


def sigmoid(x):
    r"""The logistic function :math:`1 / (1 + e^{-x})`."""
    return mx.sigmoid(x)


def relu(x):
    r""":math:`\max(x, 0)`; keeps an integer dtype."""
    return mx.maximum(x, 0)


def relu2(x):
    r""":math:`\max(x, 0)^2` (So et al. 2021, arXiv:2109.08668)."""
    return mx.square(mx.maximum(x, 0))


def relu6(x):
    r""":math:`\min(\max(x, 0), 6)`."""
    return mx.minimum(mx.maximum(x, 0), 6.0)


def leaky_relu(x, negative_slope=0.01):
    r""":math:`\max(x, s x)` for a slope :math:`s`."""
    return mx.maximum(negative_slope * x, x)


def log_softmax(x, axis=-1):
    r""":math:`x - \log \sum_i e^{x_i}` along ``axis``."""
    return x - mx.logsumexp(x, axis=axis, keepdims=True)


def elu(x, alpha=1.0):
    r""":math:`x` where positive, else :math:`\alpha (e^x - 1)` (Clevert et al. 2015, arXiv:1511.07289)."""
    return mx.where(x > 0, x, alpha * (mx.exp(x) - 1))


def softmax(x, axis=-1):
    r""":math:`e^{x_i} / \sum_j e^{x_j}` along ``axis``."""
    return mx.softmax(x, axis=axis)


def softplus(x):
    r""":math:`\log(1 + e^x)`, without overflow."""
    return mx.logaddexp(x, 0)


def softsign(x):
    r""":math:`x / (1 + |x|)`."""
    return x / (1 + mx.abs(x))


def softshrink(x, lambd: float = 0.5):
    r""":math:`x` moved towards zero by :math:`\lambda`; zero within :math:`[-\lambda, \lambda]`."""
    return mx.where(mx.abs(x) > lambd, x - mx.sign(x) * lambd, 0)


def celu(x, alpha=1.0):
    r""":math:`\max(x, 0) + \alpha (e^{\min(x, 0) / \alpha} - 1)` (Barron 2017, arXiv:1704.07483)."""
    return mx.maximum(x, 0.0) + alpha * (mx.exp(mx.minimum(x, 0.0) / alpha) - 1)


def silu(x):
    r""":math:`x \sigma(x)`, also called swish."""
    return x * mx.sigmoid(x)


def log_sigmoid(x):
    r""":math:`\log \sigma(x)`, without overflow."""
    return -softplus(-x)


def gelu(x) -> mx.array:
    r""":math:`x \Phi(x)`, the Gaussian error linear unit, by erf (Hendrycks and Gimpel 2016, arXiv:1606.08415)."""
    return x * (1 + mx.erf(x / math.sqrt(2))) / 2


def gelu_approx(x):
    r""":math:`x (1 + \tanh(\sqrt{2 / \pi} (x + 0.044715 x^3))) / 2`, within 5e-4 of ``gelu`` on [-6, 6]."""
    return 0.5 * x * (1 + mx.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_fast_approx(x):
    r""":math:`x \sigma(1.702 x)`, within 0.015 of ``gelu`` on [-6, 6]."""
    return x * mx.sigmoid(1.702 * x)


def glu(x: mx.array, axis: int = -1) -> mx.array:
    r""":math:`a \sigma(b)` for the halves of ``axis``; ValueError if its size is odd (arXiv:1612.08083)."""
    a, b = mx.split(x, 2, axis=axis)
    return a * mx.sigmoid(b)


def step(x: mx.array, threshold: float = 0.0):
    r"""1 where ``x`` is at or above ``threshold``, else 0, as int32."""
    return mx.where(x >= threshold, 1, 0)


_SELU_ALPHA, _SELU_LAMBDA = 1.67326, 1.0507


def selu(x):
    r"""``1.0507 * elu(x, 1.67326)``, self-normalizing (Klambauer et al. 2017, arXiv:1706.02515)."""
    return elu(x, _SELU_ALPHA) * _SELU_LAMBDA


def prelu(x: mx.array, alpha: mx.array) -> mx.array:
    r""":math:`\max(x, 0) + \alpha \min(x, 0)` with an array :math:`\alpha` (He et al. 2015, arXiv:1502.01852)."""
    return mx.maximum(x, 0) + alpha * mx.minimum(x, 0)


def mish(x: mx.array) -> mx.array:
    r""":math:`x \tanh(\log(1 + e^x))` (Misra 2019, arXiv:1908.08681)."""
    return x * mx.tanh(softplus(x))


def hardswish(x):
    r""":math:`x \min(\max(x + 3, 0), 6) / 6` (Howard et al. 2019, arXiv:1905.02244)."""
    return x * mx.clip(x + 3, 0, 6) / 6


def hard_tanh(x, min_val=-1.0, max_val=1.0):
    r"""``x`` kept within ``[min_val, max_val]``."""
    return mx.minimum(mx.maximum(x, min_val), max_val)


def hard_shrink(x, lambd=0.5):
    r"""``x`` where its magnitude is above ``lambd``, else zero."""
    return mx.where(mx.abs(x) > lambd, x, 0)


def softmin(x, axis=-1):
    r"""``softmax(-x)`` along ``axis``."""
    return mx.softmax(-x, axis=axis)


def tanh(x):
    r"""The hyperbolic tangent."""
    return mx.tanh(x)


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
