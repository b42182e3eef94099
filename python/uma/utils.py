"""Trees: nested dicts, lists and tuples whose leaves are anything else, usually arrays.

A path names a leaf by the keys that lead to it, joined with dots: ``{"a": [1, 2]}`` has the leaves ``a.0`` and ``a.1``.
"""

from typing import Any, Callable, Dict, List, Optional, Tuple, Union

__all__ = ["tree_flatten", "tree_map", "tree_map_with_path", "tree_merge", "tree_reduce", "tree_unflatten"]


def _rebuild(original, items):
    """A sequence of the type of ``original``; a named tuple takes its fields as arguments."""
    if hasattr(original, "_fields"):
        return type(original)(*items)
    return type(original)(items)


def _at(tree, key):
    """``tree[key]``, or an error that says what the second tree has where the first one has ``key``."""
    try:
        return tree[key]
    except (KeyError, IndexError) as error:
        if isinstance(tree, dict):
            found = f"keys {sorted(map(str, tree))}"
        else:
            found = f"length {len(tree)}"
        raise type(error)(f"[tree_map] the first tree has {key!r} where another has only {found}") from None


def tree_map(fn: Callable, tree: Any, *rest: Any, is_leaf: Optional[Callable] = None) -> Any:
    """A tree of the same structure with ``fn(leaf, ...)`` in place of each leaf.

    Each tree of ``rest`` must have everything that ``tree`` has (it may have more) and gives a further argument.
    A node for which ``is_leaf`` returns True is handed to ``fn`` whole. Raises KeyError or IndexError where a tree
    of ``rest`` lacks an item.

    >>> tree_map(lambda x, y: x + y, {"a": [1, 2]}, {"a": [10, 20], "b": 0})
    {'a': [11, 22]}
    """
    if is_leaf is not None and is_leaf(tree):
        return fn(tree, *rest)
    if isinstance(tree, dict):
        return {k: tree_map(fn, v, *(_at(r, k) for r in rest), is_leaf=is_leaf) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        items = [tree_map(fn, v, *(_at(r, i) for r in rest), is_leaf=is_leaf) for i, v in enumerate(tree)]
        return _rebuild(tree, items)
    return fn(tree, *rest)


def tree_map_with_path(
    fn: Callable, tree: Any, *rest: Any, is_leaf: Optional[Callable] = None, path: Optional[Any] = None
) -> Any:
    """``tree_map`` with the path of the leaf as the first argument of ``fn``; ``path`` is a prefix for all of them.

    >>> tree_map_with_path(lambda p, x: f"{p}={x}", {"a": [1, 2]})
    {'a': ['a.0=1', 'a.1=2']}
    """

    def below(key):
        return f"{path}.{key}" if path else str(key)

    def visit(key, value):
        others = (_at(r, key) for r in rest)
        return tree_map_with_path(fn, value, *others, is_leaf=is_leaf, path=below(key))

    if is_leaf is not None and is_leaf(tree):
        return fn(path, tree, *rest)
    if isinstance(tree, dict):
        return {k: visit(k, v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return _rebuild(tree, [visit(i, v) for i, v in enumerate(tree)])
    return fn(path, tree, *rest)


def _leaves(tree, path, is_leaf):
    """Yield (path with a leading dot, leaf) in the order of the containers."""
    if is_leaf is None or not is_leaf(tree):
        if isinstance(tree, dict):
            for key, value in tree.items():
                yield from _leaves(value, f"{path}.{key}", is_leaf)
            return
        if isinstance(tree, (list, tuple)):
            for i, value in enumerate(tree):
                yield from _leaves(value, f"{path}.{i}", is_leaf)
            return
    yield path, tree


def tree_flatten(
    tree: Any,
    prefix: str = "",
    is_leaf: Optional[Callable] = None,
    destination: Optional[Union[List[Tuple[str, Any]], Dict[str, Any]]] = None,
) -> Union[List[Tuple[str, Any]], Dict[str, Any]]:
    """The leaves of a tree with their paths: a list of pairs, or what is given as ``destination``, extended.

    The first character of ``prefix`` is dropped, so write it with a leading dot. Raises ValueError if
    ``destination`` is neither a list nor a dict.

    >>> tree_flatten({"a": [1, {"b": 2}]})
    [('a.0', 1), ('a.1.b', 2)]
    >>> tree_flatten({"a": {"b": 1}}, destination={})
    {'a.b': 1}
    """
    if destination is None:
        destination = []
    pairs = ((path[1:], leaf) for path, leaf in _leaves(tree, prefix, is_leaf))
    if isinstance(destination, list):
        destination.extend(pairs)
    elif isinstance(destination, dict):
        destination.update(pairs)
    else:
        raise ValueError(f"[tree_flatten] destination must be a list, a dict or None, not {type(destination).__name__}")
    return destination


def tree_unflatten(tree: Union[List[Tuple[str, Any]], Dict[str, Any]]) -> Any:
    """The tree whose leaves are the given pairs of path and value; the inverse of ``tree_flatten``.

    Keys that are all numbers make a list (gaps are filled with empty dicts), others a dict. Raises ValueError if a
    path is given twice.

    >>> tree_unflatten([("a.0", 1), ("a.1.b", 2)])
    {'a': [1, {'b': 2}]}
    """
    pairs = list(tree.items() if isinstance(tree, dict) else tree)
    if len(pairs) == 1 and pairs[0][0] == "":
        return pairs[0][1]

    branches: Dict[str, list] = {}
    for path, value in pairs:
        head, _, tail = path.partition(".")
        branches.setdefault(head, []).append((tail, value))
    for head, below in branches.items():
        if len(below) > 1 and all(path == "" for path, _ in below):
            raise ValueError(f"[tree_unflatten] {len(below)} values have the same path, which ends in {head!r}")

    children = {head: tree_unflatten(below) for head, below in branches.items()}
    if all(key.isdecimal() for key in children):
        numbered = {int(key): child for key, child in children.items()}
        return [numbered.get(i, {}) for i in range(max(numbered, default=-1) + 1)]
    return children


def tree_reduce(fn, tree, initializer=None, is_leaf=None):
    """Fold the leaves: ``fn(fn(initializer, leaf0), leaf1)...``; without an initializer the first leaf starts.

    >>> tree_reduce(lambda total, x: total + x, {"a": [1, 2, 3], "b": 4}, 0)
    10
    """
    result = initializer
    for _, leaf in _leaves(tree, "", is_leaf):
        result = leaf if result is None else fn(result, leaf)
    return result


def tree_merge(tree_a, tree_b, merge_fn=None):
    """One tree with the items of both; ``merge_fn(a, b)`` decides where both have a leaf.

    None and empty containers count as absent. Raises ValueError where both have something and ``merge_fn`` is not
    given.

    >>> tree_merge({"a": 1, "c": [{}, 2]}, {"b": 3, "c": [4, None]})
    {'a': 1, 'c': [4, 2], 'b': 3}
    """

    def absent(tree):
        return tree is None or (isinstance(tree, (dict, list, tuple)) and len(tree) == 0)

    if absent(tree_a):
        return tree_b
    if absent(tree_b):
        return tree_a
    if isinstance(tree_a, dict) and isinstance(tree_b, dict):
        keys = list(tree_a) + [k for k in tree_b if k not in tree_a]
        return {k: tree_merge(tree_a.get(k), tree_b.get(k), merge_fn) for k in keys}
    for kind in (list, tuple):
        if isinstance(tree_a, kind) and isinstance(tree_b, kind):
            shared = min(len(tree_a), len(tree_b))
            merged = [tree_merge(a, b, merge_fn) for a, b in zip(tree_a, tree_b)]
            return _rebuild(tree_a, merged + list(tree_a[shared:]) + list(tree_b[shared:]))
    if merge_fn is None:
        raise ValueError(
            f"[tree_merge] both trees have an item at one place ({type(tree_a).__name__} and {type(tree_b).__name__}) "
            "and no merge_fn says which to keep"
        )
    return merge_fn(tree_a, tree_b)
