"""Times of array work in one library, in milliseconds; a JSON line each: [name, median, best].

    python arrays.py uma|mlx|torch [--threads N] [--only TEXT] [--seconds 0.4]

uma and MLX run the same lines. Inputs are there before the clock starts; a result is let go when the next is made.
"""
import argparse
import json
import os
import statistics
import time

SIZE = 1 << 24  # elements of a long vector: no cache holds it


def array_rows(mx, nn, optim):
    def made(*arrays):
        mx.eval(*arrays)
        return arrays if len(arrays) > 1 else arrays[0]

    def normal(*shape):
        return made(mx.random.normal(shape))

    def timed(f):
        return lambda: mx.eval(f())

    v, w, square = normal(SIZE), normal(SIZE), normal(4096, 4096)
    gain, tiny, some = made(mx.ones(4096)), normal(16), normal(1 << 20)
    places = made(mx.random.randint(0, SIZE, (1 << 20,)))
    yield "add, 16M", timed(lambda: v + w)
    yield "multiply-add, 16M", timed(lambda: v * w + v)
    yield "exp, 16M", timed(lambda: mx.exp(v))
    yield "gelu, 16M", timed(lambda: nn.gelu(v))
    yield "sum, 16M", timed(lambda: v.sum())
    yield "cumsum, 16M", timed(lambda: mx.cumsum(v))
    yield "softmax, 4096 x 4096", timed(lambda: mx.softmax(square, axis=-1))
    yield "rms_norm, 4096 x 4096", timed(lambda: mx.fast.rms_norm(square, gain, 1e-5))
    yield "mean over rows, 4096 x 4096", timed(lambda: square.mean(axis=0))
    yield "transposed copy, 4096 x 4096", timed(lambda: mx.contiguous(square.T))
    yield "sort, 1M", timed(lambda: mx.sort(some))
    yield "gather, 1M", timed(lambda: mx.take(v, places))
    yield "normal, 16M", timed(lambda: mx.random.normal((SIZE,)))
    yield "fft, 1M", timed(lambda: mx.fft.fft(some))
    for n in (512, 2048):
        for dtype in ("float32", "bfloat16"):
            x, y = made(normal(n, n).astype(getattr(mx, dtype)), normal(n, n).astype(getattr(mx, dtype)))
            yield f"matmul, {n}, {dtype}", timed(lambda: x @ y)
    image, kernel = normal(1, 64, 64, 128), normal(128, 3, 3, 128)
    yield "conv2d, 64 x 64 x 128, 3 x 3", timed(lambda: mx.conv2d(image, kernel, padding=1))
    q, k, t = (normal(1, 16, 1024, 64) for _ in range(3))
    yield "attention, 16 heads, 1024 x 64", timed(lambda: mx.fast.scaled_dot_product_attention(q, k, t, scale=0.125))

    def chain():
        z = tiny
        for _ in range(1000):
            z = z + tiny
        return z

    def singly():
        for _ in range(1000):
            mx.eval(tiny + tiny)

    yield "1000 adds of 16, then eval", timed(chain)
    yield "1000 adds of 16, each evaluated", singly

    net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    images, labels = normal(256, 784), made(mx.random.randint(0, 10, (256,)))
    yield "training step, MLP of 3 layers, 256 rows", training(
        mx, nn, optim, net, lambda m: nn.losses.cross_entropy(m(images), labels).mean()
    )

    class Block(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads, self.width = heads, width
            self.norms = [nn.RMSNorm(width), nn.RMSNorm(width)]
            self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
            self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

        def __call__(self, x):
            b, t, _ = x.shape
            parts = self.qkv(self.norms[0](x)).reshape(b, t, 3, self.heads, -1).transpose(2, 0, 3, 1, 4)
            seen = mx.fast.scaled_dot_product_attention(
                parts[0], parts[1], parts[2], scale=(self.width // self.heads) ** -0.5, mask="causal"
            )
            x = x + self.out(seen.transpose(0, 2, 1, 3).reshape(b, t, self.width))
            return x + self.down(nn.gelu(self.up(self.norms[1](x))))

    class Writer(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(256, 256), nn.Linear(256, 256, bias=False)
            self.blocks = [Block(256, 4) for _ in range(4)]

        def __call__(self, x):
            x = self.embed(x)
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    text = made(mx.random.randint(0, 256, (8, 129)))
    writer = Writer()
    yield "training step, transformer, 8 x 128 tokens", training(
        mx, nn, optim, writer, lambda m: nn.losses.cross_entropy(m(text[:, :-1]), text[:, 1:]).mean()
    )


def training(mx, nn, optim, net, loss):
    update, value_and_grad = optim.AdamW(1e-3), nn.value_and_grad(net, lambda: loss(net))
    mx.eval(net.parameters())

    def step():
        value, grads = value_and_grad()
        update.update(net, grads)
        mx.eval(net.parameters(), update.state, value)

    return step


def torch_rows(torch, threads):
    import torch.nn.functional as F
    from torch import nn

    torch.set_num_threads(threads)
    normal = torch.randn
    with torch.no_grad():
        v, w, square = normal(SIZE), normal(SIZE), normal(4096, 4096)
        gain, tiny, some = torch.ones(4096), normal(16), normal(1 << 20)
        places = torch.randint(0, SIZE, (1 << 20,))
        yield "add, 16M", lambda: v + w
        yield "multiply-add, 16M", lambda: v * w + v
        yield "exp, 16M", lambda: torch.exp(v)
        yield "gelu, 16M", lambda: F.gelu(v)
        yield "sum, 16M", lambda: v.sum()
        yield "cumsum, 16M", lambda: torch.cumsum(v, 0)
        yield "softmax, 4096 x 4096", lambda: torch.softmax(square, -1)
        yield "rms_norm, 4096 x 4096", lambda: F.rms_norm(square, (4096,), gain, 1e-5)
        yield "mean over rows, 4096 x 4096", lambda: square.mean(0)
        yield "transposed copy, 4096 x 4096", lambda: square.T.contiguous()
        yield "sort, 1M", lambda: torch.sort(some)
        yield "gather, 1M", lambda: torch.take(v, places)
        yield "normal, 16M", lambda: torch.randn(SIZE)
        yield "fft, 1M", lambda: torch.fft.fft(some)
        for n in (512, 2048):
            for dtype in ("float32", "bfloat16"):
                x, y = normal(n, n).to(getattr(torch, dtype)), normal(n, n).to(getattr(torch, dtype))
                yield f"matmul, {n}, {dtype}", lambda: x @ y
        image, kernel = normal(1, 128, 64, 64), normal(128, 128, 3, 3)
        yield "conv2d, 64 x 64 x 128, 3 x 3", lambda: F.conv2d(image, kernel, padding=1)
        q, k, t = (normal(1, 16, 1024, 64) for _ in range(3))
        yield "attention, 16 heads, 1024 x 64", lambda: F.scaled_dot_product_attention(q, k, t)

        def chain():
            z = tiny
            for _ in range(1000):
                z = z + tiny

        yield "1000 adds of 16, then eval", chain
        yield "1000 adds of 16, each evaluated", lambda: [tiny + tiny for _ in range(1000)]

    net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    images, labels = normal(256, 784), torch.randint(0, 10, (256,))
    yield "training step, MLP of 3 layers, 256 rows", torch_training(
        torch, net, lambda: F.cross_entropy(net(images), labels)
    )

    class Block(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads = heads
            self.norms = nn.ModuleList([nn.RMSNorm(width), nn.RMSNorm(width)])
            self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
            self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

        def forward(self, x):
            b, t, width = x.shape
            parts = self.qkv(self.norms[0](x)).reshape(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            seen = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=True)
            x = x + self.out(seen.transpose(1, 2).reshape(b, t, width))
            return x + self.down(F.gelu(self.up(self.norms[1](x))))

    text = torch.randint(0, 256, (8, 129))
    writer = nn.Sequential(
        nn.Embedding(256, 256), *[Block(256, 4) for _ in range(4)], nn.Linear(256, 256, bias=False)
    )
    yield "training step, transformer, 8 x 128 tokens", torch_training(
        torch, writer, lambda: F.cross_entropy(writer(text[:, :-1]).reshape(-1, 256), text[:, 1:].reshape(-1))
    )


def torch_training(torch, net, loss):
    update = torch.optim.AdamW(net.parameters(), 1e-3)

    def step():
        update.zero_grad()
        loss().backward()
        update.step()

    return step


def times(f, seconds):
    f()
    f()
    taken, start = [], time.perf_counter()
    while len(taken) < 3 or (time.perf_counter() - start < seconds and len(taken) < 300):
        before = time.perf_counter()
        f()
        taken.append((time.perf_counter() - before) * 1e3)
    return statistics.median(taken), min(taken)


def rows(library, threads):
    if library == "torch":
        import torch

        return torch_rows(torch, threads)
    if library == "mlx":
        import mlx.core as mx
        import mlx.nn as nn
        import mlx.optimizers as optim
    else:
        import uma.core as mx
        import uma.nn as nn
        import uma.optimizers as optim
    return array_rows(mx, nn, optim)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=("uma", "mlx", "torch"))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=0.4)
    options = parser.parse_args()
    for name, f in rows(options.library, options.threads):
        if options.only in name:
            print(json.dumps([name, *times(f, options.seconds)]), flush=True)


if __name__ == "__main__":
    main()
