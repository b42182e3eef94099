"""Public names and their signatures, without annotations, in a form that can be compared and frozen."""

import inspect


def _default(value):
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return repr(value)
    if type(value).__name__ == "Dtype":
        return str(value).rpartition(".")[2]
    return getattr(value, "__name__", type(value).__name__).strip("<>")


def signature(thing):
    """Such as "(input_dims, output_dims, bias=True)"; None if there is none to see."""
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return None
    parts, star = [], False
    for p in found.parameters.values():
        if p.kind == p.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        mark = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        star = star or mark == "*"
        parts.append(mark + p.name + ("" if p.default is p.empty else f"={_default(p.default)}"))
    return f"({', '.join(parts)})"


def resolve(world, name):
    """``nn.Linear.to_quantized`` and the like."""
    head, *rest = name.split(".")
    thing = getattr(world, {"optimizers": "optim"}.get(head, head))
    for part in rest:
        if isinstance(thing, type) and isinstance(inspect.getattr_static(thing, part, None), property):
            return inspect.getattr_static(thing, part)
        thing = getattr(thing, part)
    return thing


def describe(world, names):
    return {name: signature(resolve(world, name)) for name in names}
