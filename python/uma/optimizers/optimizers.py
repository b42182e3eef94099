"""The optimizers, each with its formula; see base.py for what they share."""

import math
from typing import Callable, List, Optional, Tuple, Union

import uma.core as mx
from uma.utils import tree_map, tree_reduce

from .base import MultiOptimizer, Optimizer, Schedule  # noqa: F401 - MLX has the first two here


class _WithMoments(Optimizer):
    """What the optimizers share: their settings, and moments that begin as zeros."""

    #: arrays of the parameter's shape that are kept for it
    _moments = ("v",)

    def _begin(self, learning_rate, **settings):
        super().__init__()
        if learning_rate is not None:
            self._maybe_schedule("learning_rate", learning_rate)
        for name, value in settings.items():
            setattr(self, name, value)

    def _check_not_negative(self, *names):
        for name in names:
            if getattr(self, name) < 0.0:
                owner = type(self).__name__
                raise ValueError(f"[{owner}] {name} must not be negative, it is {getattr(self, name)}")

    def init_single(self, parameter: mx.array, state: dict):
        """Zeros for each moment."""
        for name in self._moments:
            state[name] = mx.zeros_like(parameter)


class SGD(_WithMoments):
    """Stochastic gradient descent: v = momentum * v + (1 - dampening) * g; w = w - learning_rate * v.

    ``weight_decay`` adds its multiple of w to g; ``nesterov`` uses g + momentum * v in place of v. State: v.
    Raises ValueError if ``nesterov`` goes without momentum or with dampening.

    >>> optimizer = SGD(learning_rate=0.1)
    >>> optimizer.apply_gradients({"w": mx.array([1.0, -2.0])}, {"w": mx.array([1.0, 1.0])})
    {'w': array([0.9, 1.2], dtype=float32)}
    """

    def __init__(
        self,
        learning_rate: Schedule,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
    ):
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"[SGD] nesterov needs momentum > 0 and dampening = 0, they are {momentum} and {dampening}"
            )
        self._begin(learning_rate, momentum=momentum, weight_decay=weight_decay, dampening=dampening, nesterov=nesterov)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        if self.weight_decay != 0:
            gradient = gradient + self.weight_decay * parameter
        rate = self._rate(gradient.dtype)
        if self.momentum <= 0:
            return parameter - rate * gradient
        fresh = (1 - self.dampening) * gradient if self.dampening > 0 else gradient
        state["v"] = v = self.momentum * state["v"] + fresh
        return parameter - rate * (gradient + self.momentum * v if self.nesterov else v)


class RMSprop(_WithMoments):
    """v = alpha * v + (1 - alpha) * g^2; w = w - learning_rate * g / (sqrt(v) + eps) (Tieleman and Hinton 2012).

    State: v. Raises ValueError for a negative alpha or eps.

    >>> optimizer = RMSprop(learning_rate=0.1)
    >>> optimizer.apply_gradients({"w": mx.array([1.0, -2.0])}, {"w": mx.array([1.0, 1.0])})
    {'w': array([5.96046e-08, 2], dtype=float32)}
    """

    def __init__(self, learning_rate: Schedule, alpha: float = 0.99, eps: float = 1e-8):
        self._begin(learning_rate, alpha=alpha, eps=eps)
        self._check_not_negative("alpha", "eps")

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        state["v"] = v = self.alpha * state["v"] + (1 - self.alpha) * mx.square(gradient)
        return parameter - self._rate(gradient.dtype) * gradient / (mx.sqrt(v) + self.eps)


class Adagrad(_WithMoments):
    """v = v + g^2; w = w - learning_rate * g / (sqrt(v) + eps) (Duchi et al. 2011).

    State: v. Raises ValueError for a negative eps.

    >>> optimizer = Adagrad(learning_rate=0.1)
    >>> optimizer.apply_gradients({"w": mx.array([1.0, -2.0])}, {"w": mx.array([1.0, 1.0])})
    {'w': array([0.9, 1.1], dtype=float32)}
    """

    def __init__(self, learning_rate: Schedule, eps: float = 1e-8):
        self._begin(learning_rate, eps=eps)
        self._check_not_negative("eps")

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        state["v"] = v = state["v"] + mx.square(gradient)
        return parameter - self._rate(gradient.dtype) * gradient / (mx.sqrt(v) + self.eps)


class AdaDelta(_WithMoments):
    """v = rho v + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(v + eps) g; u = rho u + (1 - rho) d^2; w = w - rate * d.

    State: v, u. Raises ValueError for a negative rho or eps. Source: Zeiler 2012, arXiv:1212.5701.

    >>> optimizer = AdaDelta(learning_rate=0.1)
    >>> optimizer.apply_gradients({"w": mx.array([1.0, -2.0])}, {"w": mx.array([1.0, 1.0])})
    {'w': array([0.999684, 1.00032], dtype=float32)}
    """

    _moments = ("v", "u")

    def __init__(self, learning_rate: Schedule, rho: float = 0.9, eps: float = 1e-6):
        self._begin(learning_rate, rho=rho, eps=eps)
        self._check_not_negative("rho", "eps")

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        rho, eps = self.rho, self.eps
        v = rho * state["v"] + (1 - rho) * mx.square(gradient)
        delta = mx.sqrt(state["u"] + eps) / mx.sqrt(v + eps) * gradient
        state["v"] = v
        state["u"] = rho * state["u"] + (1 - rho) * mx.square(delta)
        return parameter - self._rate(gradient.dtype) * delta


class Adam(_WithMoments):
    """m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; w = w - learning_rate * m / (sqrt(v) + eps).

    With ``bias_correction`` m and v are divided by 1 - b1^t and 1 - b2^t. State: m, v.
    Source: Kingma and Ba 2014, arXiv:1412.6980.

    >>> optimizer = Adam(learning_rate=0.1)
    >>> optimizer.apply_gradients({"w": mx.array([1.0, -2.0])}, {"w": mx.array([1.0, 1.0])})
    {'w': array([0.683772, 1.31623], dtype=float32)}
    """

    _moments = ("m", "v")

    def __init__(
        self,
        learning_rate: Schedule,
        betas: List[float] = [0.9, 0.999],
        eps: float = 1e-8,
        bias_correction: bool = False,
    ):
        self._begin(learning_rate, betas=betas, eps=eps, bias_correction=bias_correction)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        b1, b2 = self.betas
        rate = self._rate(gradient.dtype)
        state["m"] = m = b1 * state["m"] + (1 - b1) * gradient
        state["v"] = v = b2 * state["v"] + (1 - b2) * mx.square(gradient)
        if not self.bias_correction:
            return parameter - rate * m / (mx.sqrt(v) + self.eps)
        scale = (rate / (1 - b1**self.step)).astype(gradient.dtype)
        root = mx.rsqrt(1 - b2**self.step).astype(gradient.dtype)
        return parameter - scale * m / (mx.sqrt(v) * root + self.eps)


class AdamW(Adam):
    """Adam after shrinking the weights by learning_rate * weight_decay (Loshchilov and Hutter, arXiv:1711.05101).

    >>> optimizer = AdamW(learning_rate=0.1)
    >>> optimizer.apply_gradients({"w": mx.array([1.0, -2.0])}, {"w": mx.array([1.0, 1.0])})
    {'w': array([0.682772, 1.31523], dtype=float32)}
    """

    def __init__(
        self,
        learning_rate: Schedule,
        betas: List[float] = [0.9, 0.999],
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        bias_correction: bool = False,
    ):
        super().__init__(learning_rate=learning_rate, betas=betas, eps=eps, bias_correction=bias_correction)
        self.weight_decay = weight_decay

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        shrunk = parameter * (1 - self._rate(gradient.dtype) * self.weight_decay)
        return super().apply_single(gradient, shrunk, state)


class Adamax(Adam):
    """Adam with the infinity norm: v = max(b2 v, |g|), and v in place of its root. State: m, v.

    Raises ValueError for a negative eps.

    >>> optimizer = Adamax(learning_rate=0.1)
    >>> optimizer.apply_gradients({"w": mx.array([1.0, -2.0])}, {"w": mx.array([1.0, 1.0])})
    {'w': array([0.99, 1.01], dtype=float32)}
    """

    def __init__(self, learning_rate: Schedule, betas: List[float] = [0.9, 0.999], eps: float = 1e-8):
        super().__init__(learning_rate, betas, eps)
        self._check_not_negative("eps")

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        b1, b2 = self.betas
        state["m"] = m = b1 * state["m"] + (1 - b1) * gradient
        state["v"] = v = mx.maximum(b2 * state["v"], mx.abs(gradient))
        return parameter - self._rate(gradient.dtype) * m / (v + self.eps)


class Lion(_WithMoments):
    """w = w - learning_rate * (sign(b1 m + (1 - b1) g) + weight_decay * w); m = b2 m + (1 - b2) g. State: m.

    Source: Chen et al. 2023, arXiv:2302.06675, which recommends a learning rate 3 to 10 times below AdamW's.

    >>> optimizer = Lion(learning_rate=0.1)
    >>> optimizer.apply_gradients({"w": mx.array([1.0, -2.0])}, {"w": mx.array([1.0, 1.0])})
    {'w': array([0.9, 1.1], dtype=float32)}
    """

    _moments = ("m",)

    def __init__(self, learning_rate: Schedule, betas: List[float] = [0.9, 0.99], weight_decay: float = 0.0):
        self._begin(learning_rate, betas=betas, weight_decay=weight_decay)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        b1, b2 = self.betas
        rate = self._rate(gradient.dtype)
        direction = mx.sign(b1 * state["m"] + (1 - b1) * gradient)
        state["m"] = b2 * state["m"] + (1 - b2) * gradient
        if self.weight_decay > 0:
            parameter = (1 - rate * self.weight_decay) * parameter
        return parameter - rate * direction


class Adafactor(_WithMoments):
    """Adam whose second moments of a matrix are kept as a row and a column (Shazeer and Stern, arXiv:1804.04235).

    With ``relative_step`` the learning rate follows from the step: min(1e-2, 1 / sqrt(t)), or with ``warmup_init``
    min(1e-6 t, 1 / sqrt(t)). ``scale_parameter`` multiplies it by max(eps[1], RMS(w)). The update's RMS is kept below
    ``clip_threshold``; the running mean has the weight 1 - t ** decay_rate; ``beta_1`` adds a first moment.
    State: exp_avg_sq_row and exp_avg_sq_col for two or more dimensions, else exp_avg_sq; with beta_1 exp_avg.

    >>> optimizer = Adafactor()
    >>> optimizer.apply_gradients({"w": mx.array([1.0, -2.0])}, {"w": mx.array([1.0, 1.0])})
    {'w': array([0.99, 1.01], dtype=float32)}
    """

    def __init__(
        self,
        learning_rate: Union[float, Callable[[mx.array], mx.array], None] = None,
        eps: Tuple[float, float] = (1e-30, 1e-3),
        clip_threshold: float = 1.0,
        decay_rate: float = -0.8,
        beta_1: Optional[float] = None,
        weight_decay: float = 0.0,
        scale_parameter: bool = True,
        relative_step: bool = True,
        warmup_init: bool = False,
    ):
        self._begin(
            learning_rate,
            eps=eps,
            clip_threshold=clip_threshold,
            decay_rate=decay_rate,
            beta_1=beta_1,
            weight_decay=weight_decay,
            scale_parameter=scale_parameter,
            relative_step=relative_step,
            warmup_init=warmup_init,
        )

    def init_single(self, parameter: mx.array, state: dict):
        shape, dtype = parameter.shape, parameter.dtype
        if parameter.ndim >= 2:
            state["exp_avg_sq_row"] = mx.zeros(shape[:-1], dtype=dtype)
            state["exp_avg_sq_col"] = mx.zeros(shape[:-2] + shape[-1:], dtype=dtype)
        else:
            state["exp_avg_sq"] = mx.zeros_like(parameter)
        if self.beta_1 is not None:
            state["exp_avg"] = mx.zeros_like(parameter)

    @staticmethod
    def _compute_rms(inputs):
        return mx.sqrt(mx.mean(mx.square(inputs)))

    def _compute_learning_rate(self, step, parameter_rms):
        if self.relative_step:
            ceiling = 1e-6 * step if self.warmup_init else 1e-2
            rate = mx.minimum(ceiling, mx.rsqrt(step))
        else:
            rate = self.learning_rate
        rate = rate.astype(parameter_rms.dtype)
        return rate * mx.maximum(self.eps[1], parameter_rms) if self.scale_parameter else rate

    @staticmethod
    def _inverse_root(row, col):
        """1 / sqrt of the rank-one second moments row * col / mean(row)."""
        r = mx.rsqrt(row / mx.mean(row, axis=-1, keepdims=True))
        return mx.expand_dims(r, -1) * mx.expand_dims(mx.rsqrt(col), -2)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        rate = self._compute_learning_rate(self.step, self._compute_rms(parameter))
        b2 = (1.0 - self.step**self.decay_rate).astype(parameter.dtype)
        squares = mx.square(gradient) + self.eps[0]

        def average(name, value):
            state[name] = b2 * state[name] + (1 - b2) * value
            return state[name]

        if gradient.ndim >= 2:
            row = average("exp_avg_sq_row", mx.mean(squares, axis=-1))
            col = average("exp_avg_sq_col", mx.mean(squares, axis=-2))
            update = self._inverse_root(row, col) * gradient
        else:
            update = mx.rsqrt(average("exp_avg_sq", squares)) * gradient
        update = rate * (update / mx.maximum(1.0, self._compute_rms(update) / self.clip_threshold))
        if self.beta_1 is not None:
            state["exp_avg"] = update = self.beta_1 * state["exp_avg"] + (1 - self.beta_1) * update
        if self.weight_decay != 0:
            parameter = parameter - (self.weight_decay * rate) * parameter
        return parameter - update


class Muon(_WithMoments):
    """Momentum whose update of a matrix is made orthogonal by Newton and Schulz (Jordan et al. 2024).

    v = momentum * v + (1 - momentum) * g; more than two dimensions are flattened to a matrix (rows, the rest), and
    fewer are updated without it. Embeddings and the output layer are better left to AdamW, see MultiOptimizer.
    State: v. Source: https://kellerjordan.github.io/posts/muon

    >>> optimizer = Muon(learning_rate=0.1)
    >>> optimizer.apply_gradients({"w": mx.array([[1.0, 0.0], [0.0, 1.0]])}, {"w": mx.zeros((2, 2))})["w"].shape
    (2, 2)
    """

    #: a quintic whose iterates draw singular values near 1 fast; from the post
    _QUINTIC = (3.4445, -4.7750, 2.0315)

    def __init__(
        self,
        learning_rate: Schedule,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        nesterov: bool = True,
        ns_steps: int = 5,
    ):
        self._begin(learning_rate, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov, ns_steps=ns_steps)

    def _orthogonalize(self, x):
        """The nearest matrix with orthonormal rows or columns, about."""
        a, b, c = self._QUINTIC
        tall = x.shape[-2] > x.shape[-1]
        x = x.T if tall else x
        x = x / (mx.linalg.norm(x, keepdims=True) + 1e-7)
        for _ in range(self.ns_steps):
            gram = x @ x.T
            x = a * x + (b * gram + c * (gram @ gram)) @ x
        return x.T if tall else x

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        mu = self.momentum
        if self.weight_decay != 0:
            gradient = gradient + self.weight_decay * parameter
        state["v"] = v = mu * state["v"] + (1 - mu) * gradient
        update = (1 - mu) * gradient + mu * v if self.nesterov else v
        rate = self._rate(gradient.dtype)
        if update.ndim >= 2:
            shape = update.shape
            update = self._orthogonalize(update.reshape(shape[0], -1))
            rate = rate * math.sqrt(max(1, update.shape[-2] / update.shape[-1]))
            update = update.reshape(shape)
        return parameter - rate * update


def clip_grad_norm(grads, max_norm):
    """(gradients, norm): all gradients scaled down together so that their global norm is at most ``max_norm``.

    ``norm`` is the norm before.

    >>> clip_grad_norm({"w": mx.array([3.0, 4.0])}, max_norm=10.0)
    ({'w': array([3, 4], dtype=float32)}, array(5, dtype=float32))
    """
    squares = tree_reduce(lambda total, g: total + mx.sum(mx.square(g)), grads, mx.array(0.0))
    norm = mx.sqrt(squares)
    scale = mx.minimum(max_norm / (norm + 1e-6), 1.0)
    return tree_map(lambda g: g * scale.astype(g.dtype), grads), norm
