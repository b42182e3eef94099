"""Activation functions.

Every function takes an array of any shape and returns one of the same shape (``glu`` halves an axis) and dtype;
integers become float32 where the result is no integer. They are plain compositions: evaluation fuses an elementwise
chain into one pass, so none of them needs ``compile``.
"""

import math

import uma.core as mx


def sigmoid(x):
    r"""The logistic function :math:`1 / (1 + e^{-x})`.

    >>> sigmoid(mx.array([-1.0, 0.0, 2.0]))
    array([0.268941, 0.5, 0.880797], dtype=float32)
    """
    return mx.sigmoid(x)


def relu(x):
    r""":math:`\max(x, 0)`; keeps an integer dtype.

    >>> relu(mx.array([-1.0, 0.0, 2.0]))
    array([0, 0, 2], dtype=float32)
    """
    return mx.maximum(x, 0)


def relu2(x):
    r""":math:`\max(x, 0)^2` (So et al. 2021, arXiv:2109.08668).

    >>> relu2(mx.array([-1.0, 0.0, 2.0]))
    array([0, 0, 4], dtype=float32)
    """
    return mx.square(mx.maximum(x, 0))


def relu6(x):
    r""":math:`\min(\max(x, 0), 6)`.

    >>> relu6(mx.array([-1.0, 0.0, 2.0]))
    array([0, 0, 2], dtype=float32)
    """
    return mx.minimum(mx.maximum(x, 0), 6.0)


def leaky_relu(x, negative_slope=0.01):
    r""":math:`\max(x, s x)` for a slope :math:`s`.

    >>> leaky_relu(mx.array([-1.0, 0.0, 2.0]))
    array([-0.01, 0, 2], dtype=float32)
    """
    return mx.maximum(negative_slope * x, x)


def log_softmax(x, axis=-1):
    r""":math:`x - \log \sum_i e^{x_i}` along ``axis``.

    >>> log_softmax(mx.array([-1.0, 0.0, 2.0]))
    array([-3.16985, -2.16985, -0.169846], dtype=float32)
    """
    return x - mx.logsumexp(x, axis=axis, keepdims=True)


def elu(x, alpha=1.0):
    r""":math:`x` where positive, else :math:`\alpha (e^x - 1)` (Clevert et al. 2015, arXiv:1511.07289).

    >>> elu(mx.array([-1.0, 0.0, 2.0]))
    array([-0.632121, 0, 2], dtype=float32)
    """
    return mx.where(x > 0, x, alpha * (mx.exp(x) - 1))


def softmax(x, axis=-1):
    r""":math:`e^{x_i} / \sum_j e^{x_j}` along ``axis``.

    >>> softmax(mx.array([-1.0, 0.0, 2.0]))
    array([0.0420101, 0.114195, 0.843795], dtype=float32)
    """
    return mx.softmax(x, axis=axis)


def softplus(x):
    r""":math:`\log(1 + e^x)`, without overflow.

    >>> softplus(mx.array([-1.0, 0.0, 2.0]))
    array([0.313262, 0.693147, 2.12693], dtype=float32)
    """
    return mx.logaddexp(x, 0)


def softsign(x):
    r""":math:`x / (1 + |x|)`.

    >>> softsign(mx.array([-1.0, 0.0, 2.0]))
    array([-0.5, 0, 0.666667], dtype=float32)
    """
    return x / (1 + mx.abs(x))


def softshrink(x, lambd: float = 0.5):
    r""":math:`x` moved towards zero by :math:`\lambda`; zero within :math:`[-\lambda, \lambda]`.

    >>> softshrink(mx.array([-1.0, 0.0, 2.0]))
    array([-0.5, 0, 1.5], dtype=float32)
    """
    return mx.where(mx.abs(x) > lambd, x - mx.sign(x) * lambd, 0)


def celu(x, alpha=1.0):
    r""":math:`\max(x, 0) + \alpha (e^{\min(x, 0) / \alpha} - 1)` (Barron 2017, arXiv:1704.07483).

    >>> celu(mx.array([-1.0, 0.0, 2.0]))
    array([-0.632121, 0, 2], dtype=float32)
    """
    return mx.maximum(x, 0.0) + alpha * (mx.exp(mx.minimum(x, 0.0) / alpha) - 1)


def silu(x):
    r""":math:`x \sigma(x)`, also called swish.

    >>> silu(mx.array([-1.0, 0.0, 2.0]))
    array([-0.268941, 0, 1.76159], dtype=float32)
    """
    return x * mx.sigmoid(x)


def log_sigmoid(x):
    r""":math:`\log \sigma(x)`, without overflow.

    >>> log_sigmoid(mx.array([-1.0, 0.0, 2.0]))
    array([-1.31326, -0.693147, -0.126928], dtype=float32)
    """
    return -softplus(-x)


def gelu(x) -> mx.array:
    r""":math:`x \Phi(x)`, the Gaussian error linear unit, by erf (Hendrycks and Gimpel 2016, arXiv:1606.08415).

    >>> gelu(mx.array([-1.0, 0.0, 2.0]))
    array([-0.158655, 0, 1.9545], dtype=float32)
    """
    return x * (1 + mx.erf(x / math.sqrt(2))) / 2


def gelu_approx(x):
    r""":math:`x (1 + \tanh(\sqrt{2 / \pi} (x + 0.044715 x^3))) / 2`, within 5e-4 of ``gelu`` on [-6, 6].

    >>> gelu_approx(mx.array([-1.0, 0.0, 2.0]))
    array([-0.158808, 0, 1.9546], dtype=float32)
    """
    return 0.5 * x * (1 + mx.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_fast_approx(x):
    r""":math:`x \sigma(1.702 x)`, within 0.015 of ``gelu`` on [-6, 6].

    >>> gelu_fast_approx(mx.array([-1.0, 0.0, 2.0]))
    array([-0.154204, 0, 1.93566], dtype=float32)
    """
    return x * mx.sigmoid(1.702 * x)


def glu(x: mx.array, axis: int = -1) -> mx.array:
    r""":math:`a \sigma(b)` for the halves of ``axis``; ValueError if its size is odd (arXiv:1612.08083).

    >>> glu(mx.array([1.0, 2.0, 0.0, 0.0]))
    array([0.5, 1], dtype=float32)
    """
    a, b = mx.split(x, 2, axis=axis)
    return a * mx.sigmoid(b)


def step(x: mx.array, threshold: float = 0.0):
    r"""1 where ``x`` is at or above ``threshold``, else 0, as int32.

    >>> step(mx.array([-1.0, 0.0, 2.0]))
    array([0, 1, 1], dtype=int32)
    """
    return mx.where(x >= threshold, 1, 0)


_SELU_ALPHA, _SELU_LAMBDA = 1.67326, 1.0507


def selu(x):
    r"""``1.0507 * elu(x, 1.67326)``, self-normalizing (Klambauer et al. 2017, arXiv:1706.02515).

    >>> selu(mx.array([-1.0, 0.0, 2.0]))
    array([-1.11133, 0, 2.1014], dtype=float32)
    """
    return elu(x, _SELU_ALPHA) * _SELU_LAMBDA


def prelu(x: mx.array, alpha: mx.array) -> mx.array:
    r""":math:`\max(x, 0) + \alpha \min(x, 0)` with an array :math:`\alpha` (He et al. 2015, arXiv:1502.01852).

    >>> prelu(mx.array([-1.0, 2.0]), mx.array([0.1]))
    array([-0.1, 2], dtype=float32)
    """
    return mx.maximum(x, 0) + alpha * mx.minimum(x, 0)


def mish(x: mx.array) -> mx.array:
    r""":math:`x \tanh(\log(1 + e^x))` (Misra 2019, arXiv:1908.08681).

    >>> mish(mx.array([-1.0, 0.0, 2.0]))
    array([-0.303401, 0, 1.94396], dtype=float32)
    """
    return x * mx.tanh(softplus(x))


def hardswish(x):
    r""":math:`x \min(\max(x + 3, 0), 6) / 6` (Howard et al. 2019, arXiv:1905.02244).

    >>> hardswish(mx.array([-1.0, 0.0, 2.0]))
    array([-0.333333, 0, 1.66667], dtype=float32)
    """
    return x * mx.clip(x + 3, 0, 6) / 6


def hard_tanh(x, min_val=-1.0, max_val=1.0):
    r"""``x`` kept within ``[min_val, max_val]``.

    >>> hard_tanh(mx.array([-1.0, 0.0, 2.0]))
    array([-1, 0, 1], dtype=float32)
    """
    return mx.minimum(mx.maximum(x, min_val), max_val)


def hard_shrink(x, lambd=0.5):
    r"""``x`` where its magnitude is above ``lambd``, else zero.

    >>> hard_shrink(mx.array([-1.0, 0.0, 2.0]))
    array([-1, 0, 2], dtype=float32)
    """
    return mx.where(mx.abs(x) > lambd, x, 0)


def softmin(x, axis=-1):
    r"""``softmax(-x)`` along ``axis``.

    >>> softmin(mx.array([-1.0, 0.0, 2.0]))
    array([0.705385, 0.259496, 0.035119], dtype=float32)
    """
    return mx.softmax(-x, axis=axis)


def tanh(x):
    r"""The hyperbolic tangent.

    >>> tanh(mx.array([-1.0, 0.0, 2.0]))
    array([-0.761594, 0, 0.964028], dtype=float32)
    """
    return mx.tanh(x)
