"""Recurrent layers over (N, L, D) or (L, D).

The product of the weights with the input is one matrix product for the whole sequence; only the product with the
state is done step by step.
"""

import math
from typing import Callable, Optional

import uma.core as mx

from .activations import tanh
from .base import Module
from .linear import uniform_weights


def _check_input(owner, x, size):
    if x.ndim < 2 or x.shape[-1] != size:
        raise ValueError(f"[{owner}] the input must be (L, {size}) or (N, L, {size}), not {tuple(x.shape)}")


def _affine(weight, x, bias):
    return x @ weight.T if bias is None else mx.addmm(bias, x, weight.T)


class RNN(Module):
    r"""Elman's network: :math:`h_{t+1} = f(W_{xh} x_t + W_{hh} h_t + b)`.

    shapes   x (N, L, input_size) or (L, input_size) -> all states (N, L, hidden_size) or (L, hidden_size);
             Wxh (hidden_size, input_size), Whh (hidden_size, hidden_size), bias (hidden_size,)
    start    all from U(-k, k) with k = 1 / sqrt(hidden_size); ``hidden`` is zero if not given; f is tanh if not given
    Raises ValueError if ``nonlinearity`` cannot be called, and for a wrong input shape.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: Optional[Callable] = None):
        super().__init__()
        nonlinearity = tanh if nonlinearity is None else nonlinearity
        if not callable(nonlinearity):
            raise ValueError(f"[RNN] nonlinearity must be callable, not {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        self.hidden_size = hidden_size
        bound = 1 / math.sqrt(hidden_size)
        self.Wxh, self.Whh = uniform_weights(bound, (hidden_size, input_size), (hidden_size, hidden_size))
        self.bias = uniform_weights(bound, (hidden_size,))[0] if bias else None

    def _extra_repr(self):
        return (
            f"input_dims={self.Wxh.shape[1]}, hidden_size={self.hidden_size}, "
            f"nonlinearity={self.nonlinearity}, bias={self.bias is not None}"
        )

    def __call__(self, x, hidden=None):
        _check_input("RNN", x, self.Wxh.shape[1])
        inputs = _affine(self.Wxh, x, self.bias)
        states = []
        for t in range(x.shape[-2]):
            step = inputs[..., t, :]
            hidden = self.nonlinearity(step if hidden is None else step + hidden @ self.Whh.T)
            states.append(hidden)
        return mx.stack(states, axis=-2)


class GRU(Module):
    r"""The gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), with the reset gate after the product.

    r, z = sigmoid of their parts of Wx x + Wh h + b; n = tanh(Wxn x + bn + r * (Whn h + bhn)); h' = (1-z) * n + z * h

    shapes   x (N, L, input_size) or (L, input_size) -> all states (N, L, hidden_size) or (L, hidden_size);
             Wx (3 * hidden_size, input_size), Wh (3 * hidden_size, hidden_size) in the order r, z, n,
             b (3 * hidden_size,), bhn (hidden_size,)
    start    all from U(-k, k) with k = 1 / sqrt(hidden_size); ``hidden`` is zero if not given
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        super().__init__()
        self.hidden_size = hidden_size
        bound = 1 / math.sqrt(hidden_size)
        self.Wx, self.Wh = uniform_weights(bound, (3 * hidden_size, input_size), (3 * hidden_size, hidden_size))
        self.b, self.bhn = uniform_weights(bound, (3 * hidden_size,), (hidden_size,)) if bias else (None, None)

    def _extra_repr(self):
        return f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, bias={self.b is not None}"

    def __call__(self, x, hidden=None):
        _check_input("GRU", x, self.Wx.shape[1])
        gates, candidate = mx.split(_affine(self.Wx, x, self.b), [2 * self.hidden_size], axis=-1)
        if hidden is None:
            hidden = mx.zeros((*x.shape[:-2], self.hidden_size), dtype=gates.dtype)
        states = []
        for t in range(x.shape[-2]):
            from_state, from_state_n = mx.split(hidden @ self.Wh.T, [2 * self.hidden_size], axis=-1)
            if self.bhn is not None:
                from_state_n = from_state_n + self.bhn
            reset, keep = mx.split(mx.sigmoid(gates[..., t, :] + from_state), 2, axis=-1)
            new = mx.tanh(candidate[..., t, :] + reset * from_state_n)
            hidden = (1 - keep) * new + keep * hidden
            states.append(hidden)
        return mx.stack(states, axis=-2)


class LSTM(Module):
    r"""Long short-term memory (Hochreiter and Schmidhuber 1997).

    i, f, o = sigmoid and g = tanh of their parts of Wx x + Wh h + bias; c' = f * c + i * g; h' = o * tanh(c')

    shapes   x (N, L, input_size) or (L, input_size) -> all states and all cells, each (N, L, hidden_size) or
             (L, hidden_size); Wx (4 * hidden_size, input_size), Wh (4 * hidden_size, hidden_size) in the order
             i, f, g, o, bias (4 * hidden_size,)
    start    all from U(-k, k) with k = 1 / sqrt(hidden_size); ``hidden`` and ``cell`` are zero if not given
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        super().__init__()
        self.hidden_size = hidden_size
        bound = 1 / math.sqrt(hidden_size)
        self.Wx, self.Wh = uniform_weights(bound, (4 * hidden_size, input_size), (4 * hidden_size, hidden_size))
        self.bias = uniform_weights(bound, (4 * hidden_size,))[0] if bias else None

    def _extra_repr(self):
        return f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, bias={self.bias is not None}"

    def __call__(self, x, hidden=None, cell=None):
        _check_input("LSTM", x, self.Wx.shape[1])
        inputs = _affine(self.Wx, x, self.bias)
        states, cells = [], []
        for t in range(x.shape[-2]):
            step = inputs[..., t, :]
            if hidden is not None:
                step = step + hidden @ self.Wh.T
            i, f, g, o = mx.split(step, 4, axis=-1)
            fresh = mx.sigmoid(i) * mx.tanh(g)
            cell = fresh if cell is None else mx.sigmoid(f) * cell + fresh
            hidden = mx.sigmoid(o) * mx.tanh(cell)
            states.append(hidden)
            cells.append(cell)
        return mx.stack(states, axis=-2), mx.stack(cells, axis=-2)
