#!/usr/bin/env python3
"""Freezes what MLX's layers, losses, optimizers and schedules return, for the tests of src/nn and src/optim.

    tools/make_cpp_goldens.py

Needs mlx. Writes tests/golden/nn/{layers,functions,optim}.safetensors; names are CASE/what/path, and the metadata of
layers has how each is printed.
"""

import re
import sys
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_map_with_path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python" / "tests")]

import oracle  # noqa: E402

OUT = ROOT / "tests" / "golden" / "nn"
w = oracle._world("mlx", "mlx.core")


def causal(n):
    return nn.MultiHeadAttention.create_additive_causal_mask(n)


def quantized(**options):
    net = nn.Sequential(nn.Embedding(7, 64), nn.Linear(64, 32), nn.relu, nn.Linear(32, 64, bias=False))
    nn.quantize(net, **options)
    return net


X3 = w.array(2, 5, 8, seed=1)
IDS, X64 = w.ints(2, 3, high=7), w.array(2, 3, 64, seed=1)
SIGNAL, IMAGE = w.array(2, 7, 3, seed=1), w.array(1, 5, 4, 2, seed=1)
# name: (constructor, inputs)
LAYERS = {
    "Linear": (lambda: nn.Linear(5, 3), [w.array(2, 5, seed=1)]),
    "Linear.bare": (lambda: nn.Linear(5, 3, bias=False), [w.array(4, 2, 5, seed=1)]),
    "Bilinear": (lambda: nn.Bilinear(3, 4, 2), [w.array(2, 3, seed=1), w.array(2, 4, seed=2)]),
    "Embedding": (lambda: nn.Embedding(7, 4), [w.ints(2, 3, high=7)]),
    "LayerNorm": (lambda: nn.LayerNorm(6), [w.array(2, 3, 6, seed=1)]),
    "LayerNorm.plain": (lambda: nn.LayerNorm(6, affine=False), [w.array(2, 3, 6, seed=1)]),
    "LayerNorm.weight": (lambda: nn.LayerNorm(6, eps=1e-2, bias=False), [w.array(2, 3, 6, seed=1)]),
    "RMSNorm": (lambda: nn.RMSNorm(6, eps=1e-2), [w.array(2, 3, 6, seed=1)]),
    "GroupNorm": (lambda: nn.GroupNorm(2, 6), [w.array(2, 3, 6, seed=1)]),
    "GroupNorm.torch": (lambda: nn.GroupNorm(2, 6, pytorch_compatible=True), [w.array(2, 3, 3, 6, seed=1)]),
    "InstanceNorm": (lambda: nn.InstanceNorm(4, affine=True), [w.array(2, 5, 4, seed=1)]),
    "BatchNorm": (lambda: nn.BatchNorm(4, momentum=0.3), [w.array(6, 4, seed=1)]),
    "BatchNorm.eval": (lambda: nn.BatchNorm(4).eval(), [w.array(2, 3, 4, seed=1)]),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), [w.array(2, 7, 4, seed=1)]),
    "Conv2d": (lambda: nn.Conv2d(3, 4, (2, 3), stride=(2, 1), padding=1, dilation=2), [w.array(2, 6, 7, 3, seed=1)]),
    "Conv3d": (lambda: nn.Conv3d(2, 3, 2, bias=False), [w.array(1, 3, 3, 3, 2, seed=1)]),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(3, 4, 3, stride=2, padding=1, output_padding=1),
                        [w.array(2, 5, 3, seed=1)]),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 3, (2, 3)), [w.array(1, 3, 4, 2, seed=1)]),
    "RoPE": (lambda: nn.RoPE(8), [X3]),
    "RoPE.traditional": (lambda: nn.RoPE(6, traditional=True, base=1000, scale=0.5), [X3]),
    "Sinusoidal": (lambda: nn.SinusoidalPositionalEncoding(6), [w.array(2, 3, seed=1, scale=5.0)]),
    "Sinusoidal.turns": (
        lambda: nn.SinusoidalPositionalEncoding(4, 0.01, 2, scale=1.0, cos_first=True, full_turns=True),
        [w.array(5, seed=1)],
    ),
    "ALiBi": (lambda: nn.ALiBi(), [w.array(1, 6, 3, 4, seed=1)]),
    "MultiHeadAttention": (lambda: nn.MultiHeadAttention(8, 2), [X3, X3, X3, causal(5)]),
    "MultiHeadAttention.dims": (
        lambda: nn.MultiHeadAttention(8, 2, query_input_dims=4, key_input_dims=6, value_dims=4, value_output_dims=3,
                                      bias=True),
        [w.array(2, 3, 4, seed=2), w.array(2, 5, 6, seed=3), w.array(2, 5, 6, seed=4)],
    ),
    "TransformerEncoder": (lambda: nn.TransformerEncoder(2, 8, 2, mlp_dims=6), [X3, causal(5)]),
    "TransformerEncoder.post": (
        lambda: nn.TransformerEncoder(1, 8, 2, mlp_dims=6, activation=nn.gelu, norm_first=False, checkpoint=True),
        [X3, causal(5)],
    ),
    "Transformer": (
        lambda: nn.Transformer(8, 2, 1, 1, mlp_dims=6),
        [X3, w.array(2, 3, 8, seed=2), None, causal(3), None],
    ),
    "Sequential": (lambda: nn.Sequential(nn.Linear(4, 5), nn.relu, nn.Linear(5, 2), nn.Tanh()), [w.array(3, 4, seed=1)]),
    "PReLU": (lambda: nn.PReLU(4), [w.array(3, 4, seed=1)]),
    "RNN": (lambda: nn.RNN(3, 4), [w.array(2, 3, 3, seed=1)]),
    "GRU": (lambda: nn.GRU(3, 4), [w.array(2, 3, 3, seed=1)]),
    "LSTM": (lambda: nn.LSTM(3, 4), [w.array(3, 3, seed=1)]),
    "MaxPool1d": (lambda: nn.MaxPool1d(3, stride=2, padding=1), [w.array(2, 7, 2, seed=1)]),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), [w.array(1, 5, 4, 2, seed=1)]),
    "AvgPool2d": (lambda: nn.AvgPool2d((2, 3), stride=1, padding=(1, 0)), [w.array(1, 4, 5, 2, seed=1)]),
    "AvgPool3d": (lambda: nn.AvgPool3d(2), [w.array(1, 2, 4, 2, 2, seed=1)]),
    "QuantizedLinear": (lambda: nn.QuantizedLinear(64, 8), [X64]),
    "QuantizedLinear.mxfp8": (lambda: nn.QuantizedLinear(64, 8, False, mode="mxfp8"), [X64]),
    "QuantizedLinear.from": (lambda: nn.QuantizedLinear.from_linear(nn.Linear(64, 8), group_size=32, bits=3), [X64]),
    "QuantizedEmbedding": (lambda: nn.QuantizedEmbedding(7, 64, bits=8), [IDS]),
    "QuantizedEmbedding.nvfp4": (lambda: nn.QuantizedEmbedding(7, 32, mode="nvfp4"), [IDS]),
    "quantize": (lambda: quantized(group_size=32, bits=8), [IDS]),
    "quantize.chosen": (
        lambda: quantized(class_predicate=lambda path, module: {
            "layers.0": False, "layers.1": True, "layers.3": {"mode": "mxfp4"}}[path]),
        [IDS],
    ),
    "Upsample": (lambda: nn.Upsample(2), [SIGNAL]),
    "Upsample.nearest": (lambda: nn.Upsample((1.3, 0.6)), [IMAGE]),
    "Upsample.linear": (lambda: nn.Upsample((2, 1.5), mode="linear"), [IMAGE]),
    "Upsample.linear.corners": (lambda: nn.Upsample(2.5, mode="linear", align_corners=True), [SIGNAL]),
    "Upsample.linear.antialias": (lambda: nn.Upsample(0.4, mode="linear", antialias=True), [SIGNAL]),
    "Upsample.cubic": (lambda: nn.Upsample([1.7], mode="cubic"), [SIGNAL]),
    "Upsample.cubic.corners": (lambda: nn.Upsample((2, 0.5), mode="cubic", align_corners=True), [IMAGE]),
    "Upsample.cubic.antialias": (lambda: nn.Upsample((0.6, 1.5), mode="cubic", antialias=True), [IMAGE]),
    "Upsample.volume": (lambda: nn.Upsample((1, 2, 1.5), mode="linear"), [w.array(1, 2, 3, 2, 1, seed=1)]),
}  # fmt: skip

ACTIVATIONS = {
    "relu": {}, "relu2": {}, "relu6": {}, "leaky_relu": {"negative_slope": 0.1}, "log_softmax": {"axis": 0},
    "elu": {"alpha": 1.5}, "softplus": {}, "softsign": {}, "softshrink": {"lambd": 0.3}, "celu": {"alpha": 1.3},
    "silu": {}, "log_sigmoid": {}, "gelu": {}, "gelu_approx": {}, "gelu_fast_approx": {}, "glu": {"axis": 1},
    "step": {"threshold": 0.2}, "selu": {}, "mish": {}, "hardswish": {}, "hard_tanh": {"min_val": -0.5},
    "hard_shrink": {"lambd": 0.7}, "softmin": {"axis": 0},
}  # fmt: skip

OPTIMIZERS = {
    "SGD": lambda: optim.SGD(0.1),
    "SGD.momentum": lambda: optim.SGD(0.1, momentum=0.9, weight_decay=0.01, dampening=0.1),
    "SGD.nesterov": lambda: optim.SGD(0.1, momentum=0.9, nesterov=True),
    "RMSprop": lambda: optim.RMSprop(0.1, alpha=0.9),
    "Adagrad": lambda: optim.Adagrad(0.1),
    "AdaDelta": lambda: optim.AdaDelta(0.5, rho=0.8),
    "Adam": lambda: optim.Adam(0.1, betas=[0.8, 0.99]),
    "Adam.corrected": lambda: optim.Adam(0.1, bias_correction=True),
    "AdamW": lambda: optim.AdamW(0.1, weight_decay=0.1),
    "Adamax": lambda: optim.Adamax(0.1),
    "Lion": lambda: optim.Lion(0.1, weight_decay=0.1),
    "Adafactor": lambda: optim.Adafactor(),
    "Adafactor.warmup": lambda: optim.Adafactor(warmup_init=True, scale_parameter=False),
    "Adafactor.rate": lambda: optim.Adafactor(0.1, relative_step=False, beta_1=0.9, weight_decay=0.1),
    "Adafactor.clip": lambda: optim.Adafactor(0.1, relative_step=False, clip_threshold=0.3, decay_rate=-0.5),
    "Muon": lambda: optim.Muon(0.1),
    "Muon.plain": lambda: optim.Muon(0.1, nesterov=False, weight_decay=0, ns_steps=3),
    "scheduled": lambda: optim.Adam(optim.cosine_decay(0.1, 3, 0.01)),
    "Multi": lambda: optim.MultiOptimizer(
        [optim.Adam(0.1), optim.Lion(0.1), optim.SGD(optim.linear_schedule(0.1, 0.2, 4))],
        [lambda path, g: "weight" in path, lambda path, g: g.ndim > 1],
    ),
}

SCHEDULES = {
    "exponential_decay": optim.exponential_decay(0.5, 0.9),
    "step_decay": optim.step_decay(0.5, 0.5, 3),
    "cosine_decay": optim.cosine_decay(0.5, 6, 0.1),
    "linear_schedule": optim.linear_schedule(0.0, 5.0, 5),
    "join_schedules": optim.join_schedules([optim.linear_schedule(0.0, 1.0, 4), optim.cosine_decay(1.0, 5)], [4]),
}


def first(y):
    return y[0] if isinstance(y, (tuple, list)) else y


def printed(net):
    """As Python prints it; a function in it has an address there and no name in C++."""
    return re.sub("nonlinearity=<.*?>, ", "", repr(net))


def layers():
    out, texts = {}, {}

    def put(case, kind, tree):
        out.update({f"{case}/{kind}/{path}": x for path, x in tree_flatten(tree)})

    for case, (make, inputs) in LAYERS.items():
        mx.random.seed(7)
        net = make()
        texts[case] = printed(net)
        put(case, "start", net.parameters())
        w.fill(net)
        put(case, "param", net.parameters())
        put(case, "in", {str(i): x for i, x in enumerate(inputs) if x is not None})
        if net.trainable_parameters():
            loss, grads = nn.value_and_grad(net, lambda: mx.square(first(net(*inputs))).mean())()
            out[f"{case}/loss"] = loss
            put(case, "grad", grads)
            put(case, "after", net.parameters())
            w.fill(net)
        out[f"{case}/out"] = first(net(*inputs))
    mx.random.seed(3)
    out["Dropout/out"] = nn.Dropout(0.3)(w.array(3, 4, seed=1))
    out["Dropout2d/out"] = nn.Dropout2d(0.5)(w.array(2, 3, 3, 4, seed=1))
    out["Dropout/in/0"], out["Dropout2d/in/0"] = w.array(3, 4, seed=1), w.array(2, 3, 3, 4, seed=1)
    texts["Dropout"] = printed(nn.Dropout(0.3))
    return out, texts


def functions():
    x = w.array(4, 6, seed=1, scale=2.0)
    out = {"x": x}
    for name, options in ACTIVATIONS.items():
        out[f"activation/{name}/default"] = getattr(nn, name)(x)
        out[f"activation/{name}/options"] = getattr(nn, name)(x, **options)
    y, positive = w.array(4, 6, seed=2), w.array(4, 6, seed=3, low=0.1)
    labels, signs, weights = w.ints(4, high=6), mx.sign(y), w.array(4, seed=4, low=0.1)
    third = w.array(4, 6, seed=5)
    out |= {"y": y, "positive": positive, "labels": labels, "signs": signs, "weights": weights, "third": third}
    ls = nn.losses
    cases = {
        "cross_entropy": ls.cross_entropy(x, labels),
        "cross_entropy.options": ls.cross_entropy(x, labels, weights, label_smoothing=0.2, reduction="mean"),
        "cross_entropy.probabilities": ls.cross_entropy(x, mx.softmax(y, 0), axis=0, reduction="sum"),
        "binary_cross_entropy": ls.binary_cross_entropy(x, positive),
        "binary_cross_entropy.probabilities": ls.binary_cross_entropy(
            mx.sigmoid(x), positive, with_logits=False, reduction="none"
        ),
        "l1_loss": ls.l1_loss(x, y),
        "mse_loss": ls.mse_loss(x, y),
        "smooth_l1_loss": ls.smooth_l1_loss(x, y, 0.5, "none"),
        "gaussian_nll_loss": ls.gaussian_nll_loss(x, y, positive, full=True),
        "margin_ranking_loss": ls.margin_ranking_loss(x, y, signs, 0.3),
        "nll_loss": ls.nll_loss(nn.log_softmax(x), labels),
        "kl_div_loss": ls.kl_div_loss(nn.log_softmax(x), nn.log_softmax(y)),
        "triplet_loss": ls.triplet_loss(x, y, third, p=3, margin=0.5),
        "hinge_loss": ls.hinge_loss(x, signs),
        "huber_loss": ls.huber_loss(x, y, 0.7, "sum"),
        "log_cosh_loss": ls.log_cosh_loss(x, y),
        "cosine_similarity_loss": ls.cosine_similarity_loss(x, y),
    }
    out |= {f"loss/{name}": value for name, value in cases.items()}
    like = mx.zeros((5, 3, 4))
    for name in ("normal", "uniform", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform"):
        mx.random.seed(11)
        out[f"init/{name}"] = getattr(nn.init, name)()(like)
    mx.random.seed(11)
    out["init/sparse"] = nn.init.sparse(0.4)(mx.zeros((4, 6)))
    return out, {}


def optimizers():
    shapes = {"weight": (3, 4), "tall": (5, 2), "filters": (3, 2, 2, 2), "bias": (4,)}
    start = {name: w.array(*shape, seed=1) for name, shape in shapes.items()}
    start["layers"] = [{"w": w.array(2, 3, seed=2)}]
    out = {f"start/{path}": x for path, x in tree_flatten(start)}
    steps = 3
    grads = [
        tree_map_with_path(lambda p, x: w.array(*x.shape, seed=10 * s + len(p), scale=0.3), start)  # noqa: B023
        for s in range(steps)
    ]
    for s in range(steps):
        out |= {f"grad/{s}/{path}": x for path, x in tree_flatten(grads[s])}
    for name, make in OPTIMIZERS.items():
        optimizer, params = make(), start
        for s in range(steps):
            params = optimizer.apply_gradients(grads[s], params)
        out |= {f"{name}/param/{path}": x for path, x in tree_flatten(params)}
        out |= {f"{name}/state/{path}": x for path, x in tree_flatten(optimizer.state)}
    for name, schedule in SCHEDULES.items():
        out[f"schedule/{name}"] = mx.stack([mx.array(schedule(mx.array(s, mx.uint64))) for s in range(12)])
    clipped, norm = optim.clip_grad_norm(grads[0], 0.7)
    out |= {f"clipped/{path}": x for path, x in tree_flatten(clipped)}
    out["norm"] = norm
    return out, {}


def main():
    OUT.mkdir(exist_ok=True)
    for name, make in (("layers", layers), ("functions", functions), ("optim", optimizers)):
        path = OUT / f"{name}.safetensors"
        arrays, texts = make()
        mx.save_safetensors(str(path), arrays, texts)
        print(f"{len(arrays)} arrays, {path.stat().st_size} bytes of {path.name}")


if __name__ == "__main__":
    main()
