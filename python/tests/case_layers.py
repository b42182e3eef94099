"""Layers: printed form, parameters, outputs and gradients; activations; initial values; errors."""

CASES = {}

_FUNCTIONS = {
    "sigmoid": {}, "relu": {}, "relu2": {}, "relu6": {}, "leaky_relu": {"negative_slope": 0.1}, "log_softmax": {},
    "elu": {"alpha": 1.5}, "softmax": {"axis": 0}, "softplus": {}, "softsign": {}, "softshrink": {"lambd": 0.3},
    "celu": {"alpha": 1.3}, "silu": {}, "log_sigmoid": {}, "gelu": {}, "gelu_approx": {}, "gelu_fast_approx": {},
    "glu": {"axis": 1}, "step": {"threshold": 0.2}, "selu": {}, "mish": {}, "hardswish": {},
    "hard_tanh": {"min_val": -0.5}, "hard_shrink": {"lambd": 0.7}, "softmin": {}, "tanh": {},
}  # fmt: skip


def _activation(name, options):
    def case(w):
        fn = getattr(w.nn, name)
        x = w.array(4, 6, seed=1, scale=2.0)
        out = {"default": fn(x), "options": fn(x, **options)}
        if name != "step":
            out["grad"] = w.mx.grad(lambda x: (fn(x) * w.array(*fn(x).shape, seed=2)).sum())(x)
        for dtype in ("float16", "bfloat16"):
            out[dtype] = fn(x.astype(getattr(w.mx, dtype)))
        out["int"] = fn(w.mx.array([[-2, -1, 0, 1, 2, 3]]), **({} if name != "glu" else {"axis": -1}))
        return out

    return case


for _name, _options in _FUNCTIONS.items():
    CASES[f"activation.{_name}"] = _activation(_name, _options)

_MODULES = {
    "Sigmoid": (), "ReLU": (), "ReLU2": (), "ReLU6": (), "LeakyReLU": (0.2,), "LogSoftmax": (), "ELU": (1.2,),
    "Softmax": (), "Softplus": (), "Softsign": (), "Softshrink": (0.2,), "CELU": (1.2,), "SiLU": (),
    "LogSigmoid": (), "GLU": (0,), "Step": (0.1,), "SELU": (), "PReLU": (6, 0.3), "Mish": (), "Hardswish": (),
    "HardTanh": (), "HardShrink": (0.2,), "Softmin": (), "Tanh": (), "Identity": (1, "x"),
}  # fmt: skip


def _activation_module(name, args):
    def case(w):
        layer = getattr(w.nn, name)(*args)
        return {"repr": repr(layer), "y": layer(w.array(4, 6, seed=1)), "params": layer.parameters()}

    return case


for _name, _args in _MODULES.items():
    CASES[f"module.{_name}"] = _activation_module(_name, _args)


def gelu_module(w):
    x = w.array(5, seed=3)
    return {a: w.nn.GELU(a)(x) for a in ("none", "precise", "tanh", "fast")}


CASES["module.GELU"] = gelu_module


def layer(name, make, *inputs, grad=True, dtypes=("float32",), train=True):
    """A case from a constructor and the shapes of the inputs (or functions that make them)."""

    def case(w):
        w.mx.random.seed(7)
        net = make(w.nn)
        out = {"repr": repr(net)}
        # initial values: the same random numbers in the same order
        out["start"] = w.utils.tree_map(lambda p: w.mx.abs(p.astype(w.mx.float32)).sum(), net.parameters())
        w.fill(net).train(train)
        xs = [x(w) if callable(x) else w.array(*x, seed=i) for i, x in enumerate(inputs)]
        for dtype in dtypes:
            if dtype != "float32":
                net.set_dtype(getattr(w.mx, dtype))
                xs = [x.astype(net_dtype(w, x, dtype)) for x in xs]
            out[dtype] = net(*xs)
        if grad:

            def loss(*xs):
                ys = net(*xs)
                ys = ys if isinstance(ys, (tuple, list)) else [ys]
                return sum((y * w.array(*y.shape, seed=9)).sum() for y in ys)

            w.fill(net)
            if w.utils.tree_flatten(net.trainable_parameters()):
                out["loss"], out["grads"] = w.nn.value_and_grad(net, loss)(*xs)
            floats = [i for i, x in enumerate(xs) if x.dtype == w.mx.float32]
            if floats:
                out["grad_x"] = w.mx.grad(loss, argnums=floats)(*xs)
        return out

    CASES[f"layer.{name}"] = case


def net_dtype(w, x, dtype):
    return getattr(w.mx, dtype) if w.mx.issubdtype(x.dtype, w.mx.floating) else x.dtype


_HALF = ("float32", "float16", "bfloat16")
layer("Linear", lambda nn: nn.Linear(4, 3), (2, 5, 4))
layer("Linear.no_bias", lambda nn: nn.Linear(4, 3, bias=False), (2, 4))
layer("Linear.half", lambda nn: nn.Linear(4, 3), (2, 4), dtypes=_HALF, grad=False)
layer("Bilinear", lambda nn: nn.Bilinear(3, 4, 5), (2, 3), (2, 4))
layer("Bilinear.batch", lambda nn: nn.Bilinear(3, 4, 5, bias=False), (2, 6, 3), (2, 6, 4))
layer("Embedding", lambda nn: nn.Embedding(10, 4), lambda w: w.ints(3, 2, high=10))
layer("Sequential", lambda nn: nn.Sequential(nn.Linear(3, 4), nn.relu, nn.Tanh(), nn.Linear(4, 2)), (5, 3))

layer("Conv1d", lambda nn: nn.Conv1d(4, 6, 3, stride=2, padding=1), (2, 9, 4))
layer("Conv1d.groups", lambda nn: nn.Conv1d(4, 6, 3, dilation=2, groups=2, bias=False), (2, 9, 4))
layer("Conv2d", lambda nn: nn.Conv2d(3, 5, 3), (2, 7, 6, 3))
layer("Conv2d.all", lambda nn: nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), 2), (2, 7, 6, 4))
layer("Conv3d", lambda nn: nn.Conv3d(2, 3, 2, stride=(1, 2, 1), padding=1), (1, 4, 5, 3, 2))
layer("ConvTranspose1d", lambda nn: nn.ConvTranspose1d(4, 6, 3, 2, 1, output_padding=1), (2, 5, 4))
layer("ConvTranspose2d", lambda nn: nn.ConvTranspose2d(3, 5, (3, 2), 2, (1, 0), 1, (1, 0)), (2, 4, 5, 3))
layer("ConvTranspose3d", lambda nn: nn.ConvTranspose3d(2, 3, 2, 2, bias=False), (1, 3, 2, 4, 2))

layer("LayerNorm", lambda nn: nn.LayerNorm(6), (3, 6), dtypes=_HALF, grad=False)
layer("LayerNorm.grad", lambda nn: nn.LayerNorm(6, eps=1e-3, bias=False), (3, 6))
layer("LayerNorm.plain", lambda nn: nn.LayerNorm(6, affine=False), (3, 6))
layer("RMSNorm", lambda nn: nn.RMSNorm(6), (2, 3, 6))
layer("GroupNorm", lambda nn: nn.GroupNorm(2, 6), (2, 3, 4, 6))
layer("GroupNorm.torch", lambda nn: nn.GroupNorm(2, 6, pytorch_compatible=True), (2, 3, 4, 6))
layer("GroupNorm.plain", lambda nn: nn.GroupNorm(3, 6, affine=False), (2, 6))
layer("InstanceNorm", lambda nn: nn.InstanceNorm(5, affine=True), (2, 4, 3, 5))
layer("InstanceNorm.plain", lambda nn: nn.InstanceNorm(5), (2, 4, 5))
layer("BatchNorm.eval", lambda nn: nn.BatchNorm(5), (4, 5), train=False)
layer("BatchNorm.plain", lambda nn: nn.BatchNorm(5, affine=False, track_running_stats=False), (4, 3, 5))


def batch_norm(w):
    net = w.nn.BatchNorm(3, momentum=0.3)
    out = {"frozen": sorted(net._no_grad)}
    for step in range(3):
        out[f"y{step}"] = net(w.array(2, 3, 2, 3, seed=step))
        out[f"stats{step}"] = [net.running_mean, net.running_var]
    return out


CASES["layer.BatchNorm.running"] = batch_norm

layer("MaxPool1d", lambda nn: nn.MaxPool1d(2), (2, 9, 3))
layer("MaxPool1d.overlap", lambda nn: nn.MaxPool1d(3, 2, 1), (2, 9, 3))
layer("AvgPool1d", lambda nn: nn.AvgPool1d((3,), 1, (1,)), (2, 8, 3))
layer("MaxPool2d", lambda nn: nn.MaxPool2d((2, 3)), (2, 7, 6, 3))
layer("MaxPool2d.overlap", lambda nn: nn.MaxPool2d(3, (1, 2), (1, 0)), (2, 7, 6, 3))
layer("AvgPool2d", lambda nn: nn.AvgPool2d(2, 1, 1), (2, 5, 6, 3))
layer("AvgPool2d.touching", lambda nn: nn.AvgPool2d(2, padding=1), (2, 5, 6, 3))
layer("MaxPool3d", lambda nn: nn.MaxPool3d(2, 1), (1, 4, 3, 4, 2))
layer("AvgPool3d", lambda nn: nn.AvgPool3d(2), (1, 4, 5, 4, 2))

layer("RoPE", lambda nn: nn.RoPE(6), (2, 3, 5, 8))
layer("RoPE.traditional", lambda nn: nn.RoPE(8, True, 500.0, 0.5), (2, 3, 5, 8), lambda w: 3, grad=False)
layer("Sinusoidal", lambda nn: nn.SinusoidalPositionalEncoding(8), (5,))
layer("Sinusoidal.options", lambda nn: nn.SinusoidalPositionalEncoding(6, 0.01, 2.0, 1.5, True, True), (2, 5))
layer("ALiBi", lambda nn: nn.ALiBi(), (2, 3, 4, 5), grad=False)
layer("ALiBi.offset", lambda nn: nn.ALiBi(), (2, 6, 2, 5), lambda w: 3, lambda w: w.array(2, 5), grad=False)

layer("RNN", lambda nn: nn.RNN(3, 4), (2, 5, 3))
layer("GRU", lambda nn: nn.GRU(3, 4), (2, 5, 3))
layer("GRU.state", lambda nn: nn.GRU(3, 4), (2, 5, 3), (2, 4))
layer("GRU.no_bias", lambda nn: nn.GRU(3, 4, bias=False), (5, 3))
layer("LSTM", lambda nn: nn.LSTM(3, 4), (2, 5, 3))
layer("LSTM.state", lambda nn: nn.LSTM(3, 4, bias=False), (2, 5, 3), (2, 4), (2, 4))
# the printed form of an RNN has the address of its function
_rnn = CASES.pop("layer.RNN")
CASES["layer.RNN"] = lambda w: {k: v for k, v in _rnn(w).items() if k != "repr"}


def rnn_options(w):
    net = w.fill(w.nn.RNN(3, 4, bias=False, nonlinearity=w.nn.relu))
    return {"y": net(w.array(5, 3)), "state": net(w.array(5, 3), w.array(4))}


CASES["layer.RNN.options"] = rnn_options

layer("MultiHeadAttention", lambda nn: nn.MultiHeadAttention(8, 2), *[(2, 5, 8)] * 3)
layer(
    "MultiHeadAttention.all",
    lambda nn: nn.MultiHeadAttention(8, 2, 3, 4, 5, 6, 7, bias=True),
    (2, 5, 3),
    (2, 6, 4),
    (2, 6, 5),
    lambda w: w.nn.MultiHeadAttention.create_additive_causal_mask(6)[:5],
)
for _first in (True, False):
    layer(
        f"TransformerEncoder.{_first}",
        lambda nn, first=_first: nn.TransformerEncoder(2, 8, 2, 12, norm_first=first, activation=nn.gelu),
        (2, 5, 8),
        lambda w: None,
        grad=False,
    )
    layer(
        f"Transformer.{_first}",
        lambda nn, first=_first: nn.Transformer(8, 2, 1, 1, norm_first=first),
        (2, 5, 8),
        (2, 4, 8),
        lambda w: None,
        lambda w: w.nn.MultiHeadAttention.create_additive_causal_mask(4),
        lambda w: None,
        grad=False,
    )


def checkpointed(w):
    out = {}
    for flag in (False, True):
        net = w.fill(w.nn.TransformerEncoder(2, 8, 2, checkpoint=flag))
        loss = lambda x: (net(x, None) * w.array(2, 5, 8, seed=4)).sum()  # noqa: E731
        out[str(flag)] = w.nn.value_and_grad(net, loss)(w.array(2, 5, 8))
    return out


CASES["layer.checkpoint"] = checkpointed

for _mode in ("nearest", "linear", "cubic"):
    for _scale in (2, (1.5, 2.25), (0.5, 0.4)):
        for _align in (False, True):
            if _mode != "nearest" or not _align:
                layer(
                    f"Upsample.{_mode}.{_scale}.{_align}",
                    lambda nn, m=_mode, s=_scale, a=_align: nn.Upsample(s, m, a),
                    (1, 6, 5, 2),
                    grad=_scale == 2,
                )
    if _mode != "nearest":
        for _scale in (0.5, 2, (0.34, 0.6)):
            layer(
                f"Upsample.{_mode}.{_scale}.antialias",
                lambda nn, m=_mode, s=_scale: nn.Upsample(s, m, antialias=True),
                (1, 7, 8, 2),
                grad=False,
            )
layer("Upsample.1d", lambda nn: nn.Upsample(3), (2, 4, 2))
layer("Upsample.int", lambda nn: nn.Upsample(2), lambda w: w.ints(1, 3, 2, 1, high=9), grad=False)
layer("Upsample.half", lambda nn: nn.Upsample(2, "linear"), (1, 3, 1), dtypes=("float16",), grad=False)


def quantized(w):
    out = {}
    for mode, bits, group in (("affine", 4, 64), ("affine", 8, 32), ("mxfp4", None, None), ("nvfp4", None, None)):
        linear = w.fill(w.nn.Linear(64, 32)).to_quantized(group, bits, mode)
        table = w.fill(w.nn.Embedding(16, 64)).to_quantized(group, bits, mode)
        x = w.array(3, 64)
        out[f"{mode}{bits}"] = {
            "repr": [repr(linear), repr(table)],
            "params": [linear.parameters(), table.parameters()],
            "frozen": [sorted(linear._no_grad), sorted(table._no_grad)],
            "y": [linear(x), table(w.ints(4, high=16)), table.as_linear(x)],
            "grad": w.mx.grad(lambda x: linear(x).sum())(x),
        }
    return out


CASES["layer.quantized"] = quantized


def quantized_start(w):
    out = {}
    for name, make in {
        "QuantizedLinear": lambda: w.nn.QuantizedLinear(64, 32, bits=8),
        "QuantizedEmbedding": lambda: w.nn.QuantizedEmbedding(16, 64, mode="mxfp4"),
        "QQLinear": lambda: w.nn.QQLinear(64, 32),
    }.items():
        w.mx.random.seed(5)
        net = make()
        out[name] = {"repr": repr(net), "start": net.parameters()}
    return out


CASES["layer.quantized.start"] = quantized_start


def qq_linear(w):
    net = w.fill(w.nn.Linear(64, 32, bias=False)).to_quantized(mode="nvfp4", quantize_input=True)
    x = w.array(3, 64)
    out = {"quantized": net._quantized, "shape": net(x).shape}  # MLX has no kernel for the product here
    net.eval()
    out.update(repr=repr(net), params=net.parameters())
    net.train()
    out["again"] = net.parameters()
    small = w.fill(w.nn.Linear(64, 32, bias=False)).eval().to_quantized(mode="mxfp8", quantize_input=True)
    out["from_eval"] = [small._quantized, small.training]
    return out


CASES["layer.QQLinear"] = qq_linear


def quantize_model(w):
    def model():
        parts = [w.nn.Embedding(8, 64), w.nn.ReLU(), w.nn.Linear(64, 64), [w.nn.Linear(64, 32)]]
        net = w.fill(w.nn.Sequential(*parts[:3]))
        net.more = {"a": w.fill(parts[3][0]), "b": w.mx.zeros(3)}
        return net

    out = {}
    net = model()
    w.nn.quantize(net)
    out["all"] = repr(net)
    net = model()
    w.nn.quantize(net, bits=8, class_predicate=lambda path, m: path.endswith("2") or path == "more.a")
    out["some"] = repr(net)
    net = model()
    choice = {"layers.2": {"group_size": 32, "bits": 2}, "layers.0": True}
    w.nn.quantize(net, class_predicate=lambda path, m: choice.get(path, False))
    out["each"] = [repr(net), net.parameters()["layers"][2]]
    return out


CASES["layer.quantize"] = quantize_model


def dropout(w):
    out = {}
    for kind, shape in (("Dropout", (4, 6)), ("Dropout2d", (3, 4, 5, 6)), ("Dropout3d", (2, 3, 2, 2, 6))):
        net = getattr(w.nn, kind)(0.3)
        w.mx.random.seed(11)
        out[kind] = {"repr": repr(net), "train": net(w.array(*shape)), "eval": net.eval()(w.array(*shape))}
    return out


CASES["layer.dropout"] = dropout


def initializers(w):
    init, out = w.nn.init, {}
    matrix, cube = w.mx.zeros((4, 6)), w.mx.zeros((4, 3, 6))
    for name, call in {
        "constant": lambda: init.constant(0.5, w.mx.float16)(matrix),
        "normal": lambda: init.normal(1.0, 2.0)(cube),
        "uniform": lambda: init.uniform(-1, 3)(cube),
        "identity": lambda: init.identity()(w.mx.zeros((3, 3))),
        "glorot_normal": lambda: init.glorot_normal()(cube, gain=2.0),
        "glorot_uniform": lambda: init.glorot_uniform()(matrix),
        "he_normal": lambda: init.he_normal()(cube, mode="fan_out", gain=3.0),
        "he_uniform": lambda: init.he_uniform(w.mx.float32)(matrix),
    }.items():
        w.mx.random.seed(3)
        out[name] = call()
    zeros = w.nn.init.sparse(0.4)(w.mx.zeros((6, 10))) == 0
    out["sparse"] = zeros.sum(axis=1)
    for shape in ((4, 6), (6, 4)):
        q = w.nn.init.orthogonal(2.0)(w.mx.zeros(shape))
        gram = q @ q.T if shape[0] < shape[1] else q.T @ q
        out[f"orthogonal{shape}"] = w.mx.round(gram, 3) + 0.0
    return out


CASES["init"] = initializers


def layer_errors(w):
    nn, one, error = w.nn, w.mx.ones, w.error
    return {
        "groups": error(nn.Conv2d, 4, 6, 3, groups=3),
        "dropout": [error(nn.Dropout, p) for p in (1.0, -0.1)],
        "dropout rank": [error(nn.Dropout2d(0.5), one((2, 3))), error(nn.Dropout3d(0.5), one((2, 3, 4)))],
        "batch norm": [error(nn.BatchNorm(4), one((4,))), error(nn.BatchNorm(4), one((1, 4)))],
        "batch norm rank": error(nn.BatchNorm(4), one((2, 2, 2, 2, 4))),
        "group norm": error(nn.GroupNorm, 3, 4),
        "instance norm": error(nn.InstanceNorm(4), one((2, 4))),
        "layer norm": error(nn.LayerNorm(4), one((2, 3))),
        "linear": error(nn.Linear(3, 2), one((2, 4))),
        "gelu": error(nn.GELU, "x"),
        "glu": error(nn.glu, one((3,))),
        "pool": [error(nn.MaxPool1d, (2, 2)), error(nn.MaxPool2d, 2, (1,)), error(nn.AvgPool3d, "a")],
        "pool rank": [error(nn.MaxPool1d(2), one((2, 5))), error(nn.MaxPool2d(2), one((5, 5, 3)))],
        "attention": error(nn.MultiHeadAttention, 8, 3),
        "sinusoidal": error(nn.SinusoidalPositionalEncoding, 7),
        "rnn": error(nn.RNN, 3, 5, nonlinearity=3),
        "upsample": [
            error(nn.Upsample, 2, "x"),
            error(nn.Upsample, 2, "nearest", antialias=True),
            error(nn.Upsample, 2, "linear", True, True),
            error(nn.Upsample((2, 3)), one((1, 4, 1))),
            error(nn.Upsample(2), one((1, 4))),
        ],
        "quantized": [
            error(nn.QuantizedLinear, 63, 32),
            error(nn.QuantizedLinear, 64, 32, mode="zz"),
            error(nn.QQLinear.from_linear, nn.Linear(64, 32)),
            error(nn.Linear(64, 32).to_quantized, quantize_input=True),
            error(nn.Embedding(64, 64).to_quantized, quantize_input=True, mode="nvfp4"),
        ],
        "quantize": [
            error(nn.quantize, nn.Sequential(nn.Linear(64, 32)), class_predicate=lambda p, m: 3),
            error(nn.quantize, nn.Sequential(nn.ReLU()), class_predicate=lambda p, m: True),
        ],
        "init": [
            error(nn.init.glorot_uniform(), one((3,))),
            error(nn.init.he_normal(), one((3, 3)), mode="x"),
            error(nn.init.identity(), one((3, 2))),
            error(nn.init.sparse(0.5), one((3,))),
            error(nn.init.orthogonal(), one((3,))),
        ],
        "shard": error(nn.layers.distributed.shard_linear, nn.Linear(4, 4), "x"),
    }


CASES["layer.errors"] = layer_errors
