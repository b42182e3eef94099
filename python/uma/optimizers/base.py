"""What optimizers share: one updates one array at a time, the base class does it over a tree.

``state`` is one dict: "step", the scheduled values such as "learning_rate", and under the names of the parameters a
dict of what the optimizer remembers about each. It stays the same object, so ``mx.compile`` can capture it.
"""

from typing import Callable, Union

import uma.core as mx
from uma.nn import Module
from uma.utils import tree_flatten, tree_map, tree_merge, tree_unflatten

#: a number, or a function of the step
Schedule = Union[float, Callable[[mx.array], mx.array]]


class Optimizer:
    """The base class: a subclass has ``init_single`` and ``apply_single``.

    ``schedulers`` maps names in ``state`` to functions of the step, evaluated before each update.
    """

    def __init__(self, schedulers=None):
        self._initialized = False
        self._state = {"step": mx.array(0, mx.uint64)}
        self._schedulers = dict(schedulers or {})

    def update(self, model: Module, gradients: dict):
        """Update ``model`` with ``gradients``, a tree as from ``nn.value_and_grad``."""
        model.update(self.apply_gradients(gradients, model))

    def init(self, parameters: dict):
        """Make the state for ``parameters``; what is there already, as from a checkpoint, is kept.

        The first update does it if it was not done.
        """

        def start(parameter, state):
            if isinstance(parameter, dict):
                state = state if isinstance(state, dict) else {}
                return {k: start(v, state.get(k)) for k, v in parameter.items()}
            if isinstance(parameter, (list, tuple)):
                state = list(state) if isinstance(state, (list, tuple)) else []
                state += [None] * (len(parameter) - len(state))
                return type(parameter)([start(p, s) for p, s in zip(parameter, state)])
            if not state:
                state = {}
                self.init_single(parameter, state)
            return state

        self._state.update(start(parameters, self._state))
        self._initialized = True

    def init_single(self, parameter: mx.array, state: dict):
        """Put into ``state`` what the optimizer remembers about one parameter."""
        raise NotImplementedError(f"{type(self).__name__} has no init_single")

    def apply_gradients(self, gradients: dict, parameters: dict):
        """The updated parameters, a tree like ``gradients``, of which ``parameters`` may be a superset."""
        if not self._initialized:
            self.init(gradients)
        for name, schedule in self._schedulers.items():
            self._state[name] = schedule(self.step)
        self._state["step"] = self.step + 1
        return tree_map(self.apply_single, gradients, parameters, self._state)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        """The updated parameter; ``state`` is changed."""
        raise NotImplementedError(f"{type(self).__name__} has no apply_single")

    @property
    def state(self):
        """The state, a tree of arrays; assign one to resume from a checkpoint."""
        return self._state

    @state.setter
    def state(self, state: dict):
        self._initialized = False
        self._state = state

    @property
    def step(self):
        """The number of updates, an array."""
        return self.state["step"]

    @property
    def learning_rate(self):
        """The learning rate, an array; a schedule sets it again at the next update."""
        return self.state["learning_rate"]

    @learning_rate.setter
    def learning_rate(self, learning_rate: Union[float, mx.array]):
        self.state["learning_rate"] = mx.array(learning_rate)

    def _maybe_schedule(self, name: str, param: Schedule):
        """Keep ``param`` in the state under ``name``; if it is a function of the step, as a schedule."""
        if callable(param):
            self._schedulers[name] = param
            param = param(self.step)
        self.state[name] = mx.array(param)

    def _rate(self, dtype):
        return self.learning_rate.astype(dtype)


class MultiOptimizer(Optimizer):
    """Gives each parameter to the first of several optimizers whose filter accepts (path, gradient).

    The last one takes what is left and has no filter. Raises ValueError for another number of filters.
    """

    def __init__(self, optimizers, filters: list = []):
        super().__init__({})
        self._state = {}
        if len(filters) != len(optimizers) - 1:
            raise ValueError(
                f"[MultiOptimizer] {len(optimizers)} optimizers need {len(optimizers) - 1} filters, not {len(filters)}"
            )
        self.optimizers = optimizers
        self.filters = [*filters, lambda path, gradient: True]

    def _split_dictionary(self, gradients: dict):
        """A tree for each optimizer, with what is its part."""
        if len(self.optimizers) == 1:
            return [gradients]
        parts = [[] for _ in self.optimizers]
        for path, gradient in tree_flatten(gradients):
            first = next(i for i, accepts in enumerate(self.filters) if accepts(path, gradient))
            parts[first].append((path, gradient))
        return [tree_unflatten(part) if part else {} for part in parts]

    def init(self, parameters: dict):
        """Make the state of each optimizer for its part of ``parameters``."""
        for optimizer, part in zip(self.optimizers, self._split_dictionary(parameters)):
            optimizer.init(part)

    def apply_gradients(self, gradients: dict, parameters: dict):
        """The updated parameters, a tree like ``gradients``."""
        result = {}
        for optimizer, part in zip(self.optimizers, self._split_dictionary(gradients)):
            result = tree_merge(result, optimizer.apply_gradients(part, parameters))
        return result

    @property
    def state(self):
        """{"states": [the state of each optimizer]}."""
        return {"states": [optimizer.state for optimizer in self.optimizers]}

    @state.setter
    def state(self, state: dict):
        states = state.get("states") if isinstance(state, dict) else None
        if states is None or len(states) != len(self.optimizers) or not all(isinstance(s, dict) for s in states):
            raise ValueError(
                f'[MultiOptimizer] the state must be {{"states": [...]}} with {len(self.optimizers)} dicts'
            )
        for optimizer, own in zip(self.optimizers, states):
            optimizer.state = own

    @property
    def step(self):
        """The number of updates of the first optimizer, an array."""
        return self.optimizers[0].step

    @property
    def learning_rate(self):
        """The learning rate of the first optimizer; assigning sets that of all."""
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Union[float, mx.array]):
        for optimizer in self.optimizers:
            optimizer.learning_rate = learning_rate
