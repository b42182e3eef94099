"""Neural network layers, losses and initializers, with the names, parameters and results of ``mlx.nn``."""

from . import init as init, losses as losses
from .layers import *
from .utils import average_gradients as average_gradients, value_and_grad as value_and_grad
