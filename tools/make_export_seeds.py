#!/usr/bin/env python3
"""Makes the seeds of the fuzz target export: small functions of every kind of op, as files.

    PYTHONPATH=build/release/python python tools/make_export_seeds.py tests/fuzz/corpus/export
"""
import pathlib
import sys

import uma.core as mx


def elementwise(a, b):
    return mx.sin(a) + b, mx.where(a > b, a, b), a.astype(mx.float16) // 2


def shapes(a):
    repeated = mx.broadcast_to(a, (2, 2, 3)) * mx.arange(3)
    return (a.T.reshape(6), a[::-1, 1:], mx.contiguous(a.T), mx.pad(a, 1), mx.as_strided(a, (2, 2), (1, 1)),
            mx.concatenate([a, a], axis=1), a.view(mx.int16), repeated)


def axes(a):
    return (a.sum(0), a.argmax(1), mx.softmax(a, axis=-1), mx.sort(a), mx.argsort(a), mx.cumsum(a, axis=0),
            mx.cummax(a, axis=1), mx.logsumexp(a))


def indices(a, i):
    along = mx.take_along_axis(a, a.astype(mx.int32), axis=1)
    return a[:, i], a[i, i], along, a.at[i].add(1.0), mx.searchsorted(a[0], a)


def numbers(key):
    return (mx.random.randint(0, 5, (2,), key=key), mx.random.normal((2,), key=key),
            mx.random.uniform(0, 2, (2,), key=key))


def factors(a):
    return (*mx.linalg.lu(a), mx.linalg.inv(a), mx.linalg.cholesky(a), *mx.linalg.svd(a), *mx.linalg.qr(a),
            *mx.linalg.eigh(a), mx.linalg.det(a))


def fused(a, q):
    return (mx.fast.rms_norm(a, a[0], 1e-5), mx.fast.layer_norm(a, a[0], a[1], 1e-5),
            mx.fast.rope(q, 4, traditional=False, base=100.0, scale=1.0, offset=1),
            mx.fast.scaled_dot_product_attention(q, q, q, scale=1.0, mask="causal"))


def quantized(a):
    return (mx.quantized_matmul(a, *mx.quantize(a), transpose=True),
            mx.dequantize(*mx.quantize(a, mode="mxfp4"), mode="mxfp4"))


def functions():
    """By name: a function and its arguments."""
    x = mx.ones((2, 3))
    yield "empty", lambda: (), ()
    yield "constants", lambda: (mx.array([True]), mx.array([1, 2]), mx.array([1j]), mx.zeros((0, 2))), ()
    yield "elementwise", elementwise, (x, mx.ones(3))
    yield "shapes", shapes, (x,)
    yield "axes", axes, (x,)
    yield "indices", indices, (x, mx.array([1, 0]))
    yield "random", numbers, (mx.random.key(1),)
    yield "fft", lambda a: (mx.fft.fft(a), mx.fft.irfft(mx.fft.rfft(a))), (x,)
    yield "linalg", factors, (mx.array([[2.0, 1.0], [1.0, 2.0]]),)
    yield "fast", fused, (x, mx.ones((1, 2, 2, 4)))
    yield "quantized", quantized, (mx.ones((2, 64)),)


def total(*args, **named):
    return sum(args) + sum(named.values()) * mx.array([1.0, 2.0])


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, function, arguments in functions():
        mx.export_function(str(folder / name), function, *arguments)
    with mx.exporter(str(folder / "traces"), total, shapeless=True, metadata='{"a": 1}') as e:
        e(mx.ones(2))
        e(mx.ones((3, 2)), y=mx.ones(2))


if __name__ == "__main__":
    main()
