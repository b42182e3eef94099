"""Module and the tree functions."""

from collections import namedtuple

CASES = {}
Pair = namedtuple("Pair", "a b")


def model(w):
    class Net(w.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = w.nn.Linear(2, 3)
            self.b = [w.nn.Linear(3, 3), w.nn.ReLU(), w.mx.ones(1), [w.mx.ones(2)]]
            self.w = w.mx.ones(2)
            self._hidden = w.mx.ones(1)
            self.n = 3
            self.d = {"x": w.nn.Linear(1, 1), "y": w.mx.ones(2), "z": {"q": w.mx.ones(1)}}
            self.t = (w.nn.Linear(1, 2), w.mx.ones(3))
            self.e, self.f, self.l = [], {}, [1, "a", None]
            self._m = w.nn.Linear(1, 1)
            self.s = w.nn.Sequential(w.nn.Linear(1, 1), w.nn.Sequential(w.nn.Tanh(), w.nn.ReLU()))

    return w.fill(Net())


def shapes(w, tree):
    if isinstance(tree, w.mx.array):
        return f"array{tuple(tree.shape)}"
    if isinstance(tree, w.nn.Module):
        return type(tree).__name__
    if isinstance(tree, dict):
        return {k: shapes(w, v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [shapes(w, v) for v in tree]
    return repr(tree)


def structure(w):
    net = model(w)
    everything = lambda m, k, v: True  # noqa: E731
    asked = []

    def ask(m, k, v):
        asked.append(f"{type(m).__name__} {k} {type(v).__name__}")
        return isinstance(v, (w.mx.array, dict, list))

    net.filter_and_map(ask)
    return {
        "repr": repr(net),
        "items": list(net),
        "attributes": sorted(vars(net)),
        "parameters": shapes(w, net.parameters()),
        "trainable": shapes(w, net.trainable_parameters()),
        "children": shapes(w, net.children()),
        "leaves": shapes(w, {k: v for k, v in net.leaf_modules().items() if k != "s"}),
        "named": [[k, type(m).__name__] for k, m in net.named_modules()],
        "modules": [type(m).__name__ for m in net.modules()],
        "all": shapes(w, net.filter_and_map(everything, is_leaf_fn=None)),
        "mapped": net.filter_and_map(w.nn.Module.valid_parameter_filter, lambda x: list(x.shape)),
        "asked": asked,
        "wrong leaf": w.error(net.filter_and_map, everything, is_leaf_fn=lambda m, k, v: isinstance(v, w.nn.Linear)),
        "filters": [w.nn.Module.valid_parameter_filter(net, k, v) for k, v in net.items()],
        "state": net.state is net,
        "empty": [repr(w.nn.Module()), w.nn.Linear(1, 1).children(), w.nn.Linear(1, 1).leaf_modules()],
    }


CASES["module.structure"] = structure


def attributes(w):
    net = model(w)
    out = []

    def now(name):
        out.append([name in net, name in vars(net), hasattr(net, name)])

    net.w = None
    now("w")
    net.w = w.mx.ones(3)
    now("w")
    net.n = [1]
    now("n")
    del net.n
    now("n")
    del net.w
    now("w")
    out += [w.error(lambda: net.nothing), w.error(delattr, net, "nothing"), w.error(w.nn.Module(), 1)]
    out += [w.error(hash, net), w.error(setattr, net, "training", True)]
    return out


CASES["module.attributes"] = attributes


def freezing(w):
    net = model(w)
    out = {}

    def note(name):
        out[name] = [shapes(w, net.trainable_parameters()), sorted(net._no_grad)]

    net.a.freeze(keys="bias")
    note("a.bias")
    net.freeze()
    note("all")
    net.unfreeze(keys=["weight"])
    note("weights")
    net.unfreeze()
    note("none")
    net.freeze(recurse=False)
    note("own")
    net.unfreeze(recurse=False)
    net.freeze(keys=["d", "a"])
    note("children")
    net.unfreeze()
    net.freeze(keys="nope")
    note("unknown")
    out["errors"] = [
        w.error(net.freeze, keys="nope", strict=True),
        w.error(net.freeze, keys=["bias", "nope"], strict=True),
        w.error(net.freeze, keys="bias", strict=True, recurse=False),
        w.error(net.freeze, keys=["weight", "bias", "layers"], strict=True),
        w.error(net.unfreeze, keys="nope", strict=True),
    ]
    norm = w.nn.BatchNorm(3)
    norm.freeze()
    norm.unfreeze(keys=["running_mean", "weight"])
    out["norm"] = sorted(norm._no_grad)
    norm.unfreeze()
    out["norm all"] = sorted(norm._no_grad)
    return out


CASES["module.freeze"] = freezing


def updating(w):
    net, one = model(w), w.mx.ones
    linear = w.nn.Linear(1, 1)
    out = {
        "ok": shapes(w, net.update({"a": {"bias": one(9)}, "b": [{}, {}, one(4)]}).parameters()),
        "modules": repr(net.update_modules({"b": [{}, w.nn.Tanh()], "d": {"x": w.nn.GELU()}, "_m": w.nn.Tanh()})),
        "loose": repr(net.update({"zz": one(1), "a": {"q": one(1)}}, strict=False)) == repr(net),
        "applied": net.apply(lambda x: x * 2).parameters()["a"],
        "some": net.apply(lambda x: x * 0, lambda m, k, v: k in ("a", "bias")).a.parameters(),
    }
    out["errors"] = [
        w.error(net.update, bad)
        for bad in (
            {"zz": one(1)},
            {"a": {"zz": one(1)}},
            {"a": one(1)},
            {"w": {"x": one(1)}},
            {"w": 3},
            {"w": [one(1)]},
            {"b": {"0": {"weight": one(1)}}},
            {"b": [{}] * 5},
            {"l": [one(1)]},
        )
    ] + [
        w.error(net.update_modules, bad)
        for bad in ({"zz": linear}, {"w": linear}, {"a": one(1)}, {"a": 3}, {"b": [linear] * 5}, {"b": {"0": 1}})
    ]
    return out


CASES["module.update"] = updating


def loading(w):
    linear = w.nn.Linear(2, 3)
    right = [("weight", w.mx.ones((3, 2))), ("bias", w.mx.ones(3))]
    errors = [
        w.error(linear.load_weights, bad)
        for bad in (
            right[:1],
            right + [("extra", w.mx.ones(1))],
            [right[0], ("bias", w.mx.ones(4))],
            [right[0], ("bias", 3)],
            "nothing.abc",
        )
    ]
    errors.append(w.error(linear.save_weights, "weights.abc"))
    out = {"errors": errors, "loaded": linear.load_weights(right).parameters()}
    loose = [("bias", w.mx.zeros(5)), ("a.b", w.mx.zeros(1))]
    out["loose"] = shapes(w, linear.load_weights(loose, strict=False).parameters())
    return out


CASES["module.load"] = loading


def modes(w):
    net = model(w)
    net.eval()
    out = [[m.training for m in net.modules()]]
    net.a.train()
    out.append([m.training for m in net.modules()])
    q = w.nn.QuantizedLinear(64, 32)
    q.set_dtype(w.mx.bfloat16)
    out.append({k: str(v.dtype).rpartition(".")[2] for k, v in q.items()})
    q.set_dtype(w.mx.float16, lambda d: d == w.mx.uint32)
    out.append({k: str(v.dtype).rpartition(".")[2] for k, v in q.items()})
    return out


CASES["module.modes"] = modes


def gradients(w):
    net = w.fill(w.nn.Linear(3, 2)).freeze(keys="bias")
    before = net.weight
    fn = w.nn.value_and_grad(net, lambda x, scale=1.0: (net(x).sum() * scale, "more", net.weight.sum()))
    (value, text, total), grads = fn(w.array(4, 3), scale=2.0)
    return {"value": value, "text": text, "total": total, "grads": grads, "same": (net.weight == before).all()}


CASES["module.value_and_grad"] = gradients


def trees(w):
    u = w.utils
    t = {"a": [1, (2, 3)], "b": Pair(4, 5), "c": {}, "d": None}
    is_list = lambda x: isinstance(x, list)  # noqa: E731
    plus = lambda a, b: a + b  # noqa: E731
    return {
        "map": repr(u.tree_map(lambda x: (x or 0) + 1, t)),
        "map rest": u.tree_map(plus, {"a": [1, 2]}, {"a": [10, 20, 30], "b": 0}),
        "map leaf": u.tree_map(len, {"a": [1, 2]}, is_leaf=is_list),
        "map none": u.tree_map(lambda x: x, [None, {}]),
        "path": repr(u.tree_map_with_path(lambda p, x: (p, x), t)),
        "path prefix": repr(u.tree_map_with_path(lambda p, x, y: (p, x, y), [1], [2], path="pre")),
        "path leaf": repr(u.tree_map_with_path(lambda p, x: (p, x), {"a": [1]}, is_leaf=is_list)),
        "path root": repr(u.tree_map_with_path(lambda p, x: (p, x), 3)),
        "path number": repr(u.tree_map_with_path(lambda p, x: (p, x), {1: 2}, path=7)),
        "flatten": u.tree_flatten(t),
        "flatten leaf": u.tree_flatten({"a": [1]}, is_leaf=is_list),
        "flatten prefix": [u.tree_flatten([1], prefix=p) for p in (".x", "xy", "")] + [u.tree_flatten(3, ".x")],
        "flatten into": [u.tree_flatten({"a": 1}, destination=d) for d in ({"z": 0}, [0])],
        "flatten keys": u.tree_flatten({1: {2: 3}}),
        "unflatten": [
            u.tree_unflatten(x)
            for x in (
                [("a.0", 1), ("a.1", 2)],
                [("0", 1), ("2", 3)],
                [("1", 1), ("0", 2)],
                [("", 5)],
                [],
                {"a.b": 1, "a.c": 2},
                [("a", 1), ("a.b", 2)],
                [("0", 1), ("a", 2)],
            )
        ],
        "reduce": [
            u.tree_reduce(plus, {"a": [1, 2, (3,)], "b": 4}),
            u.tree_reduce(plus, {}, 7),
            u.tree_reduce(plus, {}),
            u.tree_reduce(lambda n, x: n + len(x), {"a": [1, 2]}, 0, is_leaf=is_list),
            u.tree_reduce(plus, 5, 1),
        ],
        "merge": [
            u.tree_merge(*x)
            for x in (
                ({"a": 1}, {"b": 2}),
                ({"a": 1}, {"a": 2}, plus),
                ([1], [2, 3], plus),
                ((1,), (2, 3), plus),
                ({"a": [{}, 1]}, {"a": [{"x": 1}, None]}),
                (None, {"a": 1}),
                ({"a": {}}, {"a": 1}),
                ([1, 2], []),
                ([{"a": 1}], [{"b": 1}, {"c": 2}]),
            )
        ],
        "errors": [
            w.error(u.tree_map, plus, {"a": 1}, {"b": 1}),
            w.error(u.tree_map, plus, [1, 2], [1]),
            w.error(u.tree_map, plus, [1, 2], 5),
            w.error(u.tree_flatten, {"a": 1}, destination=()),
            w.error(u.tree_merge, {"a": 1}, {"a": 2}),
            w.error(u.tree_merge, [1], [2]),
            w.error(u.tree_merge, {"a": [1]}, {"a": {"b": 1}}),
        ],
    }


CASES["utils.trees"] = trees


def sharding(w):
    """A group that only says how large it is and who we are, for what does not communicate."""

    class Group:
        def size(self):
            return 2

        def rank(self):
            return 1

    shard, out = w.nn.layers.distributed, {}
    for kind in ("all-to-sharded", "sharded-to-all"):
        for segments in (1, 3, [2], [0.5], [2, 4]):
            net = w.fill(w.nn.Linear(12, 12))
            key = f"{kind} {segments}"
            out[key] = [w.error(shard.shard_inplace, net, kind, segments=segments, group=Group()), net.parameters()]
    for axis in (0, (2, 2), None):
        net = w.fill(w.nn.Conv1d(4, 6, 2))
        shard.shard_inplace(net, lambda path, x: axis if path == "weight" else None, group=Group())
        out[str(axis)] = shapes(w, net.parameters())
    for make in (w.nn.Linear, w.nn.QuantizedLinear):
        for kind in ("all-to-sharded", "sharded-to-all"):
            w.mx.random.seed(2)
            net = shard.shard_linear(w.fill(make(64, 64)), kind)
            net.unfreeze()
            out[f"{make.__name__} {kind}"] = [repr(net), net(w.array(2, 64)), sorted(net._no_grad)]
    return out


CASES["distributed.one"] = sharding


def fully_sharded(w):
    net = w.fill(w.nn.Sequential(w.nn.Linear(3, 4), w.nn.Linear(4, 2)))
    x, out = w.array(5, 3), {}
    out["plain"] = w.nn.value_and_grad(net, lambda x: net(x).sum())(x)
    whole = w.nn.FullyShardedModule(net)
    out["sharded"] = [repr(whole), w.nn.value_and_grad(whole, lambda x: whole(x).sum())(x)]
    half = w.nn.FullyShardedModule(w.fill(w.nn.Embedding(4, 3)), compute_dtype=w.mx.float16)
    out["half"] = [half(w.ints(3, high=4)), half.as_linear(x.astype(w.mx.float16))]
    out["one"] = repr(w.nn.fully_shard(net))
    return out


CASES["distributed.fully"] = fully_sharded
