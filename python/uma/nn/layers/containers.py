"""Modules made of modules."""

from .base import Module


class Sequential(Module):
    """Calls the given callables one after the other, each on the result of the one before.

    Modules among them are found in ``layers``; plain functions are called too, but have no parameters.
    """

    def __init__(self, *modules):
        super().__init__()
        self.layers = list(modules)

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
