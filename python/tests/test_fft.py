"""Fourier transforms against NumPy in float64, and against MLX for the rest of its interface."""

import numpy as np
import pytest

import uma.core as mx

try:
    import mlx.core as mlx

    mlx.set_default_device(mlx.cpu)
except ImportError:
    mlx = None

needs_mlx = pytest.mark.skipif(mlx is None, reason="mlx is not installed")
rng = np.random.default_rng(0)
# Each radix, products of them, primes beyond the largest radix, two steps, and lengths around their limits.
LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 23, 29, 31, 32, 36, 37, 41, 49, 60, 63, 64, 65, 74, 97,
           100, 121, 127, 128, 210, 211, 256, 343, 360, 500, 512, 961, 1000, 1009, 1024, 1155, 2047, 2048, 2049, 2187,
           3125, 4096, 5000, 8191, 10007, 16384, 30030, 65536]


def complex_values(*shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def assert_close(ours, want, n):
    ours = np.array(ours)
    assert ours.shape == want.shape
    if want.size == 0:
        return
    size = np.abs(want).max()
    tolerance = 4e-7 * np.sqrt(np.log2(n) + 1)
    assert np.abs(ours - want).max() <= tolerance * size, n
    # Errors of single values average out.
    assert np.sqrt(np.mean(np.abs(ours - want) ** 2)) <= tolerance * 0.7 * np.sqrt(np.mean(np.abs(want) ** 2)), n


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("lines", [1, 3, 8, 17, 40])
def test_lengths(n, lines):
    if n * lines > 200000:
        lines = 2
    x = complex_values(lines, n)
    r = x.real.copy()
    assert_close(mx.fft.fft(mx.array(x)), np.fft.fft(x.astype(np.complex128)), n)
    assert_close(mx.fft.ifft(mx.array(x)), np.fft.ifft(x.astype(np.complex128)), n)
    assert_close(mx.fft.rfft(mx.array(r)), np.fft.rfft(r.astype(np.float64)), n)
    h = x[:, : n // 2 + 1]
    assert_close(mx.fft.irfft(mx.array(h), n=n), np.fft.irfft(h.astype(np.complex128), n=n), n)


@pytest.mark.parametrize("n", [2**20, 3**10 * 8, 2**19 + 21, 1000003])
def test_long(n):
    x = complex_values(n)
    assert_close(mx.fft.fft(mx.array(x)), np.fft.fft(x.astype(np.complex128)), n)
    assert_close(mx.fft.ifft(mx.array(x)), np.fft.ifft(x.astype(np.complex128)), n)
    assert_close(mx.fft.rfft(mx.array(x.real)), np.fft.rfft(x.real.astype(np.float64)), n)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
@pytest.mark.parametrize("shape", [(5, 6, 7), (64, 3, 100), (20, 37, 20), (2, 4096, 3), (0, 3, 4)])
@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
def test_axes_and_norms(axis, shape, norm):
    x = complex_values(*shape)
    if x.shape[axis] == 0:
        with pytest.raises(ValueError):
            mx.fft.fft(mx.array(x), axis=axis)
        return
    n = x.shape[axis]
    for name in ("fft", "ifft", "rfft", "irfft"):
        v = x.real if name == "rfft" else x
        want = getattr(np.fft, name)(v.astype(np.complex128 if np.iscomplexobj(v) else np.float64), axis=axis, norm=norm)
        assert_close(getattr(mx.fft, name)(mx.array(v), axis=axis, norm=norm), want, n)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 12, 15, 40])
@pytest.mark.parametrize("axis", [0, 1])
def test_cut_and_padded(n, axis):
    x = complex_values(12, 9)
    for name in ("fft", "ifft", "rfft", "irfft"):
        v = x.real if name == "rfft" else x
        want = getattr(np.fft, name)(v.astype(np.complex128 if np.iscomplexobj(v) else np.float64), n=n, axis=axis)
        assert_close(getattr(mx.fft, name)(mx.array(v), n=n, axis=axis), want, n)


@pytest.mark.parametrize("kwargs", [{}, {"axes": (0, 1)}, {"axes": (2, 0)}, {"s": (4, 10), "axes": (1, 2)}, {"axes": (1,)}])
def test_several_axes(kwargs):
    x = complex_values(6, 5, 8)
    for name in ("fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2"):
        v = x.real if name[0] == "r" else x
        want = getattr(np.fft, name)(v.astype(np.complex128 if np.iscomplexobj(v) else np.float64), **kwargs)
        assert_close(getattr(mx.fft, name)(mx.array(v), **kwargs), want, 240)


def test_layouts_and_dtypes():
    x = complex_values(30, 40)
    a = mx.array(x)
    assert_close(mx.fft.fft(a.T), np.fft.fft(x.T), 30)
    assert_close(mx.fft.fft(a[::2, 3:33:3]), np.fft.fft(x[::2, 3:33:3]), 10)
    assert_close(mx.fft.fft(mx.broadcast_to(a[:1], (7, 40))), np.fft.fft(np.broadcast_to(x[:1], (7, 40))), 40)
    for dtype in (mx.int32, mx.bool_, mx.float16, mx.bfloat16, mx.uint8):
        v = mx.arange(8).astype(dtype)
        got = mx.fft.fft(v)
        assert got.dtype == mx.complex64
        assert_close(got, np.fft.fft(np.array(v.astype(mx.float32))), 8)
        assert mx.fft.irfft(v).dtype == mx.float32
    assert_close(mx.fft.rfft(a), np.fft.rfft(x.real), 40)
    with pytest.raises(ValueError, match="float64"):
        mx.fft.fft(mx.zeros((4,), dtype=mx.float64))


def test_special_values_stay_in_their_line():
    x = complex_values(20, 64)
    x[3, 5] = np.nan
    got = np.array(mx.fft.fft(mx.array(x)))
    assert np.isnan(got[3]).any() and np.isfinite(np.delete(got, 3, 0)).all()


@pytest.mark.parametrize("n,d", [(1, 1.0), (2, 0.5), (5, 0.5), (8, -2.0), (9, 1.0)])
def test_frequencies(n, d):
    np.testing.assert_allclose(np.array(mx.fft.fftfreq(n, d)), np.fft.fftfreq(n, d), rtol=1e-7)
    np.testing.assert_allclose(np.array(mx.fft.rfftfreq(n, d)), np.fft.rfftfreq(n, d), rtol=1e-7)


@pytest.mark.parametrize("axes", [None, 1, -1, (0, 2), ()])
def test_shifts(axes):
    x = np.arange(60).reshape(3, 4, 5)
    np.testing.assert_array_equal(np.array(mx.fft.fftshift(mx.array(x), axes=axes)), np.fft.fftshift(x, axes=axes))
    np.testing.assert_array_equal(np.array(mx.fft.ifftshift(mx.array(x), axes=axes)), np.fft.ifftshift(x, axes=axes))


@pytest.mark.parametrize("call", [
    lambda f, x: f.fft(x, n=0), lambda f, x: f.fft(x, n=-1), lambda f, x: f.fft(x, norm="xx"),
    lambda f, x: f.fft(mx.zeros((2, 0))), lambda f, x: f.irfft(x[..., :1]), lambda f, x: f.fftn(x, s=[3, 5]),
    lambda f, x: f.fftn(x, axes=[0, 0]), lambda f, x: f.fftn(x, s=[2], axes=[0, 1]), lambda f, x: f.fftfreq(0),
    lambda f, x: f.fftfreq(4, 0.0), lambda f, x: f.rfftfreq(-2), lambda f, x: f.stft(x, n_fft=0),
    lambda f, x: f.stft(x, n_fft=2, hop_length=0), lambda f, x: f.stft(mx.zeros((10,)), n_fft=16, center=False),
    lambda f, x: f.stft(mx.zeros((20,)), n_fft=16, win_length=20), lambda f, x: f.stft(mx.array(1.0), n_fft=4),
    lambda f, x: f.stft(mx.zeros((20,)), n_fft=16, pad_mode="xx"), lambda f, x: f.istft(x[0, 0]),
    lambda f, x: f.stft(mx.zeros((20,)), n_fft=16, window=mx.ones((4, 4))),
])
def test_wrong_calls(call):
    with pytest.raises(ValueError):
        call(mx.fft, mx.zeros((2, 3, 4)))


STFT = [{}, {"hop_length": 5}, {"win_length": 12}, {"win_length": 11}, {"center": False}, {"pad_mode": "constant"},
        {"pad_mode": "edge"}, {"onesided": False}, {"norm": "ortho"}, {"norm": "forward"}, {"window": True}]


@needs_mlx
@pytest.mark.parametrize("options", STFT)
@pytest.mark.parametrize("n_fft", [16, 15])
@pytest.mark.parametrize("shape", [(40,), (2, 57), (2, 3, 100)])
def test_stft_as_mlx(options, n_fft, shape):
    y = rng.standard_normal(shape).astype(np.float32)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(12) + 0.5) / 12)).astype(np.float32)
    results = []
    for lib in (mx, mlx):
        o = dict(options)
        if "window" in o:
            o["window"] = lib.array(window)
        results.append(lib.fft.stft(lib.array(y), n_fft=n_fft, **o))
    np.testing.assert_allclose(np.array(results[0]), np.array(results[1]), atol=2e-5)
    for extra in ({}, {"length": shape[-1]}, {"length": 5}, {"length": shape[-1] + 3}, {"length": 3 * shape[-1]}):
        back = []
        for lib, z in zip((mx, mlx), results):
            o = dict(options)
            o.pop("pad_mode", None)
            if "window" in o:
                o["window"] = lib.array(window)
            back.append(np.array(lib.fft.istft(z, n_fft=n_fft, **o, **extra)))
        assert back[0].shape == back[1].shape
        np.testing.assert_allclose(back[0], back[1], atol=2e-5)


def test_istft_inverts():
    y = rng.standard_normal((2, 4000)).astype(np.float32)
    z = mx.fft.stft(mx.array(y), n_fft=400, hop_length=160)
    assert z.shape == (2, 201, 26)
    back = np.array(mx.fft.istft(z, n_fft=400, hop_length=160, length=4000))
    np.testing.assert_allclose(back, y, atol=1e-5)
