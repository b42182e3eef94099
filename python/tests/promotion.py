"""The dtypes that functions give, as one string a function: a letter a dtype, or a letter an error.

The strings are frozen in golden/promotion.json by tools/promotion_golden.py.
"""
DTYPES = ["bool_", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
          "float16", "bfloat16", "float32", "float64", "complex64"]
LETTERS = dict(zip(DTYPES, "?BHIQbhiqegfdc"))
ERRORS = {"ValueError": "V", "TypeError": "T", "IndexError": "X", "RuntimeError": "R", "OverflowError": "O"}
SCALARS = [True, 3, 2.5, 1j]

UNARY = """abs arccos arccosh arcsin arcsinh arctan arctanh bitwise_invert ceil conj cos cosh degrees erf exp expm1
floor imag isfinite isinf isnan isneginf isposinf log log10 log1p log2 logical_not nan_to_num negative positive radians
real reciprocal round rsqrt sigmoid sign sin sinh sqrt square tan tanh trunc all any argmax argmin argsort cummax
cummin cumprod cumsum logcumsumexp logsumexp max mean median min prod softmax sort std sum var zeros_like
ones_like diff flatten count_nonzero""".split()

BINARY = """add subtract multiply divide floor_divide remainder power maximum minimum logaddexp arctan2 equal
not_equal less less_equal greater greater_equal logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor
left_shift right_shift divmod matmul outer inner kron isclose array_equal vecdot""".split()

OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<<", ">>", "<", "<=", ">", ">=", "==", "!="]


def letter(mx, f):
    try:
        out = f()
        out = out[0] if isinstance(out, (tuple, list)) else out
        mx.eval(out)
    except Exception as e:
        return ERRORS.get(type(e).__name__, "!")
    name = str(out.dtype).split(".")[-1]
    return LETTERS["bool_" if name == "bool" else name]


def table(mx):
    arrays = {d: mx.array([1, 2, 1]).astype(getattr(mx, d)) for d in DTYPES}
    out = {}
    for name in UNARY:
        f = getattr(mx, name, None)
        out[name] = "".join(letter(mx, lambda: f(arrays[d])) for d in DTYPES)
    for name in BINARY:
        f = getattr(mx, name)
        for x in DTYPES:
            out[f"{name} {x}"] = "".join(letter(mx, lambda: f(arrays[x], arrays[y])) for y in DTYPES)
    for op in OPERATORS:
        left, right = eval(f"lambda a, s: a {op} s"), eval(f"lambda a, s: s {op} a")
        for scalar in SCALARS:
            out[f"a {op} {scalar}"] = "".join(letter(mx, lambda: left(arrays[d], scalar)) for d in DTYPES)
            out[f"{scalar} {op} a"] = "".join(letter(mx, lambda: right(arrays[d], scalar)) for d in DTYPES)
    for scalar in SCALARS:
        for name in ("maximum", "power", "arctan2", "logaddexp", "equal", "array_equal", "bitwise_and", "floor_divide"):
            f = getattr(mx, name)
            out[f"{name} a {scalar}"] = "".join(letter(mx, lambda: f(arrays[d], scalar)) for d in DTYPES)
            out[f"{name} {scalar} a"] = "".join(letter(mx, lambda: f(scalar, arrays[d])) for d in DTYPES)
            out[f"{name} {scalar} scalars"] = "".join(letter(mx, lambda: f(scalar, s)) for s in SCALARS)
        out[f"where a {scalar}"] = "".join(letter(mx, lambda: mx.where(arrays["bool_"], arrays[d], scalar)) for d in DTYPES)
        out[f"clip {scalar}"] = "".join(letter(mx, lambda: mx.clip(arrays[d], scalar, None)) for d in DTYPES)
        out[f"full {scalar}"] = letter(mx, lambda: mx.full((2,), scalar))
        out[f"array {scalar}"] = letter(mx, lambda: mx.array(scalar))
    for x in DTYPES:
        out[f"where {x}"] = "".join(letter(mx, lambda: mx.where(arrays["bool_"], arrays[x], arrays[y])) for y in DTYPES)
        out[f"concatenate {x}"] = "".join(letter(mx, lambda: mx.concatenate([arrays[x], arrays[y]])) for y in DTYPES)
        out[f"in place {x}"] = "".join(letter(mx, lambda: in_place(mx, arrays[x], arrays[y])) for y in DTYPES)
        out[f"setitem {x}"] = "".join(letter(mx, lambda: set_item(mx, arrays[x], arrays[y])) for y in DTYPES)
    return out


def in_place(mx, a, b):
    a = mx.array(a)
    a += b
    return a


def set_item(mx, a, b):
    a = mx.array(a)
    a[0] = b[0]
    return a
