"""Module: a dict of arrays, modules, lists and dicts that can be called."""

import os
import textwrap
from typing import Any, Callable, List, Optional, Tuple, Union

import uma.core as mx
from uma.utils import tree_flatten, tree_unflatten

_CONTAINERS = (dict, list)


def _names(items, limit=8):
    """A readable list of at most ``limit`` names."""
    items = [str(i) for i in items]
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return (", ".join(items[:limit]) or "none") + more


class Module(dict):
    """The base class of layers and models: its items are the parameters and submodules, in the order of assignment.

    Assigning an array, dict, list or tuple to an attribute makes it an item, so ``parameters()`` finds it however
    deep it lies in lists, dicts and other modules; any other value is a plain attribute. Names that begin with an
    underscore are never parameters. A frozen parameter gets no gradient from ``nn.value_and_grad``.

        class MLP(nn.Module):
            def __init__(self, dims):
                super().__init__()
                self.up = nn.Linear(dims, 4 * dims)
                self.down = nn.Linear(4 * dims, dims)

            def __call__(self, x):
                return self.down(nn.relu(self.up(x)))
    """

    __call__: Callable

    def __init__(self):
        """An empty module in training mode, nothing frozen."""
        self._no_grad = set()
        self._training = True

    @property
    def training(self):
        """True in training mode, False in evaluation mode; change it with ``train`` and ``eval``."""
        return self._training

    @property
    def state(self):
        """The module itself as a dict: what is changed in it is changed in the module."""
        return self

    def _extra_repr(self) -> str:
        return ""

    def __repr__(self):
        parts = tree_flatten(self.children(), is_leaf=Module.is_module)
        body = "".join("\n" + textwrap.indent(f"({name}): {child!r}", "  ") for name, child in parts)
        return f"{type(self).__name__}({self._extra_repr()}{body}" + ("\n)" if body else ")")

    # Attributes

    def __getattr__(self, key: str):
        # reached only when the normal look-up has failed
        if (value := self.get(key, self)) is not self:
            return value
        if key in ("_no_grad", "_training"):
            # a subclass that has forgotten super().__init__() works all the same
            Module.__init__(self)
        # repeats the look-up for its message, which names the culprit if a property failed within
        return super().__getattribute__(key)

    def __setattr__(self, key: str, val: Any):
        if isinstance(val, (mx.array, dict, list, tuple)):
            self.__dict__.pop(key, None)
            self[key] = val
        else:
            super().__setattr__(key, val)
            self.pop(key, None)

    def __delattr__(self, name):
        if name in self:
            del self[name]
        else:
            super().__delattr__(name)

    # Files

    def load_weights(self, file_or_weights: Union[str, List[Tuple[str, mx.array]]], strict: bool = True) -> "Module":
        """Set the parameters from a ``.npz`` or ``.safetensors`` file, or from pairs of path and array.

        With ``strict`` the names and shapes must be exactly those of ``parameters()``; otherwise what the module
        does not have is ignored and shapes are not looked at. Raises ValueError for names that are missing or
        unknown, for something that is not an array, and for a wrong shape; the module is unchanged then.
        """
        weights = file_or_weights
        if isinstance(weights, (str, os.PathLike)):
            weights = mx.load(os.fspath(weights))
        weights = dict(weights)
        if strict:
            self._check_weights(weights)
        if weights:
            self.update(tree_unflatten(list(weights.items())), strict=False)
        return self

    def _check_weights(self, weights):
        current = tree_flatten(self.parameters(), destination={})
        if extra := [name for name in weights if name not in current]:
            raise ValueError(f"[load_weights] received {len(extra)} parameters not in the model: {_names(extra)}")
        if missing := [name for name in current if name not in weights]:
            raise ValueError(f"[load_weights] missing {len(missing)} parameters: {_names(missing)}")
        for name, have in current.items():
            new = weights[name]
            if not isinstance(new, mx.array):
                raise ValueError(f"[load_weights] {name} must be an array, not {type(new).__name__}")
            if tuple(new.shape) != tuple(have.shape):
                raise ValueError(f"[load_weights] {name} has shape {tuple(new.shape)}, expected {tuple(have.shape)}")

    def save_weights(self, file: str):
        """Write ``parameters()`` under their paths to a ``.npz`` or ``.safetensors`` file, by its extension.

        Raises ValueError for any other extension.
        """
        name = os.fspath(file)
        weights = tree_flatten(self.parameters(), destination={})
        if name.endswith(".npz"):
            mx.savez(name, **weights)
        elif name.endswith(".safetensors"):
            mx.save_safetensors(name, weights)
        else:
            raise ValueError(f"[save_weights] the file must end in .npz or .safetensors, not {name!r}")

    # Walking the tree

    @staticmethod
    def is_module(value):
        """Whether ``value`` is a Module."""
        return isinstance(value, Module)

    @staticmethod
    def valid_child_filter(module, key, value):
        """A filter of ``filter_and_map``: what may be or hold a submodule."""
        return isinstance(value, _CONTAINERS)

    @staticmethod
    def valid_parameter_filter(module, key, value):
        """A filter of ``filter_and_map``: what may be or hold a parameter."""
        return isinstance(value, (*_CONTAINERS, mx.array)) and not key.startswith("_")

    @staticmethod
    def trainable_parameter_filter(module, key, value):
        """A filter of ``filter_and_map``: parameters that are not frozen."""
        return Module.valid_parameter_filter(module, key, value) and key not in module._no_grad

    def filter_and_map(
        self,
        filter_fn: Callable[["Module", str, Any], bool],
        map_fn: Optional[Callable] = None,
        is_leaf_fn: Optional[Callable[["Module", str, Any], bool]] = None,
    ):
        """A tree of plain dicts and lists with ``map_fn(leaf)`` for the leaves that ``filter_fn`` keeps.

        Both predicates are asked with the module that holds the value, its key there (dotted within lists and
        dicts) and the value. What is rejected is left out of a module and becomes ``{}`` within a list or dict, so
        positions stay. Unless ``is_leaf_fn`` says otherwise, anything but a module, dict or list is a leaf. Raises
        RuntimeError at a value that is none of these and not a leaf.
        """

        def is_leaf(module, key, value):
            if is_leaf_fn is not None:
                return is_leaf_fn(module, key, value)
            return not isinstance(value, _CONTAINERS)

        def inner(module, key, value):
            return visit(module, key, value) if filter_fn(module, key, value) else {}

        def visit(module, key, value):
            if is_leaf(module, key, value):
                return value if map_fn is None else map_fn(value)
            if isinstance(value, Module):
                return items_of(value)
            if isinstance(value, dict):
                return {k: inner(module, f"{key}.{k}", v) for k, v in value.items()}
            if isinstance(value, list):
                return [inner(module, f"{key}.{i}", v) for i, v in enumerate(value)]
            raise RuntimeError(
                f"[filter_and_map] {key!r} in {type(module).__name__} is a {type(value).__name__}, "
                "neither a leaf nor a module, dict or list"
            )

        def items_of(module):
            return {k: visit(module, k, v) for k, v in module.items() if filter_fn(module, k, v)}

        return items_of(self)

    def parameters(self):
        """All arrays of this module and the modules in it, as a tree."""
        return self.filter_and_map(self.valid_parameter_filter)

    def trainable_parameters(self):
        """The arrays that are not frozen, as a tree."""
        return self.filter_and_map(self.trainable_parameter_filter)

    def children(self):
        """The modules directly in this one (or in its lists and dicts), as a tree."""
        return self.filter_and_map(self.valid_child_filter, is_leaf_fn=lambda m, k, v: isinstance(v, Module))

    def leaf_modules(self):
        """The modules that hold no other module, as a tree."""

        def is_leaf(module, key, value):
            if not isinstance(value, Module):
                return False
            return not tree_flatten(value.children(), is_leaf=Module.is_module)

        return self.filter_and_map(self.valid_child_filter, is_leaf_fn=is_leaf)

    def _walk(self):
        """Yield (path, module), this one first, then depth first from the last child to the first.

        Children are looked up after the caller has seen their parent, which may change them.
        """
        pending = [("", self)]
        while pending:
            path, module = pending.pop()
            yield path, module
            prefix = f".{path}" if path else ""
            pending += tree_flatten(module.children(), prefix=prefix, is_leaf=Module.is_module)

    def modules(self):
        """A list of this module and all modules in it."""
        return [module for _, module in self._walk()]

    def named_modules(self):
        """A list of (path, module) for this module, whose path is empty, and all modules in it."""
        return list(self._walk())

    def apply_to_modules(self, apply_fn: Callable[[str, "Module"], Any]) -> "Module":
        """Call ``apply_fn(path, module)`` for this module and all modules in it."""
        for path, module in self._walk():
            apply_fn(path, module)
        return self

    # Changing the tree

    def update(self, parameters: dict, strict: bool = True) -> "Module":
        """Replace the arrays that ``parameters``, a part of the tree of ``parameters()``, names.

        With ``strict`` raises ValueError for a name that the module does not have and for a value that is not an
        array where the module has one; otherwise unknown names are passed over and values are not looked at.
        """
        _replace(self, parameters, strict, mx.array, "parameter")
        return self

    def apply(
        self,
        map_fn: Callable[[mx.array], mx.array],
        filter_fn: Optional[Callable[["Module", str, Any], bool]] = None,
    ) -> "Module":
        """Replace each parameter (that ``filter_fn`` keeps) by ``map_fn(parameter)``.

        ``model.apply(lambda x: x.astype(mx.float16))`` casts a model.
        """
        return self.update(self.filter_and_map(filter_fn or Module.valid_parameter_filter, map_fn))

    def update_modules(self, modules: dict, strict: bool = True) -> "Module":
        """Replace the submodules that ``modules``, a part of the tree of ``children()``, names.

        With ``strict`` raises ValueError for a name that the module does not have and for a value that is not a
        module where the module has one.
        """
        _replace(self, modules, strict, Module, "sub-module")
        return self

    # Freezing

    def _check_keys(self, keys, recurse):
        found = {k for module in (self.modules() if recurse else [self]) for k in module}
        if missing := [k for k in keys if k not in found]:
            raise KeyError(f"no module here has a member named {_names(missing)}; there are: {_names(sorted(found))}")

    def _mark_frozen(self, frozen, recurse, keys, strict):
        if keys is not None:
            keys = [keys] if isinstance(keys, str) else list(keys)
            if strict:
                self._check_keys(keys, recurse)

        def mark(_, module):
            if frozen:
                module._no_grad.update(module._own_parameter_names() if keys is None else keys)
            elif keys is None:
                module._no_grad.clear()
            else:
                module._no_grad.difference_update(keys)

        if recurse:
            self.apply_to_modules(mark)
        else:
            mark("", self)
        return self

    def _own_parameter_names(self):
        """The paths of the arrays in this module that no submodule holds."""
        own = self.filter_and_map(lambda m, k, v: not isinstance(v, Module) and m.valid_parameter_filter(m, k, v))
        return [path for path, _ in tree_flatten(own)]

    def freeze(
        self, *, recurse: bool = True, keys: Optional[Union[str, List[str]]] = None, strict: bool = False
    ) -> "Module":
        """Stop training the parameters, or only those named in ``keys``, here and (``recurse``) in all submodules.

        With ``strict`` raises KeyError if no module has a member of that name.

            model.freeze().unfreeze(keys="bias")  # train the biases only
        """
        return self._mark_frozen(True, recurse, keys, strict)

    def unfreeze(
        self, *, recurse: bool = True, keys: Optional[Union[str, List[str]]] = None, strict: bool = False
    ) -> "Module":
        """Train the parameters again, or only those named in ``keys``; see ``freeze``."""
        if not recurse:
            return self._mark_frozen(False, False, keys, strict)
        self._mark_frozen(False, False, keys, False)
        if keys is not None and strict:
            self._check_keys([keys] if isinstance(keys, str) else keys, True)
        for module in self.modules()[1:]:
            # a layer may refuse to thaw some of its parameters: ask it, do not do it from here
            module.unfreeze(recurse=False, keys=keys)
        return self

    # Modes and dtypes

    def _set_training_mode(self, mode: bool) -> None:
        self._training = mode

    def train(self, mode: bool = True) -> "Module":
        """Put this module and all modules in it in training mode (or out of it)."""
        return self.apply_to_modules(lambda _, module: module._set_training_mode(mode))

    def eval(self) -> "Module":
        """Put this module and all modules in it in evaluation mode."""
        return self.train(False)

    def set_dtype(
        self,
        dtype: mx.Dtype,
        predicate: Optional[Callable[[mx.Dtype], bool]] = lambda d: mx.issubdtype(d, mx.floating),
    ):
        """Cast the parameters whose dtype passes ``predicate`` (by default the floating ones; None means all)."""
        self.apply(lambda x: x.astype(dtype) if predicate is None or predicate(x.dtype) else x)


def _replace(target, new, strict, kind, noun):
    """Replace in ``target`` the values of type ``kind`` that ``new`` has at the same place.

    Empty containers say "nothing here": ``filter_and_map`` leaves them where it has rejected something.
    """

    def fail(value):
        raise ValueError(f"[update] received invalid type {type(value).__name__} where there is a {noun} or a tree")

    def put(container, key, value):
        current = container[key]
        if isinstance(value, _CONTAINERS) and not isinstance(value, Module) and len(value) == 0:
            return
        if isinstance(current, kind) and isinstance(value, kind):
            container[key] = value
        elif isinstance(current, mx.array):
            if strict:
                fail(value)
            if kind is mx.array:
                container[key] = value
        else:
            _replace(current, value, strict, kind, noun)

    if isinstance(new, dict) and not isinstance(new, kind):
        for key, value in new.items():
            if isinstance(target, dict) and key in target:
                put(target, key, value)
            elif strict:
                names = _names(target if isinstance(target, dict) else ())
                raise ValueError(
                    f'[update] {type(target).__name__} does not have a {noun} named "{key}"; it has: {names}'
                )
    elif isinstance(new, list) and isinstance(target, list):
        for i, value in enumerate(new):
            if i < len(target):
                put(target, i, value)
            elif strict:
                raise ValueError(f"[update] list index {i} is out of bounds for a list of {len(target)} {noun}s")
    elif strict:
        fail(new)
