"""Properties of the tree functions that need no oracle."""

import random

import pytest


def random_tree(rng, depth=3):
    kind = rng.choice(["leaf", "dict", "list"]) if depth else "leaf"
    if kind == "leaf":
        return rng.randint(0, 9)
    children = [random_tree(rng, depth - 1) for _ in range(rng.randint(1, 3))]
    return children if kind == "list" else {f"k{i}": c for i, c in enumerate(children)}


@pytest.mark.parametrize("seed", range(30))
def test_flatten_and_unflatten_are_inverse(world, seed):
    u, tree = world.utils, random_tree(random.Random(seed))
    assert u.tree_unflatten(u.tree_flatten(tree)) == tree
    assert u.tree_unflatten(u.tree_flatten(tree, destination={})) == tree
    assert u.tree_map(lambda x: x, tree) == tree
    assert u.tree_merge(tree, None) == u.tree_merge({}, tree) == tree
    pairs = []
    u.tree_map_with_path(lambda path, x: pairs.append((path or "", x)), tree)
    assert pairs == u.tree_flatten(tree)
    assert u.tree_reduce(lambda n, x: n + x, tree, 0) == sum(x for _, x in pairs)


@pytest.mark.parametrize("seed", range(20))
def test_split_trees_merge_to_the_whole(world, seed):
    rng, u = random.Random(seed), world.utils
    pairs = u.tree_flatten({"root": random_tree(rng), "more": random_tree(rng)})
    first = [p for p in pairs if rng.random() < 0.5]
    second = [p for p in pairs if p not in first]
    merged = u.tree_merge(*(u.tree_unflatten(part) if part else {} for part in (first, second)))
    assert sorted(u.tree_flatten(merged)) == sorted(pairs)


def test_errors_say_what_was_seen(world):
    u = world.utils
    with pytest.raises(KeyError, match="'a' where another has only keys \\['b'\\]"):
        u.tree_map(lambda x, y: x, {"a": 1}, {"b": 1})
    with pytest.raises(IndexError, match="1 where another has only length 1"):
        u.tree_map(lambda x, y: x, [1, 2], [1])
    with pytest.raises(ValueError, match="not tuple"):
        u.tree_flatten(1, destination=())
    with pytest.raises(ValueError, match="same path"):
        u.tree_unflatten([("a", 1), ("a", 2)])
    with pytest.raises(ValueError, match="int and list"):
        u.tree_merge({"a": 1}, {"a": [1]})
